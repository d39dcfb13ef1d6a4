"""A real Envoy under constant requests, while routes change the parts of a discovered filter that they name (ECDS)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

import pytest

from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from tests.xds.envoy_process import free_port, running_envoy, upstream
from tests.xds.sample_resources import ADS, cluster, endpoints, listener, named_routes, requirements
from tests.xds.status_recorder import StatusRecorder
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.server.server import Server


def filtered(port: int) -> Resource:
    """Return a listener with the discovered filter `jwt`, which is disabled but where routes name a requirement."""
    message = listener_pb2.Listener.FromString(listener("l", port, "r").body)
    manager = http_connection_manager_pb2.HttpConnectionManager()
    http = message.filter_chains[0].filters[0]
    http.typed_config.Unpack(manager)
    router = manager.http_filters.pop()
    added = manager.http_filters.add(name="jwt", disabled=True)
    added.config_discovery.config_source.CopyFrom(ADS)
    kind = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
    added.config_discovery.type_urls.append(f"type.googleapis.com/{kind}")
    manager.http_filters.append(router)
    http.typed_config.Pack(manager)
    return Resource.pack(message)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
async def test_routes_never_name_a_part_that_is_not_there(envoy_path: Path, delta: bool) -> None:
    """Routes change from one part to another, to none and back, a hundred times: no request is refused."""
    port, news = free_port(), StatusRecorder()
    server = Server(lambda node: node.cluster, on_sync_status=news)
    seen: Counter[tuple[int, str]] = Counter()
    async with upstream("up") as up, server:
        base = [filtered(port), cluster("a"), endpoints("a", up)]
        server.publish("gateway", Snapshot.of([*base, requirements("jwt", "0"), named_routes("r", "a", "0")]))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await envoy.answers(port, "/", (200, "up"))

            async def send() -> None:
                while True:
                    seen[await envoy.get(port)] += 1

            sending = [asyncio.create_task(send()) for _ in range(2)]
            for number in range(1, 101):
                names = [str(number)] if number % 3 else []
                made = [requirements("jwt", *names), named_routes("r", "a", *names)]
                server.publish("gateway", last := Snapshot.of([*base, *made]))
                await news.until(lambda each, last=last: each.snapshot is last and each.synced == 1)  # type: ignore[misc]
            for each in sending:
                each.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await each
            await envoy.lacks('"99"', "/config_dump?resource=ecds_filters")
            server.publish("gateway", Snapshot.of([*base, requirements("jwt"), named_routes("r", "a", "none")]))
            unknown = "Failed JWT authentication: Wrong requirement_name: none. It should be one of []"
            await envoy.answers(port, "/", (403, unknown))
    assert set(seen) == {(200, "up")}, seen
