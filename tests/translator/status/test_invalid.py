"""Invalid objects that the API server accepted: their status says so, and their last valid state stays in use."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import Raw, edit, gateway, manifest, route, world
from translator.inputs import Edit, Invalid, Settings
from translator.objects.partial import PartialObject, partial_object
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator
from xds.resources.snapshot import diff

GATEWAY = Ref("Gateway", "shop", "web")
ROUTE = Ref("HTTPRoute", "shop", "route-5")
FILTER = "spec.rules[0].filters[0].type"


def read(raw: Raw) -> Edit:
    """Return the edit that watchers make of an object, whether it can be read or not."""
    if raw["kind"] == "GatewayClass":
        del raw["metadata"]["namespace"]
    ref = Ref(raw["kind"], raw["metadata"].get("namespace", ""), raw["metadata"]["name"])
    parsed = KINDS.parse(raw)
    return Edit(ref, parsed.object or Invalid("; ".join(map(str, parsed.problems)), partial_object(raw)))


def novel_route(generation: int = 7, **spec: Any) -> Raw:
    """Return a route with a filter that nobody here knows."""
    made = route(5, 2, 5)
    made["metadata"]["generation"] = generation
    made["spec"]["rules"][0]["filters"] = [{"type": "Novelty"}]
    made["spec"] |= spec
    return made


def novel_gateway(**spec: Any) -> Raw:
    """Return a Gateway with a listener as nobody here knows them."""
    made = gateway()
    made["metadata"]["generation"] = 7
    made["spec"]["listeners"][0]["tls"] = {"mode": "Novelty"}
    made["spec"] |= spec
    return made


def conditions(status: Any) -> dict[str, tuple[str, str, int]]:
    """Status, reason and generation of each condition."""
    found = (status.get("parents") or [status])[0]["conditions"]
    return {each["type"]: (each["status"], each["reason"], each["observedGeneration"]) for each in found}


def novel_set(**parent: Any) -> Raw:
    """Return a ListenerSet with a listener as nobody here knows them."""
    listener = {"name": "novel", "port": 81, "protocol": "HTTP", "tls": {"mode": "Novelty"}}
    spec = {"parentRef": {"name": "web", **parent}, "listeners": [listener]}
    made = manifest("gateway.networking.k8s.io/v1", "ListenerSet", "novel", spec=spec)
    made["metadata"]["generation"] = 7
    return made


def test_a_listener_set(translator: Translator) -> None:
    """One that cannot be read says so if it is for a Gateway of ours, is not counted, and harms no other."""
    sharing = gateway()
    sharing["spec"]["allowedListeners"] = {"namespaces": {"from": "Same"}}
    translator.edit([read(sharing), read(novel_set())])
    translator.evaluate()
    ref = Ref("ListenerSet", "shop", "novel")
    found = conditions(translator.statuses[ref])
    assert found == dict.fromkeys(("Accepted", "Programmed"), ("False", "Invalid", 7))
    assert translator.statuses[GATEWAY]["attachedListenerSets"] == 0
    translator.edit([read(novel_set(name="another"))])
    translator.evaluate()
    assert ref not in translator.statuses


@pytest.fixture
def translator() -> Translator:
    """Ten routes over two hosts to five Services."""
    made = Translator(Settings(standalone=False, offline=True))
    spec = {"controllerName": Settings().controller_name}
    made.edit([read(manifest("gateway.networking.k8s.io/v1", "GatewayClass", "headgate", spec=spec))])
    made.edit(world(10, 2, 5))
    assert made.evaluate().failures == []
    return made


def test_a_route_says_so_and_stays_as_it_was(translator: Translator) -> None:
    """The condition names the field and holds for the newest generation; it is served on, and not counted."""
    before = translator.snapshots[GATEWAY]
    translator.edit([read(novel_route())])
    changes = translator.evaluate()
    assert (changes.snapshots, list(changes.statuses)) == ({}, [ROUTE, GATEWAY])
    assert translator.statuses[GATEWAY]["listeners"][0]["attachedRoutes"] == 9
    status = translator.statuses[ROUTE]
    assert conditions(status) == {
        "Accepted": ("False", "UnsupportedValue", 7),
        "ResolvedRefs": ("True", "ResolvedRefs", 7),
    }
    message = status["parents"][0]["conditions"][0]["message"]
    assert message.startswith(f"Headgate cannot read it: {FILTER}:")
    assert message.endswith("what it was before stays in use.")
    translator.edit([edit(route(5, 2, 5, path="/mended"))])
    translator.evaluate()
    assert conditions(translator.statuses[ROUTE])["Accepted"][0] == "True"
    assert translator.statuses[GATEWAY]["listeners"][0]["attachedRoutes"] == 10
    assert diff(before, translator.snapshots[GATEWAY])


def test_a_route_that_never_could_be_read(translator: Translator) -> None:
    """It says so to those of its parents that are ours, and that nothing is in use; it takes its status along."""
    odd = novel_route(parentRefs=[{"name": "web"}, {"name": "none"}, {"name": 5}, {"name": "x", "kind": "Service"}])
    odd["metadata"]["name"] = "new"
    ref = Ref("HTTPRoute", "shop", "new")
    translator.edit([read(odd)])
    assert list(translator.evaluate().statuses) == [ref]
    (parent,) = translator.statuses[ref]["parents"]
    assert parent["parentRef"]["name"] == "web"
    assert "nothing of it is in use" in parent["conditions"][0]["message"]
    translator.edit([Edit(ref, None)])
    assert translator.evaluate().statuses == {ref: None}


def test_a_route_that_moves_away_unread(translator: Translator) -> None:
    """A route whose new parents are others' says nothing to the old one; one whose parents cannot be read does."""
    translator.edit([read(novel_route(parentRefs=[{"name": "theirs"}]))])
    assert list(translator.evaluate().statuses) == [ROUTE, GATEWAY]
    assert ROUTE not in translator.statuses
    translator.edit([read(novel_route(parentRefs="web"))])
    translator.evaluate()
    assert conditions(translator.statuses[ROUTE])["Accepted"] == ("False", "UnsupportedValue", 7)


