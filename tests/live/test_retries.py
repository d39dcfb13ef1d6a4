"""Timeouts and retries (Gateway API, `HTTPRouteTimeouts`, `HTTPRouteRetry`; GEP-1742, GEP-1731)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web

from tests.live.objects import Manifest, endpoints, prefix, route, rule, service
from tests.live.proxy import Proxy, free_port
from tests.live.upstream import Answer, Seen, Upstream


def slow(seconds: float) -> Answer:
    """Answers after so many seconds."""

    async def answer(_: Seen) -> None:
        await asyncio.sleep(seconds)

    return answer


def failing(upstream: Upstream, times: int, status: int) -> Answer:
    """Fails the first few requests."""

    async def answer(_: Seen) -> web.Response | None:
        return web.Response(status=status) if len(upstream.seen) <= times else None

    return answer


async def test_a_request_that_takes_too_long_gets_504(proxy: Proxy, alpha: Upstream) -> None:
    """After its timeout a request is answered with 504, not before; a quick one is served."""
    await proxy.apply(route(rule("alpha", timeouts={"request": "200ms"})))
    assert (await proxy.request()).backend == "alpha"
    alpha.answer = slow(2)
    start = time.monotonic()
    assert (await proxy.request()).status == 504
    assert time.monotonic() - start > 0.15


async def test_a_single_try_that_takes_too_long_gets_504(proxy: Proxy, alpha: Upstream) -> None:
    """The backendRequest timeout ends a try; without retries this is the answer."""
    await proxy.apply(route(rule("alpha", timeouts={"backendRequest": "200ms"})))
    alpha.answer = slow(2)
    assert (await proxy.request()).status == 504
    assert len(alpha.seen) == 1


@pytest.mark.parametrize(
    "timeouts", [{"request": "0s"}, {"request": "0s", "backendRequest": "0s"}, {"backendRequest": "0ms"}, {}], ids=str
)
async def test_zero_is_no_timeout(proxy: Proxy, alpha: Upstream, timeouts: dict[str, str]) -> None:
    """A timeout of 0 is none, and by default there is none."""
    alpha.answer = slow(0.3)
    await proxy.apply(route(rule("alpha", timeouts=timeouts)))
    assert (await proxy.request()).backend == "alpha"


async def test_the_request_timeout_spans_all_tries(proxy: Proxy, alpha: Upstream) -> None:
    """However many tries are left, the client is answered when its request's timeout is over."""
    alpha.answer = slow(5)
    await proxy.apply(
        route(rule("alpha", timeouts={"request": "400ms", "backendRequest": "150ms"}, retry={"attempts": 50}))
    )
    start = time.monotonic()
    assert (await proxy.request()).status == 504
    assert time.monotonic() - start > 0.35
    assert 2 <= len(alpha.seen) <= 3


async def test_a_try_that_took_too_long_is_tried_again(proxy: Proxy, alpha: Upstream) -> None:
    """With retries and a timeout for each try, a later try may still answer."""

    async def answer(_: Seen) -> None:
        if len(alpha.seen) < 3:
            await asyncio.sleep(5)

    alpha.answer = answer
    await proxy.apply(route(rule("alpha", timeouts={"backendRequest": "150ms"}, retry={"attempts": 2})))
    assert (await proxy.request()).backend == "alpha"
    assert len(alpha.seen) == 3


# The retry, how often the backend fails with what, and the status and number of tries that come of it.
CODES: list[tuple[Manifest, int, int, int, int]] = [
    ({"codes": [500], "attempts": 3}, 2, 500, 200, 3),
    ({"codes": [500], "attempts": 3}, 9, 500, 500, 4),
    ({"codes": [500], "attempts": 3}, 2, 503, 503, 1),
    ({"codes": [500, 502, 503, 504], "attempts": 2}, 1, 502, 200, 2),
    ({"codes": [500, 502, 503, 504], "attempts": 2}, 2, 503, 200, 3),
    ({"codes": [500, 502, 503, 504], "attempts": 2}, 9, 504, 504, 3),
    ({"codes": [503]}, 1, 503, 200, 2),
    ({"codes": [503]}, 2, 503, 503, 2),
    ({"codes": [429], "attempts": 1}, 1, 429, 200, 2),
    ({"codes": [503], "attempts": 0}, 1, 503, 503, 1),
    ({"attempts": 3}, 1, 503, 503, 1),
    ({}, 1, 503, 503, 1),
]


