"""Headers that collectors of traces and logs ask for, such as keys and names of tenants."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StringConstraints

from translator.objects.headgate.references import SecretReference
from translator.objects.headgate.services import GrpcService
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ChangeableHeader
from translator.objects.schema.scalars import PRINTABLE, HeaderValue

MOST_HEADERS: Final = 8
"""Most headers that calls of a collector get."""

_TEXT: Final = "must have either value or secretRef"
_PREFIX: Final = "must not be set without secretRef: write it into value"


class CollectorHeader(CheckedFields):
    """A header, and its value or a Secret that holds it."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.value) != has(self.secretRef)", _TEXT),
        CelRule("!has(self.prefix) || has(self.secretRef)", _PREFIX, "prefix"),
    )

    name: ChangeableHeader
    """The name of the header; upper and lower case are the same."""
    value: Annotated[HeaderValue | None, Doc(envoy="HeaderMutation.mutations.request_mutations.append")] = None
    """The value, which is taken literally. It can be read in the configuration of the proxies."""
    secret_ref: Annotated[SecretReference | None, Doc(envoy="Generic.credential")] = None
    """A Secret with the value, by default under the key `credential`."""
    prefix: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)] | None,
        Doc(envoy="Generic.header_value_prefix"),
    ] = None
    """What stands before the Secret's text, such as `Bearer` and a blank. By default nothing."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations unless there is one value, and a prefix of a Secret's text only."""
        if (self.value is None) == (self.secret_ref is None):
            yield FieldViolation((), _TEXT)
        if self.prefix is not None and self.secret_ref is None:
            yield FieldViolation(("prefix",), _PREFIX)


CollectorHeaders = Annotated[
    tuple[CollectorHeader, ...] | None,
    Field(max_length=MOST_HEADERS),
    unique("name", "has the header name of an earlier entry: remove one of them"),
]
"""Headers of all calls of a collector."""


class CollectorService(GrpcService):
    """A collector that the proxy calls by gRPC."""

    headers: CollectorHeaders = None
    """Headers of all calls, such as keys. By default none."""
