"""Timeouts (Gateway API, `HTTPRouteTimeouts`; GEP-1742), but for that of each of several tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader
from translator.extensions.attempts import BACKOFF_FACTOR, attempts
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.httproute import HTTPRouteRule, HTTPRouteTimeouts
from translator.outcome import Outcome

IDLE_MILLISECONDS = 300_000
"""Envoy ends what was silent for so long, unless a route says otherwise: a longer timeout must."""

MAX_IDLE_MILLISECONDS = 10_000 * 24 * 3_600_000
"""What is longer is as good as no limit, and more than Envoy can count."""


@dataclass(frozen=True, slots=True)
class RouteTimeouts(RuleSetting, RouteHook):
    """How long a request may take until the end of its response, in milliseconds; 0 for as long as it likes.

    Attributes:
        request: all tries together.
        silence: how long there may be nothing to be heard of it; None where Envoy's default is long enough.
    """

    forwarding: ClassVar[bool] = True
    request: int
    silence: int | None = None

    @property
    def proxyless_fault(self) -> str:
        """Nothing: gRPC's own xDS clients limit the whole call."""
        return ""

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``RouteAction``'s timeouts."""
        route.route.timeout.FromMilliseconds(self.request)
        if self.silence is not None:
            route.route.idle_timeout.FromMilliseconds(self.silence)


def read(site: FilterContext) -> FilterOutcome:
    """Read the timeouts of a rule.

    With a single try the shorter of `request` and `backendRequest` limits it: what cannot have reached a backend and is
    tried elsewhere is the same request still.
    """
    rule = site.rule
    if not isinstance(rule, HTTPRouteRule) or rule.timeouts is None or rule.timeouts == HTTPRouteTimeouts():
        return Outcome(())
    longest = _longest(rule)
    request = (rule.timeouts.request or 0) if attempts(rule) else longest
    silence = None if 0 < longest <= IDLE_MILLISECONDS else longest
    return Outcome((RouteTimeouts(request, silence if silence is None or silence <= MAX_IDLE_MILLISECONDS else 0),))


def _longest(rule: HTTPRouteRule) -> int:
    """How long a request can take by the timeouts of its rule; 0 for as long as it likes."""
    assert rule.timeouts is not None
    backoff = (rule.retry.backoff or 0) if rule.retry is not None else 0
    tries = (rule.timeouts.backend_request or 0) * (1 + attempts(rule)) + BACKOFF_FACTOR * backoff * attempts(rule)
    limits = [each for each in (rule.timeouts.request, rule.timeouts.backend_request and tries) if each]
    return min(limits, default=0)


EXTENSION = Extension("timeouts", filters=(FilterReader(read),), conformance=("HTTPRouteRequestTimeout",))
