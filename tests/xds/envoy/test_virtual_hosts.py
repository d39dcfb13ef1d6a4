"""A real Envoy with virtual hosts by VHDS, while their route configurations change."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from headgate_proto.envoy.config.route.v3 import route_components_pb2, route_pb2
from tests.xds.envoy_process import free_port, is_kept_served, running_envoy, upstream
from tests.xds.sample_resources import ADS, cluster, endpoints, listener
from tests.xds.status_recorder import StatusRecorder
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.server.server import Server, Timeouts


def table(name: str) -> Resource:
    """Return a route configuration without inline virtual hosts."""
    message = route_pb2.RouteConfiguration(name=name)
    message.vhds.config_source.CopyFrom(ADS)
    return Resource.pack(message)


def host(table: str, to: str) -> Resource:
    """Return the virtual host for all domains of a route configuration, with a route to a cluster."""
    message = route_components_pb2.VirtualHost(name=f"{table}/all", domains=["*"])
    route = message.routes.add()
    route.match.prefix, route.route.cluster = "/", to
    return Resource.pack(message)


def leads(name: str, to: str, port: int) -> list[Resource]:
    """Return a route configuration with a virtual host to a cluster with an endpoint."""
    return [cluster(to), endpoints(to, port), table(name), host(name, to)]


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "removed"])
async def test_connections_of_a_removed_listener_keep_their_virtual_hosts(envoy_path: Path, replaced: bool) -> None:
    """Virtual hosts of a route configuration that only a draining listener uses stay while it drains."""
    port, news = free_port(), StatusRecorder()
    timeouts = Timeouts(removal_delay=0.05, drain=20)
    server = Server(lambda node: node.cluster, on_sync_status=news, timeouts=timeouts)
    async with upstream("old") as old, upstream("new") as new, server:
        server.publish("gateway", Snapshot.of([*leads("t", "a", old), listener("l", port, "t")]))
        running = running_envoy(envoy_path, server.port, delta=True, arguments=("--drain-time-s", "20"))
        async with running as envoy, aiohttp.ClientSession() as http:
            await envoy.answers(port, "/", (200, "old"))
            url = f"http://127.0.0.1:{port}/"
            async with http.get(url) as response:
                assert await response.text() == "old"
            after = [*leads("u", "b", new), listener("l", port, "u")] if replaced else []
            server.publish("gateway", last := Snapshot.of(after))
            await news.until(lambda each: each.snapshot is last and each.synced == 1)
            await envoy.answers(port, "/", (200, "new") if replaced else (0, ""))
            await is_kept_served(http, url, "old")