@pytest.mark.parametrize(("retry", "times", "code", "status", "tries"), CODES)
async def test_codes_and_attempts(
    proxy: Proxy, alpha: Upstream, retry: Manifest, times: int, code: int, status: int, tries: int
) -> None:
    """The codes that are named are tried again, so often as `attempts` says, by default once; 0 disables retries."""
    alpha.answer = failing(alpha, times, code)
    await proxy.apply(route(rule("alpha", retry={**retry, "backoff": "1ms"})))
    assert ((await proxy.request()).status, len(alpha.seen)) == (status, tries)


async def test_the_body_is_sent_again(proxy: Proxy, alpha: Upstream) -> None:
    """A retried request has its body."""
    alpha.answer = failing(alpha, 1, 503)
    await proxy.apply(route(rule("alpha", retry={"codes": [503], "backoff": "1ms"})))
    assert (await proxy.request(method="POST", body=b"body" * 1000)).backend == "alpha"
    assert [each.body for each in alpha.seen] == [b"body" * 1000] * 2


@pytest.mark.parametrize("retry", [None, {"attempts": 100}, {"codes": [503]}], ids=str)
async def test_an_endpoint_that_refuses_connections_is_passed_over(
    proxy: Proxy, alpha: Upstream, retry: Manifest | None
) -> None:
    """Where one endpoint of two refuses connections, no request fails: it cannot have been processed there."""
    ports = [alpha.port, free_port()]
    fields = {"retry": retry} if retry else {}
    await proxy.apply(service("half"), endpoints("half", ports), route(rule("half", **fields)))
    assert {(await proxy.request()).status for _ in range(20)} == {200}


async def test_attempts_0_disables_retries_of_connections_too(proxy: Proxy, alpha: Upstream) -> None:
    """An explicit 0 disables all retries: where one endpoint refuses connections, some requests fail."""
    ports = [alpha.port, free_port()]
    await proxy.apply(service("half"), endpoints("half", ports), route(rule("half", retry={"attempts": 0})))
    assert {(await proxy.request()).status for _ in range(40)} == {200, 503}


Fields = dict[str, Any]


@pytest.mark.parametrize("fields", [{}, {"retry": {"attempts": 3}}, {"retry": {"codes": [503]}}], ids=str)
async def test_what_may_have_been_processed_is_not_tried_again(proxy: Proxy, alpha: Upstream, fields: Fields) -> None:
    """A connection that breaks after the request was sent is an error: the backend may have done what it was asked."""

    async def break_off(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    alpha.raw = break_off
    await proxy.apply(route(rule("alpha", **fields)))
    assert (await proxy.request(method="POST", body=b"order")).status == 503
    assert len(alpha.seen) == 1


async def test_a_client_cannot_ask_for_retries_or_timeouts(proxy: Proxy, alpha: Upstream) -> None:
    """Envoy's own request headers mean nothing from outside: retries and timeouts are the route's."""
    alpha.answer = failing(alpha, 9, 503)
    await proxy.apply(route(rule("alpha", matches=[prefix("/")], retry={"attempts": 0})))
    asked = {"x-envoy-retry-on": "5xx", "x-envoy-max-retries": "5", "x-envoy-upstream-rq-timeout-ms": "100"}
    assert (await proxy.request(headers=asked)).status == 503
    assert len(alpha.seen) == 1
    alpha.answer = slow(0.4)
    assert (await proxy.request(headers=asked)).status == 200
