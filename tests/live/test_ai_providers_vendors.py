"""Each kind of provider of AI, as the vendors' own clients see it: at which path, by which key and in which API."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from tests.ai.answers import ToolCall, Usage
from tests.ai.clients import anthropic_client, openai_client
from tests.ai.faults import Cut, Status
from tests.ai.provider import Provider, provider
from tests.ai.vendors import Vendor
from tests.live.ai_providers import CHAT, JSON, ai, asked, at_port, chat, key_secret
from tests.live.backends import to_backend
from tests.live.proxy import Proxy

KEY = {"auth": {"secretRef": {"name": "key"}}}
VENDORS = [
    ({"openai": {}}, Vendor.OPENAI, "/v1/chat/completions"),
    ({"azure": {"resource": "shop"}}, Vendor.AZURE, "/openai/v1/chat/completions"),
    ({"anthropic": {}}, Vendor.ANTHROPIC, "/v1/chat/completions"),
    ({"gemini": {}}, Vendor.GEMINI, "/v1beta/openai/chat/completions"),
    (
        {"vertexai": {"projectId": "p", "region": "europe-west4"}},
        Vendor.VERTEX,
        "/v1/projects/p/locations/europe-west4/endpoints/openapi/chat/completions",
    ),
    ({"bedrock": {"region": "eu-west-1"}}, Vendor.BEDROCK, "/openai/v1/chat/completions"),
]
NATIVE = [
    ({"anthropic": {}}, Vendor.ANTHROPIC, "/v1/messages"),
    ({"gemini": {}}, Vendor.GEMINI, "/v1beta/models/large:generateContent"),
    (
        {"vertexai": {"projectId": "p", "region": "global"}},
        Vendor.VERTEX,
        "/v1/projects/p/locations/global/publishers/google/models/large:generateContent",
    ),
    ({"custom": {"formats": ["Anthropic"]}}, None, "/v1/messages"),
]


async def serve(proxy: Proxy, found: Provider, **fields: Any) -> None:
    """Have a proxy send requests to a provider, by the key that it asks for."""
    one = at_port(found.port, found.name, **fields)
    await proxy.apply(to_backend("ai"), ai(one), key_secret("key", "sk-own"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("kind", "vendor", "path"), VENDORS)
async def test_by_the_compatible_api(
    ai_proxy: Proxy, kind: dict[str, Any], vendor: Vendor, path: str, stream: bool
) -> None:
    """OpenAI's client gets answers of each vendor's compatible API, which sees its own key and path."""
    async with provider("main", vendor, key="sk-own") as served:
        served.usage = Usage(20, 9)
        await serve(ai_proxy, served, model="large", **kind, **KEY)
        assert await asked(ai_proxy, stream) == ("Hello from main.", 20, 9)
        (seen,) = served.seen
        assert (seen.path, seen.model) == (path, "large")
        assert not seen.shows("client-key")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("kind", "vendor", "path"), NATIVE)
async def test_openai_clients_in_translation(
    ai_proxy: Proxy, kind: dict[str, Any], vendor: Vendor | None, path: str, stream: bool
) -> None:
    """OpenAI's client gets answers of a vendor's own API, whole and streamed, with their numbers of tokens."""
    key = None if vendor in (None, Vendor.VERTEX) else "sk-own"
    async with provider("main", vendor, key=key) as served:
        served.usage = Usage(20, 9)
        await serve(ai_proxy, served, model="large", translate="Native", **kind, **KEY)
        assert await asked(ai_proxy, stream) == ("Hello from main.", 20, 9)
        (seen,) = served.seen
        assert (seen.path.replace(":streamGenerateContent", ":generateContent"), seen.model) == (path, "large")
        assert not seen.shows("client-key")
        assert not any(name.startswith("x-headgate") for name, _ in seen.headers)


async def say(client: anthropic.AsyncAnthropic, stream: bool) -> tuple[str, int, int]:
    """Ask as Anthropic's client does; return the text and the tokens of request and answer."""
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    if not stream:
        whole = await client.messages.create(model="mine", max_tokens=100, messages=messages)
        text = "".join(each.text for each in whole.content if each.type == "text")
        return text, whole.usage.input_tokens, whole.usage.output_tokens
    async with client.messages.stream(model="mine", max_tokens=100, messages=messages) as found:
        text = "".join([each async for each in found.text_stream])
        usage = (await found.get_final_message()).usage
    return text, usage.input_tokens, usage.output_tokens


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "vendor", "path"),
    [
        ({"anthropic": {}}, Vendor.ANTHROPIC, "/v1/messages"),
        ({"custom": {"formats": ["OpenAI", "Anthropic"]}}, None, "/v1/messages"),
        ({"openai": {}, "translate": "Native"}, Vendor.OPENAI, "/v1/chat/completions"),
        ({"gemini": {}, "translate": "Native"}, Vendor.GEMINI, "/v1beta/models/large:generateContent"),
    ],
)
async def test_anthropic_clients(
    ai_proxy: Proxy, fields: dict[str, Any], vendor: Vendor | None, path: str, stream: bool
) -> None:
    """Anthropic's client gets answers of Anthropic as they are, and of others in translation."""
    async with provider("main", vendor, key="sk-own" if vendor else None) as served:
        served.usage = Usage(20, 9)
        await serve(ai_proxy, served, model="large", **fields, **KEY)
        async with anthropic_client(f"http://127.0.0.1:{ai_proxy.port}", "client-key") as client:
            text, _, output = await say(client, stream)
        assert (text, output) == ("Hello from main.", 9)
        (seen,) = served.seen
        assert (seen.path.replace(":streamGenerateContent", ":generateContent"), seen.model) == (path, "large")
        assert not seen.shows("client-key")


