"""S8: errors of the gateway itself are errors of the client's own vendor, on routes to models alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.clients import anthropic_client, openai_client
from tests.ai.faults import Cut, Held, Status
from tests.ai.provider import Provider
from tests.ai.worlds import CLIENT_KEY, Manifest, in_order, model_route, policy, reference, secrets, three
from tests.live.objects import prefix, route
from tests.live.proxy import Proxy

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello, please."}]
NEVER = "request.headers['x-never'] == 'set'"
HOUR = {"maxTokens": 1, "tokensPerFill": 1, "fillInterval": "1h"}
TEAMS: Manifest = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "teams"},
    "stringData": {"a": "team-key-77"},
}
Break = Callable[[dict[str, Provider]], None]


def silent(found: dict[str, Provider]) -> None:
    """Have nobody answer."""
    for each in found.values():
        each.always = Held()


def dead(found: dict[str, Provider]) -> None:
    """Have all reset their connections."""
    for each in found.values():
        each.always = Cut()


def well(found: dict[str, Provider]) -> None:
    """Have all answer."""


POLICIES: dict[str, tuple[int, Manifest, Break]] = {
    "no key": (401, {"apiKeyAuth": {"secretRef": {"name": "teams"}}}, well),
    "not allowed": (403, {"rbac": {"action": "Allow", "policy": {"matchExpressions": [NEVER]}}}, well),
    "too many": (429, {"rateLimit": {"local": {"tokenBucket": HOUR}}}, well),
    "too late": (504, {"timeouts": {"request": "200ms"}}, silent),
    "unreachable": (503, {"timeouts": {"request": "10s"}}, dead),
}
OPENAI_ERRORS: dict[int, type[openai.APIStatusError]] = {
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
    504: openai.InternalServerError,
}
ANTHROPIC_ERRORS: dict[int, tuple[type[anthropic.APIStatusError], str]] = {
    401: (anthropic.AuthenticationError, "authentication_error"),
    403: (anthropic.PermissionDeniedError, "permission_error"),
    429: (anthropic.RateLimitError, "rate_limit_error"),
    500: (anthropic.InternalServerError, "api_error"),
    503: (anthropic.InternalServerError, "api_error"),
    504: (anthropic.InternalServerError, "timeout_error"),
}
ROUTES = ("ModelRoute", "HTTPRoute")


def ai_route(kind: str) -> Manifest:
    """Return a route of a kind to the Backend `ai`, named `llm`."""
    if kind == "ModelRoute":
        return model_route()
    return route({"matches": [prefix("/v1")], "backendRefs": [reference()]}, name="llm")


async def openai_error(proxy: Proxy, stream: bool) -> openai.APIStatusError:
    """Return the error that OpenAI's client raises."""
    async with openai_client(f"http://127.0.0.1:{proxy.port}/v1", CLIENT_KEY) as client:
        with pytest.raises(openai.APIStatusError) as raised:
            await client.chat.completions.create(model="m", messages=HELLO, stream=stream)
        return raised.value


async def anthropic_error(proxy: Proxy, stream: bool) -> anthropic.APIStatusError:
    """Return the error that Anthropic's client raises."""
    async with anthropic_client(f"http://127.0.0.1:{proxy.port}", CLIENT_KEY) as client:
        with pytest.raises(anthropic.APIStatusError) as raised:
            await client.messages.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=stream
            )
        return raised.value


def told(error: openai.APIStatusError | anthropic.APIStatusError) -> None:
    """Assert that an error is whole JSON of its vendor's shape, and says nothing of how the gateway works."""
    response = error.response
    assert response.headers["content-type"].partition(";")[0] == "application/json"
    whole = json.loads(response.content)
    inner = whole["error"]
    assert isinstance(inner["message"], str)
    assert inner["message"]
    assert isinstance(inner["type"], str)
    assert not any(word in response.text for word in ("envoy", "127.0.0.1", "headgate.", "upstream connect"))
    if isinstance(error, openai.APIStatusError):
        assert set(inner) >= {"message", "type", "param", "code"}
    else:
        assert whole["type"] == "error"


