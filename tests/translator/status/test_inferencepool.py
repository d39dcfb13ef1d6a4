"""The status of InferencePools, and what an edit of a pod costs."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import Raw, edit, gateway, manifest, removal, service
from translator.inputs import Edit, Settings
from translator.objects.kubernetes.workloads import PodSelection
from translator.objects.schema.base import NamespacedMeta
from translator.own_addresses import OwnAddress
from translator.refs import Ref
from translator.status.inferencepool import MAX_POOL_PARENTS
from translator.translator import Translator
from xds.resources.snapshot import diff
from xds.resources.types import CLUSTER

GATEWAY = Ref("Gateway", "shop", "web")
POOL = Ref("InferencePool", "shop", "pool")
GROUP = "inference.networking.k8s.io"
SELECTION = PodSelection.of("shop", {"app": "pool"})


def pool() -> Raw:
    """Return a pool."""
    spec = {
        "selector": {"matchLabels": {"app": "pool"}},
        "targetPorts": [{"number": 8000}],
        "endpointPickerRef": {"name": "service-7", "port": {"number": 80}},
    }
    return manifest(f"{GROUP}/v1", "InferencePool", "pool", spec=spec)


def pod(name: str, address: str, *, ready: bool = True, **labels: str) -> Raw:
    """Return a pod of the pool."""
    made = manifest("v1", "Pod", name, status={"podIP": address})
    made["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]
    made["metadata"]["labels"] = {"app": "pool", **labels}
    return made


def to_pool(*gateways: str, namespace: str = "shop") -> Raw:
    """Return a route to the pool."""
    reference = {"group": GROUP, "kind": "InferencePool", "name": "pool", "namespace": "shop"}
    spec = {
        "parentRefs": [{"name": each, "namespace": "shop"} for each in gateways],
        "rules": [{"backendRefs": [reference]}],
    }
    made = manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "route", spec=spec)
    made["metadata"]["namespace"] = namespace
    return made


def grant() -> Raw:
    """Return the permission for HTTPRoutes of another namespace to name pools."""
    giver = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "team"}
    spec = {"from": [giver], "to": [{"group": GROUP, "kind": "InferencePool"}]}
    return manifest("gateway.networking.k8s.io/v1", "ReferenceGrant", "grant", spec=spec)


def open_gateway(name: str = "web", port: int = 80) -> Raw:
    """Return a Gateway that routes of all namespaces may attach to."""
    made = gateway()
    made["metadata"]["name"] = name
    made["spec"]["listeners"][0] |= {"port": port, "allowedRoutes": {"namespaces": {"from": "All"}}}
    return made


def translated(*objects: Raw, on_demand: bool = False) -> Translator:
    """Return a translator of a pool and other objects; with `on_demand` pods are known once somebody says so."""
    made = Translator(Settings(), on_demand=[PodSelection.kind] if on_demand else [])
    made.edit(map(edit, (pool(), service(7), *objects)))
    assert made.evaluate().failures == []
    return made


def gateways(translator: Translator) -> list[str]:
    """Return the Gateways in the status of the pool."""
    status: Any = translator.statuses.get(POOL, {"parents": []})
    return [each["parentRef"]["name"] for each in status["parents"]]


def test_gateways_come_and_go() -> None:
    """The status has the Gateways at which routes name the pool, of other namespaces where a grant permits it."""
    found = translated(open_gateway(), open_gateway("other", 81), to_pool("web", "other"))
    assert gateways(found) == ["web", "other"]
    found.edit([edit(to_pool("other"))])
    found.evaluate()
    assert gateways(found) == ["other"]
    found.edit([removal(to_pool("other")), edit(to_pool("web", namespace="team"))])
    found.evaluate()
    assert found.statuses.get(POOL) is None
    found.edit([edit(grant())])
    found.evaluate()
    assert gateways(found) == ["web"]
    found.edit([removal(grant())])
    assert found.evaluate().statuses[POOL] is None


def test_a_status_has_so_many_parents() -> None:
    """A status has as many Gateways as the API has room for, and says how many there are beside these."""
    names = [f"web-{number}" for number in range(MAX_POOL_PARENTS + 2)]
    routes = [to_pool(*names[:20]), to_pool(*names[20:])]
    routes[1]["metadata"]["name"] = "second"
    found = translated(*(open_gateway(name, 1000 + number) for number, name in enumerate(names)), *routes)
    assert len(gateways(found)) == MAX_POOL_PARENTS
    status: Any = found.statuses[POOL]
    assert "2 more Gateways" in status["parents"][-1]["conditions"][0]["message"]


@pytest.mark.parametrize("others", [0, 50])
def test_an_edit_of_a_pod(others: int) -> None:
    """An edit of a pod sends one resource with endpoints, and runs what reads that pod and no other query."""
    pods = [pod(f"pod-{number}", f"10.0.1.{number}") for number in range(others + 1)]
    found = translated(open_gateway(), to_pool("web"), *pods)

    def counted(*edits: Edit) -> tuple[dict[str, int], dict[str, int]]:
        """Return what ran, and how many resources have changed, by their type."""
        before, ran = found.snapshots[GATEWAY], dict(found.executions)
        found.edit(edits)
        changes = found.evaluate()
        assert not changes.statuses
        sent = diff(before, found.snapshots[GATEWAY])
        executions = {name: count - ran.get(name, 0) for name, count in found.executions.items()}
        return {name: count for name, count in executions.items() if count}, {
            each.rpartition(".")[2]: len(names) for each, names in sent.items()
        }

    indexes = {"labelled_pods": 1, "pods": 1, "service_pods": 1}
    assert counted(edit(pod("pod-0", "10.0.1.0", more="x"))) == (indexes | {"serving_pod": 1}, {})
    moved = counted(edit(pod("pod-0", "10.0.2.1", more="x")))
    both = {"serving_pod": 1, "endpoints": 1, "endpoints_resource": 1}
    assert moved == (indexes | both, {"ClusterLoadAssignment": 1})
    unready = counted(edit(pod("pod-0", "10.0.2.1", more="x", ready=False)))
    assert unready == (indexes | both, {"ClusterLoadAssignment": 1})


def test_pods_that_are_not_known_yet() -> None:
    """Until the pods of a selection are known, nothing is said about them: a pool is not without endpoints."""
    found = translated(open_gateway(), to_pool("web"), on_demand=True)
    assert found.referenced(PodSelection.kind) == {SELECTION}
    assert GATEWAY not in found.snapshots
    found.edit([edit(pod("one", "10.0.0.1"))])
    found.evaluate()
    assert GATEWAY not in found.snapshots
    found.edit([Edit(SELECTION, PodSelection(metadata=NamespacedMeta(name="known")))])
    found.evaluate()
    assert GATEWAY in found.snapshots
    found.edit([removal(to_pool("web"))])
    found.evaluate()
    assert found.referenced(PodSelection.kind) == frozenset()


def test_a_pod_that_is_headgate_itself() -> None:
    """No route leads to Headgate's own addresses by a pod of a folder; the status says which pod is there."""
    found = Translator(Settings(own=(OwnAddress(8000, "the admin server"),)))
    found.edit(map(edit, (open_gateway(), to_pool("web"), pool(), service(7), pod("good", "10.0.0.1"))))
    found.evaluate()
    clusters = {each for each in found.snapshots[GATEWAY].resources(CLUSTER) if "InferencePool" in each}
    assert len(clusters) == 1
    found.edit([edit(pod("bad", "127.0.0.1"))])
    found.evaluate()
    assert not any("InferencePool" in each for each in found.snapshots[GATEWAY].resources(CLUSTER))
    status: Any = found.statuses[POOL]
    accepted = status["parents"][0]["conditions"][0]
    assert (accepted["status"], accepted["reason"]) == ("False", "UnsupportedValue")
    assert "Pod shop/bad is at the admin server, port 8000" in accepted["message"]
