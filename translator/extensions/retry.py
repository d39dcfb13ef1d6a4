"""Retries and the timeout of each try (`HTTPRouteRetry`, GEP-1731; `HTTPRouteTimeouts.backendRequest`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RetryPolicy, Route
from headgate_proto.envoy.extensions.retry.priority.previous_priorities.v3 import previous_priorities_config_pb2
from translator.envoy.hooks import RouteHook
from translator.envoy.retry import SELECTIONS, UNPROCESSED, avoid_tried_hosts, try_at_once
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader, PolicyContext, PolicyUnit
from translator.extensions.attempts import BACKOFF_FACTOR, Repeated, limited, time_of_attempt
from translator.extensions.matchers import header_matcher, match_problems
from translator.extensions.retry_limit import retry_limit
from translator.ir.backend import Backend
from translator.ir.http import RouteMatch, RuleSetting, ValueMatch
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.httproute import HTTPRouteRule
from translator.objects.headgate.timeouts import USUAL_BACKOFF, RateLimitedBackoff, Retry, RetryBudget, RetryHosts
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.schema.scalars import milliseconds
from translator.outcome import Outcome

UNAVAILABLE: Final = "unavailable"
"""gRPC's UNAVAILABLE, by which a backend says that it did not process a request (`HTTPRouteRetry`)."""

UNAVAILABLE_CODES: Final = frozenset({429, 502, 503, 504})
"""The statuses that gRPC takes as UNAVAILABLE ("HTTP to gRPC Status Code Mapping")."""

CUT_OFF: Final = "reset"
"""A try that took too long; for Envoy that is the same as a connection that breaks after the request was sent."""

IDEMPOTENT_METHODS: Final = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
"""What can be done twice with the effect of once (RFC 9110, section 9.2.2)."""
IDEMPOTENT: Final = ValueMatch(":method", "|".join(IDEMPOTENT_METHODS), regex=True)

UPGRADE: Final = ValueMatch("upgrade", "(?i)websocket", regex=True)
"""What opens a WebSocket: a GET."""

LONGEST_BACKOFF: Final = 3_600_000
"""Milliseconds up to which the time between tries grows; Envoy would refuse all routes for one of some centuries."""

LONGEST_WAIT_MILLISECONDS: Final = 300_000
"""Milliseconds that a response may ask to wait before the next try, unless it is said."""

PROXYLESS_FIELDS: Final = frozenset({"attempts", "status_codes", "backoff_base_interval", "backoff_max_interval"})
"""What gRPC's own xDS clients know of retries."""


