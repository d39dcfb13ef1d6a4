"""Which model a request is for: the body says it, to the gateway as to the provider, and nothing else does."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.bodies import BODIES, OPEN, SECRET, Body, meant
from tests.ai.clients import anthropic_client, openai_client
from tests.ai.provider import Provider
from tests.ai.worlds import Manifest, backend, declared, model_route, policy, reference, secrets, three
from tests.live.proxy import Proxy

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello, please."}]
CLOSED: Manifest = {
    "rbac": {"action": "Allow", "policy": {"matchExpressions": ["request.headers['x-never'] == 'set'"]}}
}
"""A policy that lets nobody pass who does not know of a header."""
NAMED = {"matchExpressions": [f"request.headers['x-gateway-model-name'] == '{SECRET}'"]}
DENIALS: dict[str, Manifest] = {
    "rule": policy(rule="secret", **CLOSED),
    "header": policy(rbac={"action": "Deny", "policy": NAMED}),
    "deny": policy(ai={"models": {"deny": [{"models": ["secret-*"]}]}}),
    "allow": policy(ai={"models": {"allow": [{"models": ["open-*"]}]}}),
}
"""Ways to deny models: a closed policy for their rule, one for the header that has the model's name, and lists."""
OWN_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"X-Gateway-Model-Name": OPEN},
    {"x-gateway-model-name": OPEN, "X_Gateway_Model_Name": OPEN},
    {"X-Headgate-Model": OPEN, "envoy.ai.model.request": OPEN},
)


async def served(proxy: Proxy, found: dict[str, Provider], *rules: Manifest) -> None:
    """Serve Backends of the names of the providers by a ModelRoute."""
    backends = [backend(declared("headers", name, each.port), name=name) for name, each in found.items()]
    await proxy.apply(*secrets(), *backends, model_route(*rules))


def to(name: str, *models: str, **fields: Any) -> Manifest:
    """Return a rule for models, named as the first of them."""
    named: Manifest = {"name": fields.pop("rule")} if "rule" in fields else {}
    return {**named, **({"models": list(models)} if models else {}), "backendRefs": [reference(name)], **fields}


async def post(proxy: Proxy, body: Body, path: str = "/v1/chat/completions", **options: Any) -> int:
    """Send a body, and return the status."""
    headers = {**body.headers, **options.pop("headers", {})}
    options.setdefault("skip_auto_headers", ("content-type",))
    return (await proxy.request(path, method="POST", headers=headers, body=body.data, **options)).status


@pytest.mark.parametrize("body", BODIES, ids=lambda each: each.name)
async def test_gateway_and_provider_read_the_same_model(ai_proxy: Proxy, body: Body) -> None:
    """Whatever a body is like, no provider but that of the model reads the model in it, nor that of all others."""
    async with three("headers") as found:
        await served(ai_proxy, found, to("red", "open-*"), to("green", "secret-*"), to("blue"))
        for own in OWN_HEADERS:
            await post(ai_proxy, body, headers=own)
        assert not [each for name in ("red", "blue") for each in found[name].seen if SECRET in meant(each.body)]
        for each in found["green"].seen:
            assert meant(each.body) <= {SECRET}
            assert each.values("x-gateway-model-name") in ([], [SECRET])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "/v1/./chat/completions",
        "/v1/x/../chat/completions",
        "/v1/%63hat/completions",
        "/v1/chat%2fcompletions",
        "/v1/chat/completions?model=open-1",
        "/v1/chat/completions;model=open-1",
        "/v1/chat/completions%3fx",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/v1/completions",
        "/v1/models/open-1",
        "/v1/anything",
    ],
)
async def test_paths_name_no_model(ai_proxy: Proxy, path: str) -> None:
    """No way to write the path leads a body to the provider of another model than its own."""
    async with three("headers") as found:
        await served(ai_proxy, found, to("red", "open-*"), to("green", "secret-*"), to("blue"))
        for own in OWN_HEADERS:
            await post(ai_proxy, BODIES[0], path, headers=own)
        assert not [each for name in ("red", "blue") for each in found[name].seen if SECRET in meant(each.body)]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
async def test_methods_name_no_model(ai_proxy: Proxy, method: str) -> None:
    """A body counts with any method."""
    async with three("headers") as found:
        await served(ai_proxy, found, to("red", "open-*"), to("green", "secret-*"), to("blue"))
        await ai_proxy.request("/v1/chat/completions", method=method, headers=BODIES[0].headers, body=BODIES[0].data)
        assert not [each for name in ("red", "blue") for each in found[name].seen if SECRET in meant(each.body)]


