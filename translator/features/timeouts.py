"""Request timeouts (Gateway API, `HTTPRouteTimeouts.request`; GEP-1742)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from translator.feature import Feature, Read, Site
from translator.ir import Origin, RouteFeature, RouteMatch
from translator.outcome import Outcome

IDLE_MILLISECONDS = 300_000
"""Envoy ends what was silent for so long, unless a route says otherwise: a longer timeout must."""


@dataclass(frozen=True, slots=True)
class RequestTimeout(RouteFeature):
    """How long a request may take, all tries together, in milliseconds; 0 for as long as it likes."""

    milliseconds: int

    def apply(self, route: Any, origin: Origin, match: RouteMatch) -> None:
        """Write the ``RouteAction``'s timeout."""
        if route.HasField("route"):
            route.route.timeout.FromMilliseconds(self.milliseconds)
            if not 0 < self.milliseconds <= IDLE_MILLISECONDS:
                route.route.idle_timeout.FromMilliseconds(self.milliseconds)


def read(site: Site) -> Read:
    """Read the request timeout of a rule."""
    timeouts = site.rule.timeouts if site.rule else None
    if timeouts is None or timeouts.request is None:
        return Outcome(())
    return Outcome((RequestTimeout(timeouts.request),))


FEATURE = Feature("timeouts", read, conformance=("HTTPRouteRequestTimeout",))
