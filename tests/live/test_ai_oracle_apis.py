"""What a vendor's client does without a gateway, it does through one: APIs, tools, images, sound and long streams."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from tests.ai.answers import ToolCall, Usage
from tests.ai.clients import openai_client
from tests.ai.provider import Provider
from tests.ai.worlds import Manifest, backend, declared, in_order, model_route, reference, secrets, three
from tests.live.objects import prefix, route
from tests.live.proxy import Proxy

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello, please."}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
ROUTES: dict[str, Manifest] = {
    "models": model_route(),
    "http": route({"matches": [prefix("/v1")], "backendRefs": [reference()]}, name="llm"),
}


class Person(BaseModel):
    """A structure that a client asks for."""

    name: str


async def serve(proxy: Proxy, found: dict[str, Provider], kind: str) -> tuple[Provider, openai.AsyncOpenAI]:
    """Serve the first provider by a route of a kind; return it, and a client of the gateway."""
    await proxy.apply(*secrets(), in_order("headers", found, ("red",)), ROUTES[kind])
    return found["red"], openai_client(f"http://127.0.0.1:{proxy.port}/v1")


@pytest.mark.parametrize("kind", ROUTES)
async def test_all_apis_answer(ai_proxy: Proxy, kind: str) -> None:
    """Completions, responses, embeddings, images and speech answer as without a gateway, whole and streamed."""
    async with three("headers") as found:
        red, client = await serve(ai_proxy, found, kind)
        async with client:
            assert (await client.completions.create(model="m", prompt="Hi")).choices[0].text == red.text
            assert (await client.responses.create(model="m", input="Hi")).output_text == red.text
            events = [each async for each in await client.responses.create(model="m", input="Hi", stream=True)]
            assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
            chunks = await client.completions.create(model="m", prompt="Hi", stream=True)
            assert "".join([each.choices[0].text async for each in chunks if each.choices]) == red.text
            vectors = await client.embeddings.create(model="m", input=["a", "b"])
            assert [each.embedding for each in vectors.data] == [[1, 1, 1], [2, 2, 2]]
            images = await client.images.generate(model="m", prompt="A cat")
            assert images.data
            assert base64.b64decode(images.data[0].b64_json or "").startswith(b"\x89PNG")
            assert (await client.audio.speech.create(model="m", input="Hi", voice="alloy")).content == b"ID3\x04sound"
        assert {each.model for each in red.seen} == {"m"}


async def test_sound_is_sent(ai_proxy: Proxy) -> None:
    """A form with a sound reaches the provider of an HTTPRoute as it is."""
    async with three("headers") as found:
        red, client = await serve(ai_proxy, found, "http")
        async with client:
            said = await client.audio.transcriptions.create(model="m", file=("a.mp3", b"ID3" * 1000))
        assert said.text == red.text
        assert b"ID3" * 1000 in red.seen[0].body


@pytest.mark.parametrize("kind", ROUTES)
async def test_tools_and_structures_pass(ai_proxy: Proxy, kind: str) -> None:
    """Tools, their results and asked structures pass, whole and streamed, without a change of a byte of meaning."""
    async with three("headers") as found:
        red, client = await serve(ai_proxy, found, kind)
        async with client:
            red.tool = ToolCall("weather", {"city": "Oslo", "ü": ["\\", '"', "\u2028"]})
            whole = await client.chat.completions.create(model="m", messages=HELLO, tools=[WEATHER])
            async with client.chat.completions.stream(model="m", messages=HELLO, tools=[WEATHER]) as events:
                streamed = (await events.get_final_completion()).choices[0].message
            call: Any = next(iter(whole.choices[0].message.tool_calls or ()))
            same: Any = next(iter(streamed.tool_calls or ()))
            assert (call.function.name, call.function.arguments) == ("weather", red.tool.json)
            assert (same.function.name, same.function.arguments) == ("weather", red.tool.json)
            said: Any = {"role": "assistant", "content": None}
            said["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": "weather", "arguments": "{}"}}
            ]
            result: ChatCompletionMessageParam = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
            answer = await client.chat.completions.create(model="m", messages=[*HELLO, said, result])
            assert answer.choices[0].message.content == red.text
            assert red.seen[-1].json["messages"] == [*HELLO, said, result]
            red.text = '{"name": "Ada"}'
            parsed = await client.chat.completions.parse(model="m", messages=HELLO, response_format=Person)
            assert parsed.choices[0].message.parsed == Person(name="Ada")


@pytest.mark.parametrize("size", [100_000, 8_000_000])
async def test_images_pass(ai_proxy: Proxy, size: int) -> None:
    """Images of many megabytes pass, to a provider that is asked for a model of its own, too."""
    image = "data:image/png;base64," + "QUJD" * (size // 4)
    messages: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": image}}]}]
    async with three("headers") as found, openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        entries = [declared("headers", "red", found["red"].port, model="own")]
        await ai_proxy.apply(*secrets(), backend(*entries), model_route())
        answer = await client.chat.completions.create(model="m", messages=messages)
        assert answer.choices[0].message.content == found["red"].text
        assert (found["red"].seen[0].model, found["red"].seen[0].json["messages"]) == ("own", messages)


@pytest.mark.parametrize("kind", ROUTES)
async def test_streams_count_and_clients_need_not_ask(ai_proxy: Proxy, kind: str) -> None:
    """A stream has its usage at its end, though the client did not ask; one that asks gets it, and both parse."""
    async with three("headers") as found:
        red, client = await serve(ai_proxy, found, kind)
        red.usage = Usage(20, 9, cached=4)
        async with client:
            asked: list[dict[str, Any]] = [{}, {"stream_options": {"include_usage": True}}, {"stream_options": {}}]
            for options in asked:
                chunks: Any = await client.chat.completions.create(model="m", messages=HELLO, stream=True, **options)
                last = [each async for each in chunks][-1]
                assert last.usage.total_tokens == 29
                assert red.seen[-1].json["stream_options"] == {"include_usage": True}
            assert (await client.chat.completions.create(model="m", messages=HELLO)).usage is not None
            assert "stream_options" not in red.seen[-1].json


async def test_a_long_stream_comes_whole(ai_proxy: Proxy) -> None:
    """A stream of ten thousand events comes in its order, without a loss."""
    async with three("headers") as found:
        red, client = await serve(ai_proxy, found, "models")
        red.text = " ".join(f"w{index}" for index in range(10_000))
        async with client:
            chunks = await client.chat.completions.create(model="m", messages=HELLO, stream=True)
            got = "".join([each.choices[0].delta.content or "" async for each in chunks if each.choices])
        assert got == red.text


async def test_rules_share_by_weight(ai_proxy: Proxy) -> None:
    """A virtual model is shared by Backends by weight, and each of them is asked for its own model."""
    async with three("headers") as found, openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        backends = [
            backend(declared("headers", name, found[name].port, model=f"{name}-1"), name=name)
            for name in ("red", "green")
        ]
        rule = {"models": ["fast"], "backendRefs": [reference("red", weight=1), reference("green", weight=3)]}
        await ai_proxy.apply(*secrets(), *backends, model_route(rule))
        for _ in range(60):
            await client.chat.completions.create(model="fast", messages=HELLO)
        assert 0 < len(found["red"].seen) < len(found["green"].seen)
        assert len(found["red"].seen) + len(found["green"].seen) == 60
        assert {each.model for name in ("red", "green") for each in found[name].seen} == {"red-1", "green-1"}
