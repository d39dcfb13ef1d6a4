"""ModelRoutes to AI providers: which one is asked, for which model, and what that costs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest
import pytest_asyncio

from tests.ai.answers import Usage
from tests.ai.clients import openai_client
from tests.ai.faults import Status
from tests.ai.provider import Provider, provider
from tests.live.ai_providers import ai, at_port, key_secret
from tests.live.backends import to_backend
from tests.live.model_routes import ask as ask_raw
from tests.live.model_routes import at_models, model_route, models, post
from tests.live.objects import Manifest, endpoints, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.rate_limit_service import RateLimitService
from tests.live.rate_limits import limits, year

HEADER = "x-gateway-model-name"
HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


@pytest_asyncio.fixture(loop_scope="session")
async def first() -> AsyncIterator[Provider]:
    """Yield a provider with a key of its own."""
    async with provider("first", key="first-key") as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def second() -> AsyncIterator[Provider]:
    """Yield another one."""
    async with provider("second", key="second-key") as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def plain() -> AsyncIterator[Provider]:
    """Yield a provider that is a Service and asks for no key."""
    async with provider("plain") as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def gpt(ai_proxy: Proxy) -> AsyncIterator[openai.AsyncOpenAI]:
    """Yield OpenAI's client of the proxy."""
    async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as found:
        yield found


def keyed(found: Provider, **fields: object) -> list[Manifest]:
    """Return the Backend of a provider with a key, and the Secret of that."""
    auth = {"secretRef": {"name": found.name}}
    made = at_port(found.port, found.name, openai={}, auth=auth, **fields)
    return [key_secret(found.name, f"{found.name}-key"), ai(made, name=found.name)]


def to(name: str, **fields: object) -> Manifest:
    """Return a backendRef to a Backend."""
    return {"group": "gateway.headgate.dev", "kind": "Backend", "name": name, **fields}


async def ask(gpt: openai.AsyncOpenAI, model: str) -> str:
    """Return what a model answers."""
    found = await gpt.chat.completions.create(model=model, messages=HELLO)
    return found.choices[0].message.content or ""


async def test_providers_of_models(
    ai_proxy: Proxy, gpt: openai.AsyncOpenAI, first: Provider, second: Provider, plain: Provider
) -> None:
    """Each model goes to its provider, which is asked with its own key, for the model that its reference names."""
    rules = (
        {"models": ["gpt-*"], "backendRefs": [to("first")]},
        {"models": ["fast"], "backendRefs": [to("second", model="gpt-4o-mini")]},
        {"models": ["own"], "backendRefs": [{"name": "plain", "port": 80, "model": "llama-3"}]},
        models("other", to="plain"),
    )
    served = [service("plain"), *endpoints("plain", [plain.port])]
    await ai_proxy.apply(*keyed(first), *keyed(second), served, model_route(*rules))
    assert await ask(gpt, "gpt-4o") == "Hello from first."
    assert await ask(gpt, "fast") == "Hello from second."
    assert (await ask(gpt, "own"), await ask(gpt, "other")) == ("Hello from plain.",) * 2
    assert [each.model for each in (*first.seen, *second.seen, *plain.seen)] == [
        "gpt-4o",
        "gpt-4o-mini",
        "llama-3",
        "other",
    ]


