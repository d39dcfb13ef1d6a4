"""Limits of the tokens that models use: `rateLimit.global` with costs of responses, and a real rate limit service."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import openai
import pytest
import pytest_asyncio
from openai.types.chat import ChatCompletionChunk

from tests.ai.answers import Usage
from tests.ai.clients import openai_client
from tests.ai.faults import Cut, Held, Status
from tests.ai.provider import Provider, provider
from tests.ai.vendors import Vendor
from tests.live.ai_providers import CHAT, JSON, ai, at_port, chat
from tests.live.backends import reference, to_backend
from tests.live.model_routes import model_route
from tests.live.objects import Manifest, endpoints, route, rule, service
from tests.live.proxy import Proxy
from tests.live.rate_limit_service import RateLimitService
from tests.live.rate_limits import limits, year

PASSED, REFUSED = 200, 429


@pytest_asyncio.fixture(loop_scope="session")
async def served(ai_limited: Proxy) -> AsyncIterator[Provider]:
    """Yield a provider behind the proxy: each of its answers uses 29 tokens."""
    async with provider("main", Vendor.OPENAI) as found:
        found.usage = Usage(20, 9, cached=4)
        await ai_limited.apply(to_backend("ai"), ai(at_port(found.port, openai={}, auth={"none": {}})))
        yield found


def tokens(requests: int, usage: str = "TotalTokens", **fields: object) -> Manifest:
    """Return a policy with a limit of what models use; each user has it apart."""
    users: Manifest = {"clientSelectors": [{"headers": [{"name": "x-user", "type": "Distinct"}]}]}
    return limits(year(requests, "tokens", **users, cost={"response": {"usage": usage}, **fields}))


def client_of(proxy: Proxy, user: str) -> openai.AsyncOpenAI:
    """Return OpenAI's client, as a user."""
    return openai_client(f"http://127.0.0.1:{proxy.port}/v1", headers={"x-user": user})


async def stream_of(client: openai.AsyncOpenAI) -> openai.AsyncStream[ChatCompletionChunk]:
    """Ask for a stream."""
    return await client.chat.completions.create(
        model="gpt-5", messages=[{"role": "user", "content": "Hello"}], stream=True
    )


async def ask(proxy: Proxy, user: str = "ann", stream: bool = False) -> int:
    """Ask as a user does, and read the answer to its end; return the status."""
    async with client_of(proxy, user) as client:
        try:
            if stream:
                async for _ in await stream_of(client):
                    pass
            else:
                await client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "Hello"}])
        except openai.APIStatusError as error:
            return error.status_code
    return PASSED


@pytest.mark.parametrize("stream", [False, True])
async def test_limits_are_exact_within_the_last_request(
    ai_limited: Proxy, limiter: RateLimitService, served: Provider, stream: bool
) -> None:
    """Requests pass until so many tokens are used up; the one that exceeds the limit is the last one."""
    await ai_limited.apply(tokens(100))
    for used in (29, 58, 87, 116):
        assert await ask(ai_limited, stream=stream) == PASSED
        await limiter.redis.counted(used)
    assert [await ask(ai_limited, stream=stream) for _ in range(3)] == [REFUSED] * 3
    await limiter.redis.counted(116)  # those that were refused have used nothing
    assert await ask(ai_limited, "joe", stream=stream) == PASSED
    await limiter.redis.counted(145)
    assert len(served.seen) == 5


@pytest.mark.parametrize(("usage", "used"), [("InputTokens", 20), ("OutputTokens", 9), ("TotalTokens", 29)])
async def test_what_is_counted(
    ai_limited: Proxy, limiter: RateLimitService, served: Provider, usage: str, used: int
) -> None:
    """A limit counts the tokens of requests, of answers, or both, by the provider's word."""
    await ai_limited.apply(tokens(1000, usage))
    for count in (1, 2):
        assert await ask(ai_limited) == PASSED
        await limiter.redis.counted(used * count)


