"""Tunnels that clients ask for by CONNECT, by TrafficPolicies (`httpUpgrade`)."""

from __future__ import annotations

import asyncio

import pytest

from tests.live.http2 import tunnel
from tests.live.objects import Manifest, listener_policy, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream

TERMINATED: Manifest = {"type": "CONNECT", "connect": {"terminate": True}}
INSIDE = b"GET /inside HTTP/1.1\r\nHost: inside\r\nConnection: close\r\n\r\n"


async def connect(proxy: Proxy, target: str = "example.com:443", then: bytes = b"") -> tuple[int, bytes]:
    """Ask for a tunnel; return the status, and what comes through the tunnel after `then` was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        answered = b""
        if then:
            writer.write(then)
            answered = await reader.read(-1)
    writer.close()
    return int(head.split()[1]), answered


async def test_a_tunnel_that_the_proxy_ends(proxy: Proxy, alpha: Upstream) -> None:
    """With `terminate` the bytes in the tunnel reach the backend, which sees no CONNECT; other requests go on."""
    await proxy.apply(traffic_policy("route", httpUpgrade=[TERMINATED]), route(rule("alpha")))
    status, answered = await connect(proxy, then=INSIDE)
    assert (status, b"200 OK" in answered) == (200, True)
    assert [(each.method, each.path) for each in alpha.seen] == [("GET", "/inside")]
    assert (await proxy.request("/")).backend == "alpha"


async def test_a_tunnel_that_the_backend_ends(proxy: Proxy, alpha: Upstream) -> None:
    """Without `terminate` the backend is asked for the tunnel."""
    await proxy.apply(traffic_policy("route", httpUpgrade=[{"type": "CONNECT"}]), route(rule("alpha")))
    assert (await connect(proxy))[0] == 200
    assert [(each.method, each.path) for each in alpha.seen] == [("CONNECT", "example.com:443")]


async def test_a_tunnel_within_http2(proxy: Proxy, alpha: Upstream) -> None:
    """A listener with `allowConnect` takes CONNECT within HTTP/2, too."""
    await proxy.apply(
        listener_policy(httpSettings={"http2ProtocolOptions": {"allowConnect": True}}),
        traffic_policy("route", httpUpgrade=[TERMINATED]),
        route(rule("alpha")),
    )
    assert b"200 OK" in await tunnel(proxy.port, "example.com:443", INSIDE)
    assert [(each.method, each.path) for each in alpha.seen] == [("GET", "/inside")]


@pytest.mark.parametrize(
    ("upgrades", "matches", "status"),
    [
        ([], None, 404),
        ([{"type": "CONNECT", "enabled": False}], None, 404),
        ([], [{"method": "CONNECT"}], 403),
        ([TERMINATED], [prefix("/a")], 404),
        ([TERMINATED], [{"method": "GET"}], 404),
        ([TERMINATED], [{"method": "CONNECT"}], 200),
        ([TERMINATED], [{"headers": [{"name": "x", "value": "y"}]}], 404),
    ],
)
async def test_who_gets_a_tunnel(
    proxy: Proxy, alpha: Upstream, upgrades: list[Manifest], matches: list[Manifest] | None, status: int
) -> None:
    """Only requests that match a rule for all paths, whose policy has CONNECT; no other reaches a backend."""
    policies = [traffic_policy("route", httpUpgrade=upgrades)] if upgrades else []
    named = {} if matches is None else {"matches": matches}
    await proxy.apply(*policies, route(rule("alpha", **named)))
    assert (await connect(proxy))[0] == status
    assert alpha.seen == []


async def test_access_lists_hold_for_tunnels(proxy: Proxy, alpha: Upstream) -> None:
    """A client that a policy lets nowhere gets no tunnel."""
    shut = {"defaultAction": "Deny"}
    await proxy.apply(traffic_policy("gateway", acl=shut, httpUpgrade=[TERMINATED]), route(rule("alpha")))
    assert (await connect(proxy))[0] == 403
    assert alpha.seen == []
