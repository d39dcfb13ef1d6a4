"""Failover as a client sees it: another provider answers until the first byte has come, and none afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.clients import anthropic_client, openai_client
from tests.ai.faults import Cut, Ended, ErrorEvent, Fault, Held, Status
from tests.ai.provider import Provider
from tests.ai.worlds import backend, declared, in_order, model_route, policy, reference, secrets, three
from tests.live.proxy import Proxy

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello, please."}]
BEFORE: dict[str, Fault] = {
    "500": Status(500),
    "502": Status(502),
    "503": Status(503),
    "504": Status(504),
    "529": Status(529),
    "429": Status(429, retry_after=30),
    "page": Status(503, body=b"<html>overloaded</html>"),
    "reset": Cut(),
}
"""What fails a provider before its first byte."""


def client(proxy: Proxy) -> openai.AsyncOpenAI:
    """Return OpenAI's client of the gateway."""
    return openai_client(f"http://127.0.0.1:{proxy.port}/v1")


async def chat(proxy: Proxy, **options: Any) -> str:
    """Ask for a whole answer."""
    async with client(proxy) as asking:
        found = await asking.chat.completions.create(model="m", messages=HELLO, **options)
        return str(found.choices[0].message.content)


async def stream(proxy: Proxy, got: list[str], **options: Any) -> None:
    """Ask for a stream, and note each piece as it comes."""
    async with client(proxy) as asking:
        chunks = await asking.chat.completions.create(model="m", messages=HELLO, stream=True, **options)
        async for each in chunks:
            got += [each.choices[0].delta.content or ""] if each.choices else []


async def two(proxy: Proxy, found: dict[str, Provider], **fields: Any) -> tuple[Provider, Provider]:
    """Serve models by two providers, one after the other."""
    await proxy.apply(*secrets(), in_order("headers", found, ("red", "green"), **fields), model_route())
    return found["red"], found["green"]


