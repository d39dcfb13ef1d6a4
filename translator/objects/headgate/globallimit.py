"""`rateLimit.global` of TrafficPolicies: limits that all proxies hold together, by a rate limit service."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StrictInt, StringConstraints

from translator.objects.headgate.clientselectors import TWICE, ClientSelectors
from translator.objects.headgate.expressions import Condition
from translator.objects.headgate.rates import RequestRate
from translator.objects.headgate.references import ExtensionReference
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC, ByKey
from translator.objects.schema.scalars import METADATA_NAME, PRINTABLE, Boolean, DnsSubdomain

Text = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)]
MetadataName = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=METADATA_NAME)]

_ONE_COST: Final = CelRule("has(self.number) != has(self.metadata)", "exactly one of number and metadata must be set")
_ONE_LIMIT: Final = CelRule(
    "has(self.limit) != has(self.fromMetadata)", "exactly one of limit and fromMetadata must be set"
)
_NAMED: Final = ("Header", "Query", "Claim")
"""The types of entries that have a name."""
_FIXED_KEYS: Final = ("Generic", "RemoteAddress")
"""The types of entries whose key is not to be chosen, or is given elsewhere."""


class MetadataReference(Fields):
    """Names a value in the dynamic metadata of a request, which an earlier filter has written."""

    namespace: MetadataName
    """The namespace: by convention the name of the filter, such as `envoy.filters.http.ext_proc`."""
    key: MetadataName
    """The key in it."""


class Cost(CheckedFields):
    """How much of a limit a request takes."""

    rules: ClassVar[tuple[CelRule, ...]] = (_ONE_COST,)

    number: Annotated[
        Annotated[StrictInt, Field(ge=0, le=1_000_000_000)] | None, Doc(envoy="RateLimit.hits_addend.number")
    ] = None
    """So much; with 0, a request is refused where the limit is exceeded, and takes nothing itself."""
    metadata: Annotated[MetadataReference | None, ATOMIC, Doc(envoy="RateLimit.hits_addend.format")] = None
    """The number in the metadata; without it there, the rule does not concern the request."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is one cost."""
        if (self.number is None) == (self.metadata is None):
            yield FieldViolation((), _ONE_COST.message)


class ResponseCost(CheckedFields):
    """How much of a limit a response takes."""

    rules: ClassVar[tuple[CelRule, ...]] = (exactly_one("number", "metadata", "usage"),)

    number: Annotated[
        Annotated[StrictInt, Field(ge=0, le=1_000_000_000)] | None, Doc(envoy="RateLimit.hits_addend.number")
    ] = None
    """So much."""
    metadata: Annotated[MetadataReference | None, ATOMIC, Doc(envoy="RateLimit.hits_addend.format")] = None
    """The number in the metadata; without it there, the rule does not concern the response."""
    usage: Annotated[
        Literal["InputTokens", "OutputTokens", "TotalTokens", "MicroUSD"] | None,
        Doc(envoy="RateLimit.hits_addend.format"),
    ] = None
    """What a model has used, by the word of its provider: tokens, or money in millionths of a USD where its rule has a
    price. Other responses take nothing."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is one cost."""
        if sum(each is not None for each in (self.number, self.metadata, self.usage)) != 1:
            yield FieldViolation((), self.rules[0].message)


class RequestCosts(Fields):
    """How much of a limit a request takes."""

    request: Cost | None = None
    """When it comes. By default 1, and 0 where its response takes what a model has used."""
    response: Annotated[ResponseCost | None, Doc(envoy="RateLimit.apply_on_stream_done")] = None
    """More, when its response has ended: later requests are refused for it, not this one. By default nothing."""


