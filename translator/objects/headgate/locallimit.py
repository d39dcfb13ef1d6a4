"""`rateLimit.local` of TrafficPolicies: limits that each proxy holds by itself."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from translator.objects.headgate.clientselectors import ClientSelectors
from translator.objects.headgate.rates import RequestRate
from translator.objects.headgate.responses import ResponseHeaders
from translator.objects.headgate.timeouts import ErrorStatus
from translator.objects.headgate.types import Disableable, Share
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, raise_violations, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, DnsSubdomain, PositiveCount, PositiveMilliseconds

SHORTEST_FILL: Final = 50
"""Envoy's shortest ``fill_interval``, in milliseconds."""
TWICE: Final = "is the name of another one: rename it"

_LONG_ENOUGH: Final = CelRule("duration(self) >= duration('50ms')", "must be at least 50ms: lengthen it")
_SOME_REQUESTS: Final = CelRule(
    "!has(self.limit) || self.limit.requests > 0",
    "limit.requests must be at least 1: to refuse all, use rbac",
    "limit",
)
_ONE_RATE: Final = CelRule("has(self.limit) != has(self.tokenBucket)", "either limit or tokenBucket must be set")
_CLAIMS_ARE_KNOWN: Final = CelRule(
    "!has(self.phase) || self.phase != 'BeforeAuth' || !has(self.rules) || !self.rules.exists(r,"
    " has(r.clientSelectors) && r.clientSelectors.exists(c, has(c.claims)))",
    "claims must not be set where phase is BeforeAuth: no token is verified yet",
    "rules",
)
_SOMETHING: Final = CelRule(
    "has(self.disable) || has(self.tokenBucket) || (has(self.rules) && self.rules.size() > 0)",
    "must have tokenBucket, rules, or disable",
)


def _long_enough(interval: int) -> int:
    if interval < SHORTEST_FILL:
        raise_violations([FieldViolation((), _LONG_ENOUGH.message)])
    return interval


_long_enough.rules = (_LONG_ENOUGH,)  # type: ignore[attr-defined]  # for custom resource definitions


class RateBucket(Fields):
    """A bucket of tokens, of which each request takes one; it is full at first, and filled all the time, evenly."""

    max_tokens: PositiveCount
    """The most tokens that there can be: so many requests may come at once."""
    tokens_per_fill: PositiveCount | None = None
    """How many tokens there are more after each `fillInterval`. By default 1."""
    fill_interval: Annotated[PositiveMilliseconds, AfterValidator(_long_enough)]
    """The time of these; 50ms at least."""


class LocalRule(CheckedFields):
    """A limit of selected requests. A request that several rules select takes a token of each."""

    rules: ClassVar[tuple[CelRule, ...]] = (_ONE_RATE, _SOME_REQUESTS)

    name: DnsSubdomain
    """The name, which no other rule has."""
    client_selectors: Annotated[ClientSelectors | None, Doc(envoy="LocalRateLimit.rate_limits")] = None
    """What selects requests: those that meet all. Where one has the type Distinct, each value has a bucket of its own;
    the 10,000 that were used last are kept. By default all requests are selected."""
    limit: Annotated[RequestRate | None, Doc(envoy="LocalRateLimit.descriptors.token_bucket")] = None
    """The limit: a bucket of so many tokens that is filled as fast."""
    token_bucket: Annotated[RateBucket | None, Doc(envoy="LocalRateLimit.descriptors.token_bucket")] = None
    """The limit as a bucket."""
    shadow: Annotated[Boolean | None, Doc(envoy="LocalRateLimit.descriptors.shadow_mode")] = None
    """Whether it is only counted what would be refused. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is one limit, for one request at least."""
        if (self.limit is None) == (self.token_bucket is None):
            yield FieldViolation((), _ONE_RATE.message)
        if self.limit is not None and not self.limit.requests:
            yield FieldViolation(("limit", "requests"), "must be at least 1: to refuse all, use rbac")


class LocalRateLimit(Disableable):
    """Limits that each proxy holds by itself, at each port of a Gateway, and with TLS at each hostname of one."""

    rules: ClassVar[tuple[CelRule, ...]] = (_SOMETHING, _CLAIMS_ARE_KNOWN)

    token_bucket: Annotated[RateBucket | None, Doc(envoy="LocalRateLimit.token_bucket")] = None
    """The bucket of all requests that no rule selects. At TCPRoutes and TLSRoutes it is one of connections: those
    without a token are closed."""
    limits: Annotated[
        tuple[LocalRule, ...] | None,
        Field(alias="rules", max_length=16),
        unique("name", TWICE),
        Doc(envoy="LocalRateLimit.descriptors"),
    ] = None
    """Limits of selected requests."""
    percent_enabled: Annotated[Share | None, Doc(envoy="LocalRateLimit.filter_enabled")] = None
    """The share of requests that take a token. By default 100."""
    percent_enforced: Annotated[Share | None, Doc(envoy="LocalRateLimit.filter_enforced")] = None
    """The share of requests without a token that is refused; the others are counted. By default 100."""
    phase: Annotated[
        Literal["BeforeAuth", "AfterAuth"] | None, Doc(envoy="the filter: headgate.local_rate_limit, or .early")
    ] = None
    """Whether requests are counted before it is known who makes them, which spares those who find out, or only those
    that may come in. By default AfterAuth."""
    scope: Annotated[Literal["Target", "Route"] | None, Doc(envoy="the names in Composite.named_filter_chains")] = None
    """Whether all that the policy is attached to by one reference has a bucket together, or each route of it one of its
    own. By default Target."""
    status_code: Annotated[ErrorStatus | None, Doc(envoy="LocalRateLimit.status")] = None
    """The status of refused requests. By default 429."""
    response_headers: Annotated[ResponseHeaders, Doc(envoy="LocalRateLimit.response_headers_to_add")] = None
    """Headers of the responses to refused requests."""
    x_rate_limit_headers: Annotated[
        Literal["Off", "DraftVersion03"] | None, Doc(envoy="LocalRateLimit.enable_x_ratelimit_headers")
    ] = None
    """Whether responses tell the limit and what is left of it, in X-RateLimit-Limit, -Remaining and -Reset. By default
    Off."""
    per_connection: Annotated[
        Boolean | None, Doc(envoy="LocalRateLimit.local_rate_limit_per_downstream_connection")
    ] = None
    """Whether each connection of a client has buckets of its own. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of a limit of nothing, and of claims that are not known yet."""
        yield from super().violations()
        if self.disable is None and self.token_bucket is None and not self.limits:
            yield FieldViolation((), _SOMETHING.message)
        for place, each in enumerate(self.limits or () if self.phase == "BeforeAuth" else ()):
            for number, selector in enumerate(each.client_selectors or ()):
                if selector.claims is not None:
                    path = ("rules", place, "clientSelectors", number, "claims")
                    yield FieldViolation(path, "must not be set where phase is BeforeAuth: no token is verified yet")