@pytest.mark.parametrize("kind", ROUTES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", POLICIES)
async def test_openais_client_reads_errors_of_the_gateway(ai_proxy: Proxy, kind: str, stream: bool, case: str) -> None:
    """What the gateway refuses or cannot do is an error of OpenAI's client, by its type."""
    status, spec, fail = POLICIES[case]
    async with three("headers") as found:
        await ai_proxy.apply(
            *secrets(), TEAMS, in_order("headers", found, ("red", "green")), ai_route(kind), policy(kind=kind, **spec)
        )
        fail(found)
        if status == 429:
            async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
                await client.chat.completions.create(model="m", messages=HELLO)
        error = await openai_error(ai_proxy, stream)
        assert (error.status_code, type(error)) == (status, OPENAI_ERRORS[status])
        told(error)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", [each for each in POLICIES if POLICIES[each][2] is well])
async def test_anthropics_client_reads_errors_of_the_gateway(ai_proxy: Proxy, stream: bool, case: str) -> None:
    """What the gateway refuses is an error of Anthropic's client, by its type."""
    status, spec, _ = POLICIES[case]
    async with three("headers") as found:
        await ai_proxy.apply(*secrets(), TEAMS, in_order("headers", found, ("red",)), model_route(), policy(**spec))
        if status == 429:
            async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
                await client.chat.completions.create(model="m", messages=HELLO)
        error = await anthropic_error(ai_proxy, stream)
        assert (error.status_code, type(error)) == (status, ANTHROPIC_ERRORS[status][0])
        told(error)
        body: Any = error.body
        assert body["error"]["type"] == ANTHROPIC_ERRORS[status][1]


@pytest.mark.parametrize("kind", ["ModelRoute"])
async def test_a_closed_backend_tells_it_in_shape(ai_proxy: Proxy, kind: str) -> None:
    """Without the Secret of the only provider, clients get their vendor's error, and the provider nothing."""
    async with three("headers") as found:
        await ai_proxy.apply(in_order("headers", found, ("red",)), ai_route(kind))
        error = await openai_error(ai_proxy, False)
        assert (error.status_code, found["red"].seen) == (500, [])
        told(error)
        assert "key-red" not in error.response.text


@pytest.mark.parametrize("body", [b'{"model": "m"', b'{"model": "m", "model": "n"}', b"\xff\xfe", b"[" * 20000])
async def test_bodies_that_are_no_json(ai_proxy: Proxy, body: bytes) -> None:
    """A body that cannot be read is a 400 in the client's shape, of either vendor."""
    async with three("headers") as found:
        await ai_proxy.apply(*secrets(), in_order("headers", found, ("red",)), model_route())
        for path, keys in {"/v1/chat/completions": {"error"}, "/v1/messages": {"type", "error"}}.items():
            answer = await ai_proxy.request(
                path, method="POST", headers={"content-type": "application/json"}, body=body
            )
            assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (400, "application/json")
            assert set(json.loads(answer.body)) >= keys


async def test_other_routes_keep_their_errors(ai_proxy: Proxy) -> None:
    """A route beside one to models answers its own errors as ever, and so does the listener."""
    async with three("headers") as found:
        lost = route({"matches": [prefix("/other")], "backendRefs": [{"name": "none", "port": 80}]}, name="other")
        await ai_proxy.apply(lost)
        before = [await ai_proxy.request(path) for path in ("/other", "/nowhere")]
        await ai_proxy.apply(*secrets(), in_order("headers", found, ("red",)), model_route())
        after = [await ai_proxy.request(path) for path in ("/other", "/nowhere")]
        assert [(each.status, each.body, each.headers.get("content-type")) for each in after] == [
            (each.status, each.body, each.headers.get("content-type")) for each in before
        ]


@pytest.mark.parametrize("kind", ROUTES)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_errors_of_providers_pass_untouched(ai_proxy: Proxy, kind: str, status: int) -> None:
    """What a provider says of an error reaches the client byte by byte, also where it is no JSON."""
    async with three("headers") as found:
        await ai_proxy.apply(*secrets(), in_order("headers", found, ("red",)), ai_route(kind))
        for body in (None, b"<html>Bad gateway of a provider</html>"):
            found["red"].always = Status(status, "In my own words.", body=body)
            answer = await ai_proxy.request(
                "/v1/chat/completions",
                method="POST",
                headers={"content-type": "application/json"},
                body=b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}',
            )
            assert answer.status == status
            assert (body or b"In my own words.") in answer.body
