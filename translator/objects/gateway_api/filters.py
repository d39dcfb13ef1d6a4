"""Filters of routes (Gateway API, `apis/v1/httproute_types.go`)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference, LocalObjectReference
from translator.objects.schema.base import (
    CelRule,
    CheckedFields,
    Fields,
    FieldViolation,
    Path,
    raise_violations,
    repeated,
    unique,
)
from translator.objects.schema.scalars import (
    ORIGIN,
    PATH_CHARACTERS,
    Boolean,
    Count,
    HeaderName,
    HeaderValue,
    PortNumber,
    PositiveCount,
    PreciseHostname,
    Text,
)

_TWICE: Final = "is in the list already: remove it"

MEMBERS: Final[Mapping[str, str]] = {
    "RequestHeaderModifier": "request_header_modifier",
    "ResponseHeaderModifier": "response_header_modifier",
    "RequestMirror": "request_mirror",
    "RequestRedirect": "request_redirect",
    "URLRewrite": "url_rewrite",
    "CORS": "cors",
    "ExternalAuth": "external_auth",
    "ExtensionRef": "extension_ref",
}
"""The member of a filter that holds what its `type` says."""


def member_violations(union: Fields, type_: str) -> Iterator[FieldViolation]:
    """Yield the violations of a filter whose members are not exactly the one that `type_` names."""
    if union.model_fields_set == {"type", MEMBERS[type_]}:
        return
    fields = type(union).model_fields
    for name, member in MEMBERS.items():
        if member not in fields:
            continue
        alias = fields[member].alias or member
        present = getattr(union, member) is not None
        if name == type_ and not present:
            yield FieldViolation((alias,), f"is required when type is {type_}: add it, or change the type")
        elif name != type_ and present:
            yield FieldViolation((alias,), f"must not be set when type is {type_}: remove it, or set type to {name}")


class HTTPHeader(Fields):
    """A header and its value."""

    name: HeaderName
    value: HeaderValue


HTTPHeaders = Annotated[
    tuple[HTTPHeader, ...],
    Field(max_length=16),
    unique("name", "has the header name of an earlier entry: put the values into one, with commas between them"),
]


class HTTPHeaderFilter(Fields):
    """Changes headers: `set` overwrites, `add` appends, `remove` takes away."""

    set: HTTPHeaders = ()
    add: HTTPHeaders = ()
    remove: Annotated[tuple[Text, ...], Field(max_length=16), unique(None, _TWICE)] = ()


class HTTPPathModifier(CheckedFields):
    """Changes the path: all of it, or the prefix that matched."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    replace_full_path: Annotated[str, StringConstraints(max_length=1024)] | None = None
    replace_prefix_match: Annotated[str, StringConstraints(max_length=1024)] | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless the member that is set is the one that `type` names."""
        for name, alias, value in (
            ("ReplaceFullPath", "replaceFullPath", self.replace_full_path),
            ("ReplacePrefixMatch", "replacePrefixMatch", self.replace_prefix_match),
        ):
            if value is None and self.type == name:
                yield FieldViolation((alias,), f"is required when type is {name}: add it")
            elif value is not None and self.type != name:
                yield FieldViolation(
                    (alias,), f"must not be set when type is {self.type}: remove it, or set type to {name}"
                )


class HTTPRequestRedirectFilter(Fields):
    """Answers with a redirect; what is None stays as it was in the request."""

    scheme: Literal["http", "https"] | None = None
    hostname: PreciseHostname | None = None
    path: HTTPPathModifier | None = None
    port: PortNumber | None = None
    status_code: Literal[301, 302, 303, 307, 308] = 302


class HTTPURLRewriteFilter(Fields):
    """Changes the request's host and path on its way to the backend; what is None stays."""

    hostname: PreciseHostname | None = None
    path: HTTPPathModifier | None = None


class Fraction(CheckedFields):
    """A part of the whole."""

    numerator: Count
    denominator: PositiveCount = 100

    def violations(self) -> Iterator[FieldViolation]:
        """No more than the whole."""
        if self.numerator > self.denominator:
            yield FieldViolation(("numerator",), f"must be at most the denominator, {self.denominator}")


