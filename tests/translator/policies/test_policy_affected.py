"""The condition of targets that names their policies, and what edits of policies cost their statuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.world import Raw, edit, removal
from tests.translator.policies.test_selection import (
    OFFLINE,
    WEB,
    extension,
    grant,
    policy,
    ref,
    route,
    selector,
    serving,
)
from translator.conditions import POLICY_AFFECTED
from translator.inputs import Edit
from translator.refs import Ref
from translator.status.policy_affected import MOST_POLICIES
from translator.translator import Translator

ASKED = replace(OFFLINE, policy_affected=True)
RED_LABELS: Raw = {"team": "red"}
STATUSES = ("route_status", "gateway_status")
ONE, OTHER = Ref("HTTPRoute", "shop", "one"), Ref("HTTPRoute", "shop", "other")


def message(conditions: list[dict[str, Any]]) -> str:
    """Return which policies the condition names, "" if there is none."""
    found = next((each for each in conditions if each["type"] == POLICY_AFFECTED), None)
    if found is None:
        return ""
    assert (found["status"], found["reason"]) == ("True", "PolicyAffected")
    return (
        str(found["message"]).removeprefix("Policies for it: ").removesuffix("; their statuses say what is effective.")
    )


def of_route(translator: Translator, name: Ref = ONE) -> str:
    """Return which policies a route has at its Gateway."""
    status = translator.statuses[name]
    assert status is not None
    return message(status["parents"][0]["conditions"])


def of_gateway(translator: Translator) -> tuple[str, str]:
    """Return which policies the Gateway has, and which its listener."""
    status = translator.statuses[WEB]
    assert status is not None
    return message(status["conditions"]), message(status["listeners"][0]["conditions"])


def test_the_condition_needs_the_option() -> None:
    """Without the option, nothing tells of policies in the statuses of their targets."""
    found = policy("p", targetRefs=[ref("HTTPRoute", "one")])
    assert of_route(serving(route("one"), found)) == ""
    assert of_route(serving(route("one"), found, settings=ASKED)) == "TrafficPolicy shop/p"


def test_only_targets_have_the_condition() -> None:
    """A policy of a Gateway, or of a listener, is told there, and not by the routes; a missing section is nobody's."""
    gateway = policy("g", "infra", targetRefs=[ref("Gateway", "web")])
    listener = policy("l", "infra", targetRefs=[ref("Gateway", "web", sectionName="http")])
    missing = policy("m", "infra", targetRefs=[ref("Gateway", "web", sectionName="gone")])
    nowhere = policy("n", targetRefs=[ref("HTTPRoute", "one", sectionName="gone")])
    translator = serving(route("one"), gateway, listener, missing, nowhere, settings=ASKED)
    assert of_gateway(translator) == ("TrafficPolicy infra/g", "TrafficPolicy infra/l")
    assert of_route(translator) == ""


def test_a_route_names_rules_and_filters() -> None:
    """Policies by name come before those by labels; those of rules and filters say where; a missing one is not told."""
    filters = (extension("f"), extension("gone"))
    policies = (
        policy("n", targetRefs=[ref("HTTPRoute", "one")]),
        policy("l", targetSelectors=selector()),
        policy("r", targetRefs=[ref("HTTPRoute", "one", sectionName="named")]),
        policy("f"),
    )
    translator = serving(route("one", "shop", RED_LABELS, *filters), *policies, settings=ASKED)
    names = "TrafficPolicy shop/n, TrafficPolicy shop/l, TrafficPolicy shop/r (rule named), "
    assert of_route(translator) == f"{names}TrafficPolicy shop/f (filter in spec.rules[0])"


def test_the_condition_goes_with_the_policy() -> None:
    """When the policy goes, or no longer selects the target, so does the condition."""
    named, selected = policy("n", targetRefs=[ref("HTTPRoute", "one")]), policy("l", targetSelectors=selector())
    translator = serving(route("one", labels=RED_LABELS), named, selected, settings=ASKED)
    translator.edit([removal(named)])
    translator.evaluate()
    assert of_route(translator) == "TrafficPolicy shop/l"
    translator.edit([edit(route("one"))])
    translator.evaluate()
    assert of_route(translator) == ""


def test_an_edit_concerns_the_statuses_of_targets() -> None:
    """A policy that comes or goes changes the statuses of its targets; another setting of it changes none."""
    translator = serving(route("one"), route("other"), settings=ASKED)
    found = policy("p", targetRefs=[ref("HTTPRoute", "one")])
    policy_ref = Ref("TrafficPolicy", "shop", "p")
    translator.edit([edit(found)])
    assert set(translator.evaluate().statuses) == {ONE, policy_ref}
    moved = policy("p", targetRefs=[ref("HTTPRoute", "other")])
    translator.edit([edit(moved)])
    assert {ONE, OTHER} <= set(translator.evaluate().statuses) <= {ONE, OTHER, policy_ref}
    moved["spec"]["cors"] = {"allowOrigins": ["https://new.test"]}
    translator.edit([edit(moved)])
    assert set(translator.evaluate().statuses) <= {policy_ref}
    translator.edit([removal(moved)])
    assert set(translator.evaluate().statuses) == {OTHER, policy_ref}


def test_so_many_policies_are_named() -> None:
    """Of more policies the condition tells how many there are."""
    policies = [policy(f"p{each:02}", targetRefs=[ref("HTTPRoute", "one")]) for each in range(MOST_POLICIES + 2)]
    found = of_route(serving(route("one"), *policies, settings=ASKED))
    assert found.count("TrafficPolicy") == MOST_POLICIES
    assert found.startswith("TrafficPolicy shop/p00, ")
    assert found.endswith(", and 2 more")


def test_statuses_of_targets_only_are_computed() -> None:
    """Of 300 routes, those are looked at that the policy is for; another setting of it concerns no Gateway."""
    routes = [route(f"r{each:03}") for each in range(300)]
    targets = [ref("HTTPRoute", "r007"), ref("Gateway", "web", namespace="infra")]
    found = policy("p", targetRefs=targets)
    translator = serving(*routes, grant("infra", origin="shop", kind="Gateway"), settings=ASKED)

    def computed(change: Edit) -> tuple[int, int]:
        before = [translator.executions.get(each, 0) for each in STATUSES]
        translator.edit([change])
        assert translator.evaluate().failures == []
        first, second = (translator.executions[each] - runs for each, runs in zip(STATUSES, before, strict=True))
        return first, second

    routes_computed, gateways = computed(edit(found))
    assert routes_computed <= 2
    assert gateways == 1
    found["spec"]["cors"] = {"allowOrigins": ["https://new.test"]}
    assert computed(edit(found)) == (1, 0)
    assert computed(removal(found)) == (1, 1)
