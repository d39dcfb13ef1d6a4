"""The status of policies: ancestors, missing and forbidden targets, what overrides them, and what proxies refuse."""

from __future__ import annotations

import pytest

from bench.world import Raw, edit, manifest, removal
from tests.translator.policies.test_selection import (
    RED,
    WEB,
    extension,
    grant,
    origins,
    policy,
    ref,
    route,
    selector,
    serving,
    web,
)
from translator.conditions import NO_EFFECT
from translator.inputs import AffectedRoute, AttributedNack, GatewaySyncStatus, Settings, StillServed
from translator.refs import Ref
from translator.status.ancestors import MAX_ANCESTORS
from translator.status.policy_targets import MOST_NAMES
from translator.translator import Translator
from xds.protocol.nacks import Nack
from xds.resources.types import ROUTE

Found = list[tuple[str, dict[str, tuple[str, str, str]]]]
VALID = ("True", "Accepted", "The policy is valid.")
ALL = ("True", "Attached", "All that the policy sets is effective.")


def status(translator: Translator, name: str = "p", namespace: str = "shop") -> Found:
    """Return the ancestors of a policy, each with status, reason and message of its conditions."""
    found = translator.statuses.get(Ref("TrafficPolicy", namespace, name)) or {"ancestors": []}
    return [
        (
            f"{each['ancestorRef']['kind']} {each['ancestorRef']['name']}",
            {one["type"]: (one["status"], one["reason"], one["message"]) for one in each["conditions"]},
        )
        for each in found["ancestors"]
    ]


def test_a_missing_target_suggests_a_name() -> None:
    """The target itself is the ancestor; its condition names the object, or the section, that is perhaps meant."""
    targets = [ref("HTTPRoute", "checkuot"), ref("HTTPRoute", "checkout", sectionName="nmed"), ref("HTTPRoute", "x")]
    translator = serving(route("checkout"), route("cart"), policy("p", targetRefs=targets))
    (_, first), (_, second), (_, third) = status(translator)
    text = "spec.targetRefs[0]: HTTPRoute shop/checkuot does not exist; create it or correct the name (did you mean "
    elsewhere = "Without a namespace, targets are in the policy's: add it for another."
    assert first == {"Accepted": ("False", "TargetNotFound", f"{text}checkout?). {elsewhere}")}
    text = "spec.targetRefs[1].sectionName: HTTPRoute shop/checkout has no section nmed (did you mean named?); its"
    assert second == {"Accepted": ("False", "TargetNotFound", f"{text} sections: named.")}
    assert "did you mean" not in third["Accepted"][2]


def test_so_many_names_are_compared() -> None:
    """Of very many objects only some are compared with the name of one that is missing."""
    routes = [route(f"a{number:03}", parents=[]) for number in range(MOST_NAMES)]
    translator = serving(*routes, route("zebra"), policy("p", targetRefs=[ref("HTTPRoute", "zebr")]))
    assert "did you mean" not in status(translator)[0][1]["Accepted"][2]
    translator.edit([removal(routes[0])])
    translator.evaluate()
    assert "(did you mean zebra?)" in status(translator)[0][1]["Accepted"][2]


def test_a_policy_that_sets_nothing_says_so() -> None:
    """A name that is misspelt is dropped, by the API server too: what is left is valid, and protects nothing."""
    ((_, found),) = status(serving(route("one"), policy("p", targetRefs=[ref("HTTPRoute", "one")], cors=None)))
    assert found["Accepted"] == VALID
    text = "The policy sets nothing: add a field, or correct the name of the one that it should have."
    assert found[NO_EFFECT] == ("True", "NoEffect", text)
    replacing = policy("p", targetRefs=[ref("HTTPRoute", "one")], cors=None, inheritance="Replace")
    ((_, found),) = status(serving(route("one"), replacing))
    assert NO_EFFECT not in found


def test_a_target_that_is_not_permitted() -> None:
    """The target itself is the ancestor with the grant that is missing; the other target is served."""
    targets = [ref("HTTPRoute", "one"), ref("HTTPRoute", "far", namespace="bank")]
    translator = serving(route("one"), route("far", "bank"), policy("p", targetRefs=targets))
    (first, denied), (second, served) = status(translator)
    assert (first, second) == ("HTTPRoute far", "Gateway web")
    text = (
        "spec.targetRefs[1]: HTTPRoute bank/far is in another namespace, and no ReferenceGrant there permits it; "
        "create one in bank from TrafficPolicy (gateway.headgate.dev) in namespace shop to HTTPRoute."
    )
    assert denied == {"Accepted": ("False", "RefNotPermitted", text)}
    assert (served["Accepted"], served["Attached"]) == (VALID, ALL)
    translator.edit([edit(grant("bank", origin="shop"))])
    translator.evaluate()
    assert [name for name, _ in status(translator)] == ["Gateway web"]


