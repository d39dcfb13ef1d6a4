"""Selectors of requests by what is known of clients, for the rules of rate limits."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from translator.objects.gateway_api.matches import HTTPMethod
from translator.objects.headgate.types import StringMatch
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, raise_violations, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, HeaderName

TWICE: Final = "is in the list already: remove it"
_EVERY: Final = (
    "must select by headers, methods, path, queryParams, sourceCIDR or claims; remove it to select all requests"
)
_DISTINCT: Final = "must not be set where type is Distinct, which selects every value: remove it"
_MEMBERS: Final = ", ".join(f"has(self.{each})" for each in StringMatch.MEMBERS)
_ANY_MEMBER: Final = _MEMBERS.replace(", ", " || ")


class ValueSelector(StringMatch):
    """Selects requests by a value: by what it is, or all that have one, each value for itself."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            f"has(self.type) && self.type == 'Distinct' ? !({_ANY_MEMBER} || has(self.ignoreCase))"
            f" : [{_MEMBERS}].filter(x, x).size() == 1",
            "exactly one of exact, prefix, suffix, contains and regex must be set, or type: Distinct alone",
        ),
    )

    type: Literal["Match", "Distinct"] | None = None
    """Whether values are compared, or each value has a limit of its own. By default Match."""

    @property
    def is_distinct(self) -> bool:
        """Whether each value has a limit of its own."""
        return self.type == "Distinct"

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless one member is set, or none where each value has a limit of its own."""
        if not self.is_distinct:
            yield from super().violations()
            return
        for name in (*self.MEMBERS, "ignore_case"):
            if getattr(self, name) is not None:
                yield FieldViolation((type(self).model_fields[name].alias or name,), _DISTINCT)


class InvertibleSelector(ValueSelector):
    """Selects requests by a value that they may lack."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        *ValueSelector.rules,
        CelRule("!has(self.type) || self.type != 'Distinct' || !has(self.invert)", _DISTINCT, "invert"),
    )

    invert: Boolean | None = None
    """Whether all other requests are selected, those without the value too. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of the match, and of values that cannot be inverted."""
        yield from super().violations()
        if self.is_distinct and self.invert is not None:
            yield FieldViolation(("invert",), _DISTINCT)


class HeaderSelector(InvertibleSelector):
    """Selects requests by a header."""

    name: HeaderName


class QuerySelector(InvertibleSelector):
    """Selects requests by a parameter of their query."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class ClaimSelector(ValueSelector):
    """Selects requests by a claim of their token, which `jwtAuth` has verified: one that is a text."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """Its name; dots lead into objects, as in `realm_access.id`."""
    provider: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = None
    """The provider whose token it is of, by its name in a GatewayExtension with several. By default that of a
    GatewayExtension with one."""


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise_violations([FieldViolation((), f"{text!r} is no address or CIDR: write one like 10.0.0.0/8 or fd00::/8")])
    return text


Cidr = Annotated[str, StringConstraints(min_length=2, max_length=64), AfterValidator(_network)]
"""A network by its CIDR, or one address."""


class SourceSelector(CheckedFields):
    """Selects requests by the address of the client."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.value) || (has(self.type) && self.type == 'Distinct')",
            "value is required unless type is Distinct",
        ),
        CelRule(
            "!has(self.type) || self.type != 'Distinct' || !has(self.invert)",
            "must not be set where type is Distinct: remove it",
            "invert",
        ),
    )

    value: Cidr | None = None
    """The network, such as `10.0.0.0/8`, or one address."""
    type: Literal["Exact", "Distinct"] | None = None
    """Whether its clients have a limit together, or each address one of its own; without `value` all that there are. By
    default Exact."""
    invert: Boolean | None = None
    """Whether all other addresses are selected instead. By default false."""

    @property
    def is_distinct(self) -> bool:
        """Whether each address has a limit of its own."""
        return self.type == "Distinct"

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of a missing network, and of what cannot be inverted."""
        if self.value is None and not self.is_distinct:
            yield FieldViolation(("value",), "is required unless type is Distinct: add it")
        if self.is_distinct and self.invert is not None:
            yield FieldViolation(("invert",), "must not be set where type is Distinct: remove it")


class ClientSelector(CheckedFields):
    """Selects requests that meet all of its fields, and all items of `headers`, `queryParams` and `claims`."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.headers) || has(self.methods) || has(self.path) || has(self.queryParams) || has(self.sourceCIDR)"
            " || has(self.claims)",
            _EVERY,
        ),
    )

    headers: Annotated[
        tuple[HeaderSelector, ...] | None,
        Field(min_length=1, max_length=16),
        Doc(envoy="RateLimit.Action: request_headers, header_value_match"),
    ] = None
    """Headers of the request."""
    methods: Annotated[
        tuple[HTTPMethod, ...] | None,
        Field(min_length=1, max_length=16),
        unique(None, TWICE),
        Doc(envoy="RateLimit.Action: header_value_match of :method"),
    ] = None
    """Methods: one of these."""
    path: Annotated[StringMatch | None, Doc(envoy="RateLimit.Action: expr of request.url_path")] = None
    """The path, without the query."""
    query_params: Annotated[
        tuple[QuerySelector, ...] | None,
        Field(min_length=1, max_length=16),
        Doc(envoy="RateLimit.Action: query_parameters, query_parameter_value_match"),
    ] = None
    """Parameters of the query."""
    source_cidr: Annotated[
        SourceSelector | None,
        Field(alias="sourceCIDR"),
        Doc(envoy="RateLimit.Action: remote_address_match, masked_remote_address"),
    ] = None
    """The address of the client."""
    claims: Annotated[
        tuple[ClaimSelector, ...] | None,
        Field(min_length=1, max_length=16),
        Doc(envoy="RateLimit.Action: metadata of envoy.filters.http.jwt_authn, or expr"),
    ] = None
    """Claims of the token."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if it selects by nothing."""
        if all(getattr(self, each) is None for each in type(self).model_fields):
            yield FieldViolation((), _EVERY)


ClientSelectors = Annotated[tuple[ClientSelector, ...], Field(max_length=8)]
"""Selectors of which a request meets all; without one every request is selected."""
