"""The unit `statPrefix` of TrafficPolicies: statistics of routes (Envoy's ``Route.stat_prefix``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.hooks import RouteHook
from translator.envoy.names import names_of_route
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem

PLACEHOLDERS: Final = ("namespace", "route", "rule")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class StatPrefix(RuleSetting, RouteHook):
    """Has requests of a route counted under a name, in which placeholders stand for those of the route and its rule."""

    forwarding: ClassVar[bool] = True
    text: str

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``stat_prefix``; a dot would begin another part of the statistics' names."""
        names = dict(zip(PLACEHOLDERS, names_of_route(route.name), strict=True))
        route.stat_prefix = _PLACEHOLDER.sub(lambda found: names[found[1]], self.text).replace(".", "_")


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective prefix; other placeholders than ours are refused."""
    text = context.effective.value
    assert isinstance(text, str)
    unknown = [found for found in _PLACEHOLDER.findall(text) if found not in PLACEHOLDERS]
    if unknown or "{" in _PLACEHOLDER.sub("", text) or "}" in _PLACEHOLDER.sub("", text):
        known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
        what = f"{{{unknown[0]}}} is no placeholder" if unknown else "it has a brace without the other"
        return Outcome(None, (Problem("Accepted", "Invalid", f"{context.field}: {what}; use {known}."),))
    return Outcome((StatPrefix(text),))


EXTENSION = Extension("stat prefix", units=(PolicyUnit(TrafficPolicy, "stat_prefix", read, StatPrefix),))
