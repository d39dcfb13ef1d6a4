"""The unit `transformation` of TrafficPolicies: headers and bodies that templates make."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from translator.api_group import GROUP
from translator.objects.headgate.headers import HeaderNames
from translator.objects.headgate.types import Disableable, OptionalSize
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc, TypeName
from translator.objects.schema.header_names import ChangeableHeader, ChangeableRequestField, ChangeableResponseField
from translator.objects.schema.merging import ATOMIC, ByKey

MAX_TEMPLATE: Final = 8192
"""How many characters a template has."""
MAX_HEADERS: Final = 32
"""How many headers a policy sets, and adds."""
MAX_METADATA: Final = 16
"""How many values a policy writes into dynamic metadata."""
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""The longest body that may be held."""

_TWICE: Final = "has the header name of an earlier entry: put both into one template"
_SAME: Final = "has the namespace and key of an earlier entry: remove one of them"
_RESERVED: Final = (
    "is what filters of the proxy write, and decide by: choose another namespace, not beginning with 'envoy.' or "
    f"'headgate.', and is not {GROUP}"
)
_NO_VALUE: Final = "must not be set beside parseAs None, with which no body is read or written: remove it"
_TOO_LONG: Final = "must be at most 8Mi: longer bodies would be held in the memory of the proxy"

Text = Annotated[str, StringConstraints(max_length=MAX_TEMPLATE), TypeName("template")]
"""A template in a part of Jinja's language; it is read at translation."""


class RequestHeaderTemplate(Fields):
    """A header of requests, or a pseudo header, and the template of its value."""

    name: ChangeableRequestField
    """The name of the header; upper and lower case are the same. `:path`, `:method` and `:authority` change what is
    asked for; the route stays."""
    value: Text = ""
    """The template of the value. If it gives nothing, the header is removed, and a pseudo header stays."""


class ResponseHeaderTemplate(Fields):
    """A header of responses, or the status, and the template of its value."""

    name: ChangeableResponseField
    """The name of the header; upper and lower case are the same. `:status` is the status, from 200 to 599."""
    value: Text = ""
    """The template of the value. If it gives nothing, the header is removed, and `:status` stays."""


class AddedHeaderTemplate(Fields):
    """A header beside those of the same name, and the template of its value."""

    name: ChangeableHeader
    """The name of the header; upper and lower case are the same."""
    value: Text = ""
    """The template of the value. If it gives nothing, no header is added."""


class TransformedBody(CheckedFields):
    """How the body is read, and the template of another."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("!has(self.value) || !has(self.parseAs) || self.parseAs != 'None'", _NO_VALUE, "value"),
    )

    parse_as: Annotated[
        Literal["AsString", "AsJson", "None"] | None, Doc(envoy="LuaPerRoute.filter_context", default="`AsString`")
    ] = None
    """What templates know of the body: its text (`AsString`, by `body()`), its values too (`AsJson`: the names in
    templates are those of its fields, and `context()` is the whole), or nothing (`None`: it is never held). By default
    AsString. It is held only if a template reads it, or there is a `value`."""
    value: Annotated[Text | None, Doc(envoy="LuaPerRoute.filter_context")] = None
    """The template of the body that takes its place."""
    max_bytes: Annotated[
        OptionalSize, Doc(envoy="Route.request_body_buffer_limit, LuaPerRoute.filter_context", default="1Mi")
    ] = None
    """How long bodies may be, before and behind, where they are held: at most 8Mi. Longer requests get 413, longer
    responses 500. By default 1Mi."""
    on_parse_error: Annotated[
        Literal["Pass", "Reject"] | None, Doc(envoy="LuaPerRoute.filter_context", default="`Pass`")
    ] = None
    """What becomes of a message whose body cannot be read as `parseAs` says: it stays as it is (`Pass`), or requests
    get 400 and responses 502 (`Reject`). By default Pass."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a body that is not read and has a template, and of one that is too long."""
        if self.parse_as == "None" and self.value is not None:
            yield FieldViolation(("value",), _NO_VALUE)
        if (self.max_bytes or 0) > MAX_BODY_BYTES:
            yield FieldViolation(("maxBytes",), _TOO_LONG)


def _not_reserved(name: str) -> str:
    if name == GROUP or name.startswith(("envoy.", "headgate.")):
        raise PydanticCustomError("reserved", "{problem}", {"problem": _RESERVED})
    return name


class MetadataTemplate(Fields):
    """A value of dynamic metadata."""

    string_value: Text
    """The template of a text."""


class WrittenMetadata(Fields):
    """A value for the dynamic metadata of the request, which access logs and other filters read."""

    namespace: Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_not_reserved)]
    """The namespace. Those of the proxy itself are not for templates: those that begin with `envoy.` or `headgate.`,
    and Headgate's own."""
    key: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """The key there."""
    value: Annotated[MetadataTemplate, ATOMIC]
    """The value."""


Added = Annotated[tuple[AddedHeaderTemplate, ...], Field(max_length=MAX_HEADERS), unique("name", _TWICE), ByKey("name")]
Written = Annotated[
    tuple[WrittenMetadata, ...],
    Field(max_length=MAX_METADATA),
    unique("namespace,key", _SAME),
    ByKey("namespace", "key"),
]
_HEADERS: Final = "LuaPerRoute.filter_context"


class _MessageTransformation(Fields):
    """What requests and responses have in common."""

    add: Annotated[Added | None, Doc(envoy=_HEADERS)] = None
    """Headers beside those of the same names."""
    remove: Annotated[HeaderNames | None, Doc(envoy=_HEADERS)] = None
    """The names of headers that are removed, before others are set and added."""
    body: Annotated[TransformedBody | None, ATOMIC] = None
    """The body; all of it comes from one policy."""
    dynamic_metadata: Annotated[Written | None, Doc(envoy=_HEADERS)] = None
    """Values for the dynamic metadata of the request."""


class RequestTransformation(_MessageTransformation):
    """How requests are changed."""

    set: Annotated[
        tuple[RequestHeaderTemplate, ...] | None,
        Field(max_length=MAX_HEADERS),
        unique("name", _TWICE),
        ByKey("name"),
        Doc(envoy=_HEADERS),
    ] = None
    """Headers in the place of those of the same names; merged by names."""


class ResponseTransformation(_MessageTransformation):
    """How responses are changed."""

    set: Annotated[
        tuple[ResponseHeaderTemplate, ...] | None,
        Field(max_length=MAX_HEADERS),
        unique("name", _TWICE),
        ByKey("name"),
        Doc(envoy=_HEADERS),
    ] = None
    """Headers in the place of those of the same names; merged by names."""


class Transformation(Disableable):
    """Headers, bodies and the status of messages, by templates in a part of Jinja's language."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.disable) || has(self.request) || has(self.response)",
            "must have request, response or disable: without them nothing is changed",
        ),
    )

    request: RequestTransformation | None = None
    """How requests are changed on their way to the backend."""
    response: ResponseTransformation | None = None
    """How responses are changed on their way to the client; those of the proxy itself too."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a unit that says nothing."""
        yield from super().violations()
        if self.disable is None and self.request is None and self.response is None:
            yield FieldViolation((), "must have request, response or disable: without them nothing is changed")
