"""A kind of policy of somebody's extension, with two units, and a Gateway whose routes show what is effective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, route, world
from headgate_proto.envoy.config.route.v3 import route_components_pb2, route_pb2
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions import EXTENSIONS
from translator.inputs import Edit, Settings
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.kinds import PolicyKind
from translator.objects.gateway_api.policy import Policy, PolicySpec
from translator.objects.schema.base import Fields
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.registry import registry
from translator.translator import Translator
from xds import ROUTE, Reference

WEB = Ref("Gateway", NAMESPACE, GATEWAY)
TABLE = Reference(ROUTE, "port-10080")


class Paint(Fields):
    """The value of the unit."""

    color: str | None = None
    shade: str | None = None


class PaintPolicySpec(PolicySpec):
    """The spec of a policy with two units of one type, of which the second is closed."""

    paint: Paint | None = None
    lock: Paint | None = None


class PaintPolicy(Policy):
    """Somebody's kind of policy."""

    kind = "PaintPolicy"
    group = "paint.example.com"
    versions = ("v1",)
    plural = "paintpolicies"
    spec: PaintPolicySpec


@dataclass(frozen=True, slots=True)
class Painted(RuleSetting, RouteHook):
    """A response header with the effective value."""

    name: str
    value: str

    def apply_to_route(self, route: route_components_pb2.Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the header."""
        option = route.response_headers_to_add.add()
        option.header.key, option.header.value = self.name, self.value


@dataclass(frozen=True, slots=True)
class Locked(Painted):
    """The setting of the closed unit."""


def read_as(name: str, made: type[Painted]) -> Any:
    """Return the reader of a unit, which takes no black."""

    def read(context: PolicyContext) -> FilterOutcome:
        found = context.effective.value
        assert isinstance(found, Paint)
        if found.color == "black":
            return Outcome(None, (Problem("Accepted", "Invalid", f"{context.field}.color: there is no black."),))
        return Outcome((made(name, f"{found.color} {found.shade}"),))

    return read


PAINT = Extension(
    "paint",
    policies=(PolicyKind(PaintPolicy, closed=True),),
    units=(
        PolicyUnit(PaintPolicy, "paint", read_as("x-paint", Painted), Painted),
        PolicyUnit(PaintPolicy, "lock", read_as("x-lock", Locked), Locked, closed=True),
    ),
)
WITH_PAINT = registry((*EXTENSIONS, PAINT))


def target(kind: str, name: str, section: str | None = None) -> Raw:
    """Return a targetRef."""
    found = {"group": "gateway.networking.k8s.io", "kind": kind, "name": name}
    return found if section is None else {**found, "sectionName": section}


def policy(name: str, *targets: Raw, created: str = "2026-01-01T00:00:00Z", **units: Raw) -> Edit:
    """Return the edit that brings a policy in, or changes it."""
    raw = manifest("paint.example.com/v1", "PaintPolicy", name, spec={"targetRefs": list(targets), **units})
    raw["metadata"]["creationTimestamp"] = created
    parsed = WITH_PAINT.kinds.parse(raw)
    assert parsed.object is not None, parsed.problems
    return Edit(parsed.object.ref, parsed.object)


def routed(number: int) -> Raw:
    """Return a route with two rules, of which the second has a name."""
    found = route(number, 4, 5)
    named = {**found["spec"]["rules"][0], "name": "named", "matches": [{"path": {"value": f"/named-{number}"}}]}
    found["spec"]["rules"].append(named)
    return found


def serving(*edits: Edit) -> Translator:
    """Return a translator that serves three routes of two rules, with policies."""
    made = Translator(Settings(offline=True), registry=WITH_PAINT)
    made.edit((*world(3, 4, 5), *(edit(routed(number)) for number in range(3)), *edits))
    assert made.evaluate().failures == []
    return made


def headers(translator: Translator, table: Reference = TABLE) -> dict[str, dict[str, str]]:
    """Return the headers that are added, by the path of the route."""
    resource = translator.snapshots[WEB].get(table)
    assert resource is not None
    found = route_pb2.RouteConfiguration.FromString(resource.body)
    routes = [each for host in found.virtual_hosts for each in host.routes]
    return {
        each.match.path_separated_prefix: {
            option.header.key: option.header.value for option in each.response_headers_to_add
        }
        for each in routes
    }


def painted(translator: Translator) -> dict[str, str]:
    """Return the value of the unit by path, where it is set."""
    return {path: found["x-paint"] for path, found in headers(translator).items() if "x-paint" in found}


def conditions(translator: Translator, name: str) -> list[dict[str, tuple[str, str, str]]]:
    """Return status, reason and message of the conditions of a policy, for each ancestor.

    Without ResolvedRefs and Programmed where they hold.
    """
    status = translator.statuses[Ref("PaintPolicy", NAMESPACE, name)]
    return [
        {
            each["type"]: (each["status"], each["reason"], each["message"])
            for each in ancestor["conditions"]
            if each["status"] != "True" or each["type"] not in ("ResolvedRefs", "Programmed")
        }
        for ancestor in status["ancestors"]
    ]


LEVELS = (
    policy("on-gateway", target("Gateway", GATEWAY), paint={"color": "red", "shade": "dark"}),
    policy("on-listener", target("Gateway", GATEWAY, "http"), paint={"shade": "light"}),
    policy("on-route", target("HTTPRoute", "route-1"), paint={"color": "green"}),
    policy("on-rule", target("HTTPRoute", "route-1", "named"), paint={"color": "blue"}),
)
