"""Retries and the timeout of each try (`HTTPRouteRetry`, GEP-1731; `HTTPRouteTimeouts.backendRequest`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook, RouteHook
from translator.envoy.retry import UNPROCESSED, avoid_tried_hosts, try_at_once
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader
from translator.extensions.attempts import BACKOFF_FACTOR, attempts
from translator.ir.backend import Backend, BackendSetting
from translator.ir.http import RouteMatch, RuleSetting, ValueMatch
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.httproute import HTTPRouteRule
from translator.outcome import Outcome

UNAVAILABLE = "unavailable"
"""gRPC's UNAVAILABLE, by which a backend says that it did not process a request (`HTTPRouteRetry`)."""

UNAVAILABLE_CODES = frozenset({429, 502, 503, 504})
"""The statuses that gRPC takes as UNAVAILABLE ("HTTP to gRPC Status Code Mapping")."""

CUT_OFF = "reset"
"""A try that took too long; for Envoy that is the same as a connection that breaks after the request was sent."""

IDEMPOTENT_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
"""What can be done twice with the effect of once (RFC 9110, section 9.2.2)."""
IDEMPOTENT = ValueMatch(":method", "|".join(IDEMPOTENT_METHODS), regex=True)

UPGRADE = ValueMatch("upgrade", "(?i)websocket", regex=True)
"""What opens a WebSocket: a GET."""

LONGEST_BACKOFF = 3_600_000
"""Milliseconds up to which the time between tries grows; Envoy would refuse all routes for one of some centuries."""


@dataclass(frozen=True, slots=True)
class MaxStreamDuration(BackendSetting, ClusterHook):
    """How long one request to a backend may take, from its first byte until the last of the response."""

    milliseconds: int

    @property
    def fingerprint(self) -> str:
        """Return the number alone: clusters keep the names they have."""
        return str(self.milliseconds)

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the ``HttpProtocolOptions``."""
        with http_options(cluster) as options:
            options.common_http_protocol_options.max_stream_duration.FromMilliseconds(self.milliseconds)


@dataclass(frozen=True, slots=True)
class Retry(RuleSetting, RouteHook):
    """The retry policy of a rule; times in milliseconds, 0 for none.

    Attributes:
        codes: the statuses that are tried again.
        attempts: how often at most.
        backoff: the least time between tries.
        per_try: how long one try may take.
    """

    forwarding: ClassVar[bool] = True
    codes: tuple[int, ...] = ()
    attempts: int = 1
    backoff: int = 0
    per_try: int = 0

    @property
    def proxyless_fault(self) -> str:
        """Retries of other codes than those that gRPC takes as UNAVAILABLE, and the timeout of a try."""
        if self.attempts and self.per_try:
            return ".timeouts.backendRequest: a timeout of each try is not supported"
        if self.attempts and not UNAVAILABLE_CODES.issuperset(self.codes):
            known = ", ".join(map(str, sorted(UNAVAILABLE_CODES)))
            return f".retry.codes: other codes than {known}, which are UNAVAILABLE in gRPC, are not supported"
        return ""

    def shape(self, backend: Backend, match: RouteMatch) -> Backend:
        """Limit each request to the backend: the ``RetryPolicy``'s timeout ends with the headers of a response.

        That is the end of the response that opens a WebSocket.
        """
        if UPGRADE in match.headers or not (self.attempts and self.per_try):
            return backend
        return replace(backend, settings=(*backend.settings, MaxStreamDuration(self.per_try)))

    def parts(self, match: RouteMatch, answered: bool) -> tuple[RouteMatch, ...]:
        """Divide a match by what may take how long, and by what can be tried again after it was cut off."""
        if not (self.per_try and self.attempts):
            return (match,)
        apart = []
        if match.method in ("", "GET"):
            apart.append(replace(match, method="GET", headers=(*match.headers, UPGRADE)))
        if not match.method:
            apart.append(replace(match, headers=(*match.headers, IDEMPOTENT)))
        return (*apart, match)

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``RetryPolicy``, in place of the virtual host's."""
        policy = route.route.retry_policy
        policy.retry_on = ",".join(self._reasons(match))
        policy.retriable_status_codes.extend(self.codes)
        policy.num_retries.value = self.attempts
        if not self.attempts:
            return
        avoid_tried_hosts(policy)
        if self.backoff:
            policy.retry_back_off.base_interval.FromMilliseconds(self.backoff)
            longest = max(self.backoff, min(BACKOFF_FACTOR * self.backoff, LONGEST_BACKOFF))
            policy.retry_back_off.max_interval.FromMilliseconds(longest)
        elif not self.codes:
            try_at_once(policy)
        if self.per_try:
            policy.per_try_timeout.FromMilliseconds(self.per_try)

    def _reasons(self, match: RouteMatch) -> Iterator[str]:
        yield UNPROCESSED
        yield UNAVAILABLE
        if self.per_try and (match.method in IDEMPOTENT_METHODS or IDEMPOTENT in match.headers):
            yield CUT_OFF
        if self.codes:
            yield "retriable-status-codes"


def read(site: FilterContext) -> FilterOutcome:
    """Read the retries of a rule."""
    rule = site.rule
    if not isinstance(rule, HTTPRouteRule) or rule.retry is None:
        return Outcome(())
    per_try = (rule.timeouts.backend_request or 0) if rule.timeouts else 0
    return Outcome((Retry(rule.retry.codes, attempts(rule), rule.retry.backoff or 0, per_try),))


EXTENSION = Extension(
    "retries",
    filters=(FilterReader(read),),
    conformance=(
        "HTTPRouteBackendTimeout",
        "HTTPRouteRetryCodes",
        "HTTPRouteRetryConnectionError",
    ),
)
