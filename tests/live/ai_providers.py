"""Backends of AI providers for tests: on this machine, without TLS unless they say otherwise."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from aiohttp import web

from tests.ai.clients import openai_client
from tests.live.backends import backend
from tests.live.objects import Manifest
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream

CHAT: Final = "/v1/chat/completions"
MESSAGES: Final = {"messages": [{"role": "user", "content": "Hello"}]}
JSON: Final = {"Content-Type": "application/json"}
CLIENT: Final = {
    "Authorization": "Bearer of-the-client",
    "x-api-key": "of-the-client",
    "api-key": "of-the-client",
    "x-goog-api-key": "of-the-client",
    "Cookie": "session=of-the-client",
    "X-Amz-Security-Token": "of-the-client",
}
"""Credentials that a client sends, in every header that a provider may look at."""


def ai(*providers: Manifest, name: str = "ai", **fields: Any) -> Manifest:
    """Return a Backend of providers."""
    return backend(name, ai={"providers": list(providers), **fields})


def at(upstream: Upstream, name: str = "", **fields: Any) -> Manifest:
    """Return a provider that is an upstream."""
    return at_port(upstream.port, name or upstream.name, **fields)


def at_port(port: int, name: str = "main", **fields: Any) -> Manifest:
    """Return a provider at a port of loopback; it is custom unless another member is among the fields."""
    kinds = ("openai", "azure", "anthropic", "gemini", "vertexai", "bedrock", "custom")
    kind: Manifest = {} if any(each in fields for each in kinds) else {"custom": {}}
    return {"name": name, **kind, "host": "127.0.0.1", "port": port, "tls": {"disable": {}}, **fields}


def key_secret(name: str, text: str, key: str = "apiKey") -> Manifest:
    """Return a Secret with a key."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: text}}


def chat(**fields: Any) -> bytes:
    """Return a request for a completion."""
    return json.dumps({"model": "small", **MESSAGES, **fields}).encode()


async def completion(seen: Seen) -> web.StreamResponse:
    """Answer as OpenAI does, with the model that was asked for."""
    message = {"role": "assistant", "content": "Hi"}
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    model = json.loads(seen.body)["model"]
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model}
    return web.json_response({**head, "choices": [choice], "usage": usage})


class Answered(NamedTuple):
    """What a client got: the text, and the tokens of its request and of the answer."""

    text: str
    input: int
    output: int


async def asked(proxy: Proxy, stream: bool) -> Answered:
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
