"""The unit `bandwidthLimit` of TrafficPolicies."""

from __future__ import annotations

import time

import pytest
from aiohttp import web

from tests.live.objects import Manifest, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream

SIZE = 300 * 1024
NARROW, WIDE = "250Ki", "1000Ki"


@pytest.fixture(autouse=True)
def long_responses(proxy: Proxy, alpha: Upstream) -> None:
    """Have `alpha` answer a GET with a long body; the proxy is there first, since it resets upstreams."""

    async def answer(seen: Seen) -> web.Response | None:
        return web.Response(body=b"x" * SIZE) if seen.method == "GET" else None

    alpha.answer = answer


def limit(value: str) -> Manifest:
    """Return a limit of so many bytes a second."""
    return {"limit": {"value": value, "unit": "Second"}}


async def download(proxy: Proxy) -> float:
    """Return how long a long response takes."""
    start = time.monotonic()
    assert len((await proxy.request()).body) == SIZE
    return time.monotonic() - start


async def upload(proxy: Proxy) -> float:
    """Return how long a long request takes."""
    start = time.monotonic()
    assert (await proxy.request(method="POST", body=b"x" * SIZE)).status == 200
    return time.monotonic() - start


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_a_quarter_of_the_bandwidth_takes_longer(proxy: Proxy, level: str) -> None:
    """A response takes about its length by the bandwidth: with a quarter of it at least twice as long."""
    await proxy.apply(traffic_policy(level, bandwidthLimit={"response": limit(WIDE)}), route(rule("alpha")))
    wide = await download(proxy)
    await proxy.apply(traffic_policy(level, bandwidthLimit={"response": limit(NARROW)}), route(rule("alpha")))
    assert await download(proxy) > 2 * wide
    assert await upload(proxy) < wide


async def test_requests_alone_and_both_directions(proxy: Proxy) -> None:
    """`request` limits requests alone, both limit both."""
    await proxy.apply(traffic_policy("route", bandwidthLimit={"request": limit(NARROW)}), route(rule("alpha")))
    free, narrow = await download(proxy), await upload(proxy)
    assert narrow > max(0.6, 3 * free)
    both = {"request": limit(NARROW), "response": limit(NARROW)}
    await proxy.apply(traffic_policy("route", bandwidthLimit=both), route(rule("alpha")))
    assert min(await download(proxy), await upload(proxy)) > max(0.6, 3 * free)


async def test_disable_at_a_route(proxy: Proxy) -> None:
    """A route that disables it has the whole bandwidth, whatever its Gateway has."""
    await proxy.apply(
        traffic_policy("gateway", "wide", bandwidthLimit={"response": limit(NARROW)}),
        traffic_policy("rule", "near", bandwidthLimit={"disable": {}}),
        route(rule("alpha", name="named"), rule("alpha", matches=[{"path": {"value": "/narrow"}}])),
    )
    assert await download(proxy) < 0.5
    start = time.monotonic()
    await proxy.request("/narrow")
    assert time.monotonic() - start > 0.6
