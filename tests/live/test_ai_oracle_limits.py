"""Limits of tokens are exact within the last request, whoever answers, at whichever attempt, and by whichever API."""

from __future__ import annotations

import asyncio
import contextlib
import random

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.answers import Usage
from tests.ai.clients import openai_client
from tests.ai.faults import Cut, Fault, Status
from tests.ai.worlds import Manifest, in_order, model_route, policy, reference, secrets, three
from tests.live.objects import prefix, route
from tests.live.proxy import Proxy
from tests.live.rate_limit_service import RateLimitService

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello, please."}]
SEEDS = (1, 2, 3)
HTTP = route({"matches": [prefix("/v1")], "backendRefs": [reference()]}, name="llm")
ROUTES = {"HTTPRoute": HTTP, "ModelRoute": model_route()}
FAULTS: tuple[Fault, ...] = (Status(503), Status(429), Cut())


def limit(kind: str, requests: int, *selectors: Manifest, usage: str = "TotalTokens") -> Manifest:
    """Return a policy of the route that limits tokens a year, of each user unless selectors say otherwise."""
    chosen = selectors or ({"headers": [{"name": "x-user", "type": "Distinct"}]},)
    rule = {"name": "tokens", "limit": {"requests": requests, "unit": "Year"}, "clientSelectors": list(chosen)}
    return policy(kind=kind, rateLimit={"global": {"rules": [{**rule, "cost": {"response": {"usage": usage}}}]}})


async def ask(proxy: Proxy, api: str = "chat", user: str = "ann", model: str = "m") -> bool:
    """Ask by one of the APIs and read the answer to its end; tell whether it passed the limit."""
    async with openai_client(f"http://127.0.0.1:{proxy.port}/v1", headers={"x-user": user}) as client:
        with contextlib.suppress(openai.RateLimitError):
            match api:
                case "chat":
                    await client.chat.completions.create(model=model, messages=HELLO)
                case "stream":
                    async for _ in await client.chat.completions.create(model=model, messages=HELLO, stream=True):
                        pass
                case "responses":
                    await client.responses.create(model=model, input="Hi")
                case "responses stream":
                    async for _ in await client.responses.create(model=model, input="Hi", stream=True):
                        pass
                case "completions":
                    await client.completions.create(model=model, prompt="Hi")
            return True
        return False


@pytest.mark.parametrize("kind", ROUTES)
@pytest.mark.parametrize("seed", SEEDS)
async def test_any_sequence_is_exact(ai_limited: Proxy, limiter: RateLimitService, kind: str, seed: int) -> None:
    """Of any requests, by any API and with failures between, those pass that begin before the limit is exceeded."""
    chosen = random.Random(seed)
    most = chosen.randrange(200, 400)
    apis = ("chat", "stream", "responses", "responses stream", "completions")
    async with three("headers") as found:
        await ai_limited.apply(
            *secrets(), in_order("headers", found, ("red", "green", "blue")), ROUTES[kind], limit(kind, most)
        )
        used, passed = 0, 0
        for _ in range(40):
            spent = Usage(chosen.randrange(1, 40), chosen.randrange(1, 20))
            for each in found.values():
                each.reset()
                each.usage = spent
            for name in ("red", "green")[: chosen.randrange(3)]:
                found[name].always = chosen.choice(FAULTS)
            expected = used <= most
            assert await ask(ai_limited, chosen.choice(apis)) is expected, (used, most)
            if not expected:
                break
            used, passed = used + spent.total, passed + 1
            await limiter.redis.counted(used)
        assert used > most
        assert passed > 2
        assert not await ask(ai_limited)
        assert await ask(ai_limited, user="joe")


async def test_each_model_has_a_limit_of_its_own(ai_limited: Proxy, limiter: RateLimitService) -> None:
    """A limit by the header of the model is by that of the body, whatever the client sends."""
    by_model = {"headers": [{"name": "x-gateway-model-name", "type": "Distinct"}]}
    async with three("headers") as found:
        await ai_limited.apply(
            *secrets(),
            in_order("headers", found, ("red",)),
            model_route({"models": ["a", "b"], "backendRefs": [reference()]}),
            limit("ModelRoute", 10, by_model),
        )
        found["red"].usage = Usage(8, 8)
        assert await ask(ai_limited, model="a")
        await limiter.redis.counted(16)
        assert not await ask(ai_limited, model="a")
        assert await ask(ai_limited, "stream", model="b")
        await limiter.redis.counted(32)
        assert not await ask(ai_limited, model="b")
        answer = await ai_limited.request(
            "/v1/chat/completions",
            method="POST",
            headers={"content-type": "application/json", "X-Gateway-Model-Name": "c"},
            body=b'{"model": "a", "messages": [{"role": "user", "content": "Hi"}]}',
        )
        assert answer.status == 429
        assert len(found["red"].seen) == 2


@pytest.mark.parametrize("kind", ROUTES)
@pytest.mark.parametrize(("usage", "cost"), [("InputTokens", 20), ("OutputTokens", 9), ("TotalTokens", 29)])
async def test_what_a_failed_attempt_says_is_not_counted_twice(
    ai_limited: Proxy, limiter: RateLimitService, kind: str, usage: str, cost: int
) -> None:
    """Only the answer that the client gets counts, not what providers before it said."""
    async with three("headers") as found:
        names = ("red", "green", "blue")
        policies = limit(kind, 1000, usage=usage)
        await ai_limited.apply(*secrets(), in_order("headers", found, names), ROUTES[kind], policies)
        for each in found.values():
            each.usage = Usage(20, 9, cached=4)
        told = b'{"error": {"message": "no"}, "usage": {"prompt_tokens": 500, "total_tokens": 1000}}'
        found["red"].always = Status(503, body=told)
        found["green"].always = Cut()
        for count, api in enumerate(("chat", "stream", "responses"), 1):
            assert await ask(ai_limited, api)
            await limiter.redis.counted(cost * count)


@pytest.mark.parametrize("kind", ROUTES)
async def test_a_broken_stream_is_counted(ai_limited: Proxy, kind: str) -> None:
    """A stream that breaks off after some events has used something: who breaks streams does not go free."""
    async with three("headers") as found:
        await ai_limited.apply(*secrets(), in_order("headers", found, ("red", "green")), ROUTES[kind], limit(kind, 3))
        found["red"].text = "one two three four five six seven eight"
        found["red"].always = Cut(6)
        with contextlib.suppress(openai.APIError):
            await ask(ai_limited, "stream")
        found["red"].reset()
        await _refused(ai_limited)
        assert found["green"].seen == []


async def _refused(proxy: Proxy) -> None:
    """Wait until the limit has taken what was used: it does so when the stream has ended."""
    async with asyncio.timeout(5):
        while await ask(proxy):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
