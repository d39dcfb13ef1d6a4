"""Fields of a TrafficPolicy for the time, the size and the repetition of requests."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from translator.objects.headgate.matches import HeaderMatch
from translator.objects.headgate.types import Disableable, OptionalSize, Quantity, Share
from translator.objects.schema.base import CelRule, Fields, FieldViolation, raise_violations, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import (
    HEADER_PREFIX,
    Boolean,
    Count,
    HeaderName,
    Milliseconds,
    PositiveMilliseconds,
    milliseconds,
)

TWICE: Final = "is in the list already: remove it"


class RequestTimeouts(Fields):
    """How long requests and connections may take; `0s` is no limit."""

    request: Annotated[Milliseconds | None, Doc(envoy="RouteAction.timeout")] = None
    """From the end of a request to the end of its response, all attempts together. By default there is no limit."""
    backend_request: Annotated[
        Milliseconds | None,
        Doc(envoy="RouteAction.timeout; with retries RetryPolicy.per_try_timeout, Cluster's max_stream_duration"),
    ] = None
    """The same of each attempt; at most `request`. By default there is no limit."""
    stream_idle: Annotated[Milliseconds | None, Doc(envoy="RouteAction.idle_timeout")] = None
    """How long neither side may send anything. By default 5m, or as long as the other timeouts of the rule if one of
    these is longer."""
    max_stream: Annotated[Milliseconds | None, Doc(envoy="RouteAction.max_stream_duration")] = None
    """From the first byte of a request to the last of its response; of a WebSocket too. By default there is no
    limit."""
    idle: Annotated[
        Milliseconds | None,
        Doc(
            envoy="idle_timeout of TcpProxy, UdpProxyConfig",
            attach="Gateway, ListenerSet, listener of these, TCPRoute, TLSRoute, UDPRoute",
        ),
    ] = None
    """For TCPRoutes, TLSRoutes and UDPRoutes: how long neither side of a connection may send anything. By default 1h,
    and 1m for UDP."""


_ORDERED: Final = CelRule(
    "!has(self.request) || !has(self.backendRequest) || duration(self.request) == duration('0s')"
    " || duration(self.backendRequest) <= duration(self.request)",
    "must not be longer than request: shorten it, or lengthen request",
    "backendRequest",
)


def _ordered(found: RequestTimeouts | None) -> RequestTimeouts | None:
    """Check what one policy says; where several are merged, the shorter of both limits holds."""
    if found is not None and found.request and found.backend_request and found.backend_request > found.request:
        raise_violations([FieldViolation(("backendRequest",), _ORDERED.message)])
    return found


_ordered.rules = (_ORDERED,)  # type: ignore[attr-defined]  # for custom resource definitions
OwnTimeouts = Annotated[RequestTimeouts | None, AfterValidator(_ordered)]
"""The timeouts of one policy, with the rule between these."""

RetryReason = Literal[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
]
"""Envoy's words for what is tried again: the last five are codes of gRPC (``x-envoy-retry-on``, ``-grpc-on``)."""

Reasons = Annotated[tuple[RetryReason, ...], Field(max_length=16), unique(None, TWICE)]
Attempts = Annotated[StrictInt, Field(ge=0, le=100)]
ErrorStatus = Annotated[StrictInt, Field(ge=400, le=599)]
ErrorStatuses = Annotated[tuple[ErrorStatus, ...], Field(max_length=64), unique(None, TWICE)]
HeaderMatches = Annotated[tuple[HeaderMatch, ...], Field(max_length=16)]


class ResetHeader(Fields):
    """A header in which a backend says when to try again."""

    name: HeaderName
    format: Literal["Seconds", "UnixTimestamp"] | None = None
    """Whether its value is a number of seconds from now, or a time. By default Seconds."""


class RateLimitedBackoff(Fields):
    """The pause before the next attempt, as a response says it that asks for one."""

    headers: Annotated[tuple[ResetHeader, ...], Field(min_length=1, max_length=16), unique("name", TWICE)]
    """The headers that may say it; the first that a response has counts."""
    max_interval: PositiveMilliseconds | None = None
    """The longest pause: after a response that asks for a longer one the usual pause is made. By default 300s."""


class RetryHosts(Fields):
    """How the endpoint of another attempt is chosen."""

    previous_hosts: Boolean | None = None
    """Whether endpoints that were tried are avoided. By default true."""
    attempts: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    """How often one is chosen at random until it is none of these. By default 20."""


class RetryPriorities(Fields):
    """Attempts at endpoints of other priorities than those that were tried."""

    update_frequency: Annotated[StrictInt, Field(ge=1, le=100)]
    """After how many attempts another priority is chosen."""


class RetryBudget(Fields):
    """The most retries at once to a backend, by its requests, so that retries do not overload it."""

    percent: Share | None = None
    """The retries, as a share of all active requests and retries. By default 20."""
    min_concurrency: Count | None = None
    """How many there may be in any case. By default 3."""