def test_a_selected_object_that_is_not_permitted() -> None:
    """An object that a selector reaches without a grant is an ancestor, and has nothing of the policy."""
    everywhere = policy("p", targetSelectors=selector(RED | {"namespaces": {"from": "All"}}))
    translator = serving(route("far", "bank", {"team": "red"}), everywhere)
    ((name, found),) = status(translator)
    assert name == "HTTPRoute far"
    assert found["Accepted"][1] == "RefNotPermitted"
    assert found["Accepted"][2].startswith("spec.targetSelectors[0]: HTTPRoute bank/far is in another namespace")
    assert origins(translator) == {}


def test_a_selector_without_a_match() -> None:
    """The GatewayClass is the ancestor of a selector that selects nothing, until something has the labels."""
    translator = serving(route("one"), policy("p", targetSelectors=selector()))
    ((name, found),) = status(translator)
    assert name == "GatewayClass headgate"
    text = (
        "spec.targetSelectors[0] selects no HTTPRoute in namespace shop: "
        "correct the labels that it asks for, or those of what it is for."
    )
    assert found == {"Accepted": VALID, "Attached": ("False", "NoMatchingTargets", text)}
    translator.edit([edit(route("one", labels={"team": "red"}))])
    translator.evaluate()
    ((name, found),) = status(translator)
    assert name == "Gateway web"
    assert (found["Accepted"], found["Attached"]) == (VALID, ALL)


def test_a_selector_of_a_wrong_kind() -> None:
    """A kind that cannot be selected is refused, with those that can."""
    found = status(serving(policy("p", targetSelectors=selector(kind="Gatway"))))
    assert found[0][1]["Accepted"][:2] == ("False", "Invalid")
    assert (
        "spec.targetSelectors[0]: a TrafficPolicy cannot target a Gatway (did you mean Gateway?)"
        in found[0][1]["Accepted"][2]
    )


def test_a_policy_without_targets() -> None:
    """It is attached where a filter of a route names it; while none does, it says so under the GatewayClass."""
    translator = serving(route("one"), policy("p"))
    ((name, found),) = status(translator)
    text = "The policy has no targets, and no filter of an attached route names it (ExtensionRef): add targetRefs."
    assert name == "GatewayClass headgate"
    assert found == {"Accepted": VALID, "Attached": ("False", "NoMatchingTargets", text)}
    translator.edit([edit(route("one", "shop", None, extension("p")))])
    translator.evaluate()
    ((name, found),) = status(translator)
    assert name == "Gateway web"
    assert found["Attached"] == ALL
    translator.edit([edit(route("one"))])
    translator.evaluate()
    assert status(translator)[0][0] == "GatewayClass headgate"


def test_without_a_class_of_ours_a_selector_says_nothing() -> None:
    """In a cluster without a GatewayClass of this controller there is nothing to tell a policy's owner."""
    settings = Settings(standalone=False, offline=True)
    assert status(serving(policy("p", targetSelectors=selector()), settings=settings)) == []
    ours = manifest("gateway.networking.k8s.io/v1", "GatewayClass", "ours", "")
    ours["metadata"].pop("namespace")
    ours["spec"] = {"controllerName": settings.controller_name}
    found = status(serving(ours, policy("p", targetSelectors=selector()), settings=settings))
    assert [name for name, _ in found] == ["GatewayClass ours"]


def test_enforced_where_it_does_not_hold() -> None:
    """A policy of a route says that it is not enforced there, and is effective all the same."""
    translator = serving(route("one"), policy("p", targetRefs=[ref("HTTPRoute", "one")], enforced=True))
    ((_, found),) = status(translator)
    assert found["Accepted"] == VALID
    levels = "gateway, listener set, listener, parent route, parent rule"
    text = f"spec.enforced has no effect at HTTPRoute one: it holds at the levels {levels}. Remove it."
    assert found[NO_EFFECT] == ("True", "NoEffect", text)
    assert found["Attached"] == ALL


