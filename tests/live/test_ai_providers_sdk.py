"""Providers of AI as the vendors' own clients see them: whole answers and streams, with their numbers of tokens."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.ai.answers import Usage
from tests.ai.clients import openai_client
from tests.ai.provider import provider
from tests.ai.vendors import Vendor
from tests.live.ai_providers import ai, at_port, key_secret
from tests.live.backends import to_backend
from tests.live.proxy import Proxy


class Answered(NamedTuple):
    """What a client got: the text, and the tokens of its request and of the answer."""

    text: str
    asked: int
    answered: int


async def ask(proxy: Proxy, stream: bool) -> Answered:
    """Ask as OpenAI's client does."""
    async with openai_client(f"http://127.0.0.1:{proxy.port}/v1", "client-key") as client:
        if not stream:
            whole = await client.chat.completions.create(model="mine", messages=[{"role": "user", "content": "Hello"}])
            assert whole.usage is not None
            text = whole.choices[0].message.content or ""
            return Answered(text, whole.usage.prompt_tokens, whole.usage.completion_tokens)
        chunks = await client.chat.completions.create(
            model="mine", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        text, usage = "", None
        async for each in chunks:
            text += "".join(choice.delta.content or "" for choice in each.choices)
            usage = each.usage or usage
        assert usage is not None
        return Answered(text, usage.prompt_tokens, usage.completion_tokens)


@pytest.mark.parametrize("stream", [False, True])
async def test_openai_sdk(ai_proxy: Proxy, stream: bool) -> None:
    """OpenAI's client gets answers of a provider that asks for the gateway's key, and its numbers of tokens."""
    async with provider("main", Vendor.OPENAI, key="sk-own") as served:
        served.usage = Usage(20, 9)
        auth = {"secretRef": {"name": "openai"}}
        found = at_port(served.port, "main", openai={}, auth=auth, model="gpt-5")
        await ai_proxy.apply(to_backend("ai"), ai(found), key_secret("openai", "sk-own"))
        assert await ask(ai_proxy, stream) == ("Hello from main.", 20, 9)
        (seen,) = served.seen
        assert seen.model == "gpt-5"
        assert not seen.shows("client-key")
