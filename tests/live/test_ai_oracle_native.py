"""Across APIs a request means to the provider what its client meant, or is refused: nothing is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.answers import Usage
from tests.ai.clients import anthropic_client, openai_client
from tests.ai.faults import Cut, ErrorEvent, Status
from tests.ai.provider import Provider, provider
from tests.ai.vendors import Vendor
from tests.ai.worlds import STYLES, backend, in_order, model_route, secrets, three
from tests.live.proxy import Proxy

TALK: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "SYSTEM-MARK"},
    {"role": "user", "content": 'FIRST-MARK ü \u2028 "quoted" \\'},
    {"role": "assistant", "content": "SECOND-MARK"},
    {"role": "user", "content": "THIRD-MARK"},
]
NATIVE = ("green", "blue")
"""Of the three, those with an API of their own: Anthropic's and Google's."""
HI = {"role": "user", "content": "Hi"}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,UE5HTUFSSw=="}}
TOOL = {"type": "function", "function": {"name": "tool_mark", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_mark", "type": "function", "function": {"name": "tool_mark", "arguments": "{}"}}
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "temperature": ({"temperature": 0.125}, "0.125"),
    "top_p": ({"top_p": 0.375}, "0.375"),
    "max_tokens": ({"max_tokens": 777}, "777"),
    "max_completion_tokens": ({"max_completion_tokens": 778}, "778"),
    "stop": ({"stop": ["STOP-MARK"]}, "STOP-MARK"),
    "one stop": ({"stop": "STOP-MARK"}, "STOP-MARK"),
    "n": ({"n": 3}, "3"),
    "seed": ({"seed": 424242}, "424242"),
    "presence_penalty": ({"presence_penalty": 0.625}, "0.625"),
    "frequency_penalty": ({"frequency_penalty": 0.875}, "0.875"),
    "logprobs": ({"logprobs": True, "top_logprobs": 4}, "ogprobs"),
    "logit_bias": ({"logit_bias": {"50256": -100}}, "50256"),
    "json": ({"response_format": {"type": "json_object"}}, "json"),
    "tools": ({"tools": [TOOL]}, "tool_mark"),
    "tool_choice": ({"tools": [TOOL], "tool_choice": "required"}, "tool_mark"),
    "functions": ({"functions": [TOOL["function"]]}, "tool_mark"),
    "reasoning": ({"reasoning_effort": "high"}, "high"),
    "prediction": ({"prediction": {"type": "content", "content": "GUESS-MARK"}}, "GUESS-MARK"),
    "modalities": ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}, "alloy"),
    "web": ({"web_search_options": {}}, "search"),
    "service_tier": ({"service_tier": "priority"}, "priority"),
}
"""Fields of a chat beside messages, and what of them must be in the provider's request if it is asked at all."""
MESSAGES: dict[str, tuple[list[Any], tuple[str, ...]]] = {
    "image": ([{"role": "user", "content": [PICTURE]}], ("UE5HTUFSSw==",)),
    "image and text": (
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "T-MARK"}, PICTURE],
            }
        ],
        ("T-MARK", "UE5HTUFSSw=="),
    ),
    "file": ([{"role": "user", "content": [{"type": "file", "file": {"file_id": "FILE-MARK"}}]}], ("FILE-MARK",)),
    "sound": (
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}}]}],
        ("QUJD",),
    ),
    "texts": (
        [{"role": "user", "content": [{"type": "text", "text": "A-MARK"}, {"type": "text", "text": "B-MARK"}]}],
        ("A-MARK", "B-MARK"),
    ),
    "developer": ([{"role": "developer", "content": "DEV-MARK"}, {"role": "user", "content": "Hi"}], ("DEV-MARK",)),
    "two systems": (
        [{"role": "system", "content": "S1"}, {"role": "system", "content": "S2"}, {"role": "user", "content": "Hi"}],
        ("S1", "S2"),
    ),
    "late system": (
        [{"role": "user", "content": "Hi"}, {"role": "system", "content": "LATE"}, {"role": "user", "content": "Ho"}],
        ("LATE", "Ho"),
    ),
    "tool result": (
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_mark", "content": "RESULT-MARK"},
        ],
        ("tool_mark", "RESULT-MARK"),
    ),
    "refusal": (
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "refusal": "REFUSED"},
            {"role": "user", "content": "Ho"},
        ],
        ("REFUSED",),
    ),
    "name": ([{"role": "user", "name": "NAME-MARK", "content": "Hi"}], ("NAME-MARK",)),
    "prefill": ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "PRE-MARK"}], ("PRE-MARK",)),
}


