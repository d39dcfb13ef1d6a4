"""The vendors' own clients, which ask loopback and try nothing again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anthropic
    import openai
    from google.genai.client import AsyncClient

WITHIN = 15.0
"""Seconds within which an answer comes, however busy the machine is."""


def openai_client(
    url: str, key: str = "client-key", headers: Mapping[str, str] | None = None, retries: int = 0
) -> openai.AsyncOpenAI:
    """Return OpenAI's client of the API at a URL, which ends in `/v1` or what a vendor has there."""
    import openai

    return openai.AsyncOpenAI(base_url=url, api_key=key, default_headers=headers, max_retries=retries, timeout=WITHIN)


def anthropic_client(
    url: str, key: str = "client-key", headers: Mapping[str, str] | None = None, retries: int = 0
) -> anthropic.AsyncAnthropic:
    """Return Anthropic's client of the API at a URL, to which it adds `/v1/messages`."""
    import anthropic

    return anthropic.AsyncAnthropic(
        base_url=url, api_key=key, default_headers=headers, max_retries=retries, timeout=WITHIN
    )


@asynccontextmanager
async def gemini_client(url: str, key: str = "client-key") -> AsyncIterator[AsyncClient]:
    """Yield Google's client of the Gemini API at a URL, to which it adds `/v1beta/models/…`."""
    import httpx
    from google import genai
    from google.genai import types

    # With aiohttp, which it would take, it warns of itself; what it is given it does not close.
    async with httpx.AsyncClient(timeout=WITHIN) as http:
        options = types.HttpOptions(base_url=url, httpx_async_client=http)
        async with genai.Client(api_key=key, http_options=options).aio as client:
            yield client