async def test_requests_may_cost_something_beside(
    ai_limited: Proxy, limiter: RateLimitService, served: Provider
) -> None:
    """What a request takes when it comes is taken beside the tokens of its answer."""
    await ai_limited.apply(tokens(1000, "TotalTokens", request={"number": 5}))
    assert await ask(ai_limited) == PASSED
    await limiter.redis.counted(34)


@pytest.mark.parametrize("count", [1_000_000, 2_000_000, 1_234_567, 100_000_000])
async def test_large_counts(ai_limited: Proxy, limiter: RateLimitService, served: Provider, count: int) -> None:
    """Counts of millions, which Envoy writes with an exponent in texts, are counted exactly."""
    served.usage = Usage(count, 0)
    await ai_limited.apply(tokens(count - 1))
    assert await ask(ai_limited) == PASSED
    await limiter.redis.counted(count)
    assert await ask(ai_limited) == REFUSED


async def test_errors_cost_nothing(ai_limited: Proxy, limiter: RateLimitService, served: Provider) -> None:
    """An answer that is an error uses no tokens."""
    await ai_limited.apply(tokens(1000))
    served.plan.extend([Status(400), Status(503), Status(429)])
    assert [await ask(ai_limited) for _ in range(4)] == [400, 503, 429, PASSED]
    await limiter.redis.counted(29)


async def test_streams_that_a_provider_cuts(ai_limited: Proxy, limiter: RateLimitService, served: Provider) -> None:
    """Of a stream that its provider cuts, the tokens count that have come, and the estimated ones of the request."""
    await ai_limited.apply(tokens(1000, "OutputTokens"))
    served.text = "one two three four five"
    served.plan.append(Cut(4))
    with contextlib.suppress(openai.APIError):
        await ask(ai_limited, stream=True)
    await limiter.redis.counted(4)  # one, two, three, four: each up to four bytes with its space, but for the third
    assert await ask(ai_limited) == PASSED


