"""Retries and the timeout of each try (`HTTPRouteRetry`, GEP-1731; `HTTPRouteTimeouts.backendRequest`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from translator.envoy.retry import SAFE, avoid_tried_hosts
from translator.feature import Feature, Read, Site
from translator.ir import Origin, RouteFeature, RouteMatch
from translator.outcome import Outcome

UNPROCESSED = "connect-failure,refused-stream,reset-before-request"
"""What cannot have been processed, so that trying again is safe for every method (`HTTPRouteRetry`)."""

TIMED_OUT = "reset"
"""A try that took too long; for Envoy that is the same as a connection that breaks after the request was sent."""


@dataclass(frozen=True, slots=True)
class Retry(RouteFeature):
    """How often to try again and when; times in milliseconds, 0 for none.

    Attributes:
        asked: whether the rule has a `retry` of its own; else only what cannot have reached the backend is tried again.
        codes: the statuses that are tried again.
        attempts: how often at most.
        backoff: the least time between tries.
        per_try: how long one try may take.
    """

    asked: bool
    codes: tuple[int, ...] = ()
    attempts: int = 1
    backoff: int = 0
    per_try: int = 0

    def apply(self, route: Any, origin: Origin, match: RouteMatch) -> None:
        """Write the ``RetryPolicy``, in place of the virtual host's."""
        if not route.HasField("route"):
            return
        policy = route.route.retry_policy
        if self.asked:
            policy.retry_on = ",".join(self._reasons())
            policy.retriable_status_codes.extend(self.codes)
            policy.num_retries.value = self.attempts
        else:
            policy.CopyFrom(SAFE)
        if self.asked and self.attempts:
            avoid_tried_hosts(policy)
        if self.backoff:
            policy.retry_back_off.base_interval.FromMilliseconds(self.backoff)
            policy.retry_back_off.max_interval.FromMilliseconds(10 * self.backoff)
        if self.per_try:
            policy.per_try_timeout.FromMilliseconds(self.per_try)

    def _reasons(self) -> Iterator[str]:
        yield UNPROCESSED
        if self.per_try:
            yield TIMED_OUT
        if self.codes:
            yield "retriable-status-codes"


def read(site: Site) -> Read:
    """Read the retries of a rule."""
    rule = site.rule
    if rule is None:
        return Outcome(())
    per_try = (rule.timeouts.backend_request or 0) if rule.timeouts else 0
    if rule.retry is None:
        return Outcome((Retry(asked=False, per_try=per_try),) if per_try else ())
    return Outcome((Retry(True, rule.retry.codes, rule.retry.attempts, rule.retry.backoff or 0, per_try),))


FEATURE = Feature(
    "retries",
    read,
    conformance=(
        "HTTPRouteBackendTimeout",
        "HTTPRouteRetryCodes",
        "HTTPRouteRetryConnectionError",
    ),
)
