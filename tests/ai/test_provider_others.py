"""The provider of tests speaks Anthropic's and Google's own APIs to these vendors' own clients."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam
from google.genai import errors, types

from tests.ai.answers import ToolCall, Usage
from tests.ai.clients import anthropic_client, gemini_client
from tests.ai.faults import Status
from tests.ai.provider import Provider, provider
from tests.ai.vendors import Vendor

HELLO: list[MessageParam] = [{"role": "user", "content": "Say hello, please."}]
WEATHER: ToolParam = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


async def test_messages_are_answered_whole(served: Provider, claude: anthropic.AsyncAnthropic) -> None:
    """A message has the provider's text; tokens from the cache are told apart from the other tokens."""
    served.usage = Usage(20, 9, cached=4)
    found = await claude.messages.create(model="claude", max_tokens=100, messages=HELLO, system="Be short.")
    assert [each.text for each in found.content if each.type == "text"] == [served.text]
    assert (found.usage.input_tokens, found.usage.cache_read_input_tokens, found.usage.output_tokens) == (16, 4, 9)
    assert served.seen[0].values("authorization") == ["Bearer client-key"]
    assert (await claude.messages.count_tokens(model="claude", messages=HELLO)).input_tokens == 20


async def test_messages_are_streamed(served: Provider, claude: anthropic.AsyncAnthropic) -> None:
    """The client puts a stream together into the same message."""
    async with claude.messages.stream(model="claude", max_tokens=100, messages=HELLO) as stream:
        texts = [each async for each in stream.text_stream]
        whole = await stream.get_final_message()
    assert texts == ["Hello", " from", " test."]
    assert (whole.stop_reason, whole.usage.input_tokens, whole.usage.output_tokens) == ("end_turn", 3, 3)


@pytest.mark.parametrize("stream", [False, True])
async def test_claude_calls_tools(served: Provider, claude: anthropic.AsyncAnthropic, stream: bool) -> None:
    """A model calls the tool that the test chose, whole and streamed."""
    served.tool = ToolCall("weather", {"city": "Oslo"})
    if stream:
        async with claude.messages.stream(model="c", max_tokens=9, messages=HELLO, tools=[WEATHER]) as events:
            found: Any = await events.get_final_message()
    else:
        found = await claude.messages.create(model="c", max_tokens=9, messages=HELLO, tools=[WEATHER])
    assert (found.stop_reason, found.content[0].name, found.content[0].input) == (
        "tool_use",
        "weather",
        {"city": "Oslo"},
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first message"),
        ({"frequency_penalty": 1}, "frequency_penalty: Extra inputs"),
    ],
)
async def test_what_anthropic_refuses_is_refused(claude: anthropic.AsyncAnthropic, change: Any, says: str) -> None:
    """A body that is not of Anthropic's model gets 400, and the error names the field."""
    body = {"model": "claude", "max_tokens": 9, "messages": HELLO, **change}
    with pytest.raises(anthropic.BadRequestError, match=says):
        await claude.post("/v1/messages", body=body, cast_to=object)


async def test_anthropic_tells_its_own_errors(served: Provider, claude: anthropic.AsyncAnthropic) -> None:
    """An overloaded provider, a limit and a wrong key are the client's own errors; models have Anthropic's shape."""
    served.plan.extend([Status(529), Status(429, retry_after=7)])
    with pytest.raises(anthropic.InternalServerError, match="overloaded_error"):
        await claude.messages.create(model="claude", max_tokens=9, messages=HELLO)
    with pytest.raises(anthropic.RateLimitError) as limited:
        await claude.messages.create(model="claude", max_tokens=9, messages=HELLO)
    assert limited.value.response.headers["retry-after"] == "7"
    served.models = ("claude",)
    assert [each.id async for each in claude.models.list()] == ["claude"]
    async with provider("keyed", Vendor.ANTHROPIC, "own") as keyed, anthropic_client(keyed.url) as client:
        with pytest.raises(anthropic.AuthenticationError):
            await client.messages.create(model="claude", max_tokens=9, messages=HELLO)


async def test_gemini_answers_whole_and_streamed(served: Provider) -> None:
    """Google's client gets the text and the usage, whole and in pieces."""
    async with gemini_client(served.url) as client:
        config = types.GenerateContentConfig(system_instruction="Be short.", temperature=0)
        found = await client.models.generate_content(model="gemini", contents="Say hello.", config=config)
        assert found.text == served.text
        assert found.usage_metadata is not None
        assert (found.usage_metadata.prompt_token_count, found.usage_metadata.candidates_token_count) == (4, 3)
        chunks = [each async for each in await client.models.generate_content_stream(model="gemini", contents="Hi")]
        assert [each.text for each in chunks] == ["Hello", " from", " test."]
    assert served.seen[0].values("x-goog-api-key") == ["client-key"]
    assert served.seen[0].model == "gemini"


async def test_gemini_tells_its_own_errors(served: Provider) -> None:
    """A limit and a body that is not of Google's model are the errors of Google's client."""
    served.plan.append(Status(429))
    async with gemini_client(served.url) as client:
        with pytest.raises(errors.ClientError, match="RESOURCE_EXHAUSTED"):
            await client.models.generate_content(model="gemini", contents="Hi")
        with pytest.raises(errors.ClientError, match="parts must not be empty"):
            await client.models.generate_content(model="gemini", contents=types.Content(role="user", parts=[]))