@dataclass(frozen=True, slots=True)
class RouteRetry(Repeated, RouteHook):
    """The retry policy of a rule; times in milliseconds, 0 for none.

    Attributes:
        asked: what the rule's own fields and policies say.
        backend_request: how long one try may take, by the rule's timeouts.
    """

    forwarding: ClassVar[bool] = True
    asked: Retry
    backend_request: int = 0

    def beside(self, settings: tuple[RuleSetting, ...]) -> RuleSetting:
        """Return the retries with the time that the rule's timeouts leave each try."""
        return replace(self, backend_request=time_of_attempt(settings))

    @property
    def attempts(self) -> int:
        """How often a request is tried again."""
        return 1 if self.asked.attempts is None else self.asked.attempts

    @property
    def longest_backoff(self) -> int:
        """The longest pause that the rule says."""
        base = self.asked.backoff_base_interval or 0
        most = self.asked.backoff_max_interval
        if most is None:
            most = min(BACKOFF_FACTOR * base, LONGEST_BACKOFF)
        return max(base, most)

    @property
    def codes(self) -> tuple[int, ...]:
        """The statuses that are tried again."""
        return self.asked.status_codes or ()

    @property
    def per_try(self) -> int:
        """How long a try may take until the headers of its response; 0 for as long as it likes."""
        limits = [each for each in (self.backend_request, self.asked.per_try_timeout) if each]
        return min(limits, default=0)

    @property
    def proxyless_fault(self) -> str:
        """Retries of other codes than those that gRPC takes as UNAVAILABLE, and the timeout of a try."""
        if not self.attempts:
            return ""
        if self.backend_request:
            return ".timeouts.backendRequest: a timeout of each try is not supported"
        if not UNAVAILABLE_CODES.issuperset(self.codes):
            known = ", ".join(map(str, sorted(UNAVAILABLE_CODES)))
            return f".retry.codes: other codes than {known}, which are UNAVAILABLE in gRPC, are not supported"
        unknown = [name for name in Retry.model_fields if name not in PROXYLESS_FIELDS and getattr(self.asked, name)]
        return f": retries with {Retry.model_fields[unknown[0]].alias} are not supported" if unknown else ""

    def shape(self, backend: Backend, match: RouteMatch) -> Backend:
        """Limit the retries and each request to the backend.

        The ``RetryPolicy``'s timeout ends with the headers of a response. That is the end of the response that opens a
        WebSocket.
        """
        if not self.attempts:
            return backend
        if self.backend_request and UPGRADE not in match.headers:
            backend = limited(backend, self.backend_request)
        return backend if self.asked.budget is None else _with_budget(backend, self.asked.budget)

    def parts(self, match: RouteMatch, answered: bool) -> tuple[RouteMatch, ...]:
        """Divide a match by what may take how long, and by what can be tried again after it was cut off."""
        apart = []
        if self.attempts and not match.grpc:  # which is a POST always
            if self.backend_request and match.method in ("", "GET"):
                apart.append(replace(match, method="GET", headers=(*match.headers, UPGRADE)))
            if self._cuts_off and not match.method:
                apart.append(replace(match, headers=(*match.headers, IDEMPOTENT)))
        return (*apart, match)

    @property
    def _cuts_off(self) -> bool:
        """Whether tries are cut off, and may be tried again if the method allows it: the rule does not say which."""
        return bool(self.per_try or self.asked.per_try_idle_timeout) and self.asked.retry_on is None

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``RetryPolicy``, in place of the virtual host's."""
        policy = route.route.retry_policy
        policy.retry_on = ",".join(dict.fromkeys(self._reasons(match)))
        policy.retriable_status_codes.extend(self.codes)
        policy.num_retries.value = self.attempts
        if not self.attempts:
            return
        _choose_hosts(policy, self.asked.hosts or RetryHosts())
        self._write_pauses(policy)
        if self.per_try:
            policy.per_try_timeout.FromMilliseconds(self.per_try)
        if self.asked.per_try_idle_timeout:
            policy.per_try_idle_timeout.FromMilliseconds(self.asked.per_try_idle_timeout)
        policy.retriable_headers.extend(map(header_matcher, self.asked.retriable_headers or ()))
        policy.retriable_request_headers.extend(map(header_matcher, self.asked.request_headers or ()))
        if self.asked.priorities is not None:
            config = previous_priorities_config_pb2.PreviousPrioritiesConfig(
                update_frequency=self.asked.priorities.update_frequency
            )
            policy.retry_priority.name = "envoy.retry_priorities.previous_priorities"
            policy.retry_priority.typed_config.Pack(config, deterministic=True)

    @property
    def _repeats_answers(self) -> bool:
        """Whether responses of a backend are tried again, other than gRPC's UNAVAILABLE."""
        return bool(self.codes or self.asked.retry_on or self.asked.retriable_headers)

    def _write_pauses(self, policy: RetryPolicy) -> None:
        if self.asked.backoff_base_interval is not None or self.asked.backoff_max_interval is not None:
            base = self.asked.backoff_base_interval or milliseconds(USUAL_BACKOFF)
            policy.retry_back_off.base_interval.FromMilliseconds(base)
            policy.retry_back_off.max_interval.FromMilliseconds(max(base, self.longest_backoff))
        elif not self._repeats_answers:
            try_at_once(policy)
        if (found := self.asked.rate_limited_backoff) is not None:
            _wait_as_told(policy, found)

    def _reasons(self, match: RouteMatch) -> Iterator[str]:
        yield from UNPROCESSED.split(",")
        if self.asked.retry_on is not None:
            yield from self.asked.retry_on
        else:
            yield UNAVAILABLE
            if self._cuts_off and (match.method in IDEMPOTENT_METHODS or IDEMPOTENT in match.headers):
                yield CUT_OFF
        if self.codes:
            yield "retriable-status-codes"
        if self.asked.retriable_headers:
            yield "retriable-headers"


def _with_budget(backend: Backend, budget: RetryBudget) -> Backend:
    """Return a backend with a budget for retries, unless it has one of its own."""
    if any(each.limits_retries for each in backend.settings):
        return backend
    return replace(backend, settings=(*backend.settings, retry_limit(budget.percent, budget.min_concurrency)))


def _choose_hosts(policy: RetryPolicy, hosts: RetryHosts) -> None:
    if hosts.previous_hosts is not False:
        avoid_tried_hosts(policy, hosts.attempts or SELECTIONS)


def _wait_as_told(policy: RetryPolicy, found: RateLimitedBackoff) -> None:
    for each in found.headers:
        unix = each.format == "UnixTimestamp"
        format_ = RetryPolicy.UNIX_TIMESTAMP if unix else RetryPolicy.SECONDS
        policy.rate_limited_retry_back_off.reset_headers.add(name=each.name, format=format_)
    policy.rate_limited_retry_back_off.max_interval.FromMilliseconds(found.max_interval or LONGEST_WAIT_MILLISECONDS)


def own(rule: object) -> Retry | None:
    """Return what a rule's own fields say; None if it has none."""
    if not isinstance(rule, HTTPRouteRule) or rule.retry is None:
        return None
    names = {"codes": "status_codes", "attempts": "attempts", "backoff": "backoff_base_interval"}
    given = {name: getattr(rule.retry, field) for field, name in names.items() if field in rule.retry.model_fields_set}
    given = {name: each for name, each in given.items() if each is not None}
    return Retry.model_construct(set(given), **given)


def read(site: FilterContext) -> FilterOutcome:
    """Read the retries of a rule."""
    found = own(site.rule)
    return Outcome((RouteRetry(found),) if found is not None else ())


def read_policy(context: PolicyContext) -> FilterOutcome:
    """Read the effective retries."""
    found = context.effective.value
    assert isinstance(found, Retry)
    problems = (
        *match_problems(found.retriable_headers or (), f"{context.field}.retriableHeaders"),
        *match_problems(found.request_headers or (), f"{context.field}.requestHeaders"),
    )
    return Outcome(None if problems else (RouteRetry(found),), problems)


EXTENSION = Extension(
    "retries",
    units=(PolicyUnit(TrafficPolicy, "retry", read_policy, RouteRetry, own=own),),
    filters=(FilterReader(read),),
    conformance=(
        "HTTPRouteBackendTimeout",
        "HTTPRouteRetryCodes",
        "HTTPRouteRetryConnectionError",
    ),
)