def test_an_empty_value_under_an_enforced_switch() -> None:
    """What an enforced policy switches off is lost to a policy with an empty value of the same unit."""
    wide = policy("wide", "infra", targetRefs=[ref("Gateway", "web")], enforced=True, cors=None, csrf={"disable": {}})
    near = policy("p", targetRefs=[ref("HTTPRoute", "one")], cors=None, csrf={})
    ((_, found),) = status(serving(route("one"), wide, near))
    lost = "csrf is overridden by TrafficPolicy infra/wide, which is enforced."
    assert found["Attached"] == ("False", "Overridden", lost)


def test_what_an_enforced_policy_overrides() -> None:
    """The policy of a route says which of its fields an enforced one has, and is not in conflict with it."""
    wide = policy("wide", "infra", targetRefs=[ref("Gateway", "web")], enforced=True)
    near = policy("p", cors={"allowOrigins": ["https://near.test"]}, targetRefs=[ref("HTTPRoute", "one")])
    translator = serving(route("one"), wide, near)
    ((_, found),) = status(translator)
    lost = "cors.allowOrigins is overridden by TrafficPolicy infra/wide, which is enforced."
    assert found["Accepted"] == VALID
    assert found["Attached"] == ("False", "Overridden", lost)


def test_problems_come_first() -> None:
    """Of more ancestors than a status may have, those with problems are shown, and the last says how many are not."""
    some = MAX_ANCESTORS + 2
    gateways: list[Raw] = []
    for number in range(some):
        found = web(f"web-{number:02}")
        found["spec"]["listeners"][0]["port"] = 20000 + number
        gateways.append(found)
    parents = [{"name": f"web-{number:02}", "namespace": "infra"} for number in range(some)]
    targets = [ref("HTTPRoute", "one"), ref("HTTPRoute", "missing")]
    translator = serving(*gateways, route("one", parents=parents), policy("p", targetRefs=targets))
    found_ = status(translator)
    assert len(found_) == MAX_ANCESTORS
    assert [name for name, _ in found_][:2] == ["HTTPRoute missing", "Gateway web-00"]
    assert "The status of 3 more ancestors is not shown." in found_[-1][1]["Accepted"][2]


@pytest.mark.parametrize(("clients", "acked", "reason"), [(0, False, "Pending"), (1, False, "Pending"), (1, True, "")])
def test_what_proxies_have_acknowledged(clients: int, acked: bool, reason: str) -> None:
    """A policy is programmed once the connected proxies have acknowledged the Gateway's configuration."""
    translator = serving(route("one"), policy("p", targetRefs=[ref("HTTPRoute", "one")]), settings=Settings())
    translator.set_sync_status(WEB, GatewaySyncStatus(clients=clients, all_acked=acked))
    translator.evaluate()
    programmed = status(translator)[0][1]["Programmed"]
    assert programmed[:2] == (("False", reason) if reason else ("True", "Programmed"))


def test_what_proxies_refuse() -> None:
    """The policy of a route that a proxy refuses says so in Envoy's words; others do not."""
    policies = [policy(name, targetRefs=[ref("HTTPRoute", target)]) for name, target in (("p", "one"), ("q", "two"))]
    translator = serving(route("one"), route("two"), *policies, settings=Settings())
    affected = AffectedRoute(Ref("HTTPRoute", "shop", "one"), ("0",), StillServed.NOTHING)
    nack = AttributedNack(Nack(ROUTE, "port-10080", "no such thing"), (affected,))
    translator.set_sync_status(WEB, GatewaySyncStatus(clients=1, all_acked=True, nacks=(nack,)))
    assert translator.evaluate().failures == []
    text = "A proxy of Gateway infra/web refuses port-10080: no such thing"
    assert status(translator)[0][1]["Programmed"] == ("False", "Refused", text)
    assert status(translator, "q")[0][1]["Programmed"][:2] == ("True", "Programmed")


def test_a_policy_of_a_backend_ref() -> None:
    """A policy that the filter of a backendRef names is attached there, with its units of filters only."""
    named = route("one", filters=[extension("p")])
    translator = serving(named, policy("p", cors=None, buffer={"maxRequestSize": "1Ki"}))
    ((name, found),) = status(translator)
    assert name == "Gateway web"
    assert found["Accepted"] == VALID
    translator = serving(named, policy("p", hostRewrite={"literal": "a.test"}, buffer={"maxRequestSize": "1Ki"}))
    ((_, found),) = status(translator)
    assert found["Accepted"][:2] == ("False", "Invalid")
    assert "spec.hostRewrite cannot be for a single backend" in found["Accepted"][2]
    assert "spec.buffer" not in found["Accepted"][2]