class Retry(Fields):
    """When a request is tried again; that no backend has processed it is always such a reason."""

    retry_on: Annotated[Reasons | None, Doc(envoy="RetryPolicy.retry_on")] = None
    """The reasons. By default a backend's gRPC response `UNAVAILABLE`, and for idempotent methods what was cut off by a
    timeout of an attempt."""
    attempts: Annotated[Attempts | None, Doc(envoy="RetryPolicy.num_retries")] = None
    """How often at most; 0 disables all retries. By default 1."""
    per_try_timeout: Annotated[Milliseconds | None, Doc(envoy="RetryPolicy.per_try_timeout")] = None
    """How long each attempt may take until the headers of its response. By default there is no limit."""
    per_try_idle_timeout: Annotated[Milliseconds | None, Doc(envoy="RetryPolicy.per_try_idle_timeout")] = None
    """How long an attempt may be silent. By default there is no limit."""
    status_codes: Annotated[ErrorStatuses | None, Doc(envoy="RetryPolicy.retriable_status_codes")] = None
    """Statuses of responses that are tried again, beside those of `retryOn`."""
    backoff_base_interval: Annotated[PositiveMilliseconds | None, Doc(envoy="RetryPolicy.retry_back_off")] = None
    """The pause before the second retry is up to this, and longer before each further one. By default 25ms."""
    backoff_max_interval: Annotated[PositiveMilliseconds | None, Doc(envoy="RetryPolicy.retry_back_off")] = None
    """The longest pause; at least `backoffBaseInterval`. By default ten times of that."""
    rate_limited_backoff: Annotated[
        RateLimitedBackoff | None, ATOMIC, Doc(envoy="RetryPolicy.rate_limited_retry_back_off")
    ] = None
    """How a response may say when to try again; nothing is without it."""
    retriable_headers: Annotated[HeaderMatches | None, Doc(envoy="RetryPolicy.retriable_headers")] = None
    """Responses with one of these headers are tried again."""
    request_headers: Annotated[HeaderMatches | None, Doc(envoy="RetryPolicy.retriable_request_headers")] = None
    """Only requests with one of these headers are tried again. By default all."""
    hosts: Annotated[RetryHosts | None, Doc(envoy="RetryPolicy.retry_host_predicate")] = None
    """The endpoints of other attempts."""
    priorities: Annotated[RetryPriorities | None, Doc(envoy="RetryPolicy.retry_priority")] = None
    """The priorities of these. By default retries have those of first attempts."""
    budget: Annotated[RetryBudget | None, ATOMIC, Doc(envoy="Cluster.circuit_breakers.thresholds.retry_budget")] = None
    """The most retries at once to a backend. By default there is no limit."""


USUAL_BACKOFF: Final = "25ms"
"""The pause between tries, Envoy's default."""
_BACKOFF: Final = CelRule(
    "!has(self.backoffMaxInterval) || duration(self.backoffMaxInterval) >="
    f" duration(has(self.backoffBaseInterval) ? self.backoffBaseInterval : '{USUAL_BACKOFF}')",
    f"must not be shorter than backoffBaseInterval, which is {USUAL_BACKOFF} by default: lengthen it",
    "backoffMaxInterval",
)


def _growing(found: Retry | None) -> Retry | None:
    """Check what one policy says; where several are merged, the longest pause is at least the shortest."""
    if found is not None and found.backoff_max_interval is not None:
        base = found.backoff_base_interval or milliseconds(USUAL_BACKOFF)
        if found.backoff_max_interval < base:
            raise_violations([FieldViolation(("backoffMaxInterval",), _BACKOFF.message)])
    return found


_growing.rules = (_BACKOFF,)  # type: ignore[attr-defined]  # for custom resource definitions
OwnRetry = Annotated[Retry | None, AfterValidator(_growing)]
"""The retries of one policy, with the rule between their pauses."""


class Buffer(Disableable):
    """Keeps each request until it is whole: a backend sees none that was cut off, or is too long."""

    max_request_size: Annotated[OptionalSize, Doc(envoy="BufferPerRoute.buffer")] = None
    """The longest body of a request, which is kept in memory; longer ones get 413."""


WholeRequests = Annotated[Buffer | None, Doc(envoy="BufferPerRoute")]


class Rate(Fields):
    """A number of bytes in a time."""

    value: Quantity
    """The number, in whole KiB: 1Ki at least."""
    unit: Literal["Second"] | None = None
    """The time. By default Second."""


class RequestBandwidth(Fields):
    """The bandwidth of requests."""

    limit: Rate


class ResponseTrailers(Fields):
    """Trailers of responses that say for how long, in milliseconds, requests and responses were held up."""

    prefix: Annotated[str, StringConstraints(max_length=64, pattern=HEADER_PREFIX)] | None = None
    """What their names begin with, before `-bandwidth-request-delay-ms` and others. By default nothing."""


class ResponseBandwidth(Fields):
    """The bandwidth of responses."""

    limit: Rate
    response_trailers: ResponseTrailers | None = None
    """Has trailers tell the delays, to clients that take trailers (HTTP/2, gRPC). By default none do."""


KIB: Final = 1024


class BandwidthLimit(Disableable):
    """The bandwidth that all requests of a route have together, all responses, or both."""

    request: RequestBandwidth | None = None
    """Bodies of requests."""
    response: ResponseBandwidth | None = None
    """Bodies of responses; with `request`, its limit must be the same, and both directions share it."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield each limit that Envoy does not have."""
        yield from super().violations()
        for name, found in (("request", self.request), ("response", self.response)):
            if found is not None and found.limit.value < KIB:
                yield FieldViolation((name, "limit", "value"), "must be at least 1Ki")
        if self.request and self.response and self.request.limit.value != self.response.limit.value:
            yield FieldViolation(("response", "limit", "value"), "must be that of request: both directions share it")


WholeBandwidthLimit = Annotated[BandwidthLimit | None, ATOMIC, Doc(envoy="BandwidthLimit")]
"""The bandwidth by one policy."""