async def test_clients_that_go_away(ai_limited: Proxy, limiter: RateLimitService, served: Provider) -> None:
    """Who goes away before a stream has told what it cost pays for what has come, and for the request."""
    unchanged = ai(at_port(served.port, openai={}, auth={"none": {}}), usage="AsAsked")
    await ai_limited.apply(tokens(1000), unchanged)
    served.text = "one two three four five"
    held = Held(after=3)
    served.plan.append(held)
    async with client_of(ai_limited, "ann") as client:
        found = await stream_of(client)
        async for each in found:
            if each.choices and each.choices[0].delta.content == " two":
                break
        await found.close()
    size = len(served.seen[0].body)
    held.until.set()
    await limiter.redis.counted(-(-size // 4) + 2)


async def test_limits_of_models(ai_limited: Proxy, limiter: RateLimitService, served: Provider) -> None:
    """A ModelRoute's requests are counted too, and a limit may be of one model, whatever header clients send."""
    rules = [{"models": [each], "backendRefs": [reference("ai")]} for each in ("gpt-5", "other")]
    await ai_limited.apply(model_route(*rules))
    model = {"headers": [{"name": "x-gateway-model-name", "exact": "gpt-5"}]}
    limited = limits(year(50, "tokens", clientSelectors=[model], cost={"response": {"usage": "TotalTokens"}}))
    limited["spec"]["targetRefs"] = [{"group": "gateway.headgate.dev", "kind": "ModelRoute", "name": "llm"}]
    await ai_limited.apply(limited)

    async def status(model: str, own: str) -> int:
        body = chat(model=model)
        headers = JSON | {"X-Gateway-Model-Name": own}
        return (await ai_limited.request(CHAT, method="POST", headers=headers, body=body)).status

    for used in (29, 58):
        assert await status("gpt-5", "other") == PASSED
        await limiter.redis.counted(used)
    assert await status("gpt-5", "other") == REFUSED
    assert [await status("other", "gpt-5") for _ in range(3)] == [PASSED] * 3
    await limiter.redis.counted(58)


@pytest.mark.parametrize(
    ("selector", "counted"),
    [
        ({"headers": [{"name": "X-User", "exact": "ann"}]}, "ann"),
        ({"headers": [{"name": "X-User", "regex": "a.*"}]}, "ann"),
        ({"headers": [{"name": "X-User", "prefix": "AN", "ignoreCase": True}]}, "ann"),
        ({"headers": [{"name": "X-User", "exact": "joe", "invert": True}]}, "ann"),
        ({"headers": [{"name": "X-Other", "exact": "joe", "invert": True}]}, "ann joe"),
        ({"path": {"prefix": "/team/v1/chat"}}, "ann joe"),
        ({"path": {"exact": "/team/v1/chat/completions"}, "methods": ["POST"]}, "ann joe"),
        ({"path": {"contains": "/other"}}, ""),
    ],
)
async def test_who_is_counted(
    ai_limited: Proxy, limiter: RateLimitService, served: Provider, selector: Manifest, counted: str
) -> None:
    """What selects a request selects its answer, though the provider got other headers and another path."""
    rules = year(1000, "tokens", clientSelectors=[selector], cost={"response": {"usage": "OutputTokens"}})
    everything = year(10_000, "all", cost={"response": {"usage": "InputTokens"}})
    await ai_limited.apply(limits(rules, everything))
    for user in ("ann", "joe"):
        headers = JSON | {"X-User": user}
        found = await ai_limited.request(f"/team{CHAT}?x=/other", method="POST", headers=headers, body=chat())
        assert found.status == PASSED
    await limiter.redis.counted(40 + 9 * len(counted.split()))


async def test_a_header_that_is_sent_twice(ai_limited: Proxy, limiter: RateLimitService, served: Provider) -> None:
    """Whoever sends the header of users twice is limited by what both are together, before and after."""
    await ai_limited.apply(tokens(30))
    headers = [*JSON.items(), ("X-User", "ann"), ("X-User", "joe")]
    found = []
    for used in (29, 58, 58):
        found.append((await ai_limited.request(CHAT, method="POST", headers=headers, body=chat())).status)
        await limiter.redis.counted(used)
    assert found == [PASSED, PASSED, REFUSED]


async def test_where_no_model_is_read(ai_limited: Proxy, limiter: RateLimitService, served: Provider) -> None:
    """At a route that reads no model no header of a client stands for one, and the status says so."""
    model = {"headers": [{"name": "X-Gateway-Model-Name", "type": "Distinct"}]}
    limited = limits(year(0, "none", clientSelectors=[model]), level="route")
    await ai_limited.apply(limited, service("plain"), endpoints("plain", [served.port]), route(rule("plain")))
    headers = JSON | {"X-Gateway-Model-Name": "gpt-5"}
    assert (await ai_limited.request(CHAT, method="POST", headers=headers, body=chat())).status == PASSED
    (ancestor,) = ai_limited.status("TrafficPolicy", "policy")["ancestors"]
    assert "X-Gateway-Model-Name, which none of them has there" in str(ancestor)


async def test_money(ai_limited: Proxy, limiter: RateLimitService, served: Provider) -> None:
    """A limit of money counts by the prices of a model's rule, to the millionth of a USD."""
    price = {"input": "2.50", "cachedInput": "1.25", "output": "10"}
    rules = [
        {"models": ["gpt-*"], "backendRefs": [reference("ai")], "price": price},
        {"models": ["free"], "backendRefs": [reference("ai")]},
    ]
    cost = 16 * 2.5 + 4 * 1.25 + 9 * 10
    limited = limits(year(2 * int(cost) - 1, "money", cost={"response": {"usage": "MicroUSD"}}))
    limited["spec"]["targetRefs"] = [{"group": "gateway.headgate.dev", "kind": "ModelRoute", "name": "llm"}]
    await ai_limited.apply(model_route(*rules), limited)

    async def status(model: str) -> int:
        return (await ai_limited.request(CHAT, method="POST", headers=JSON, body=chat(model=model))).status

    for number in (1, 2):
        assert await status("free") == PASSED
        assert await status("gpt-5") == PASSED
        await limiter.redis.counted(number * int(cost))
    assert [await status("gpt-5"), await status("free")] == [REFUSED, REFUSED]
