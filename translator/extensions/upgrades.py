"""Protocols that clients may change to, by TrafficPolicies (`httpUpgrade`); beside them there is WebSocket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import PathKind, RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.headgate.forwarding import HttpUpgrade
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome

CONNECT: Final = "connect"


@dataclass(frozen=True, slots=True)
class Connect:
    """CONNECT is taken.

    Attributes:
        terminate: the proxy ends it, and forwards the bytes within to the backend; else the backend is sent CONNECT.
    """

    terminate: bool


@dataclass(frozen=True, slots=True)
class Upgrades(RuleSetting, RouteHook):
    """Protocols that clients may change to or not.

    Attributes:
        types: the names of the protocols but CONNECT, each with whether requests for it are forwarded.
        connect: what becomes of CONNECT; None if it is not taken.
    """

    forwarding: ClassVar[bool] = True
    types: tuple[tuple[str, bool], ...]
    connect: Connect | None = None

    def parts(self, match: RouteMatch, answered: bool) -> tuple[RouteMatch, ...]:
        """Give CONNECT, which has no path, a route of its own beside that for all paths."""
        all_paths = match.path_kind is PathKind.PREFIX and match.path == "/"
        if self.connect is None or match.method not in ("", "CONNECT") or match.grpc or not all_paths:
            return (match,)
        return (replace(match, path_kind=PathKind.CONNECT), match)

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``UpgradeConfig``s."""
        if match.path_kind is not PathKind.CONNECT:
            for name, enabled in self.types:
                route.route.upgrade_configs.add(upgrade_type=name).enabled.value = enabled
        elif self.connect is not None:
            made = route.route.upgrade_configs.add(upgrade_type=CONNECT)
            if self.connect.terminate:
                made.connect_config.SetInParent()


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective upgrades."""
    found = context.effective.value
    assert isinstance(found, tuple)
    upgrades: list[tuple[str, bool]] = []
    connect: Connect | None = None
    for each in found:
        assert isinstance(each, HttpUpgrade)
        if each.type != CONNECT:
            upgrades.append((each.type, each.enabled is not False))
        elif each.enabled is not False:
            connect = Connect(each.connect is not None and each.connect.terminate is True)
    return Outcome((Upgrades(tuple(upgrades), connect),) if upgrades or connect else ())


EXTENSION = Extension("upgrades", units=(PolicyUnit(TrafficPolicy, "http_upgrade", read, Upgrades),))