async def native(proxy: Proxy, found: dict[str, Provider], name: str) -> tuple[Provider, openai.AsyncOpenAI]:
    """Serve one of the providers by its own API; return it, and OpenAI's client of the gateway."""
    await proxy.apply(*secrets(), in_order("native", found, (name,)), model_route())
    return found[name], openai_client(f"http://127.0.0.1:{proxy.port}/v1")


@pytest.mark.parametrize("name", NATIVE)
async def test_texts_are_translated(ai_proxy: Proxy, name: str) -> None:
    """A conversation is asked by the provider's own API, and its answer and usage are OpenAI's."""
    async with three("native") as found:
        served, client = await native(ai_proxy, found, name)
        served.usage = Usage(20, 9, cached=4)
        async with client:
            answer = await client.chat.completions.create(model="m", messages=TALK)
            assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (served.text, "stop")
            assert answer.usage is not None
            assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
                20,
                9,
                29,
            )
            chunks = [
                each
                async for each in await client.chat.completions.create(
                    model="m", messages=TALK, stream=True, stream_options={"include_usage": True}
                )
            ]
        assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == served.text
        counted = [each.usage for each in chunks if each.usage]
        assert counted
        assert (counted[-1].prompt_tokens, counted[-1].completion_tokens) == (20, 9)
        for each in served.seen:
            assert each.endpoint is not None
            assert each.endpoint.api in ("messages", "generateContent", "streamGenerateContent")
            texts = json.dumps(each.json, ensure_ascii=False)
            places = [texts.index(json.dumps(message["content"], ensure_ascii=False)[1:-1]) for message in TALK[1:]]
            assert places == sorted(places)
            assert "SYSTEM-MARK" in texts


async def asked(served: Provider, client: openai.AsyncOpenAI, messages: Any, **given: Any) -> dict[str, Any]:
    """Return what the provider was asked; nothing if the request was refused, by the gateway or by the provider."""
    try:
        await client.chat.completions.create(model="m", messages=messages, **given)
    except openai.BadRequestError as refused:
        body: Any = refused.body
        # The provider itself has refused what it got, or the gateway all of it.
        return served.seen[0].json if served.seen else {"message": body["message"]}
    found: dict[str, Any] = served.seen[0].json
    return found


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("field", FIELDS)
async def test_no_field_is_lost(ai_proxy: Proxy, name: str, field: str) -> None:
    """A field reaches the provider, or the request is refused in OpenAI's shape and the provider hears nothing."""
    given, mark = FIELDS[field]
    async with three("native") as found:
        served, client = await native(ai_proxy, found, name)
        async with client:
            got = await asked(served, client, TALK, **given)
        if served.seen:
            assert mark in json.dumps({key: each for key, each in got.items() if key not in ("messages", "contents")})
        else:
            assert got["message"]


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("case", MESSAGES)
async def test_no_part_of_a_message_is_lost(ai_proxy: Proxy, name: str, case: str) -> None:
    """Each part of each message reaches the provider, or the request is refused and the provider hears nothing."""
    messages, marks = MESSAGES[case]
    async with three("native") as found:
        served, client = await native(ai_proxy, found, name)
        async with client:
            got = json.dumps(await asked(served, client, messages))
        assert not served.seen or [mark for mark in marks if mark not in got] == []


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
async def test_errors_are_translated(ai_proxy: Proxy, name: str, status: int) -> None:
    """An error of the provider is an error of OpenAI's client, with its text."""
    async with three("native") as found:
        served, client = await native(ai_proxy, found, name)
        served.always = Status(status, "In my own words.", retry_after=7)
        async with client:
            for stream in (False, True):
                with pytest.raises(openai.APIStatusError, match="In my own words") as raised:
                    await client.chat.completions.create(model="m", messages=TALK, stream=stream)
                assert raised.value.status_code == status
                assert raised.value.response.headers["retry-after"] == "7"
                body: Any = raised.value.body
                assert isinstance(body["message"], str)
                assert isinstance(body["type"], str)


