"""Policies by targetRefs: levels, merging, conflicts, closed units, status by ancestor, and what an edit costs.

The kind of policy and its unit are those of an extension of somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, edit, gateway, manifest, route, world
from headgate_proto.envoy.config.route.v3 import route_components_pb2, route_pb2
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions import EXTENSIONS
from translator.inputs import MAX_KNOWN_TARGETS, Edit, Invalid, Settings
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.kinds import PolicyKind
from translator.objects.gateway_api.policy import MAX_TARGETS, Policy, PolicySpec
from translator.objects.partial import partial_object
from translator.objects.schema.base import Fields
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.registry import registry
from translator.status.ancestors import MAX_ANCESTORS
from translator.translator import Translator
from xds import ROUTE, Reference, diff

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


def refusing(translator: Translator) -> set[str]:
    """Return the paths of the routes that answer with an error."""
    resource = translator.snapshots[WEB].get(TABLE)
    assert resource is not None
    found = route_pb2.RouteConfiguration.FromString(resource.body)
    routes = [each for host in found.virtual_hosts for each in host.routes]
    return {each.match.path_separated_prefix for each in routes if each.direct_response.status == 500}


def conditions(translator: Translator, name: str) -> list[dict[str, tuple[str, str, str]]]:
    """Return status, reason and message of the conditions of a policy, for each ancestor."""
    status = translator.statuses[Ref("PaintPolicy", NAMESPACE, name)]
    return [
        {each["type"]: (each["status"], each["reason"], each["message"]) for each in ancestor["conditions"]}
        for ancestor in status["ancestors"]
    ]


LEVELS = (
    policy("on-gateway", target("Gateway", GATEWAY), paint={"color": "red", "shade": "dark"}),
    policy("on-listener", target("Gateway", GATEWAY, "http"), paint={"shade": "light"}),
    policy("on-route", target("HTTPRoute", "route-1"), paint={"color": "green"}),
    policy("on-rule", target("HTTPRoute", "route-1", "named"), paint={"color": "blue"}),
)


def test_the_levels_are_merged() -> None:
    """A leaf comes from the most specific of Gateway, listener, route and rule that sets it."""
    assert painted(serving(*LEVELS)) == {
        "/route-0": "red light",
        "/named-0": "red light",
        "/route-1": "green light",
        "/named-1": "blue light",
        "/route-2": "red light",
        "/named-2": "red light",
    }


def test_a_policy_may_come_and_go() -> None:
    """What it set is gone with it; in whichever order policies come, the result is the same."""
    translator = serving(*reversed(LEVELS))
    assert painted(translator) == painted(serving(*LEVELS))
    translator.edit([Edit(each.ref, None) for each in LEVELS])
    assert translator.evaluate().failures == []
    assert painted(translator) == {}
    assert not diff(translator.snapshots[WEB], serving().snapshots[WEB])


def test_each_says_what_is_effective() -> None:
    """Attached tells of fields that come from elsewhere too."""
    translator = serving(*LEVELS)
    accepted = ("True", "Accepted", "The policy is valid.")
    assert conditions(translator, "on-gateway") == [
        {"Accepted": accepted, "Attached": ("True", "Attached", "All that the policy sets is effective.")}
    ]
    text = "paint.color comes from PaintPolicy shop/on-gateway."
    assert conditions(translator, "on-listener") == [{"Accepted": accepted, "Attached": ("True", "Merged", text)}]
    (ancestor,) = translator.statuses[Ref("PaintPolicy", NAMESPACE, "on-rule")]["ancestors"]
    assert ancestor["controllerName"] == Settings().controller_name
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": NAMESPACE, "name": GATEWAY}
    assert ancestor["ancestorRef"] == reference


def test_of_one_level_the_older_wins_a_field() -> None:
    """The other still gives what the older does not set, and says what it lost; if that is all, it conflicts."""
    at = target("HTTPRoute", "route-1")
    translator = serving(
        policy("a-young", at, created="2026-03-01T00:00:00Z", paint={"color": "red", "shade": "dark"}),
        policy("b-old", at, created="2026-02-01T00:00:00Z", paint={"color": "green"}),
        policy("c-young", at, created="2026-03-01T00:00:00Z", paint={"color": "blue"}),
    )
    assert painted(translator) == {"/route-1": "green dark", "/named-1": "green dark"}
    text = "paint.color is overridden by PaintPolicy shop/b-old."
    assert conditions(translator, "a-young")[0]["Attached"] == ("True", "PartiallyOverridden", text)
    assert conditions(translator, "c-young") == [
        {"Accepted": ("False", "Conflicted", text), "Attached": ("False", "Overridden", text)}
    ]


def test_a_unit_that_cannot_be_read_is_left_out_or_closed() -> None:
    """Its policy is not accepted; a closed unit has the rules that it protects answer 500, and no others."""
    translator = serving(
        policy("wrong", target("HTTPRoute", "route-1"), paint={"color": "black"}),
        policy("closed", target("HTTPRoute", "route-2", "named"), lock={"color": "black"}),
    )
    text = "spec.paint.color: there is no black."
    assert conditions(translator, "wrong")[0]["Accepted"] == ("False", "Invalid", text)
    assert conditions(translator, "closed")[0]["Accepted"] == (
        "False",
        "Invalid",
        "spec.lock.color: there is no black.",
    )
    resource = translator.snapshots[WEB].get(TABLE)
    assert resource is not None
    found = route_pb2.RouteConfiguration.FromString(resource.body)
    answers = {
        each.match.path_separated_prefix: each.direct_response.status
        for host in found.virtual_hosts
        for each in host.routes
        if each.HasField("direct_response")
    }
    assert answers == {"/named-2": 500}


@pytest.mark.parametrize(
    ("at", "reason", "text"),
    [
        (target("Gateway", "none"), "TargetNotFound", "Gateway shop/none does not exist"),
        (target("Gateway", GATEWAY, "none"), "TargetNotFound", "has no section none; its sections: http"),
        (target("HTTPRoute", "none"), "TargetNotFound", "HTTPRoute shop/none does not exist"),
        (target("HTTPRoute", "route-1", "none"), "TargetNotFound", "has no section none; its sections: named"),
        ({"group": "", "kind": "Service", "name": "service-1"}, "Invalid", "a PaintPolicy cannot target a Service"),
    ],
)
def test_a_target_that_is_not_there(at: Raw, reason: str, text: str) -> None:
    """The target itself is the ancestor, with the reason; its other targets are served."""
    translator = serving(policy("lost", at, target("HTTPRoute", "route-1"), paint={"color": "red"}))
    first, second = conditions(translator, "lost")
    assert first["Accepted"][:2] == ("False", reason)
    assert text in first["Accepted"][2]
    assert "Attached" not in first
    assert second["Attached"][:2] == ("True", "Attached")
    assert painted(translator).keys() == {"/route-1", "/named-1"}


def test_a_route_that_is_attached_nowhere() -> None:
    """A policy waits for its target to be attached, and says so; what is another controller's is not its to tell."""
    elsewhere = routed(1)
    elsewhere["spec"]["parentRefs"] = [{"name": GATEWAY, "sectionName": "none"}]
    at = policy("waits", target("HTTPRoute", "route-1"), paint={"color": "red"})
    translator = serving(edit(elsewhere), at)
    assert conditions(translator, "waits")[0]["Attached"][:2] == ("False", "Pending")
    others = gateway()
    others["spec"]["gatewayClassName"] = "somebody-else"
    translator.edit([edit(others), policy("of-theirs", target("Gateway", GATEWAY), paint={"color": "red"})])
    assert translator.evaluate().failures == []
    assert Ref("PaintPolicy", NAMESPACE, "of-theirs") not in translator.statuses


