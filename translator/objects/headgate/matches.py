"""Matches of headers in Headgate's own kinds."""

from translator.objects.headgate.types import StringMatch
from translator.objects.schema.scalars import Boolean, HeaderName


class HeaderMatch(StringMatch):
    """Compares the value of a header; a request or response without the header does not match."""

    name: HeaderName
    invert: Boolean | None = None
    """Whether all others match instead, those without the header too. By default false."""
