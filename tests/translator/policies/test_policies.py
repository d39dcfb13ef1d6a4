"""Policies by targetRefs: levels, merging, conflicts, status by ancestor, and what an edit costs.

The kind of policy and its unit are those of an extension of somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, edit, gateway, world
from tests.translator.policies.paint import (
    LEVELS,
    WEB,
    WITH_PAINT,
    conditions,
    painted,
    policy,
    routed,
    serving,
    target,
)
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.status.ancestors import MAX_ANCESTORS
from translator.translator import Translator
from xds import diff


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
    assert found[-1]["Accepted"][2] == "The policy is valid. The status of 3 more ancestors is not shown."


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
        "unit_settings": 1,
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
