"""What a provider answers reaches the client byte for byte, whatever it is, and whichever way its route was picked."""

from __future__ import annotations

import pytest
from aiohttp import web

from tests.ai.worlds import Manifest, backend, declared, model_route, policy, reference, secrets
from tests.live.objects import endpoints, prefix, route, service
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}'
USAGE = b'"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}'
ANSWERS: dict[str, bytes] = {
    "blanks": b'{ "a" :\t1,\n' + USAGE + b"}",
    "half of a pair": b'{"a": "\\ud83d x", ' + USAGE + b"}",
    "numbers": b'{"a": 12345678901234567890123, "b": 0.12345678901234567890, "c": 1E2, "d": -0.0, ' + USAGE + b"}",
    "huge": b'{"a": 1e999}',
    "twice": b'{"b": 1, "a": 2, "b": 3}',
    "deep": b'{"a": ' + b"[" * 600 + b"]" * 600 + b"}",
    "two": b'{"a": 1}{"b": 2}',
    "bytes": b"\xff\xfe",
    "nothing": b"",
    "list": b"[]",
    "odd usage": b'{"usage": {"prompt_tokens": {}, "completion_tokens": "x", "total_tokens": -1}}',
}
EVENTS = (
    b'data: {"b": 1, "a": "\\ud83d"}\n\ndata: {"usage": null,  "z": 1}\r\n\r\n'
    b": note\n\nevent: x\ndata: y\n\ndata: [DONE]\n\n"
)
ACCESS = {"models": {"allow": [{"models": ["m"]}]}}
HTTP = route({"matches": [prefix("/v1")], "backendRefs": [reference()]}, name="llm")
ROUTES: dict[str, list[Manifest]] = {
    "ModelRoute": [model_route({"models": ["m"], "backendRefs": [reference()]})],
    "ModelRoute of a Service": [model_route({"models": ["m"], "backendRefs": [reference("alpha", "Service")]})],
    "HTTPRoute": [HTTP],
    "HTTPRoute with a list of models": [HTTP, policy(kind="HTTPRoute", ai=ACCESS)],
    "HTTPRoute by the model": [
        route(
            {
                "matches": [prefix("/v1", headers=[{"name": "X-Gateway-Model-Name", "value": "m"}])],
                "backendRefs": [reference()],
            },
            name="llm",
        )
    ],
}


@pytest.mark.parametrize("kind", ROUTES)
async def test_answers_are_the_providers_own(ai_proxy: Proxy, alpha: Upstream, kind: str) -> None:
    """An answer that Envoy's parser would write in another way, or would not take, passes as it is, with its type."""
    entry = declared("headers", "red", alpha.port)
    services = [service("alpha"), *endpoints("alpha", [alpha.port])]
    await ai_proxy.apply(*secrets(), services, backend(entry, usage="AsAsked"), *ROUTES[kind])
    cases = {"stream": (EVENTS, "text/event-stream")}
    cases |= {name: (data, "application/json") for name, data in ANSWERS.items()}
    for name, (data, content_type) in cases.items():

        async def answer(_seen: Seen, data: bytes = data, content_type: str = content_type) -> web.StreamResponse:
            return web.Response(body=data, content_type=content_type)

        alpha.answer = answer
        got = await ai_proxy.request(
            "/v1/chat/completions", method="POST", headers={"content-type": "application/json"}, body=BODY
        )
        assert (got.status, got.body, got.headers["content-type"]) == (200, data, content_type), name
        assert "x-headgate-content-type" not in got.headers
