"""ModelRoutes and the vendors' own clients: what is asked for, listed and refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import openai
import pytest
import pytest_asyncio

from tests.ai.clients import anthropic_client, openai_client
from tests.ai.provider import Provider, provider
from tests.live.credentials import line, secret
from tests.live.model_routes import at_models, model_route, models
from tests.live.objects import Manifest, endpoints, service
from tests.live.proxy import Proxy

HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
MESSAGES: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hello"}]


@pytest_asyncio.fixture(loop_scope="session")
async def small() -> AsyncIterator[Provider]:
    """Yield a provider of small models."""
    async with provider("small") as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def large() -> AsyncIterator[Provider]:
    """Yield a provider of large models."""
    async with provider("large") as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def gpt(proxy: Proxy) -> AsyncIterator[openai.AsyncOpenAI]:
    """Yield OpenAI's client of the proxy."""
    async with openai_client(f"http://127.0.0.1:{proxy.port}/v1") as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def claude(proxy: Proxy) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Yield Anthropic's client of the proxy."""
    async with anthropic_client(f"http://127.0.0.1:{proxy.port}") as found:
        yield found


def served(small: Provider, large: Provider) -> list[Manifest]:
    """Return Services of the providers."""
    slices = [*endpoints("small", [small.port]), *endpoints("large", [large.port])]
    return [service("small"), service("large"), *slices]


async def test_openai(proxy: Proxy, gpt: openai.AsyncOpenAI, small: Provider, large: Provider) -> None:
    """OpenAI's client asks several models at one endpoint, whole and in streams, and lists them."""
    rules = models("gpt-4o-*", to="small"), models("gpt-4o", to="large", ownedBy="us")
    await proxy.apply(*served(small, large), model_route(*rules))
    whole = await gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert whole.choices[0].message.content == "Hello from large."
    stream = await gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
    assert "".join([each.choices[0].delta.content or "" async for each in stream]) == "Hello from small."
    assert (await gpt.embeddings.create(model="gpt-4o-embed", input="a")).data
    assert (await gpt.responses.create(model="gpt-4o", input="a")).output_text == "Hello from large."
    assert (await gpt.completions.create(model="gpt-4o", prompt="a")).choices[0].text == "Hello from large."
    assert [(each.id, each.owned_by) async for each in gpt.models.list()] == [("gpt-4o", "us")]
    assert (await gpt.models.retrieve("gpt-4o")).id == "gpt-4o"
    with pytest.raises(openai.NotFoundError) as refused:
        await gpt.models.retrieve("gpt-4o-mini")
    assert refused.value.code == "model_not_found"


async def test_anthropic(proxy: Proxy, claude: anthropic.AsyncAnthropic, small: Provider, large: Provider) -> None:
    """Anthropic's client asks models at the same endpoint, whole and in streams, and lists them."""
    await proxy.apply(*served(small, large), model_route(models("claude-small", to="small"), models(to="large")))
    asked = {"max_tokens": 10, "messages": MESSAGES}
    found = await claude.messages.create(model="claude-large", **asked)  # type: ignore[call-overload]
    assert found.content[0].text == "Hello from large."
    async with claude.messages.stream(model="claude-small", max_tokens=10, messages=MESSAGES) as stream:
        assert await stream.get_final_text() == "Hello from small."
    assert [each.id async for each in claude.models.list()] == ["claude-small"]
    assert (await claude.models.retrieve("claude-small")).display_name == "claude-small"


@pytest.mark.parametrize(
    ("policy", "model", "error", "type_"),
    [
        ({}, "nobody", "NotFoundError", "not_found_error"),
        ({}, "gone", "ServiceUnavailableError", "api_error"),
        ({"basicAuth": {"secretRef": {"name": "users"}}}, "gpt-4o", "AuthenticationError", "authentication_error"),
        ({"acl": {"defaultAction": "Deny"}}, "gpt-4o", "PermissionDeniedError", "permission_error"),
        ({"buffer": {"maxRequestSize": 10}}, "gpt-4o", "RequestTooLargeError", "request_too_large"),
        (
            {"rateLimit": {"local": {"tokenBucket": {"maxTokens": 1, "tokensPerFill": 1, "fillInterval": "1h"}}}},
            "gpt-4o",
            "RateLimitError",
            "rate_limit_error",
        ),
    ],
)
async def test_errors_of_the_proxy(
    proxy: Proxy,
    gpt: openai.AsyncOpenAI,
    claude: anthropic.AsyncAnthropic,
    small: Provider,
    large: Provider,
    policy: Manifest,
    model: str,
    error: str,
    type_: str,
) -> None:
    """What the proxy itself refuses are errors of their own types to both clients, with a message to read."""
    users = secret("users", {".htpasswd": line("alice")})
    dead = [service("dead"), *endpoints("dead", [1])]
    rules = models("gpt-4o", to="large"), models("gone", to="dead")
    await proxy.apply(*served(small, large), dead, users, model_route(*rules), at_models(**policy))
    if "rateLimit" in policy:
        await gpt.chat.completions.create(model=model, messages=HELLO)
    with pytest.raises(openai.APIStatusError) as of_openai:
        await gpt.chat.completions.create(model=model, messages=HELLO)
    with pytest.raises(anthropic.APIStatusError) as of_anthropic:
        await claude.messages.create(model=model, max_tokens=10, messages=MESSAGES)
    # What of these the clients have no class for has that of its class of statuses.
    broad = {
        "ServiceUnavailableError": ("InternalServerError",),
        "RequestTooLargeError": ("APIStatusError", "ContentTooLargeError"),
    }
    for raised in (of_openai.value, of_anthropic.value):
        assert type(raised).__name__ in (error, *broad.get(error, ()))
    assert (of_openai.value.type, of_anthropic.value.body["error"]["type"]) == (type_, type_)  # type: ignore[index]
    assert "." in of_openai.value.body["message"]  # type: ignore[index]


async def test_errors_of_providers_stay(
    proxy: Proxy, gpt: openai.AsyncOpenAI, small: Provider, large: Provider
) -> None:
    """What a provider itself refuses comes as it has said it."""
    large.models = ("gpt-4o",)
    await proxy.apply(*served(small, large), model_route(models(to="large")))
    with pytest.raises(openai.NotFoundError) as refused:
        await gpt.chat.completions.create(model="other", messages=HELLO)
    assert "The model `other` does not exist" in refused.value.message
