"""InferencePools in a whole controller: pods are watched while a route needs them, and statuses are written."""

from __future__ import annotations

from typing import Any

from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from tests import virtual_time
from tests.headgate.cluster.installation import Installation, world
from tests.headgate.cluster.shop import shop
from tests.headgate.cluster.test_incomplete_reads import PEM
from tests.watchers.cluster_api import ClusterApi, Request
from xds.resources.types import ENDPOINT

KEY = "shop/web"
GROUP = "inference.networking.k8s.io"
OTHER = {"parentRef": {"name": "edge"}, "controllerName": "example.com/other", "conditions": []}
"""What another controller says of the pool."""


def pool() -> dict[str, Any]:
    """Return a pool, with a status of another controller."""
    spec = {
        "selector": {"matchLabels": {"app": "llama"}},
        "targetPorts": [{"number": 8000}],
        "endpointPickerRef": {"name": "cart", "port": {"number": 80}},
    }
    metadata = {"name": "llama", "namespace": "shop", "generation": 1}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "InferencePool",
        "metadata": metadata,
        "spec": spec,
        "status": {"parents": [OTHER]},
    }


def to_pool() -> dict[str, Any]:
    """Return a route to the pool."""
    reference = {"group": GROUP, "kind": "InferencePool", "name": "llama"}
    spec = {"parentRefs": [{"name": "web"}], "rules": [{"backendRefs": [reference]}]}
    metadata = {"name": "llama", "namespace": "shop", "generation": 1}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata,
        "spec": spec,
    }


def pod(name: str, address: str, app: str = "llama") -> dict[str, Any]:
    """Return a pod that is ready."""
    conditions = [{"type": "Ready", "status": "True"}]
    metadata = {"name": name, "namespace": "shop", "labels": {"app": app}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "status": {"podIP": address, "conditions": conditions},
    }


def addresses(installation: Installation) -> set[str]:
    """Return the addresses of the pool's endpoints, as they are published."""
    snapshot = installation.published.snapshots.get(KEY)
    found = snapshot.resources(ENDPOINT) if snapshot is not None else {}
    made = (ClusterLoadAssignment.FromString(each.body) for name, each in found.items() if "InferencePool" in name)
    return {
        endpoint.endpoint.address.socket_address.address
        for assignment in made
        for locality in assignment.endpoints
        for endpoint in locality.lb_endpoints
    }


def parents(api: ClusterApi) -> list[str]:
    """Return the controllers in the status of the pool."""
    found = api.of("InferencePool")["shop", "llama"]["status"]["parents"]
    return sorted(each["controllerName"].partition("/")[0] for each in found)


def test_a_pool_comes_and_goes() -> None:
    """Pods are watched as long as a route names the pool; the entries of other controllers in its status stay."""

    async def scenario() -> None:
        api = ClusterApi()
        world(api, shop(*PEM))
        for each in (pool(), pod("one", "10.0.0.1"), pod("other", "10.0.0.9", "other")):
            api.put(each)
        watching = Request("watch", "pods", "shop", "")
        async with Installation(api) as installation:
            await installation.until(lambda: KEY in installation.published.snapshots)
            assert addresses(installation) == set()
            assert watching not in api.requests
            api.put(to_pool())
            await installation.until(lambda: addresses(installation) == {"10.0.0.1"})
            await installation.until(lambda: parents(api) == ["example.com", "gateway.headgate.dev"])
            api.put(pod("two", "10.0.0.2"))
            await installation.until(lambda: addresses(installation) == {"10.0.0.1", "10.0.0.2"})
            api.remove("Pod", "shop", "one")
            await installation.until(lambda: addresses(installation) == {"10.0.0.2"})
            assert api.requests.count(watching) == 1
            api.remove("HTTPRoute", "shop", "llama")
            await installation.until(lambda: parents(api) == ["example.com"])
            assert api.of("InferencePool")["shop", "llama"]["status"]["parents"] == [OTHER]
            assert addresses(installation) == set()

    virtual_time.run(scenario())
