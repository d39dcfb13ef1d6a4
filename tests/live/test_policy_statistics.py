"""The unit `statPrefix` of TrafficPolicies."""

from __future__ import annotations

import pytest

from tests.live.objects import route, rule, traffic_policy
from tests.live.proxy import Proxy


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("checkout", "checkout"),
        ("{namespace}_{route}_{rule}", "default_route_named"),
        ("v1.{rule}", "v1_named"),
    ],
)
async def test_requests_are_counted_under_a_name(proxy: Proxy, prefix: str, name: str) -> None:
    """Envoy counts the requests of a route under the prefix, in which placeholders stand for its names."""
    await proxy.apply(traffic_policy("gateway", statPrefix=prefix), route(rule("alpha", name="named")))
    for _ in range(3):
        await proxy.request()
    found = await proxy.admin(f"/stats?filter=vhost.*.route.{name}.upstream_rq_200$")
    assert found.endswith(": 3\n")
