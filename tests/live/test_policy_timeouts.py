"""The unit `timeouts` of TrafficPolicies, beside the timeouts of rules."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.live.objects import Manifest, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.test_timeouts import drip
from tests.live.upstream import Upstream

SHORT, LONG = "300ms", "20s"


async def never(request: web.BaseRequest) -> web.StreamResponse:
    """Answer later than anybody waits."""
    await request.read()
    await asyncio.sleep(5)
    return web.Response()


async def seconds_until(proxy: Proxy, status: int) -> float:
    """Return how long a request takes until it has a status."""
    start = time.monotonic()
    assert (await proxy.request()).status == status
    return time.monotonic() - start


@pytest.mark.parametrize("level", ["gateway", "listener", "route", "rule"])
async def test_a_request_is_ended_in_time_at_every_level(proxy: Proxy, alpha: Upstream, level: str) -> None:
    """Whatever the policy targets, a request that takes too long gets 504 at about the time."""
    alpha.raw = never
    await proxy.apply(traffic_policy(level, timeouts={"request": SHORT}), route(rule("alpha", name="named")))
    assert 0.25 < await seconds_until(proxy, 504) < 2


@pytest.mark.parametrize(
    ("wide", "near", "own"),
    [
        ({"request": LONG}, {"request": SHORT}, None),
        ({"request": LONG}, {"maxStream": LONG}, {"request": SHORT}),
        ({"request": SHORT}, {"streamIdle": LONG}, {"backendRequest": SHORT}),
        ({"backendRequest": LONG}, {}, {"request": SHORT}),
        ({"request": LONG}, {"maxStream": SHORT}, None),
        ({"maxStream": LONG}, {"backendRequest": SHORT}, {"request": LONG}),
    ],
    ids=str,
)
async def test_the_most_specific_timeout_counts(
    proxy: Proxy, alpha: Upstream, wide: Manifest, near: Manifest, own: Manifest | None
) -> None:
    """A route's policy goes before the Gateway's, and the fields of the rule before both, leaf by leaf."""
    alpha.raw = never
    policies = [traffic_policy("gateway", "wide", timeouts=wide), traffic_policy("route", "near", timeouts=near)]
    await proxy.apply(*policies, route(rule("alpha", **({"timeouts": own} if own else {}))))
    assert 0.25 < await seconds_until(proxy, 504) < 2


async def test_an_enforced_timeout_goes_before_that_of_a_rule(proxy: Proxy, alpha: Upstream) -> None:
    """What the owner of a Gateway enforces, no rule lengthens."""
    alpha.raw = never
    enforced = traffic_policy("gateway", timeouts={"request": SHORT}, enforced=True)
    await proxy.apply(enforced, route(rule("alpha", timeouts={"request": LONG})))
    assert 0.25 < await seconds_until(proxy, 504) < 2


async def test_zero_ends_what_is_inherited(proxy: Proxy, alpha: Upstream) -> None:
    """A route whose policy says 0s has no limit, whatever its Gateway's says."""

    async def late(_: object) -> None:
        await asyncio.sleep(0.6)

    alpha.answer = late
    wide = traffic_policy("gateway", "wide", timeouts={"request": SHORT})
    await proxy.apply(wide, traffic_policy("route", "near", timeouts={"request": "0s"}), route(rule("alpha")))
    assert (await proxy.request()).status == 200


async def test_silence_ends_a_request_and_slowness_does_not(proxy: Proxy, alpha: Upstream) -> None:
    """`streamIdle` limits how long nothing is sent: a response that comes bit by bit goes on for longer."""
    await proxy.apply(traffic_policy("route", timeouts={"streamIdle": "600ms"}), route(rule("alpha")))
    alpha.raw = never
    silent = await seconds_until(proxy, 504)
    alpha.raw = drip
    start = time.monotonic()
    assert len((await proxy.request()).body) == 20
    assert 0.5 < silent < 0.75 * (time.monotonic() - start)


async def test_a_stream_ends_with_its_upload(proxy: Proxy) -> None:
    """`maxStream` counts from the first byte of a request, so that a slow upload is ended too; `request` does not."""

    async def slow_body() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"x"
            await asyncio.sleep(0.1)

    async def upload() -> int:
        url, headers = f"http://127.0.0.1:{proxy.port}/", {"Host": "example.com"}
        async with aiohttp.ClientSession() as http, http.post(url, headers=headers, data=slow_body()) as response:
            return response.status

    await proxy.apply(traffic_policy("route", timeouts={"request": SHORT}), route(rule("alpha")))
    assert await upload() == 200
    for more in ({}, {"request": "200ms"}, {"request": LONG}):
        await proxy.apply(traffic_policy("route", timeouts={"maxStream": SHORT, **more}))
        assert await upload() == 408


async def test_a_websocket_ends_with_its_stream(proxy: Proxy, alpha: Upstream) -> None:
    """`maxStream` is the one timeout that ends a WebSocket."""

    async def talk(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        with contextlib.suppress(ConnectionError):
            for number in range(10):
                await socket.send_str(str(number))
                await asyncio.sleep(0.1)
            await socket.close()
        return socket

    async def messages() -> int:
        url, headers = f"http://127.0.0.1:{proxy.port}/", {"Host": "example.com"}
        async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=headers) as socket:
            return len([each async for each in socket])

    alpha.raw = talk
    await proxy.apply(
        traffic_policy("route", timeouts={"request": SHORT, "backendRequest": SHORT}), route(rule("alpha"))
    )
    assert await messages() == 10
    for more in ({}, {"request": "200ms"}, {"request": LONG}):
        await proxy.apply(traffic_policy("route", timeouts={"maxStream": SHORT, **more}))
        assert await messages() < 8


@pytest.mark.parametrize(
    ("timeouts", "retry"),
    [
        ({"backendRequest": SHORT}, {}),
        ({"backendRequest": SHORT}, {"attempts": 2}),
        ({"backendRequest": SHORT, "request": LONG}, {"attempts": 2, "perTryTimeout": LONG}),
        ({"backendRequest": SHORT}, {"attempts": 2, "retryOn": ["5xx"]}),
    ],
    ids=str,
)
async def test_the_time_of_an_attempt_covers_its_response(
    proxy: Proxy, alpha: Upstream, timeouts: Manifest, retry: Manifest
) -> None:
    """`backendRequest` cuts a response off that has begun, and what has begun is not sent again."""
    await proxy.apply(traffic_policy("gateway", timeouts=timeouts, retry=retry), route(rule("alpha")))
    alpha.raw = drip
    start = time.monotonic()
    with pytest.raises(aiohttp.ClientPayloadError):
        await proxy.request()
    assert time.monotonic() - start > 0.25
    assert len(alpha.seen) == 1


async def test_policies_of_timeouts_and_retries_meet(proxy: Proxy, alpha: Upstream) -> None:
    """The time of an attempt by a Gateway's policy and the retries of a rule make one: each attempt is ended."""
    alpha.raw = never
    await proxy.apply(
        traffic_policy("gateway", timeouts={"backendRequest": "200ms"}), route(rule("alpha", retry={"attempts": 2}))
    )
    assert 0.5 < await seconds_until(proxy, 504) < 3
    assert len(alpha.seen) == 3
    assert (await proxy.request(method="POST", body=b"order")).status == 504
    assert len(alpha.seen) == 4
