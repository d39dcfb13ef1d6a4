"""The unit `tracing` of TrafficPolicies: which requests are traced, and their spans (Envoy's ``Route.tracing``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Tracing as EnvoyTracing
from headgate_proto.envoy.type.v3.percent_pb2 import FractionalPercent
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterOutcome, Needed, PolicyContext, PolicyUnit
from translator.extensions.trace_attributes import write_attribute
from translator.extensions.trace_shares import TraceShares, shares, shares_of_listener
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.headgate.tracing import Tracing
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome

NONE: Final = TraceShares(0, 0, 0)


@dataclass(frozen=True, slots=True)
class TracedRequests(RuleSetting, RouteHook):
    """Which requests of a route are traced, and what their spans say, of those that the listener has traced."""

    asked: Tracing

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``Tracing``."""
        asked, found = self.asked, route.tracing
        if asked.disable is not None:
            _write_shares(found, NONE)
            return
        _write_shares(found, shares(asked, shares_of_listener(origin.facts)))
        for attribute in asked.attributes or ():
            write_attribute(found.custom_tags.add(), attribute)
        found.operation = asked.span_name or ""


def _write_shares(message: EnvoyTracing, found: TraceShares) -> None:
    for each, share in zip(
        (message.client_sampling, message.random_sampling, message.overall_sampling), found, strict=True
    ):
        each.numerator, each.denominator = share, FractionalPercent.MILLION


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective tracing."""
    found = context.effective.value
    assert isinstance(found, Tracing)
    return Outcome((TracedRequests(found),))


def needs(settings: tuple[RuleSetting, ...]) -> Needed | None:
    """Return that requests are traced only by listeners with a provider."""
    asked = any(isinstance(each, TracedRequests) and each.asked.disable is None for each in settings)
    return Needed("http_settings.tracing", "has no effect") if asked else None


EXTENSION = Extension("tracing", units=(PolicyUnit(TrafficPolicy, "tracing", read, TracedRequests, needs=needs),))
