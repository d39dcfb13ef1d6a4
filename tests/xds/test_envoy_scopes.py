"""A real Envoy whose routes are chosen by scope (SRDS), while scopes and their listeners change."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.xds.deliveries import Deliveries
from tests.xds.envoy import free_port, running_envoy, upstream
from tests.xds.resources import cluster, endpoints, routes, scope, scoped_listener
from xds.resource import Resource
from xds.server import Pace, Server
from xds.snapshot import Snapshot

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])

KEY = {"x-scope": "k"}


def leads(route: str, to: str, port: int) -> list[Resource]:
    """A route configuration to a cluster with an endpoint."""
    return [cluster(to), endpoints(to, port), routes(route, {"/": to})]


@both
async def test_connections_of_a_removed_listener_keep_their_scopes(envoy_path: Path, delta: bool) -> None:
    """A scope, its route configuration and cluster stay for open connections of a listener that is gone."""
    port, news = free_port(), Deliveries()
    pace = Pace(removal_delay=0.05, drain=20)
    server = Server(lambda node: node.cluster, on_delivery=news, pace=pace)
    async with upstream("old") as old, server:
        base = [scoped_listener("l", port), *leads("r1", "c1", old), scope("s", "k", "r1")]
        server.publish("gateway", Snapshot.of(base))
        running = running_envoy(envoy_path, server.port, delta=delta, arguments=("--drain-time-s", "20"))
        async with running as envoy, aiohttp.ClientSession(headers=KEY) as http:
            await envoy.answers(port, "/", (200, "old"), headers=KEY)
            url = f"http://127.0.0.1:{port}/"
            async with http.get(url) as response:
                assert await response.text() == "old"
            server.publish("gateway", last := Snapshot())
            await news.until(lambda each: each.snapshot is last and each.synced == 1)
            await envoy.answers(port, "/", (0, ""))
            for _ in range(10):
                await asyncio.sleep(0.05)
                async with http.get(url) as response:
                    assert (response.status, await response.text()) == (200, "old")


@both
async def test_a_listener_that_is_added_later_gets_the_scopes(envoy_path: Path, delta: bool) -> None:
    """A listener uses scopes that were sent before it came, also after the last listener with scopes has gone."""
    one, two = free_port(), free_port()
    pace = Pace(removal_delay=0.05, drain=0.2)
    async with upstream("old") as old, Server(lambda node: node.cluster, pace=pace) as server:
        base = [*leads("r1", "c1", old), scope("s", "k", "r1")]
        server.publish("gateway", Snapshot.of([*base, scoped_listener("l", one)]))
        running = running_envoy(envoy_path, server.port, delta=delta, arguments=("--drain-time-s", "1"))
        async with running as envoy:
            await envoy.answers(one, "/", (200, "old"), headers=KEY)
            server.publish("gateway", Snapshot.of([*base, scoped_listener("l", one), scoped_listener("m", two)]))
            await envoy.answers(two, "/", (200, "old"), headers=KEY, within=5)
            server.publish("gateway", Snapshot.of(base))
            await envoy.lacks("r1", "/config_dump?mask=dynamic_route_configs")
            server.publish("gateway", Snapshot.of([*base, scoped_listener("n", two)]))
            await envoy.answers(two, "/", (200, "old"), headers=KEY, within=5)
