"""Providers of AI as the vendors' own clients see them: whole answers and streams, with their numbers of tokens."""

from __future__ import annotations

import pytest

from tests.ai.answers import Usage
from tests.ai.provider import provider
from tests.ai.vendors import Vendor
from tests.live.ai_providers import ai, asked, at_port, key_secret
from tests.live.backends import to_backend
from tests.live.proxy import Proxy


@pytest.mark.parametrize("stream", [False, True])
async def test_openai_sdk(ai_proxy: Proxy, stream: bool) -> None:
    """OpenAI's client gets answers of a provider that asks for the gateway's key, and its numbers of tokens."""
    async with provider("main", Vendor.OPENAI, key="sk-own") as served:
        served.usage = Usage(20, 9)
        auth = {"secretRef": {"name": "openai"}}
        found = at_port(served.port, "main", openai={}, auth=auth, model="gpt-5")
        await ai_proxy.apply(to_backend("ai"), ai(found), key_secret("openai", "sk-own"))
        assert await asked(ai_proxy, stream) == ("Hello from main.", 20, 9)
        (seen,) = served.seen
        assert seen.model == "gpt-5"
        assert not seen.shows("client-key")
