"""A real Envoy under constant requests, with routes selected by scope (SRDS), while scopes and listeners change."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.xds.envoy_process import free_port, is_kept_served, running_envoy, upstream
from tests.xds.sample_resources import checked_cluster, cluster, endpoints, routes, scope, scoped_listener
from tests.xds.status_recorder import StatusRecorder
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.server.server import Server, Timeouts

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])

KEY = {"x-scope": "k"}


@contextlib.asynccontextmanager
async def constantly(get: Callable[[], Awaitable[tuple[int, str]]]) -> AsyncIterator[Counter[tuple[int, str]]]:
    """Send one request after another, and count the answers, while the block runs."""
    seen: Counter[tuple[int, str]] = Counter()

    async def send() -> None:
        while True:
            seen[await get()] += 1
            await asyncio.sleep(0)

    sending = asyncio.create_task(send())
    try:
        yield seen
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending


def leads(route: str, to: str, port: int, *, checked: bool = False) -> list[Resource]:
    """Return a route configuration to a cluster with an endpoint."""
    return [checked_cluster(to) if checked else cluster(to), endpoints(to, port), routes(route, {"/": to})]


@both
@pytest.mark.parametrize("renamed", [False, True], ids=["same-name", "renamed"])
@pytest.mark.parametrize("delay", [0.0, 3.0], ids=["fast", "slow"])
async def test_a_scope_with_another_route_configuration_fails_no_request(
    envoy_path: Path, delta: bool, renamed: bool, delay: float
) -> None:
    """A scope is switched once the other route configuration and its cluster, which warms, are accepted."""
    port, news = free_port(), StatusRecorder()
    server = Server(lambda node: node.cluster, on_sync_status=news, timeouts=Timeouts(removal_delay=0.2))
    async with upstream("old") as old, upstream("new", delay=delay) as new, server:
        base = [scoped_listener("l", port)]
        server.publish("gateway", Snapshot.of([*base, *leads("r1", "c1", old), scope("s", "k", "r1")]))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await envoy.answers(port, "/", (200, "old"), headers=KEY)
            async with constantly(lambda: envoy.get(port, headers=KEY)) as seen:
                after = [*leads("r2", "c2", new, checked=True), scope("t" if renamed else "s", "k", "r2")]
                server.publish("gateway", last := Snapshot.of([*base, *after]))
                await news.until(lambda each: each.snapshot is last and each.synced == 1)
                await envoy.answers(port, "/", (200, "new"), headers=KEY)
                await envoy.lacks("c1::", "/clusters")
            assert set(seen) == {(200, "old"), (200, "new")}, seen
            assert "r1" not in (await envoy.admin("/config_dump?resource=dynamic_scoped_route_configs"))


@both
@pytest.mark.parametrize(
    ("a", "b", "answers"),
    [
        ("k", "z", {"i": (404, ""), "k": (200, "one"), "z": (200, "two")}),
        ("z", "i", {"i": (200, "two"), "k": (404, ""), "z": (200, "one")}),
        ("k", "i", {"i": (200, "two"), "k": (200, "one"), "z": (404, "")}),
    ],
    ids=["from-later", "from-earlier", "exchanged"],
)
async def test_keys_move_between_scopes(
    envoy_path: Path, delta: bool, a: str, b: str, answers: dict[str, tuple[int, str]]
) -> None:
    """Scopes that take over each other's keys answer their new requests, whatever the order of their names."""
    port, news = free_port(), StatusRecorder()
    server = Server(lambda node: node.cluster, on_sync_status=news)
    async with upstream("one") as one, upstream("two") as two, server:
        base = [scoped_listener("l", port), *leads("r1", "c1", one), *leads("r2", "c2", two)]
        server.publish("gateway", Snapshot.of([*base, scope("a", "i", "r1"), scope("b", "k", "r2")]))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await envoy.answers(port, "/", (200, "one"), headers={"x-scope": "i"})
            await envoy.answers(port, "/", (200, "two"), headers={"x-scope": "k"})
            server.publish("gateway", last := Snapshot.of([*base, scope("a", a, "r1"), scope("b", b, "r2")]))
            await news.until(lambda each: each.snapshot is last and each.synced == 1)
            for key, answer in answers.items():
                await envoy.answers(port, "/", answer, headers={"x-scope": key})


@both
async def test_connections_of_a_removed_listener_keep_their_scopes(envoy_path: Path, delta: bool) -> None:
    """A scope, its route configuration and cluster stay for the open connections of a removed listener."""
    port, news = free_port(), StatusRecorder()
    timeouts = Timeouts(removal_delay=0.05, drain=20)
    server = Server(lambda node: node.cluster, on_sync_status=news, timeouts=timeouts)
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
            await is_kept_served(http, url, "old")


@both
async def test_a_listener_that_is_added_later_gets_the_scopes(envoy_path: Path, delta: bool) -> None:
    """A listener uses scopes that were sent before it, even after the last listener with scopes was removed."""
    one, two = free_port(), free_port()
    timeouts = Timeouts(removal_delay=0.05, drain=0.2)
    async with upstream("old") as old, Server(lambda node: node.cluster, timeouts=timeouts) as server:
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