def test_an_invalid_policy_goes_on_as_it_was() -> None:
    """What it was stays in use, and its status says why."""
    translator = serving(LEVELS[0])
    before = painted(translator)
    translator.edit([unreadable("on-gateway", target("Gateway", GATEWAY), 3)])
    assert translator.evaluate().failures == []
    assert painted(translator) == before != {}
    (found,) = conditions(translator, "on-gateway")
    assert found["Accepted"][:2] == ("False", "Invalid")
    assert "what it was before stays in use" in found["Accepted"][2]
    assert found["Attached"][:2] == ("True", "Attached")


def unreadable(name: str, *targets: Any) -> Edit:
    """Return the edit that has a policy be invalid."""
    raw = manifest("paint.example.com/v1", "PaintPolicy", name, spec={"targetRefs": list(targets)})
    return Edit(Ref("PaintPolicy", NAMESPACE, name), Invalid("spec.paint is not a map", partial_object(raw)))


@pytest.mark.parametrize(
    ("at", "refused"),
    [
        (target("Gateway", GATEWAY), {f"/{rule}-{number}" for rule in ("route", "named") for number in range(3)}),
        (
            target("Gateway", GATEWAY, "http"),
            {f"/{rule}-{number}" for rule in ("route", "named") for number in range(3)},
        ),
        (target("Gateway", GATEWAY, "other"), set()),
        (target("HTTPRoute", "route-1"), {"/route-1", "/named-1"}),
        (target("HTTPRoute", "route-1", "named"), {"/named-1"}),
        (target("HTTPRoute", "route-1", "named") | {"sectionName": 7}, {"/route-1", "/named-1"}),
    ],
)
def test_a_policy_that_never_was_valid_fails_closed(at: Raw, refused: set[str]) -> None:
    """Requests to the targets that can be read are refused until it is valid or gone, and its status says so."""
    translator = serving(LEVELS[0])
    whole = translator.snapshots[WEB]
    for end in (Edit(Ref("PaintPolicy", NAMESPACE, "new"), None), policy("new", target("HTTPRoute", "no-other"))):
        translator.edit([unreadable("new", at, 3)])
        assert translator.evaluate().failures == []
        assert refusing(translator) == refused
        if refused:
            (found,) = conditions(translator, "new")
            assert found["Accepted"][:2] == ("False", "Invalid")
            assert "nothing of it is in use. Requests to its targets are refused." in found["Accepted"][2]
        translator.edit([end])
        assert translator.evaluate().failures == []
        assert not diff(translator.snapshots[WEB], whole)