@pytest.mark.parametrize("name", NATIVE)
async def test_streams_that_break_are_no_whole_ones(ai_proxy: Proxy, name: str) -> None:
    """A stream that breaks off, or that tells an error, does not look as if it had come to its end."""
    async with three("native") as found:
        served, client = await native(ai_proxy, found, name)
        served.text = "one two three four five six"
        async with client:
            for fault in (Cut(4), ErrorEvent(4)):
                served.plan.append(fault)
                reasons: list[str | None] = []
                try:
                    chunks = await client.chat.completions.create(model="m", messages=TALK, stream=True)
                    async for each in chunks:
                        reasons += [choice.finish_reason for choice in each.choices]
                except openai.APIError:
                    continue
                assert not any(reasons), f"{fault}: the client takes it for a whole answer"


async def test_anthropics_client_gets_anthropic_as_it_is(ai_proxy: Proxy) -> None:
    """Tools, thinking, caches, counts and streams pass to Anthropic's own API byte by byte of meaning."""
    url = f"http://127.0.0.1:{ai_proxy.port}"
    tool: Any = {"name": "weather", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
    system: Any = [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}]
    messages: Any = [{"role": "user", "content": "Hi"}]
    for style in ("vendors", "native"):
        async with three(style) as found, anthropic_client(url) as claude:
            await ai_proxy.apply(*secrets(), in_order(style, found, ("green",)), model_route())
            green = found["green"]
            given = {"model": "claude", "max_tokens": 2000, "messages": messages, "system": system, "tools": [tool]}
            await claude.messages.create(**given, metadata={"user_id": "u"})
            assert green.seen[0].path == "/v1/messages"
            assert green.seen[0].json == {**given, "metadata": {"user_id": "u"}}
            assert green.seen[0].values("anthropic-version")
            async with claude.messages.stream(**given) as stream:
                assert "".join([each async for each in stream.text_stream]) == green.text
            assert (await claude.messages.count_tokens(model="claude", messages=messages)).input_tokens == 1
            assert green.seen[-1].path == "/v1/messages/count_tokens"


@pytest.mark.parametrize("name", ["red", "blue"])
async def test_anthropics_client_gets_texts_of_others(ai_proxy: Proxy, name: str) -> None:
    """Anthropic's client has a conversation with providers of other APIs; tools are refused, and nothing is sent."""
    url = f"http://127.0.0.1:{ai_proxy.port}"
    member = {**STYLES["native"].members[("red", "green", "blue").index(name)], "translate": "Native"}
    async with three("native") as found, anthropic_client(url) as claude:
        entry = {**in_order("native", found, (name,))["spec"]["ai"]["providers"][0], **member}
        entry["auth"] = {"secretRef": {"name": f"key-{name}"}}
        await ai_proxy.apply(*secrets(), backend(entry), model_route())
        served = found[name]
        served.usage = Usage(20, 9)
        messages: Any = [{"role": "user", "content": "Q-MARK"}]
        answer = await claude.messages.create(model="m", max_tokens=99, messages=messages, system="S-MARK")
        assert [each.text for each in answer.content if each.type == "text"] == [served.text]
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (20, 9)
        texts = json.dumps(served.seen[0].json)
        assert "Q-MARK" in texts
        assert "S-MARK" in texts
        assert "99" in texts
        async with claude.messages.stream(model="m", max_tokens=99, messages=messages) as stream:
            assert "".join([each async for each in stream.text_stream]) == served.text
        count = len(served.seen)
        tool: Any = {"name": "weather", "input_schema": {"type": "object"}}
        with pytest.raises(anthropic.BadRequestError, match="invalid_request_error"):
            await claude.messages.create(model="m", max_tokens=99, messages=messages, tools=[tool])
        assert len(served.seen) == count


async def test_other_vendors_have_their_paths(ai_proxy: Proxy) -> None:
    """Azure, Vertex AI and Bedrock are asked at their own compatible paths."""
    members: dict[Vendor, Any] = {
        Vendor.AZURE: {"azure": {"resource": "own"}},
        Vendor.BEDROCK: {"bedrock": {"region": "eu-west-1"}},
        Vendor.VERTEX: {"vertexai": {"projectId": "p", "region": "europe-west1"}},
    }
    for vendor, member in members.items():
        async with provider("other", vendor, "sk-other") as served:
            place = {"name": "other", "host": "127.0.0.1", "port": served.port, "tls": {"disable": {}}}
            auth = {"auth": {"secretRef": {"name": "key-red"}}}
            secret = {**secrets(["red"])[0], "stringData": {"apiKey": "sk-other"}}
            await ai_proxy.apply(secret, backend({**place, **member, **auth}), model_route())
            async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
                answer = await client.chat.completions.create(model="m", messages=TALK)
                assert answer.choices[0].message.content == served.text