@pytest.mark.parametrize("fault", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_before_the_first_byte_another_answers(ai_proxy: Proxy, fault: Fault, streamed: bool) -> None:
    """A client hears nothing of a provider that failed before its first byte, and waits for no `retry-after`."""
    async with three("headers") as found:
        red, green = await two(ai_proxy, found)
        red.always = fault
        got: list[str] = []
        if streamed:
            await stream(ai_proxy, got)
        else:
            got.append(await chat(ai_proxy))
        assert "".join(got) == green.text
        assert (len(red.seen), len(green.seen)) == (1, 1)
        assert red.seen[0].body.count(b"Say hello") == green.seen[0].body.count(b"Say hello") == 1


async def test_a_provider_that_is_stopped(ai_proxy: Proxy) -> None:
    """Connections that are refused, and those that end while they are idle, cost no request."""
    async with three("headers") as found:
        red, green = await two(ai_proxy, found)
        assert await chat(ai_proxy) == red.text
        await red.stop()
        for _ in range(5):
            assert await chat(ai_proxy) == green.text
        await red.start()
        assert len(green.seen) == 5


async def test_a_large_body_is_sent_again_whole(ai_proxy: Proxy) -> None:
    """The next provider gets all of a request that the first one failed: an image of a megabyte, for instance."""
    image = "data:image/png;base64," + "QUJD" * 250_000
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": image}}]
    async with three("headers") as found, client(ai_proxy) as asking:
        red, green = await two(ai_proxy, found)
        red.always = Status(503)
        messages: Any = [{"role": "user", "content": content}]
        answer = await asking.chat.completions.create(model="m", messages=messages)
        assert answer.choices[0].message.content == green.text
        assert green.seen[0].json["messages"] == red.seen[0].json["messages"] == messages


@pytest.mark.parametrize("fault", [Cut(1), Cut(3)], ids=["first event", "third event"])
async def test_after_the_first_byte_of_a_stream_nobody_else_is_asked(ai_proxy: Proxy, fault: Fault) -> None:
    """A stream that breaks off is an error for the client, after what had come; no other provider is asked."""
    async with three("headers") as found:
        red, green = await two(ai_proxy, found)
        red.always = fault
        got: list[str] = []
        with pytest.raises(openai.APIError):
            await stream(ai_proxy, got)
        assert "".join(got) in red.text
        assert (len(red.seen), green.seen) == (1, [])


async def test_after_half_of_an_answer_nobody_else_is_asked(ai_proxy: Proxy) -> None:
    """A whole answer that breaks off is an error for the client; no other provider is asked."""
    async with three("headers") as found:
        red, green = await two(ai_proxy, found)
        red.always = Cut(1)
        with pytest.raises(openai.APIError):
            await chat(ai_proxy)
        assert (len(red.seen), green.seen) == (1, [])


async def test_errors_inside_of_streams_are_the_providers(ai_proxy: Proxy) -> None:
    """An error that a provider tells in its stream reaches the client; an early end is passed on, too."""
    async with three("headers") as found:
        red, green = await two(ai_proxy, found)
        red.plan.extend([ErrorEvent(2), Ended(2)])
        got: list[str] = []
        with pytest.raises(openai.APIError, match="server had an error"):
            await stream(ai_proxy, got)
        assert got == ["", "Hello"]
        await stream(ai_proxy, got)
        assert green.seen == []


async def test_streams_are_not_held_back(ai_proxy: Proxy) -> None:
    """Each event reaches the client before the provider has sent the next one."""
    async with three("headers") as found, client(ai_proxy) as asking:
        red, _ = await two(ai_proxy, found)
        for after in (1, 2, 3):
            held = Held(after=after)
            red.plan.append(held)
            async with asyncio.timeout(10):
                chunks = await asking.chat.completions.create(model="m", messages=HELLO, stream=True)
                for _ in range(after):
                    await anext(chunks)
                held.until.set()
                async for _ in chunks:
                    pass


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_what_is_the_clients_fault_is_tried_once(ai_proxy: Proxy, status: int) -> None:
    """An error that says that the request is wrong is the answer, in the provider's own words."""
    async with three("headers") as found:
        red, green = await two(ai_proxy, found)
        red.always = Status(status, "Not like that.")
        with pytest.raises(openai.APIStatusError, match="Not like that") as refused:
            await chat(ai_proxy)
        assert (refused.value.status_code, len(red.seen), green.seen) == (status, 1, [])


async def test_when_all_fail_the_client_hears_the_last(ai_proxy: Proxy) -> None:
    """If no provider answers, the client gets the last one's error, with its `retry-after`."""
    async with three("headers") as found:
        await ai_proxy.apply(*secrets(), in_order("headers", found, ("red", "green", "blue")), model_route())
        found["red"].always = Status(503)
        found["green"].always = Cut()
        found["blue"].always = Status(429, "Slow down.", retry_after=9)
        with pytest.raises(openai.RateLimitError, match="Slow down") as limited:
            await chat(ai_proxy)
        assert limited.value.response.headers["retry-after"] == "9"
        assert [len(each.seen) for each in found.values()] == [1, 1, 1]


async def test_weights_share_within_a_priority(ai_proxy: Proxy) -> None:
    """Providers of one priority share; when both fail, the next priority answers each request."""
    async with three("headers") as found:
        entries = [
            declared("headers", "red", found["red"].port, priority=0),
            declared("headers", "green", found["green"].port, priority=0),
            declared("headers", "blue", found["blue"].port, priority=1),
        ]
        await ai_proxy.apply(*secrets(), backend(*entries), model_route())
        texts = [await chat(ai_proxy) for _ in range(30)]
        assert set(texts) == {found["red"].text, found["green"].text}
        found["red"].always = found["green"].always = Status(429)
        assert {await chat(ai_proxy) for _ in range(10)} == {found["blue"].text}


async def test_models_are_the_providers_own(ai_proxy: Proxy) -> None:
    """Each provider is asked for its own model where it has one, and for the client's where not."""
    async with three("headers") as found:
        entries = [
            declared("headers", "red", found["red"].port, model="red-large"),
            declared("headers", "green", found["green"].port),
            declared("headers", "blue", found["blue"].port, model="blue/large:1"),
        ]
        await ai_proxy.apply(*secrets(), backend(*entries), model_route())
        found["red"].always = found["green"].always = Status(503)
        assert await chat(ai_proxy) == found["blue"].text
        assert [found[name].seen[0].model for name in ("red", "green", "blue")] == ["red-large", "m", "blue/large:1"]


async def test_retries_of_a_policy_take_the_place_of_failover(ai_proxy: Proxy) -> None:
    """A policy that says retries says all of them: with none, the first provider's error is the answer."""
    async with three("headers") as found:
        red, green = await two(ai_proxy, found)
        await ai_proxy.apply(policy(retry={"attempts": 0}))
        red.always = Status(503)
        with pytest.raises(openai.InternalServerError):
            await chat(ai_proxy)
        assert (len(red.seen), green.seen) == (1, [])


async def test_attempts_end_where_they_are_told(ai_proxy: Proxy) -> None:
    """`failover.attempts` is how many providers are asked at most, and `on` after which faults."""
    async with three("headers") as found:
        names = ("red", "green", "blue")
        await ai_proxy.apply(*secrets(), in_order("headers", found, names, failover={"attempts": 2}), model_route())
        for each in found.values():
            each.always = Status(503)
        with pytest.raises(openai.InternalServerError):
            await chat(ai_proxy)
        assert [len(found[name].seen) for name in names] == [1, 1, 0]
        for each in found.values():
            each.reset()
        await ai_proxy.apply(
            in_order("headers", found, names, failover={"retryOn": ["429", "reset"], "perTryTimeout": "300ms"})
        )
        found["red"].always = Status(503)
        with pytest.raises(openai.InternalServerError):
            await chat(ai_proxy)
        found["red"].always = Status(429)
        assert await chat(ai_proxy) == found["green"].text


async def test_a_silent_provider_is_left(ai_proxy: Proxy) -> None:
    """A provider that says nothing within `perTryTimeout` is left for the next, whole and streamed."""
    async with three("headers") as found:
        red, green = await two(ai_proxy, found, failover={"perTryTimeout": "300ms"})
        red.always = Held()
        assert await chat(ai_proxy) == green.text
        got: list[str] = []
        await stream(ai_proxy, got)
        assert "".join(got) == green.text
        # The time is for the first byte: a stream that has begun may take longer.
        held = Held(after=2)
        red.always = held
        asked = asyncio.create_task(stream(ai_proxy, got := []))
        await red.saw(3)
        await asyncio.sleep(0.5)
        held.until.set()
        await asked
        assert "".join(got) == red.text


async def test_messages_fail_over_too(ai_proxy: Proxy) -> None:
    """Anthropic's client gets the next provider's message as well, and the last one's error in its own shape."""
    async with three("headers") as found, anthropic_client(f"http://127.0.0.1:{ai_proxy.port}") as asking:
        red, green = found["red"], found["green"]
        entries = [{**declared("vendors", "green", each.port), "name": each.name} for each in (red, green)]
        await ai_proxy.apply(*secrets(), backend(*entries), model_route())
        red.always = Status(529)
        message = await asking.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
        assert [each.text for each in message.content if each.type == "text"] == [green.text]
        green.always = Status(429)
        with pytest.raises(anthropic.RateLimitError, match="rate_limit_error"):
            await asking.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])