def test_a_gateway_says_so_and_its_listeners_stay(translator: Translator) -> None:
    """It is neither accepted nor programmed; listeners and addresses are told as they are, for its generation."""
    translator.edit([read(novel_gateway())])
    assert translator.evaluate().snapshots == {}
    status = translator.statuses[GATEWAY]
    assert conditions(status) == {"Accepted": ("False", "Invalid", 7), "Programmed": ("False", "Invalid", 7)}
    assert "spec.listeners[0].tls.mode" in status["conditions"][0]["message"]
    (listener,) = status["listeners"]
    assert listener["attachedRoutes"] == 10
    assert {each["observedGeneration"] for each in listener["conditions"]} == {7}


@pytest.mark.parametrize("known", [True, False])
def test_a_gateway_of_another_class_is_none_of_ours(translator: Translator, known: bool) -> None:
    """Where its class can be seen that decides, else whether it was ours; of what never was read nothing is known."""
    if not known:
        translator.edit([Edit(GATEWAY, None)])
        translator.evaluate()
    translator.edit([read(novel_gateway(gatewayClassName="theirs"))])
    translator.evaluate()
    assert GATEWAY not in translator.statuses
    translator.edit([read(novel_gateway(gatewayClassName=5))])
    translator.evaluate()
    assert (GATEWAY in translator.statuses) == known


@pytest.mark.parametrize(
    ("kind", "group", "reason"),
    [("GatewayClass", "gateway.networking.k8s.io/v1", "Unsupported"), ("GatewayParameters", None, "Invalid")],
)
def test_classes_and_parameters_say_so(translator: Translator, kind: str, group: str | None, reason: str) -> None:
    """A class of ours and parameters that cannot be read are not accepted, be they new or not."""
    spec = {"controllerName": Settings().controller_name, "parametersRef": 5, "replicas": "many"}
    raw = manifest(group or "gateway.headgate.dev/v1alpha1", kind, "headgate", spec=spec)
    edited = read(raw)
    assert isinstance(edited.object, Invalid)
    translator.edit([edited])
    translator.evaluate()
    assert conditions(translator.statuses[edited.ref])["Accepted"] == ("False", reason, 1)
    translator.edit([edited._replace(object=Invalid("no", PartialObject(controller="theirs")))])
    translator.evaluate()
    assert (edited.ref in translator.statuses) == (kind == "GatewayParameters")


@pytest.mark.parametrize(
    "raw", [{}, {"metadata": [], "spec": ""}, {"metadata": {"generation": "1"}, "spec": {"parentRefs": 1}}]
)
def test_nothing_can_be_seen_of_some(raw: Raw) -> None:
    """Whatever an object holds, looking at it is no error."""
    assert partial_object(raw)._replace(fields=frozenset()) == PartialObject()


@pytest.mark.parametrize("generation", [2**63, 2**70, -1, 10**5000], ids=["2^63", "2^70", "-1", "10^5000"])
def test_a_generation_is_an_int64(generation: int, translator: Translator) -> None:
    """A generation that is none makes its object unreadable, and appears in nobody's status."""
    made = route(5, 2, 5)
    made["metadata"]["generation"] = generation
    found = read(made)
    assert isinstance(found.object, Invalid)
    assert "metadata.generation" in found.object.reason
    translator.edit([found])
    translator.evaluate()
    assert all(0 <= each[2] < 2**31 for each in conditions(translator.statuses[ROUTE]).values())
