"""A provider for each test here, and the vendors' clients of it, with nothing between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import openai
import pytest_asyncio

from tests.ai.clients import anthropic_client, openai_client
from tests.ai.provider import Provider, provider


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Provider]:
    """Yield a provider that speaks all APIs."""
    async with provider("test") as found:
        yield found


@pytest_asyncio.fixture
async def gpt(served: Provider) -> AsyncIterator[openai.AsyncOpenAI]:
    """Yield OpenAI's client of it."""
    async with openai_client(f"{served.url}/v1") as found:
        yield found


@pytest_asyncio.fixture
async def claude(served: Provider) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Yield Anthropic's client of it."""
    async with anthropic_client(served.url) as found:
        yield found