async def test_when_nothing_is_heard_the_error_is_in_the_clients_shape(ai_proxy: Proxy) -> None:
    """If no provider answers anything, the error is one of OpenAI's."""
    async with three("headers") as found:
        await two(ai_proxy, found)
        found["red"].always = found["green"].always = Cut()
        with pytest.raises(openai.InternalServerError) as unavailable:
            await chat(ai_proxy)
        body: Any = unavailable.value.body
        assert {"message", "type", "code"} <= set(body)


async def test_rules_have_priorities_and_models(ai_proxy: Proxy) -> None:
    """A rule's backendRefs have priorities and models of their own, as AI providers have within a Backend."""
    async with three("headers") as found:
        first = backend(declared("headers", "red", found["red"].port), name="first")
        second = backend(declared("headers", "green", found["green"].port), name="second")
        references = [reference("first", priority=0, model="big"), reference("second", priority=1, model="small")]
        await ai_proxy.apply(*secrets(), first, second, model_route({"models": ["m"], "backendRefs": references}))
        assert await chat(ai_proxy) == found["red"].text
        found["red"].always = Status(503)
        assert await chat(ai_proxy) == found["green"].text
        assert {each.model for each in found["red"].seen} == {"big"}
        assert {each.model for each in found["green"].seen} == {"small"}
