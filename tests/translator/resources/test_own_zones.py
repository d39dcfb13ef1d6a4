"""The assignment of a Gateway's own proxies, by the zones of their pods, and what an edit of a pod costs."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import edit, gateway, manifest, removal, world
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from tests.translator.costs import GATEWAY, cost
from translator.conditions import NO_EFFECT
from translator.envoy.names import PROXIES
from translator.inputs import Edit, Settings, not_synced
from translator.refs import Ref
from translator.translator import Translator
from xds.resources.types import ENDPOINT

IN_CLUSTER = Settings(standalone=False, offline=True)


def pod(number: int, zone: str = "", status: Any = None) -> dict[str, Any]:
    """Return a pod of the Gateway's proxies."""
    labels = {"gateway.networking.k8s.io/gateway-name": "web"}
    labels |= {"topology.kubernetes.io/zone": zone} if zone else {}
    made = manifest("v1", "Pod", f"p{number}", status={"podIP": f"10.9.0.{number}", **(status or {})})
    made["metadata"]["labels"] = labels
    return made


def policy(service: str = "s0") -> dict[str, Any]:
    """Return a policy by which a Service prefers the proxy's zone."""
    target = {"group": "", "kind": "Service", "name": service}
    spec = {"targetRefs": [target], "loadBalancer": {"zoneAware": {"preferLocal": {}}}}
    return manifest("gateway.headgate.dev/v1alpha1", "BackendConfigPolicy", "zoned", spec=spec)


def cluster(*edits: Edit, settings: Settings = IN_CLUSTER) -> Translator:
    """Return a translator with ten routes of a Gateway."""
    spec = {"controllerName": settings.controller_name}
    class_ = manifest("gateway.networking.k8s.io/v1", "GatewayClass", "headgate", "", spec=spec)
    made = Translator(settings)
    base = [edit(class_), edit(manifest("v1", "Namespace", "shop", "")), *world(10, 2, 5)]
    made.edit([*base, *edits])
    assert made.evaluate().failures == []
    return made


def zones(translator: Translator) -> dict[str, int]:
    """Return how many proxies each zone has in the assignment."""
    message = ClusterLoadAssignment.FromString(translator.snapshots[GATEWAY].resources(ENDPOINT)[PROXIES].body)
    return {each.locality.zone: len(each.lb_endpoints) for each in message.endpoints}


@pytest.fixture
def service() -> str:
    """Return the name of a Service that routes send requests to."""
    names = sorted(cluster().snapshots[GATEWAY].resources(ENDPOINT).keys() - {PROXIES})
    return names[0].partition("/")[2].partition(":")[0]


def test_who_needs_none_gets_none() -> None:
    """Without a policy that prefers a zone the assignment is empty, and pods cost no resource."""
    made = cluster(edit(pod(1, "east")))
    assert zones(made) == {}
    assert cost(made, edit(pod(2, "east"))).resources == {}


def test_pods_by_zone(service: str) -> None:
    """Pods count by the labels of their zones; those without a label or an address, or about to go, do not."""
    going = pod(4, "west")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    fresh = pod(5, "west", {"podIP": ""})
    pods = [pod(1, "east"), pod(2, "east"), pod(3), going, fresh, pod(6, "west")]
    assert zones(cluster(edit(policy(service)), *map(edit, pods))) == {"east": 2, "west": 1}


def test_an_edit_costs_its_change(service: str) -> None:
    """A pod that only becomes ready changes nothing; one that comes or goes changes the assignment alone."""
    made = cluster(edit(policy(service)), edit(pod(1, "east")))
    ready = pod(1, "east", {"conditions": [{"type": "Ready", "status": "True"}]})
    found = cost(made, edit(ready))
    assert (found.resources, found.runs <= 8) == ({}, True)
    for change in (edit(pod(2, "west")), removal(pod(2, "west"))):
        found = cost(made, change)
        assert found.resources == {ENDPOINT: {PROXIES}}
        assert found.runs <= 8
    assert zones(made) == {"east": 1}


def test_pods_that_cannot_be_read(service: str) -> None:
    """While pods are not known no zone is preferred, and all else is served; then they count."""
    made = cluster(edit(policy(service)), not_synced("Pod", "", "may not"))
    assert zones(made) == {}
    made.edit([edit(pod(1, "east")), not_synced("Pod", "", "")])
    made.evaluate()
    assert zones(made) == {"east": 1}


@pytest.mark.parametrize(("zone", "found"), [("east", {"east": 1}), ("", {})])
def test_a_machine(service: str, zone: str, found: dict[str, int]) -> None:
    """Without a cluster there is one proxy, in the zone of the machine if that is said."""
    made = cluster(edit(policy(service)), settings=Settings(offline=True, zone=zone))
    assert zones(made) == found


def test_the_policy_goes(service: str) -> None:
    """With the policy the proxies leave the assignment, and other Gateways' pods were never in it."""
    other = pod(7, "west")
    other["metadata"]["labels"]["gateway.networking.k8s.io/gateway-name"] = "other"
    made = cluster(edit(policy(service)), edit(pod(1, "east")), edit(other))
    assert zones(made) == {"east": 1}
    made.edit([Edit(Ref("BackendConfigPolicy", "shop", "zoned"), None)])
    made.evaluate()
    assert zones(made) == {}


def no_effect(translator: Translator) -> str:
    """Return what the policy's status says has no effect; "" if nothing."""
    (ancestor,) = translator.statuses[Ref("BackendConfigPolicy", "shop", "zoned")]["ancestors"]
    return "".join(each["message"] for each in ancestor["conditions"] if each["type"] == NO_EFFECT)


def test_the_status_tells_that_no_proxy_has_a_zone(service: str) -> None:
    """A policy without effect at a Gateway says so while there are pods, and none has the label."""
    made = cluster(edit(policy(service)), settings=Settings(standalone=False))
    assert no_effect(made) == ""
    made.edit([edit(pod(1))])
    made.evaluate()
    assert no_effect(made).startswith("spec.loadBalancer.zoneAware has no effect at Gateway shop/web: none of the pods")
    made.edit([edit(pod(2, "east"))])
    made.evaluate()
    assert no_effect(made) == ""
    made.edit([not_synced("Pod", "", "may not"), removal(pod(2, "east"))])
    made.evaluate()
    assert no_effect(made) == ""


def test_self_managed_proxies(service: str) -> None:
    """A policy says that the zones of self-managed proxies are not known."""
    own = manifest("gateway.headgate.dev/v1alpha1", "GatewayParameters", "own", spec={"selfManaged": True})
    reference = {"group": "gateway.headgate.dev", "kind": "GatewayParameters", "name": "own"}
    of_own = gateway()
    of_own["spec"]["infrastructure"] = {"parametersRef": reference}
    made = cluster(edit(policy(service)), edit(own), edit(of_own), settings=Settings(standalone=False))
    assert "its proxies are self-managed" in no_effect(made)


@pytest.mark.parametrize(
    ("settings", "said"),
    [(Settings(), "start `headgate run` with --zone"), (Settings(zone="east"), ""), (Settings(offline=True), "")],
)
def test_the_status_of_a_machine(service: str, settings: Settings, said: str) -> None:
    """Without a cluster the zone is that of an option; `headgate validate` does not know it."""
    found = no_effect(cluster(edit(policy(service)), settings=settings))
    assert said in found
    assert bool(said) == bool(found)
