"""A real Envoy whose listeners are removed or replaced while connections are open."""

from pathlib import Path

import aiohttp
import pytest

from tests.xds.envoy_process import free_port, is_kept_served, running_envoy, upstream
from tests.xds.sample_resources import cluster, endpoints, listener, routes
from tests.xds.status_recorder import StatusRecorder
from xds.resources.snapshot import Snapshot
from xds.server.server import Server, Timeouts

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


@both
@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "removed"])
async def test_connections_of_a_removed_listener_are_served(envoy_path: Path, delta: bool, replaced: bool) -> None:
    """While a listener drains, requests on its open connections are served by the old routes and clusters."""
    port, news = free_port(), StatusRecorder()
    timeouts = Timeouts(removal_delay=0.05, drain=20)
    server = Server(lambda node: node.cluster, on_sync_status=news, timeouts=timeouts)
    async with upstream("old") as old, upstream("new") as new, server:
        before = [cluster("a"), endpoints("a", old), routes("r", {"/": "a"}), listener("l", port, "r")]
        after = [cluster("b"), endpoints("b", new)]
        if replaced:
            after += [routes("s", {"/": "b"}), listener("l", port, "s")]
        server.publish("gateway", Snapshot.of(before))
        running = running_envoy(envoy_path, server.port, delta=delta, arguments=("--drain-time-s", "20"))
        async with running as envoy, aiohttp.ClientSession() as http:
            await envoy.answers(port, "/", (200, "old"))
            url = f"http://127.0.0.1:{port}/"
            async with http.get(url) as response:
                assert await response.text() == "old"
            server.publish("gateway", last := Snapshot.of(after))
            await news.until(lambda each: each.snapshot is last and each.synced == 1)
            await envoy.answers(port, "/", (200, "new") if replaced else (0, ""))
            await is_kept_served(http, url, "old")
