"""Timeouts: their scope, and the retries that they cause (`HTTPRouteTimeouts`, `HTTPRouteRetry`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.live.objects import route, rule
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream

Fields = dict[str, Any]


async def drip(request: web.BaseRequest) -> web.StreamResponse:
    """Answers at once with headers, and with a body that takes two seconds."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(20):
        await response.write(b"x")
        await asyncio.sleep(0.1)
    return response


@pytest.mark.parametrize(
    "fields",
    [
        {"timeouts": {"request": "300ms"}},
        {"timeouts": {"backendRequest": "300ms"}},
        {"timeouts": {"backendRequest": "300ms", "request": "30s"}},
        {"timeouts": {"backendRequest": "300ms"}, "retry": {"attempts": 2}},
        {"timeouts": {"backendRequest": "300ms"}, "retry": {"attempts": 0}},
    ],
    ids=str,
)
async def test_a_timeout_covers_the_whole_response(proxy: Proxy, alpha: Upstream, fields: Fields) -> None:
    """A response that has begun is cut off when its time is over: the client cannot take it for a whole one."""
    await proxy.apply(route(rule("alpha", **fields)))
    alpha.raw = drip
    start = time.monotonic()
    with pytest.raises(aiohttp.ClientPayloadError):
        await proxy.request()
    assert time.monotonic() - start > 0.25
    assert len(alpha.seen) == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"timeouts": {"request": "300ms"}}, 200),
        ({"timeouts": {"backendRequest": "300ms"}}, 200),
        ({"timeouts": {"backendRequest": "300ms"}, "retry": {"attempts": 1}}, 408),
    ],
    ids=str,
)
async def test_the_time_of_an_upload(proxy: Proxy, fields: Fields, status: int) -> None:
    """A slow upload does not count, but for that of each of several tries."""

    async def slow_body() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x"
            await asyncio.sleep(0.1)

    await proxy.apply(route(rule("alpha", **fields)))
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{proxy.port}/", headers={"Host": "example.com"}, data=slow_body()) as response,
    ):
        assert response.status == status


async def break_off(request: web.BaseRequest) -> web.StreamResponse:
    """End the connection once the request was read."""
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def be_slow(request: web.BaseRequest) -> web.StreamResponse:
    """Answers later than anybody waits."""
    await asyncio.sleep(5)
    return web.Response()


@pytest.mark.parametrize(("failure", "status"), [(break_off, 503), (be_slow, 504)])
@pytest.mark.parametrize(("method", "tries"), [("POST", 1), ("PATCH", 1), ("GET", 3), ("PUT", 3), ("DELETE", 3)])
async def test_only_what_can_be_done_twice_is_sent_twice(
    proxy: Proxy, alpha: Upstream, failure: Any, status: int, method: str, tries: int
) -> None:
    """With a timeout for each try what was cut off is tried again, but for methods that are not idempotent."""
    alpha.raw = failure
    await proxy.apply(route(rule("alpha", retry={"attempts": 2}, timeouts={"backendRequest": "200ms"})))
    assert (await proxy.request(method=method, body=b"order")).status == status
    assert len(alpha.seen) == tries


async def test_a_method_that_a_rule_matches_is_known(proxy: Proxy, alpha: Upstream) -> None:
    """A rule for one method tries again as that method allows."""
    alpha.raw = break_off
    fields: Fields = {"retry": {"attempts": 2}, "timeouts": {"backendRequest": "5s"}}
    await proxy.apply(route(rule("alpha", matches=[{"method": "POST"}, {"method": "GET"}], **fields)))
    for method, tries in (("POST", 1), ("GET", 3)):
        alpha.seen.clear()
        assert (await proxy.request(method=method)).status == 503
        assert len(alpha.seen) == tries


async def test_unavailable_of_grpc_is_tried_again(proxy: Proxy, alpha: Upstream) -> None:
    """A backend that answers UNAVAILABLE did not process the request: with a retry it is tried again."""

    async def answer(_: object) -> web.Response | None:
        if len(alpha.seen) > 1:
            return None
        return web.Response(headers={"content-type": "application/grpc", "grpc-status": "14"})

    alpha.answer = answer
    await proxy.apply(route(rule("alpha", retry={"attempts": 1})))
    assert (await proxy.request(method="POST", headers={"content-type": "application/grpc"})).backend == "alpha"
    assert len(alpha.seen) == 2


@pytest.mark.parametrize("fields", [{}, {"retry": {"attempts": 1}}], ids=str)
async def test_websockets_outlast_timeouts(proxy: Proxy, alpha: Upstream, fields: Fields) -> None:
    """The response that opens a WebSocket ends with its headers: what is said after takes as long as it likes."""

    async def talk(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for number in range(8):
            await socket.send_str(str(number))
            await asyncio.sleep(0.1)
        await socket.close()
        return socket

    alpha.raw = talk
    await proxy.apply(route(rule("alpha", timeouts={"request": "300ms", "backendRequest": "300ms"}, **fields)))
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"http://127.0.0.1:{proxy.port}/", headers={"Host": "example.com"}) as socket,
    ):
        assert [each.data async for each in socket] == [str(number) for number in range(8)]
