"""Limits of connections, requests and headers by ListenerPolicies."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.live.objects import Manifest, gateway, listener_policy, route, rule
from tests.live.processor import Processor
from tests.live.proxy import Proxy, free_port
from tests.live.raw_requests import exchange, request, status_of
from tests.live.test_listener_filters import filtered
from tests.live.upstream import Seen, Upstream

SOON = "100ms"


def limits(**fields: Any) -> Manifest:
    """Return a policy with HTTP settings for the Gateway."""
    return listener_policy(httpSettings=fields)


async def counted(proxy: Proxy, name: str) -> int:
    """Return a counter of the connection managers."""
    found = json.loads(await proxy.admin(f"/stats?format=json&filter=^http[.]http-{proxy.port}[.]{name}$"))["stats"]
    return sum(each.get("value", 0) for each in found)


async def test_headers_of_requests(proxy: Proxy) -> None:
    """Requests with larger headers, or more of them, than a policy says get 431."""
    await proxy.apply(limits(maxRequestHeadersKb=2, maxHeadersCount=10), route(rule("alpha")))
    large, many = "x: " + "a" * 3000, [f"x-{each}: 1" for each in range(12)]
    assert status_of(await exchange(proxy.port, request("Connection: close"))) == 200
    assert status_of(await exchange(proxy.port, request(large, "Connection: close"))) == 431
    assert status_of(await exchange(proxy.port, request(*many, "Connection: close"))) == 431
    await proxy.apply(limits(maxRequestHeadersKb=96, maxHeadersCount=300))
    assert status_of(await exchange(proxy.port, request(*["x: " + "a" * 7000] * 10, "Connection: close"))) == 200
    assert (
        status_of(await exchange(proxy.port, request(*[f"x-{each}: 1" for each in range(110)], "Connection: close")))
        == 200
    )


@pytest.mark.parametrize(("action", "status", "sent"), [("Allow", 200, ["1"]), ("Reject", 400, []), ("Drop", 200, [])])
async def test_underscores(proxy: Proxy, alpha: Upstream, action: str, status: int, sent: list[str]) -> None:
    """Headers with underscores in their names are let through or taken off, or their requests are refused."""
    await proxy.apply(limits(headersWithUnderscores=action), route(rule("alpha")))
    found = await proxy.request(headers={"x_real_ip": "1"})
    assert found.status == status
    assert [value for seen in alpha.seen for value in seen.values("x_real_ip")] == sent


async def test_limits_behind_filters_of_a_listener(proxy: Proxy, one: Processor) -> None:
    """Both connection managers take what a policy lets through."""
    port = free_port()  # where no connection between the two is left of another configuration
    await proxy.apply(
        gateway(filtered(port, "one")),
        limits(maxRequestHeadersKb=96, maxHeadersCount=150, headersWithUnderscores="Allow"),
        route(rule("alpha")),
    )
    headers = {"x_real_ip": "1"} | {f"x-{each}": "a" * 700 for each in range(100)}
    assert (await proxy.request(headers=headers, port=port)).sent("x_real_ip") == ["1"]
    assert one.streams


async def test_silent_clients(proxy: Proxy) -> None:
    """A client that does not send all of its headers, or of its body, in time gets 408; an unused connection ends."""
    await proxy.apply(limits(requestHeadersTimeout=SOON), route(rule("alpha")))
    assert status_of(await exchange(proxy.port, b"GET / HTTP/1.1\r\nHost: example.com\r\n")) == 408
    await proxy.apply(limits(requestTimeout=SOON))
    half = request("Content-Length: 10", method="POST") + b"half"
    assert status_of(await exchange(proxy.port, half)) == 408
    before = await counted(proxy, "downstream_cx_idle_timeout")
    await proxy.apply(limits(idleTimeout=SOON))
    assert status_of(await exchange(proxy.port, request())) == 200
    assert await counted(proxy, "downstream_cx_idle_timeout") == before + 1


async def test_silent_backends(proxy: Proxy, alpha: Upstream) -> None:
    """A request about which nothing is heard, or that takes too long, ends; a route's own timeout is over that."""
    gate = asyncio.Event()

    async def never(_: Seen) -> None:
        await gate.wait()

    alpha.answer = never
    await proxy.apply(limits(streamIdleTimeout=SOON), route(rule("alpha")))
    assert (await proxy.request()).status == 504
    assert await counted(proxy, "downstream_rq_idle_timeout") >= 1
    before = await counted(proxy, "downstream_rq_max_duration_reached")
    await proxy.apply(limits(maxStreamDuration=SOON))
    assert (await proxy.request()).status == 504
    assert await counted(proxy, "downstream_rq_max_duration_reached") == before + 1
    gate.set()


async def test_connections_end(proxy: Proxy) -> None:
    """After so many requests, or so long, the client is told to make another connection, with no request lost."""
    await proxy.apply(limits(maxRequestsPerConnection=2), route(rule("alpha")))
    found = await exchange(proxy.port, request(), request())
    assert found.count("200 OK") == 2
    assert found.count("connection: close") == 1
    await proxy.apply(limits(maxConnectionDuration=SOON))
    async with aiohttp.ClientSession() as http:
        ended = before = await counted(proxy, "downstream_cx_max_duration_reached")
        while ended == before:
            assert (await proxy.request(http=http)).status == 200
            ended = await counted(proxy, "downstream_cx_max_duration_reached")


async def test_connections_end_at_once(proxy: Proxy) -> None:
    """Without the safe way a connection is closed some time after its end, whatever is on it."""
    await proxy.apply(
        limits(maxConnectionDuration=SOON, disableSafeMaxConnectionDuration=True, drainTimeout=SOON),
        route(rule("alpha")),
    )
    assert status_of(await exchange(proxy.port, request())) == 200
