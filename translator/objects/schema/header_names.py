"""Names of headers that objects have changed, and those that nobody may change."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from translator.objects.schema.base import CelRule, FieldViolation, raise_violations
from translator.objects.schema.scalars import HeaderName, RequestField, ResponseField

OF_THE_CONNECTION: Final = frozenset(
    {
        "connection",
        "content-length",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""What frames a message, and what concerns one connection only (RFC 9110, 7.6.1; RFC 9112, 6): to change it is to have
one message read as two."""

FIXED: Final = frozenset({"host", *OF_THE_CONNECTION})
"""The headers that policies may not change: beside these Host, which Envoy changes by other fields."""

_TEXT: Final = (
    "must not be changed: it frames messages, is of one connection, or is Host, which hostRewrite changes; remove it"
)
_LIST: Final = ", ".join(f"'{each}'" for each in sorted(FIXED))


def _changeable(name: str) -> str:
    if name.lower() in FIXED:
        raise PydanticCustomError("changeable_header", _TEXT)
    return name.lower()


_changeable.rules = (CelRule(f"!(self.lowerAscii() in [{_LIST}])", _TEXT),)  # type: ignore[attr-defined]


def _all_changeable(names: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    if names is None:
        return None
    raise_violations(FieldViolation((place,), _TEXT) for place, each in enumerate(names) if each.lower() in FIXED)
    return tuple(each.lower() for each in names)


_all_changeable.rules = (CelRule(f"!self.exists(n, n.lowerAscii() in [{_LIST}])", _TEXT),)  # type: ignore[attr-defined]

ChangeableHeader = Annotated[HeaderName, AfterValidator(_changeable)]
"""The name of a header that a policy may change, in lower case."""

ALL_CHANGEABLE: Final = AfterValidator(_all_changeable)
"""Refuses a list of names of headers of which a policy may not change one; the names are held in lower case."""

ChangeableRequestField = Annotated[RequestField, AfterValidator(_changeable)]
"""The name of a header of requests that a policy may set, in lower case, or of a pseudo header."""

ChangeableResponseField = Annotated[ResponseField, AfterValidator(_changeable)]
"""The same of responses."""