async def test_tools_of_anthropic_clients(ai_proxy: Proxy) -> None:
    """Anthropic's client has tools, images and all else at Anthropic itself, where nothing is translated."""
    async with provider("main", Vendor.ANTHROPIC, key="sk-own") as served:
        served.tool = ToolCall("weather", {"city": "Oslo"})
        await serve(ai_proxy, served, anthropic={}, **KEY)
        async with anthropic_client(f"http://127.0.0.1:{ai_proxy.port}", "client-key") as client:
            found = await client.messages.create(
                model="m",
                max_tokens=100,
                messages=[{"role": "user", "content": "Weather?"}],
                tools=[{"name": "weather", "input_schema": {"type": "object"}}],
            )
        (call,) = [each for each in found.content if each.type == "tool_use"]
        assert (call.name, call.input) == ("weather", {"city": "Oslo"})


async def test_a_client_of_another_api(ai_proxy: Proxy) -> None:
    """Anthropic's client is refused in its own shape by a provider that does not speak its API."""
    async with provider("main", Vendor.OPENAI) as served:
        await serve(ai_proxy, served, openai={}, **KEY)
        async with anthropic_client(f"http://127.0.0.1:{ai_proxy.port}", "client-key") as client:
            with pytest.raises(anthropic.BadRequestError, match="does not speak this API"):
                await say(client, False)
        assert served.seen == []


LOST: list[dict[str, Any]] = [
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
    {"tool_choice": "auto"},
    {"functions": []},
    {"response_format": {"type": "json_object"}},
    {"n": 2},
    {"logprobs": True},
    {"To\u006fls": []},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "input_audio"}]}]},
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "", "tool_calls": []}]},
    {"messages": [{"role": "tool", "content": "a", "tool_call_id": "b"}]},
    {"messages": [{"role": "user", "content": {"a": 1}}]},
]


@pytest.mark.parametrize("kind", [{"anthropic": {}}, {"gemini": {}}])
@pytest.mark.parametrize("fields", LOST)
async def test_nothing_is_lost_in_translation(ai_proxy: Proxy, kind: dict[str, Any], fields: dict[str, Any]) -> None:
    """A request with tools, images or what else the translator does not know gets 400, and goes nowhere."""
    async with provider("main") as served:
        await serve(ai_proxy, served, translate="Native", **kind, **KEY)
        found = await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat(**fields))
        assert found.status == 400
        assert "would be lost" in json.loads(found.body)["error"]["message"]
        assert served.seen == []


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_errors_in_the_shape_of_the_client(ai_proxy: Proxy, status: int) -> None:
    """Errors of a provider that speaks another API have the shape of the client's, and their own words."""
    async with provider("main", Vendor.ANTHROPIC) as served:
        served.always = Status(status, "So not.")
        await serve(ai_proxy, served, anthropic={}, translate="Native", **KEY)
        async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1", "client-key") as client:
            with pytest.raises(openai.APIStatusError) as told:
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
        assert told.value.status_code == status
        assert "So not." in told.value.message


async def test_what_is_not_translated(ai_proxy: Proxy) -> None:
    """Requests for something that is no conversation get 404 where they would have to be translated."""
    async with provider("main", Vendor.ANTHROPIC) as served:
        await serve(ai_proxy, served, anthropic={}, translate="Native", **KEY)
        found = await ai_proxy.request("/v1/embeddings", method="POST", headers=JSON, body=b'{"input": "a"}')
        assert found.status == 404
        assert served.seen == []


@pytest.mark.parametrize("stream", [False, True])
async def test_failover_across_apis(ai_proxy: Proxy, stream: bool) -> None:
    """A request that fails at OpenAI is answered by Anthropic in its own API, and then by Gemini in its own."""
    async with (
        provider("one", Vendor.OPENAI, key="sk-own") as one,
        provider("two", Vendor.ANTHROPIC, key="sk-own") as two,
        provider("three", Vendor.GEMINI, key="sk-own") as three,
    ):
        providers = [
            at_port(one.port, "one", openai={}, **KEY),
            at_port(two.port, "two", anthropic={}, translate="Native", model="claude", **KEY),
            at_port(three.port, "three", gemini={}, translate="Native", model="gemini", **KEY),
        ]
        await ai_proxy.apply(to_backend("ai"), ai(*providers), key_secret("key", "sk-own"))
        one.always = Status(503)
        assert (await asked(ai_proxy, stream)).text == "Hello from two."
        two.always = Status(529) if stream else Cut()
        assert (await asked(ai_proxy, stream)).text == "Hello from three."
        assert [each.model for each in (*one.seen, *two.seen, *three.seen)] == [
            *("mine", "mine"),
            *("claude", "claude"),
            "gemini",
        ]
