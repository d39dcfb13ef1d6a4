"""The provider of tests fails as its test tells it."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.faults import Cut, Ended, ErrorEvent, Fault, Held, Status
from tests.ai.provider import Provider

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello, please."}]


async def _chat(client: openai.AsyncOpenAI) -> str | None:
    found = await client.chat.completions.create(model="gpt-5", messages=HELLO)
    return found.choices[0].message.content


async def _streamed(client: openai.AsyncOpenAI, got: list[str]) -> None:
    """Add what comes of a stream, also of one that breaks off."""
    stream = await client.chat.completions.create(model="gpt-5", messages=HELLO, stream=True)
    async for each in stream:
        got += [each.choices[0].delta.content or ""]


async def test_the_plan_is_for_one_request_each(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """A fault is met by one request; a pause in the plan, and what comes after it, is answered."""
    served.plan.extend([Status(503), None, Status(429, retry_after=3, code="insufficient_quota")])
    with pytest.raises(openai.InternalServerError):
        await _chat(gpt)
    assert await _chat(gpt) == served.text
    with pytest.raises(openai.RateLimitError) as limited:
        await _chat(gpt)
    assert (limited.value.code, limited.value.response.headers["retry-after"]) == ("insufficient_quota", "3")
    assert await _chat(gpt) == served.text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 529])
async def test_errors_are_the_clients_own(
    served: Provider, gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic, status: int
) -> None:
    """Each status comes with a body that both clients read."""
    served.always = Status(status, "Out of order.")
    with pytest.raises(openai.APIStatusError, match="Out of order") as first:
        await _chat(gpt)
    assert (first.value.status_code, bool(first.value.type)) == (status, True)
    with pytest.raises(anthropic.APIStatusError, match="Out of order") as second:
        await claude.messages.create(model="c", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
    body: Any = second.value.body
    assert (second.value.status_code, body["type"]) == (status, "error")


async def test_requests_choose_their_faults(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """A test may decide by the request."""
    served.behave = lambda seen: Status(500) if seen.model == "gpt-5" else None
    with pytest.raises(openai.InternalServerError):
        await _chat(gpt)
    served.behave = None
    assert await _chat(gpt) == served.text


@pytest.mark.parametrize("fault", [Cut(), Cut(1)])
async def test_whole_answers_break(served: Provider, gpt: openai.AsyncOpenAI, fault: Fault) -> None:
    """The connection is reset before the first byte, or in the middle of the answer."""
    served.plan.append(fault)
    with pytest.raises(openai.APIConnectionError):
        await _chat(gpt)
    assert await _chat(gpt) == served.text


@pytest.mark.parametrize(("fault", "count"), [(Cut(), 0), (Cut(2), 2), (Cut(4), 4)])
async def test_streams_break(served: Provider, gpt: openai.AsyncOpenAI, fault: Fault, count: int) -> None:
    """The connection is reset before the first event, or after so many."""
    served.plan.append(fault)
    got: list[str] = []
    with pytest.raises(Exception, match=r".") as broken:
        await _streamed(gpt, got)
    assert "httpx" in type(broken.value).__module__ or isinstance(broken.value, openai.APIConnectionError)
    assert len(got) == count


async def test_streams_tell_errors_or_end_early(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """A stream may carry an error, or end without its last events."""
    served.plan.extend([ErrorEvent(2), Ended(3)])
    got: list[str] = []
    with pytest.raises(openai.APIError, match="server had an error"):
        await _streamed(gpt, got)
    assert got == ["", "Hello"]
    got.clear()
    await _streamed(gpt, got)
    assert got == ["", "Hello", " from"]


async def test_answers_wait_for_the_test(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """A provider waits before its first byte, or inside of a stream, until the test says so."""
    held = Held()
    served.plan.append(held)
    asked = asyncio.create_task(_chat(gpt))
    await served.saw(1)
    assert not asked.done()
    held.until.set()
    assert await asked == served.text
    held = Held(after=2)
    served.plan.append(held)
    stream = await gpt.chat.completions.create(model="gpt-5", messages=HELLO, stream=True)
    assert [(await anext(stream)).choices[0].delta.content for _ in range(2)] == ["", "Hello"]
    held.until.set()
    assert [each.choices[0].delta.content async for each in stream] == [" from", " test.", None]


async def test_a_stopped_provider_refuses_connections(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """Nobody listens while it is stopped; afterwards it is there at the same port."""
    port = served.port
    await served.stop()
    with pytest.raises(openai.APIConnectionError):
        await _chat(gpt)
    await served.start()
    assert await _chat(gpt) == served.text
    assert served.port == port


async def test_a_provider_may_never_answer(served: Provider, gpt: openai.AsyncOpenAI) -> None:
    """A client's own timeout is all that ends a request that nobody answers."""
    served.plan.append(Held())
    with pytest.raises(openai.APITimeoutError):
        await gpt.with_options(timeout=0.2).chat.completions.create(model="gpt-5", messages=HELLO)
