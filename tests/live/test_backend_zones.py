"""Zones of endpoints, by BackendConfigPolicies (`loadBalancer`)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import aiohttp
import pytest

from tests.live.objects import Manifest, backend_config_policy, endpoints, route, rule, service
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream

ZONES = {"alpha": "east", "beta": "east", "gamma": "west"}


def many(upstreams: dict[str, Upstream], **balancer: Any) -> list[Manifest]:
    """Return a Service with an endpoint at each of the upstreams, in zones, a route to it, and a policy."""
    slices = endpoints("many", [upstreams[name].port for name in ZONES])
    for each, zone in zip(slices, ZONES.values(), strict=True):
        each["endpoints"][0]["zone"] = zone
    return [service("many"), *slices, route(rule("many")), backend_config_policy("many", loadBalancer=balancer)]


async def answers(proxy: Proxy, count: int) -> Counter[str]:
    """Return how often each upstream answers."""
    async with aiohttp.ClientSession() as http:
        return Counter([(await proxy.request(http=http)).backend for _ in range(count)])


@pytest.mark.parametrize("algorithm", ["roundRobin", "leastRequest", "random"])
async def test_weights_of_zones(proxy: Proxy, upstreams: dict[str, Upstream], algorithm: str) -> None:
    """A zone gets its share by its weight, whatever endpoints it has; one without a weight has 1."""
    zones = [{"zone": "west", "weight": 9}, {"zone": "nowhere", "weight": 100}]
    await proxy.apply(many(upstreams, **{algorithm: {}}, weightedZones=zones))
    found = await answers(proxy, 200)
    # Ten percent of the requests are for two endpoints; five standard deviations are 21.
    assert 180 - 21 <= found["gamma"] <= 199
    assert found["alpha"] + found["beta"] == 200 - found["gamma"]


async def test_zones_by_their_endpoints(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """Without weights, zones get shares by the number of their endpoints: each endpoint gets the same."""
    await proxy.apply(many(upstreams, roundRobin={}, localityType="WeightedLb"))
    found = await answers(proxy, 90)
    assert all(20 <= found[name] <= 40 for name in ZONES)
