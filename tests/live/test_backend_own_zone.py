"""The zone of the proxy is preferred, by BackendConfigPolicies (`loadBalancer.zoneAware`)."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.live.objects import (
    GATEWAY,
    Manifest,
    backend_config_policy,
    endpoints,
    gateway,
    prefix,
    route,
    rule,
    service,
)
from tests.live.proxy import Proxy, running_proxy
from tests.live.upstream import upstream
from translator.inputs import Settings

EAST, WEST = ("e1", "e2", "e3"), ("w1", "w2", "w3")
CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": "headgate"},
    "spec": {"controllerName": "gateway.headgate.dev/controller"},
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}


def pod(number: int, zone: str = "") -> Manifest:
    """Return a pod of the Gateway's proxies, with the label of a zone if there is one."""
    labels = {"gateway.networking.k8s.io/gateway-name": GATEWAY}
    labels |= {"topology.kubernetes.io/zone": zone} if zone else {}
    status = {"podIP": f"10.0.0.{number}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number}", "labels": labels}, "status": status}


ALIKE = [pod(1, "east"), pod(2, "west")]
MANY_HERE = [*ALIKE, pod(3, "east"), pod(4, "east")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ports() -> AsyncIterator[dict[str, int]]:
    """Yield the ports of three upstreams in each of two zones."""
    async with contextlib.AsyncExitStack() as stack:
        yield {name: (await stack.enter_async_context(upstream(name))).port for name in (*EAST, *WEST)}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def in_cluster(envoy_path: Path, ports: dict[str, int]) -> AsyncIterator[Proxy]:
    """Yield a proxy in the zone `east` of a cluster."""
    async with running_proxy(envoy_path, Settings(standalone=False), zone="east") as (proxy, _):
        await proxy.begin(CLASS, NAMESPACE, *world(proxy, ports))
        yield proxy


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def alone(envoy_path: Path, ports: dict[str, int]) -> AsyncIterator[Proxy]:
    """Yield the proxy of a machine in the zone `east`."""
    async with running_proxy(envoy_path, Settings(zone="east"), zone="east") as (proxy, _):
        await proxy.begin(*world(proxy, ports))
        yield proxy


def world(proxy: Proxy, ports: dict[str, int]) -> list[Manifest]:
    """Return the Services `zoned` and `plain`, both with all upstreams, and routes to them."""
    made = [gateway({"name": "http", "protocol": "HTTP", "port": proxy.port})]
    for name in ("zoned", "plain"):
        slices = endpoints(name, ports.values())
        for each, upstream_name in zip(slices, ports, strict=True):
            each["endpoints"][0]["zone"] = "east" if upstream_name in EAST else "west"
        made += [service(name), *slices]
    return [*made, route(rule("plain", matches=[prefix("/plain")]), rule("zoned"))]


def policy(**prefer: Any) -> Manifest:
    """Return a policy by which `zoned` prefers the proxy's zone, in turn so that shares are exact."""
    return backend_config_policy("zoned", loadBalancer={"roundRobin": {}, "zoneAware": {"preferLocal": prefer}})


async def shares(proxy: Proxy, count: int = 120, path: str = "/") -> tuple[int, int]:
    """Return how many requests the proxy's zone answers, and how many the other."""
    async with aiohttp.ClientSession() as http:
        found = Counter([(await proxy.request(path, http=http)).backend for _ in range(count)])
    assert found.total() == count
    return sum(found[each] for each in EAST), sum(found[each] for each in WEST)


async def test_requests_stay_in_the_zone(in_cluster: Proxy) -> None:
    """With the same shares of proxies and endpoints in each zone, no request leaves it; others are as before."""
    in_cluster.restore()
    await in_cluster.apply(ALIKE, policy())
    assert await shares(in_cluster) == (120, 0)
    _, away = await shares(in_cluster, path="/plain")
    assert away >= 60 - 28  # five standard deviations


async def test_as_many_leave_as_the_zone_is_too_small_for(in_cluster: Proxy) -> None:
    """With three quarters of the proxies and half of the endpoints in it, a third of the requests leave the zone."""
    in_cluster.restore()
    await in_cluster.apply(MANY_HERE, policy())
    _, away = await shares(in_cluster, 240)
    assert 80 - 37 <= away <= 80 + 37


async def test_none_leaves_by_force(in_cluster: Proxy) -> None:
    """By force the zone answers all, however many proxies are in it."""
    in_cluster.restore()
    await in_cluster.apply(MANY_HERE, policy(force={}))
    assert await shares(in_cluster) == (120, 0)


async def test_backends_with_few_endpoints(in_cluster: Proxy) -> None:
    """A backend with fewer endpoints than the least number has no preference."""
    in_cluster.restore()
    await in_cluster.apply(ALIKE, policy(minEndpointsThreshold=7))
    assert await shares(in_cluster) == (60, 60)
    await in_cluster.apply(policy(minEndpointsThreshold=6))
    assert await shares(in_cluster) == (120, 0)


async def test_a_share_of_requests(in_cluster: Proxy) -> None:
    """Of half the requests that prefer the zone and those that do not, it gets three quarters."""
    in_cluster.restore()
    await in_cluster.apply(ALIKE, policy(routingEnabled=50))
    here, _ = await shares(in_cluster, 240)
    assert 180 - 34 <= here <= 180 + 34


async def test_pods_come_and_go(in_cluster: Proxy) -> None:
    """Pods without a zone say nothing; the preference begins with the first ones that have one, and follows them."""
    in_cluster.restore()
    await in_cluster.apply([pod(1), pod(2)], policy())
    assert await shares(in_cluster) == (60, 60)
    await in_cluster.apply(ALIKE)
    assert await shares(in_cluster) == (120, 0)
    await in_cluster.apply([pod(1), pod(2)])
    assert await shares(in_cluster) == (60, 60)


@pytest.mark.parametrize("algorithm", ["leastRequest", "random", "endpointOverride"])
async def test_algorithms(in_cluster: Proxy, algorithm: str) -> None:
    """The zone is preferred by other algorithms, too, and for requests that name no endpoint."""
    in_cluster.restore()
    balancer = {algorithm: {"header": "x-endpoint"} if algorithm == "endpointOverride" else {}}
    await in_cluster.apply(
        ALIKE, backend_config_policy("zoned", loadBalancer={**balancer, "zoneAware": {"preferLocal": {}}})
    )
    assert await shares(in_cluster) == (120, 0)


async def test_a_machine_in_a_zone(alone: Proxy) -> None:
    """The only proxy evens out all endpoints; by force it stays in its zone while this has enough endpoints."""
    alone.restore()
    await alone.apply(policy())
    assert await shares(alone) == (60, 60)
    await alone.apply(policy(force={}))
    assert await shares(alone) == (120, 0)
    await alone.apply(policy(force={"minEndpointsInZoneThreshold": 3}))
    assert await shares(alone) == (120, 0)
    await alone.apply(policy(force={"minEndpointsInZoneThreshold": 4}))
    here, away = await shares(alone)
    assert here >= 60 - 28
    assert away >= 60 - 28