@pytest.mark.slow
@pytest.mark.parametrize("way", DENIALS)
async def test_a_denied_model_is_never_reached(ai_proxy: Proxy, way: str) -> None:
    """Of 10,000 requests for a model that is denied, with and without a header of their own, none passes."""
    async with three("headers") as found:
        await served(
            ai_proxy, found, to("red", "open-*", rule="open"), to("green", "secret-*", rule="secret"), to("blue")
        )
        await ai_proxy.apply(DENIALS[way])
        light = [each for each in BODIES if len(each.data) < 20_000]
        statuses: dict[int, int] = {}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as http:

            async def send(number: int) -> None:
                body, own = light[number % len(light)], OWN_HEADERS[number % len(OWN_HEADERS)]
                status = await post(ai_proxy, body, headers=own, http=http)
                statuses[status] = statuses.get(status, 0) + 1

            for begin in range(0, 10_000, 100):
                await asyncio.gather(*(send(number) for number in range(begin, begin + 100)))
        assert sum(statuses.values()) == 10_000
        assert [each for one in found.values() for each in one.seen if SECRET in meant(each.body)] == []
        assert await post(ai_proxy, Body("open", BODIES[0].data.replace(SECRET.encode(), OPEN.encode()))) == 200


async def test_closing_a_rule_closes_nothing_else(ai_proxy: Proxy) -> None:
    """A policy of one rule refuses that rule's models, in the client's shape; others are served or all are refused."""
    async with three("headers") as found:
        await served(ai_proxy, found, to("red", "open-*", rule="open"), to("green", "secret-*", rule="secret"))
        await ai_proxy.apply(policy(rule="secret", **CLOSED))
        async with openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
            with pytest.raises((openai.PermissionDeniedError, openai.InternalServerError)) as refused:
                await client.chat.completions.create(model=SECRET, messages=HELLO)
            body: Any = refused.value.body
            assert {"message", "type", "code"} <= set(body)
        assert found["green"].seen == []
        assert "spec.rules[1]: TrafficPolicy default/policy" in str(ai_proxy.status("ModelRoute", "llm"))


async def test_clients_find_models(ai_proxy: Proxy) -> None:
    """Both vendors' clients are sent by the model's name, and get their own error for one that there is not."""
    url = f"http://127.0.0.1:{ai_proxy.port}"
    async with three("headers") as found, openai_client(f"{url}/v1") as gpt, anthropic_client(url) as claude:
        await served(ai_proxy, found, to("red", "gpt-*"), to("green", "gpt-5"))
        for model, text in {"gpt-5": found["green"].text, "gpt-5-mini": found["red"].text}.items():
            answer = await gpt.chat.completions.create(model=model, messages=HELLO)
            assert (answer.choices[0].message.content, answer.model) == (text, model)
        with pytest.raises(openai.NotFoundError) as absent:
            await gpt.chat.completions.create(model="llama", messages=HELLO)
        assert absent.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            await gpt.chat.completions.create(model="llama", messages=HELLO, stream=True)
        with pytest.raises(anthropic.NotFoundError) as unknown:
            await claude.messages.create(model="llama", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
        body: Any = unknown.value.body
        assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")


async def test_clients_list_models(ai_proxy: Proxy) -> None:
    """Both vendors' clients list the models of all rules but hidden ones, and beginnings are no models."""
    url = f"http://127.0.0.1:{ai_proxy.port}"
    async with three("headers") as found, openai_client(f"{url}/v1") as gpt, anthropic_client(url) as claude:
        rules = [to("red", "gpt-*", "gpt-5", ownedBy="us"), to("green", "own/llama"), to("blue", "dark", hidden=True)]
        await served(ai_proxy, found, *rules)
        listed = {each.id: each.owned_by async for each in gpt.models.list()}
        assert listed == {"gpt-5": "us", "own/llama": "default"}
        assert (await gpt.models.retrieve("gpt-5")).owned_by == "us"
        with pytest.raises(openai.NotFoundError):
            await gpt.models.retrieve("llama")
        assert {each.id async for each in claude.models.list()} == set(listed)
        assert all(each.seen == [] for each in found.values())
