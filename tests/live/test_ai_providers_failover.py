"""Providers of AI that stand in for each other: which is asked when one fails, and what it hears of the others."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import openai
import pytest
from aiohttp import web

from tests.ai.faults import Cut, Fault, Held, Status
from tests.ai.provider import provider
from tests.live.ai_providers import CHAT, JSON, ai, asked, at, at_port, chat, completion
from tests.live.backends import reference, to_backend
from tests.live.model_routes import model_route
from tests.live.objects import backend_config_policy, endpoints, service
from tests.live.proxy import WITHIN, Proxy, free_port
from tests.live.upstream import Seen, Upstream

MANY = 60


@pytest.mark.parametrize("fault", [Status(503), Status(429), Status(500), Cut()])
async def test_a_failed_request_goes_to_the_next(ai_proxy: Proxy, fault: Fault) -> None:
    """A request that a provider fails, refuses for its rate or drops, is answered by the next, with its own model."""
    async with provider("one") as one, provider("two") as two:
        one.always = fault
        await ai_proxy.apply(
            to_backend("ai"),
            ai(at_port(one.port, "one", model="large-model"), at_port(two.port, "two", pathPrefix="/openai/v1")),
        )
        found = await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())
        assert found.status == 200
        assert b"Hello from two." in found.body
        assert [each.model for each in (*one.seen, *two.seen)] == ["large-model", "small"]
        assert [each.path for each in (*one.seen, *two.seen)] == [CHAT, "/openai/v1/chat/completions"]


async def test_errors_of_clients_stay(ai_proxy: Proxy) -> None:
    """What is wrong with a request itself is answered by the first provider."""
    async with provider("one") as one, provider("two") as two:
        one.always = Status(400)
        await ai_proxy.apply(to_backend("ai"), ai(at_port(one.port, "one"), at_port(two.port, "two")))
        assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 400
        assert two.seen == []


@pytest.mark.parametrize("down", ["refused", "unknown"])
async def test_a_provider_that_is_down(ai_proxy: Proxy, alpha: Upstream, down: str) -> None:
    """No request is lost where the first provider refuses connections, or its name cannot be resolved: 0 of 60."""
    lost = at_port(free_port(), "lost")
    if down == "unknown":
        lost["host"] = "nowhere.invalid"
    await ai_proxy.apply(to_backend("ai"), ai(lost, at(alpha)))
    found = [(await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status for _ in range(MANY)]
    assert Counter(found) == {200: MANY}


async def test_priorities_and_weights(ai_proxy: Proxy, alpha: Upstream, beta: Upstream, gamma: Upstream) -> None:
    """Providers of one priority share by weight, one with weight 0 gets none, and the next priority waits."""
    shared = [at(beta, priority=1, weight=3), at(gamma, priority=1, weight=0)]
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha, priority=1), *shared, at(gamma, "behind", priority=2)))
    for _ in range(MANY):
        assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 200
    assert len(alpha.seen) + len(beta.seen) == MANY
    assert len(alpha.seen) < len(beta.seen)
    assert gamma.seen == []


async def test_no_second_provider_after_the_first_byte(ai_proxy: Proxy) -> None:
    """A stream that ends in the midst is not begun anew at another provider: the client gets what there was."""
    async with provider("one") as one, provider("two") as two:
        one.always = Cut(after=2)
        await ai_proxy.apply(to_backend("ai"), ai(at_port(one.port, "one"), at_port(two.port, "two")))
        with pytest.raises((openai.APIError, httpx.RemoteProtocolError)):
            await asked(ai_proxy, True)
        assert (len(one.seen), len(two.seen)) == (1, 0)


async def test_which_failures_count(ai_proxy: Proxy) -> None:
    """With `retryOn`, another provider is tried after these failures only."""
    async with provider("one") as one, provider("two") as two:
        found = [at_port(one.port, "one"), at_port(two.port, "two")]
        for on, served in ((["404"], {404}), (["gateway-error"], {502, 503}), (["5xx", "404"], {404, 500, 502, 503})):
            await ai_proxy.apply(to_backend("ai"), ai(*found, failover={"retryOn": on, "ejection": {"consecutive": 0}}))
            for status in (404, 429, 500, 502, 503):
                one.always = Status(status)
                answer = await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())
                assert answer.status == (200 if status in served else status)


@pytest.mark.parametrize("attempts", [1, 2, 4])
async def test_attempts(ai_proxy: Proxy, attempts: int) -> None:
    """A request is sent so often at most; what is left after the last priority goes there again."""
    async with provider("one") as one, provider("two") as two:
        one.always = two.always = Status(503)
        failover = {"attempts": attempts, "ejection": {"consecutive": 0}}
        found = [at_port(one.port, "one"), at_port(two.port, "two")]
        await ai_proxy.apply(to_backend("ai"), ai(*found, failover=failover))
        assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 503
        assert (len(one.seen), len(two.seen)) == (1, attempts - 1)


async def test_a_provider_that_is_slow_to_answer(ai_proxy: Proxy) -> None:
    """With `perTryTimeout`, a provider whose answer does not begin in time is left for the next."""
    async with provider("one") as one, provider("two") as two:
        one.always = Held()
        found = [at_port(one.port, "one"), at_port(two.port, "two")]
        await ai_proxy.apply(to_backend("ai"), ai(*found, failover={"perTryTimeout": "200ms"}))
        answer = await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())
        assert b"Hello from two." in answer.body
        one.always.until.set()


async def test_a_provider_that_keeps_failing_is_spared(ai_proxy: Proxy) -> None:
    """After so many failures in a row a provider gets no requests for a while; the last one always gets them."""
    async with provider("one") as one, provider("two") as two:
        one.always = Status(500)
        found = [at_port(one.port, "one"), at_port(two.port, "two")]
        ejection = {"consecutive": 3, "time": "60s"}
        await ai_proxy.apply(to_backend("ai"), ai(*found, failover={"ejection": ejection}))
        for _ in range(10):
            assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 200
        assert len(one.seen) == 3
        two.always = Status(500)
        for _ in range(10):
            assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 500
        assert (len(one.seen), len(two.seen)) == (3, 20)


async def test_a_dead_provider_is_left_at_once_for_long(ai_proxy: Proxy, alpha: Upstream) -> None:
    """However often a provider without a usable address has failed, no request is lost: 0 of 60."""
    lost = at_port(free_port(), "lost") | {"host": "nowhere.invalid"}
    ejection = {"consecutive": 1, "time": "60s"}
    await ai_proxy.apply(to_backend("ai"), ai(lost, at(alpha), failover={"ejection": ejection}))
    found = [(await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status for _ in range(MANY)]
    assert Counter(found) == {200: MANY}


async def test_a_service_that_is_not_healthy(ai_proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """A Service whose checks of health fail gets no requests: these go to the next provider."""

    async def ill(seen: Seen) -> web.StreamResponse | None:
        return web.Response(status=500) if seen.path == "/health" else await completion(seen)

    alpha.answer = ill
    check = {"timeout": "1s", "interval": "1s", "unhealthyThreshold": 1, "healthyThreshold": 1}
    await ai_proxy.apply(
        service("vllm"),
        endpoints("vllm", [alpha.port]),
        backend_config_policy("vllm", healthCheck={**check, "http": {"path": "/health"}}),
        to_backend("ai"),
        ai({"name": "own", "custom": {"backendRef": {"name": "vllm", "port": 80}}}, at(beta)),
    )
    await alpha.saw(1)
    for _ in range(10):
        assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 200
    assert {each.path for each in alpha.seen} == {"/health"}


async def test_the_host_of_the_client(ai_proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """A Service gets the Host of the client, whichever host a provider has that was tried before."""

    async def fail(_: Seen) -> web.StreamResponse:
        return web.Response(status=503)

    custom = {"name": "vllm", "custom": {"backendRef": {"name": "vllm", "port": 8000}}}
    there = [service("vllm", 8000), *endpoints("vllm", [beta.port])]
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha), custom), there)
    alpha.answer = fail
    sent = JSON | {"Host": "models.example.com"}
    assert (await ai_proxy.request(CHAT, method="POST", headers=sent, body=chat())).status == 200
    assert (alpha.seen[0].host, beta.seen[0].host) == (f"127.0.0.1:{alpha.port}", "models.example.com")


async def test_websockets_are_refused_at_once(ai_proxy: Proxy, alpha: Upstream) -> None:
    """A WebSocket to a provider gets an answer that says that there are none, and the provider hears nothing of it."""
    await ai_proxy.apply(model_route({"backendRefs": [reference("ai")]}), ai(at(alpha)))
    sent = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "YQ=="}
    async with asyncio.timeout(WITHIN):
        found = await ai_proxy.request("/v1/realtime?model=a", headers=sent)
    assert found.status == 400
    assert b"WebSockets" in found.body
    assert alpha.seen == []
