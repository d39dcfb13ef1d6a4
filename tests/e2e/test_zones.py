"""The zone of proxies: from the labels of their pods, or of nodes, to the endpoints that they prefer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.e2e.conftest import serving
from tests.e2e.installation import Installation
from tests.e2e.kube import HEADGATE_API, Kube, Object, conditions, until
from tests.e2e.objects import ECHO, GATEWAY, gateway, parameters, route
from tests.e2e.testcluster import TestCluster
from tests.e2e.traffic import TIMEOUT
from translator.conditions import NO_EFFECT
from translator.objects.kubernetes.workloads import ZONE

HERE, ELSEWHERE = "e2e-here", "e2e-elsewhere"
ZONED = "zoned"
POLICY: Object = {
    "apiVersion": HEADGATE_API,
    "kind": "BackendConfigPolicy",
    "metadata": {"name": "zones"},
    "spec": {
        "targetRefs": [{"group": "", "kind": "Service", "name": ZONED}],
        "loadBalancer": {"zoneAware": {"preferLocal": {"minEndpointsThreshold": 2, "force": {}}}},
    },
}


async def zoned(kube: Kube) -> str:
    """Apply a Service with one endpoint in each of two zones; gives the pod that is in the first."""
    await kube.patch("Deployment", ECHO, {"spec": {"replicas": 2}})

    async def read() -> list[Object]:
        found = await kube.list("Pod", f"app={ECHO}")
        return found if [bool(each["status"].get("podIP")) for each in found] == [True, True] else []

    pods = await until("two backends", read)
    endpoints = [
        {"addresses": [pod["status"]["podIP"]], "zone": zone} for pod, zone in zip(pods, (HERE, ELSEWHERE), strict=True)
    ]
    found: Object = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": ZONED, "labels": {"kubernetes.io/service-name": ZONED}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"port": 3000}],
    }
    service = {"ports": [{"port": 8080, "targetPort": 3000}]}
    await kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": ZONED}, "spec": service}, found)
    return str(pods[0]["metadata"]["name"])


async def shares(address: str, count: int = 40) -> Counter[str]:
    """Return which pods answer requests; "" for an answer of none."""
    seen: Counter[str] = Counter()
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        for _ in range(count):
            async with session.get(f"http://{address}/", headers={"Host": "example.com"}) as response:
                seen[(await response.json())["pod"] if response.status == 200 else ""] += 1
    return seen


async def zone_of_proxy(kube: Kube) -> str:
    """Wait for the only proxy of the Gateway; gives the label of its pod."""

    async def read() -> list[Object]:
        found = await kube.list("Pod", f"gateway.networking.k8s.io/gateway-name={GATEWAY}")
        return found if len(found) == 1 else []

    (pod,) = await until("one proxy", read)
    return str(pod["metadata"]["labels"].get(ZONE, ""))


async def stay(address: str, pod: str) -> None:
    """Wait until all requests are answered by this pod."""

    async def read() -> bool:
        return set(await shares(address)) == {pod}

    async def now() -> object:
        return await shares(address)

    await until(f"answers of {pod} only", read, told=now)


async def told(kube: Kube) -> str:
    """Return what the policy's status says has no effect; "" if nothing."""
    return "".join(
        each["message"] for each in conditions(await kube.get(POLICY["kind"], "zones")) if each["type"] == NO_EFFECT
    )


@pytest.fixture
async def zone_of_nodes(
    request: pytest.FixtureRequest, cluster: Kube, testcluster: TestCluster
) -> AsyncIterator[str | None]:
    """Yield the zone that all nodes of the test cluster are in meanwhile: the test's parameter; None for none."""
    before = {each["metadata"]["name"]: each["metadata"]["labels"].get(ZONE) for each in await cluster.list("Node")}
    for each in before:
        await cluster.patch("Node", each, {"metadata": {"labels": {ZONE: request.param}}})
    yield request.param
    for each, zone in before.items():
        await cluster.patch("Node", each, {"metadata": {"labels": {ZONE: zone}}})


@pytest.mark.parametrize("zone_of_nodes", [None], indirect=True)
async def test_by_a_label_of_the_pods(kube: Kube, headgate: Installation, zone_of_nodes: None) -> None:
    """Without a label the policy says that it has no effect; with one, requests stay in the zone."""
    here = await zoned(kube)
    await kube.apply(gateway(), route(backend=ZONED), POLICY)
    site = await serving(kube)
    assert await zone_of_proxy(kube) == ""
    await until("word that no proxy has a zone", lambda: told(kube))
    assert len(await shares(site.address)) == 2
    await kube.apply(parameters("zone", commonLabels={ZONE: HERE}), gateway(parameters="zone"))
    await stay(site.address, here)

    async def silent() -> bool:
        return await told(kube) == ""

    await until("status without it", silent)
    await kube.delete(POLICY["kind"], "zones")

    async def both() -> bool:
        return len(await shares(site.address)) == 2

    await until("answers of both again", both)


@pytest.mark.parametrize("zone_of_nodes", [HERE], indirect=True)
async def test_by_the_labels_of_nodes(kube: Kube, headgate: Installation, zone_of_nodes: str) -> None:
    """Kubernetes gives pods the zone of their node, which is that of the proxy."""
    here = await zoned(kube)
    await kube.apply(gateway(), route(backend=ZONED), POLICY)
    site = await serving(kube)
    assert await zone_of_proxy(kube) == zone_of_nodes
    await stay(site.address, here)
    assert await told(kube) == ""
