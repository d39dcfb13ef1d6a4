"""Protocols that clients may change to, by TrafficPolicies (`httpUpgrade`); beside them there is WebSocket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.headgate.forwarding import HttpUpgrade
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem

CONNECT: Final = "connect"
NO_CONNECT: Final = (
    "CONNECT needs a listener that takes it, and Headgate has none yet: remove the entry, or set enabled to false"
)


@dataclass(frozen=True, slots=True)
class Upgrades(RuleSetting, RouteHook):
    """Protocols that clients may change to or not: each name with whether requests for it are forwarded."""

    forwarding: ClassVar[bool] = True
    types: tuple[tuple[str, bool], ...]

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``UpgradeConfig``s."""
        for name, enabled in self.types:
            route.route.upgrade_configs.add(upgrade_type=name).enabled.value = enabled


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective upgrades, without those that cannot be."""
    found = context.effective.value
    upgrades: list[tuple[str, bool]] = []
    problems: list[Problem] = []
    assert isinstance(found, tuple)
    for each in found:
        assert isinstance(each, HttpUpgrade)
        if each.type != CONNECT:
            upgrades.append((each.type, each.enabled is not False))
        elif each.enabled is not False:
            problems.append(Problem("Accepted", "Invalid", f"{context.field}[{each.type}]: {NO_CONNECT}."))
    return Outcome((Upgrades(tuple(upgrades)),) if upgrades else (), tuple(problems))


EXTENSION = Extension("upgrades", units=(PolicyUnit(TrafficPolicy, "http_upgrade", read, Upgrades),))