@pytest.mark.parametrize("worse", [(), (3,), (target("HTTPRoute", "route-2"), 3)])
def test_a_policy_that_fails_closed_loses_no_target_that_cannot_be_read(worse: tuple[Any, ...]) -> None:
    """An edit that makes less of its targets readable opens none of them; one with all targets says which they are."""
    translator = serving(LEVELS[0])
    for targets, refused in (
        ((target("HTTPRoute", "route-1"),), {"/route-1", "/named-1"}),
        (worse, {"/route-1", "/named-1"} | ({"/route-2", "/named-2"} if len(worse) > 1 else set())),
        ((target("HTTPRoute", "route-2"),), {"/route-2", "/named-2"}),
    ):
        translator.edit([unreadable("new", *targets)])
        assert translator.evaluate().failures == []
        assert refusing(translator) == refused


def test_so_many_targets_of_an_invalid_policy_are_known() -> None:
    """Edits that make its targets unreadable keep so many of those that are known; the last that were written stay."""
    known = Invalid("", partial_object({"spec": {"targetRefs": [target("HTTPRoute", f"a-{n}") for n in range(600)]}}))
    more = [*(target("HTTPRoute", f"b-{n}") for n in range(600)), 3]
    found = Invalid("", partial_object({"spec": {"targetRefs": more}})).after(known).partial.targets
    assert len(found) == MAX_KNOWN_TARGETS
    assert {each.name[0] for each in found[:600]} == {"b"}


def test_a_policy_has_so_many_targets() -> None:
    """One more target than a list may have makes the policy invalid."""
    targets = [target("HTTPRoute", f"route-{number}") for number in range(MAX_TARGETS + 1)]
    parsed = WITH_PAINT.kinds.parse(
        manifest("paint.example.com/v1", "PaintPolicy", "many", spec={"targetRefs": targets})
    )
    assert [str(each) for each in parsed.problems if "targetRefs" in str(each)] != []
    assert parsed.object is None


def test_a_status_has_so_many_ancestors() -> None:
    """Of more Gateways than a status may name, the last that it names says how many there are."""
    some = MAX_ANCESTORS + 3

    def gateways() -> Iterator[Edit]:
        for number in range(some):
            found = gateway(port=20000 + number)
            found["metadata"]["name"] = f"web-{number:02}"
            yield edit(found)

    attached = routed(1)
    attached["spec"]["parentRefs"] = [{"name": f"web-{number:02}"} for number in range(some)]
    translator = serving(
        *gateways(), edit(attached), policy("wide", target("HTTPRoute", "route-1"), paint={"color": "red"})
    )
    found = conditions(translator, "wide")
    assert len(found) == MAX_ANCESTORS
    assert found[-1]["Accepted"][2] == "The policy is valid. The status of 3 more Gateways is not shown."


def test_what_an_edit_costs() -> None:
    """A policy of one route touches that route's entries alone, and 1,000 routes share what they inherit."""
    translator = Translator(Settings(offline=True), registry=WITH_PAINT)
    translator.edit((*world(1_000, 100, 50), LEVELS[0]))
    assert translator.evaluate().failures == []
    before = dict(translator.executions)
    translator.edit([policy("on-route", target("HTTPRoute", "route-1"), paint={"color": "green"})])
    translator.evaluate()
    ran = {name: count - before.get(name, 0) for name, count in translator.executions.items()}
    assert {name: ran[name] for name in ("route_entries", "unit_settings", "rules")} == {
        "route_entries": 1,
        "unit_settings": 2,
        "rules": 0,
    }
    before = dict(translator.executions)
    translator.edit([policy("on-gateway", target("Gateway", GATEWAY), paint={"color": "blue"})])
    translator.evaluate()
    ran = {name: count - before.get(name, 0) for name, count in translator.executions.items()}
    assert {name: ran[name] for name in ("route_entries", "rules", "unit_settings")} == {
        "route_entries": 1_000,
        "rules": 0,
        "unit_settings": 2,  # of those that inherit alone, and of the one that has its own
    }
