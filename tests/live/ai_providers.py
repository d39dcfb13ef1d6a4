"""Backends of AI providers for tests: on this machine, without TLS unless they say otherwise."""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import web

from tests.live.backends import backend
from tests.live.objects import Manifest
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