class GlobalRule(CheckedFields):
    """A limit of selected requests. A request that several rules select has to meet the limits of all."""

    rules: ClassVar[tuple[CelRule, ...]] = (_ONE_LIMIT,)

    name: DnsSubdomain
    """The name, which no other rule of the policy has. A rule of a more specific policy replaces that of its name."""
    client_selectors: Annotated[ClientSelectors | None, Doc(envoy="RateLimit.actions")] = None
    """What selects requests: those that meet all. Where one has the type Distinct, each value has a limit of its own.
    By default all requests are selected."""
    limit: Annotated[RequestRate | None, Doc(envoy="RateLimit.limit.rate_limit")] = None
    """The limit. Times are those of the clock: an Hour begins with minute 0. With `requests: 0` all are refused."""
    from_metadata: Annotated[MetadataReference | None, ATOMIC, Doc(envoy="RateLimit.limit.dynamic_metadata")] = None
    """Where the limit of a request is in its metadata, as a struct with `requests_per_unit` and `unit` (SECOND … YEAR).
    A request without it has no limit by this rule."""
    cost: Annotated[RequestCosts | None, Doc(envoy="RateLimit.hits_addend")] = None
    """How much of the limit a request takes."""
    shadow: Annotated[Boolean | None, Doc(envoy="filter_enforced of a RateLimit filter of its own")] = None
    """Whether it is only counted what would be refused. By default false."""
    shared: Annotated[Boolean | None, Doc(envoy="RateLimit.actions: expr of xds.route_name")] = None
    """Whether all routes that the policy concerns have the limit together, in place of each one for itself. By default
    false."""
    x_rate_limit_headers: Annotated[
        Literal["Off", "DraftVersion03"] | None, Doc(envoy="RateLimit.x_ratelimit_option")
    ] = None
    """Whether responses tell this limit and what is left of it. By default as the GatewayExtension says."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is one limit."""
        if (self.limit is None) == (self.from_metadata is None):
            yield FieldViolation((), _ONE_LIMIT.message)


class GenericEntry(Fields):
    """A key and a value that are the same for all requests."""

    key: Text
    """The key."""
    value: Text
    """The value."""


class DescriptorEntry(CheckedFields):
    """An entry of a descriptor: a key, and a value that the request has."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("(self.type == 'Generic') == has(self.generic)", "is for the type Generic, which needs it", "generic"),
        CelRule(
            f"(self.type in {list(_NAMED)}) == has(self.name)",
            "is for the types Header, Query and Claim, which need it",
            "name",
        ),
        CelRule("(self.type == 'CEL') == has(self.cel)", "is for the type CEL, which needs it", "cel"),
        CelRule(
            f"!has(self.key) || !(self.type in {list(_FIXED_KEYS)})",
            "must not be set for the types Generic and RemoteAddress: remove it",
            "key",
        ),
    )

    type: Annotated[
        Literal["Generic", "Header", "RemoteAddress", "Path", "Query", "Method", "Claim", "CEL"],
        Doc(envoy="RateLimit.Action: generic_key, request_headers, remote_address, query_parameters, metadata, expr"),
    ]
    """Where the value comes from."""
    generic: GenericEntry | None = None
    """For Generic: the key and the value."""
    name: Text | None = None
    """For Header, Query and Claim: the name of the header, the parameter or the claim; dots lead into claims. A request
    without it has no such descriptor."""
    cel: Condition | None = None
    """For CEL: an expression, such as `request.headers['x-plan']`."""
    key: Text | None = None
    """The key. By default the name in lower case, or `remote_address`, `path`, `method` or `cel`."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of members that the type does not have, or needs."""
        for name, types in (("generic", ("Generic",)), ("name", _NAMED), ("cel", ("CEL",))):
            given, needed = getattr(self, name) is not None, self.type in types
            if given != needed:
                what = "is required" if needed else "must not be set"
                yield FieldViolation((name,), f"{what} where type is {self.type}: {'add' if needed else 'remove'} it")
        if self.key is not None and self.type in _FIXED_KEYS:
            yield FieldViolation(("key",), f"must not be set where type is {self.type}: remove it")


class Descriptor(Fields):
    """What a rate limit service is told of a request, for a limit in its own configuration."""

    entries: Annotated[tuple[DescriptorEntry, ...], Field(min_length=1, max_length=8)]
    """The entries, in the order of the service's configuration."""


class GlobalRateLimit(Disableable):
    """Limits that all proxies hold together, by a rate limit service."""

    extension_ref: Annotated[ExtensionReference | None, ATOMIC, Doc(envoy="RateLimit.rate_limit_service")] = None
    """A GatewayExtension with `rateLimit`, which says what service is asked, and how. By default Headgate's own."""
    descriptors: Annotated[tuple[Descriptor, ...] | None, Field(max_length=16), Doc(envoy="RateLimit.rate_limits")] = (
        None
    )
    """What a service is told that has limits in a configuration of its own; not for Headgate's."""
    limits: Annotated[
        tuple[GlobalRule, ...] | None,
        Field(alias="rules", max_length=16),
        unique("name", TWICE),
        ByKey("name"),
        Doc(envoy="RateLimit.rate_limits"),
    ] = None
    """Limits of selected requests, which the service is told with each request: it needs no configuration of them."""
