"""The provider of tests speaks OpenAI's API to OpenAI's own client."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.ai.answers import ToolCall, Usage
from tests.ai.clients import openai_client
from tests.ai.provider import Provider, provider
from tests.ai.vendors import Vendor

HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Say hello, please."},
]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


async def test_a_chat_is_answered_whole(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """A completion has the provider's text and the usage that follows from the words."""
    found = await gpt.chat.completions.create(model="gpt-5", messages=HELLO)
    assert found.choices[0].message.content == "Hello from test."
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens) == (5, 3, 8)
    assert served.seen[0].model == "gpt-5"
    assert served.seen[0].values("authorization") == ["Bearer client-key"]


async def test_a_stream_counts_only_if_it_is_asked_to(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """A stream has the text in pieces, and usage in its last chunk with `include_usage` alone."""
    served.usage = Usage(20, 9, cached=4)
    stream = await gpt.chat.completions.create(model="gpt-5", messages=HELLO, stream=True)
    chunks = [each async for each in stream]
    assert "".join(each.choices[0].delta.content or "" for each in chunks) == served.text
    assert all(each.usage is None for each in chunks)
    stream = await gpt.chat.completions.create(
        model="gpt-5", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    last = [each async for each in stream][-1].usage
    assert last is not None
    assert last.prompt_tokens_details is not None
    assert (last.prompt_tokens, last.completion_tokens, last.prompt_tokens_details.cached_tokens) == (20, 9, 4)


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_called(served: Provider, gpt: openai.AsyncOpenAI, stream: bool) -> None:
    """A model calls the tool that the test chose, and takes its result."""
    served.tool = ToolCall("weather", {"city": "Oslo"})
    if stream:
        async with gpt.chat.completions.stream(model="gpt-5", messages=HELLO, tools=[WEATHER]) as events:
            message: Any = (await events.get_final_completion()).choices[0].message
    else:
        completion = await gpt.chat.completions.create(model="gpt-5", messages=HELLO, tools=[WEATHER])
        message = completion.choices[0].message
    call = message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Oslo"}')
    said: Any = {"role": "assistant", "content": None, "tool_calls": [call.model_dump(exclude={"index"})]}
    said["tool_calls"][0]["function"].pop("parsed_arguments", None)
    result: ChatCompletionMessageParam = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
    after = await gpt.chat.completions.create(model="gpt-5", messages=[*HELLO, said, result])
    assert after.choices[0].message.content == served.text


async def test_the_limit_of_tokens_cuts_the_answer(gpt: openai.AsyncOpenAI) -> None:
    """A model stops at `max_tokens`, and says so."""
    found = await gpt.chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=2)
    assert (found.choices[0].message.content, found.choices[0].finish_reason) == ("Hello from", "length")


async def test_the_other_apis_answer(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """Completions, responses, embeddings, images, speech, transcriptions and models have answers of their shapes."""
    served.models = ("gpt-5", "small")
    assert (await gpt.completions.create(model="gpt-5", prompt="Hi")).choices[0].text == served.text
    assert (await gpt.responses.create(model="gpt-5", input="Hi")).output_text == served.text
    events = [each async for each in await gpt.responses.create(model="gpt-5", input="Hi", stream=True)]
    assert events[-1].type == "response.completed"
    vectors = await gpt.embeddings.create(model="small", input=["a", "b"])
    assert [each.embedding for each in vectors.data] == [[1, 1, 1], [2, 2, 2]]
    assert (await gpt.images.generate(model="gpt-5", prompt="A cat")).data
    assert (await gpt.audio.speech.create(model="gpt-5", input="Hi", voice="alloy")).content.startswith(b"ID3")
    assert (await gpt.audio.transcriptions.create(model="gpt-5", file=("a.mp3", b"ID3"))).text == served.text
    assert [each.id async for each in gpt.models.list()] == ["gpt-5", "small"]
    assert (await gpt.models.retrieve("small")).id == "small"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"messages": []}, "empty array"),
        ({"messages": [{"role": "user", "content": [{"type": "picture"}]}]}, "messages.0"),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}, "must be a response"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
        ({"max_tokens_": 3}, "max_tokens_: Extra inputs"),
    ],
)
async def test_what_the_vendor_refuses_is_refused(gpt: openai.AsyncOpenAI, change: Any, says: str) -> None:
    """A body that is not of OpenAI's model gets 400, and the error names the field."""
    body = {"model": "gpt-5", "messages": HELLO, **change}
    with pytest.raises(openai.BadRequestError, match=says):
        await gpt.post("/chat/completions", body=body, cast_to=object)


async def test_keys_and_models_are_judged(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """A wrong key is 401, and a model that is not there 404 with its code."""
    served.models = ("gpt-5",)
    with pytest.raises(openai.NotFoundError) as absent:
        await gpt.chat.completions.create(model="gpt-6", messages=HELLO)
    assert absent.value.code == "model_not_found"
    served.key = "sk-own"
    with pytest.raises(openai.AuthenticationError):
        await gpt.chat.completions.create(model="gpt-5", messages=HELLO)


@pytest.mark.parametrize(
    ("vendor", "path"),
    [
        (Vendor.OPENAI, "/v1"),
        (Vendor.ANTHROPIC, "/v1"),
        (Vendor.GEMINI, "/v1beta/openai"),
        (Vendor.VERTEX, "/v1/projects/p/locations/europe-west1/endpoints/openapi"),
        (Vendor.AZURE, "/openai/v1"),
        (Vendor.BEDROCK, "/openai/v1"),
    ],
)
async def test_each_vendor_has_a_compatible_endpoint(vendor: Vendor, path: str) -> None:
    """OpenAI's client talks to each vendor at its own path with its key, and nowhere else."""
    async with provider("compatible", vendor, "own") as served:
        async with openai_client(f"{served.url}{path}", "own") as client:
            found = await client.chat.completions.create(model="m", messages=HELLO)
            assert found.choices[0].message.content == "Hello from compatible."
        async with openai_client(f"{served.url}/other", "own") as client:
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="m", messages=HELLO)