async def test_the_next_priority(
    ai_proxy: Proxy, gpt: openai.AsyncOpenAI, first: Provider, second: Provider, plain: Provider
) -> None:
    """What fails at the providers of a priority is asked of the next, each with its own key and model, streams too."""
    references = [
        to("first", model="gpt-4o"),
        to("second", priority=1, model="gpt-4o-mini"),
        {"name": "plain", "port": 80, "priority": 2, "model": "llama-3"},
    ]
    served = [service("plain"), *endpoints("plain", [plain.port])]
    rules = {"name": "smart", "models": ["smart"], "backendRefs": references}
    await ai_proxy.apply(*keyed(first), *keyed(second), served, model_route(rules))
    assert await ask(gpt, "smart") == "Hello from first."
    first.always = Status(429)
    assert await ask(gpt, "smart") == "Hello from second."
    second.always = Status(503)
    stream = await gpt.chat.completions.create(model="smart", messages=HELLO, stream=True)
    text = "".join([each.choices[0].delta.content or "" async for each in stream if each.choices])
    assert text == "Hello from plain."
    assert [each.model for each in (first.seen[-1], second.seen[-1], plain.seen[-1])] == [
        "gpt-4o",
        "gpt-4o-mini",
        "llama-3",
    ]
    assert not any(each.shows("first-key") or each.shows("second-key") for each in plain.seen)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_models_cost(
    ai_limited: Proxy, limiter: RateLimitService, first: Provider, second: Provider, stream: bool
) -> None:
    """A limit of money takes what the price of the model's rule makes of an answer, though another route reads it."""
    first.usage = second.usage = Usage(1000, 100, cached=400)
    dear = {
        "models": ["dear"],
        "backendRefs": [to("first")],
        "price": {"input": 10, "output": "30.5", "cachedInput": 1},
    }
    cheap = {"models": ["cheap-*"], "backendRefs": [to("second")], "price": {"input": "0.15", "output": "0.6"}}
    free = {"models": ["free"], "backendRefs": [to("second")]}
    policy = limits(year(15_000, "money", cost={"response": {"usage": "MicroUSD"}}))
    policy["spec"]["targetRefs"] = at_models()["spec"]["targetRefs"]
    await ai_limited.apply(*keyed(first), *keyed(second), model_route(dear, cheap, free), policy)

    async def ask_for(gpt: openai.AsyncOpenAI, model: str) -> None:
        if stream:
            async for _ in await gpt.chat.completions.create(model=model, messages=HELLO, stream=True):
                pass
        else:
            await gpt.chat.completions.create(model=model, messages=HELLO)

    async with openai_client(f"http://127.0.0.1:{ai_limited.port}/v1") as gpt:
        await ask_for(gpt, "dear")  # 600 * 10 + 400 * 1 + 100 * 30.5
        await limiter.redis.counted(9_450)
        await ask_for(gpt, "cheap-one")  # 1,000 * 0.15 + 100 * 0.6
        await limiter.redis.counted(9_660)
        await ask_for(gpt, "free")
        await ask_for(gpt, "dear")
        await limiter.redis.counted(19_110)
        with pytest.raises(openai.RateLimitError):
            await ask_for(gpt, "cheap-one")


@pytest.mark.parametrize("own", ["", "gpt-5", "secret"])
async def test_policies_of_an_http_route_know_the_model(ai_proxy: Proxy, plain: Provider, own: str) -> None:
    """An HTTPRoute to providers tells policies the model of the body, whatever clients write; forms tell none."""
    denied = {"action": "Deny", "policy": {"matchExpressions": [f"request.headers['{HEADER}'] == 'secret'"]}}
    backend = ai(at_port(plain.port, "main", openai={}, auth={"none": {}}))
    await ai_proxy.apply(backend, to_backend("ai"), traffic_policy("route", rbac=denied))
    headers = {"X_Gateway_Model_Name": own} if own else {}
    refused = await ask_raw(ai_proxy, "secret", **headers)
    assert (refused.status, json.loads(refused.body)["error"]["type"]) == (403, "permission_error")
    assert (await ask_raw(ai_proxy, "gpt-5", **headers)).status == 200
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--x--\r\n'
    sent = {"Content_Type": "multipart/form-data; boundary=x", **headers}
    assert (await post(ai_proxy, form, "/v1/audio/transcriptions", **sent)).status == 200
    assert (await post(ai_proxy, b'{"model": "secret"}', "/v1/files/chat/completions", **sent)).status == 403
    assert [each.model for each in plain.seen if each.endpoint and each.path == "/v1/chat/completions"] == ["gpt-5"]
