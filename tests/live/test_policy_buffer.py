"""The unit `buffer` of TrafficPolicies."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
import pytest
from aiohttp import web

from tests.live.objects import endpoints, route, rule, service, traffic_policy
from tests.live.proxy import Proxy, free_port
from tests.live.test_retries import failing
from tests.live.upstream import Upstream

KIB, MIB = 1024, 1024 * 1024


async def post(proxy: Proxy, size: int, path: str = "/") -> int:
    """Send a body of so many bytes and return the status."""
    return (await proxy.request(path, method="POST", body=b"x" * size)).status


@pytest.mark.parametrize("level", ["gateway", "route"])
@pytest.mark.parametrize(("limit", "size"), [("1Ki", KIB), ("64Ki", 64 * KIB), ("512Ki", 512 * KIB), ("3Mi", 3 * MIB)])
async def test_what_is_too_long_gets_413(proxy: Proxy, alpha: Upstream, level: str, limit: str, size: int) -> None:
    """A request of just the size is forwarded whole, one of a byte more gets 413, and no backend sees it."""
    await proxy.apply(traffic_policy(level, buffer={"maxRequestSize": limit}), route(rule("alpha")))
    assert await post(proxy, size) == 200
    assert [len(each.body) for each in alpha.seen] == [size]
    assert await post(proxy, size + 1) == 413
    assert len(alpha.seen) == 1


async def test_a_request_that_is_cut_off_reaches_no_backend(proxy: Proxy, alpha: Upstream) -> None:
    """A backend sees a request when it is whole: of one whose client goes away it sees nothing."""
    await proxy.apply(traffic_policy("gateway", buffer={"maxRequestSize": "1Mi"}), route(rule("alpha")))
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000\r\n\r\nonly the start")
    await writer.drain()
    writer.close()
    assert await post(proxy, 10) == 200
    assert [len(each.body) for each in alpha.seen] == [10]


async def test_levels_and_disable(proxy: Proxy) -> None:
    """A route's size replaces its Gateway's, and `disable` has one without a limit; other rules have the Gateway's."""
    other = route(rule("alpha", name="named"), rule("alpha", name="other", matches=[{"path": {"value": "/other"}}]))
    wide = traffic_policy("gateway", "wide", buffer={"maxRequestSize": "1Ki"})
    for near, status in (({"maxRequestSize": "100Ki"}, 200), ({"maxRequestSize": "40Ki"}, 413), ({"disable": {}}, 200)):
        await proxy.apply(wide, traffic_policy("rule", "near", buffer=near), other)
        assert await post(proxy, 50 * KIB) == status
        assert await post(proxy, 50 * KIB, "/other") == 413
        assert await post(proxy, KIB, "/other") == 200


@pytest.mark.parametrize("size", [40_000, 3 * MIB])
async def test_a_long_request_is_tried_elsewhere(proxy: Proxy, alpha: Upstream, size: int) -> None:
    """A request that is whole is tried elsewhere where endpoints refuse connections, whatever its length."""
    ports = [alpha.port, free_port(), free_port()]
    await proxy.apply(
        traffic_policy("gateway", buffer={"maxRequestSize": "4Mi"}),
        service("third"),
        endpoints("third", ports),
        route(rule("third")),
    )
    assert Counter([await post(proxy, size) for _ in range(20)]) == {200: 20}
    assert {len(each.body) for each in alpha.seen} == {size}


async def test_what_is_buffered_is_retried_whole(proxy: Proxy, alpha: Upstream) -> None:
    """Where a route buffers more than retries keep, it is sent again whole."""
    alpha.answer = failing(alpha, 1, 503)
    await proxy.apply(
        traffic_policy("gateway", buffer={"maxRequestSize": "4Mi"}),
        route(rule("alpha", retry={"codes": [503], "backoff": "1ms"})),
    )
    assert await post(proxy, 3 * MIB) == 200
    assert [len(each.body) for each in alpha.seen] == [3 * MIB] * 2


async def test_long_responses_pass(proxy: Proxy, alpha: Upstream) -> None:
    """Responses are not kept, and may have any length."""

    async def answer(_: object) -> web.Response:
        return web.Response(body=b"x" * 2 * MIB)

    alpha.answer = answer
    await proxy.apply(traffic_policy("gateway", buffer={"maxRequestSize": "1Ki"}), route(rule("alpha")))
    assert len((await proxy.request()).body) == 2 * MIB


async def test_websockets_pass(proxy: Proxy, alpha: Upstream) -> None:
    """What opens a WebSocket is not kept until it ends."""

    async def talk(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(await socket.receive_str())
        await socket.close()
        return socket

    alpha.raw = talk
    await proxy.apply(traffic_policy("gateway", buffer={"maxRequestSize": "1Ki"}), route(rule("alpha")))
    url, headers = f"http://127.0.0.1:{proxy.port}/", {"Host": "example.com"}
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str(timeout=5) == "hello"