class HTTPRequestMirrorFilter(CheckedFields):
    """Sends a copy of the requests, of all of them unless it says otherwise, to another backend."""

    backend_ref: BackendObjectReference
    percent: Annotated[StrictInt, Field(ge=0, le=100)] | None = None
    fraction: Fraction | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if the share is given in more than one way."""
        if self.percent is not None and self.fraction is not None:
            yield FieldViolation(("fraction",), "must not be set together with percent: remove one of them")


ALONE: Final = CelRule("!('*' in self && self.size() > 1)", "* stands for all: remove it, or all others")


def _wildcard_alone(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > 1 and "*" in names:
        raise_violations([FieldViolation((names.index("*"),), ALONE.message)])
    return names


_wildcard_alone.rules = (ALONE,)  # type: ignore[attr-defined]  # for custom resource definitions

CORSMethod = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"]


class HTTPCORSFilter(Fields):
    """Lets pages of other origins make requests."""

    allow_origins: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=ORIGIN)], ...],
        Field(max_length=64),
        unique(None, _TWICE),
        AfterValidator(_wildcard_alone),
    ] = ()
    allow_credentials: Boolean = False
    allow_methods: Annotated[
        tuple[CORSMethod, ...],
        Field(max_length=9),
        unique(None, _TWICE),
        AfterValidator(_wildcard_alone),
    ] = ()
    allow_headers: Annotated[
        tuple[HeaderName, ...],
        Field(max_length=64),
        unique(None, _TWICE),
        AfterValidator(_wildcard_alone),
    ] = ()
    expose_headers: Annotated[tuple[HeaderName, ...], Field(max_length=64), unique(None, _TWICE)] = ()
    max_age: PositiveCount = 5
    """Seconds."""


HeaderNames = Annotated[tuple[Text, ...], Field(max_length=64), unique(None, _TWICE)]


class GRPCAuthConfig(Fields):
    """How a gRPC authorisation server is asked; no headers stands for all."""

    allowed_headers: HeaderNames = ()


class HTTPAuthConfig(Fields):
    """How an HTTP authorisation server is asked."""

    path: Annotated[str, StringConstraints(max_length=1024, pattern=PATH_CHARACTERS)] | None = None
    allowed_headers: HeaderNames = ()
    allowed_response_headers: HeaderNames = ()


class ForwardBodyConfig(Fields):
    """How much of the request's body the authorisation server gets, in bytes; 0 for none."""

    max_size: Count = 0


class ExternalAuthFilter(CheckedFields):
    """Asks an authorisation server about each request (GEP-1494, experimental)."""

    protocol: Literal["HTTP", "GRPC"]
    backend_ref: BackendObjectReference
    grpc: GRPCAuthConfig | None = None
    http: HTTPAuthConfig | None = None
    forward_body: ForwardBodyConfig | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of settings that are not those of the protocol."""
        for protocol, name, member in (("GRPC", "grpc", self.grpc), ("HTTP", "http", self.http)):
            if member is None and self.protocol == protocol:
                yield FieldViolation((name,), f"is required when protocol is {protocol}: add it")
            elif member is not None and self.protocol != protocol:
                yield FieldViolation((name,), f"must not be set when protocol is {self.protocol}: remove it")


class RouteFilter(CheckedFields):
    """One change to requests or responses: the member that `type` says. Here are the members that all routes have."""

    type: str
    request_header_modifier: HTTPHeaderFilter | None = None
    response_header_modifier: HTTPHeaderFilter | None = None
    request_mirror: HTTPRequestMirrorFilter | None = None
    extension_ref: LocalObjectReference | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Return violations unless the member that is set is the one that `type` names."""
        return member_violations(self, self.type)

    @property
    def member(self) -> object:
        """The member that `type` names."""
        return getattr(self, MEMBERS[self.type])


class HTTPRouteFilter(RouteFilter):
    """A filter of an HTTPRoute."""

    type: Literal[
        "RequestHeaderModifier",
        "ResponseHeaderModifier",
        "RequestMirror",
        "RequestRedirect",
        "URLRewrite",
        "ExtensionRef",
        "CORS",
        "ExternalAuth",
    ]
    request_redirect: HTTPRequestRedirectFilter | None = None
    url_rewrite: HTTPURLRewriteFilter | None = None
    cors: HTTPCORSFilter | None = None
    external_auth: ExternalAuthFilter | None = None

    @property
    def path(self) -> HTTPPathModifier | None:
        """The change of path that it makes, in a redirect or a rewrite."""
        change = self.request_redirect or self.url_rewrite
        return change.path if change else None


_ONCE: Final = frozenset({"CORS", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"})


def _filters_violations(filters: tuple[RouteFilter, ...]) -> Iterator[FieldViolation]:
    types = [filter_.type for filter_ in filters]
    for index in repeated(types):
        if types[index] in _ONCE:
            yield FieldViolation(
                (index,), f"a {types[index]} filter can be there once only: merge it with the earlier one"
            )
    if "RequestRedirect" in types and "URLRewrite" in types:
        path: Path = (types.index("URLRewrite"),)
        yield FieldViolation(path, "a URLRewrite filter cannot go with a RequestRedirect filter: remove one of them")


def check_filters(filters: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the filters of a rule or backend, after a check of what they are together.

    Raises:
        PydanticCustomError: a type is there twice that can be there once, or two types exclude each other.
    """
    if len(filters) > 1:
        raise_violations(_filters_violations(filters))
    return filters


HTTPRouteFilters = Annotated[tuple[HTTPRouteFilter, ...], Field(max_length=16), AfterValidator(check_filters)]
