"""Credentials of providers of AI: each provider sees its own, and never another one's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.ai.faults import Status
from tests.ai.provider import Received, provider
from tests.live.ai_providers import CHAT, CLIENT, JSON, ai, at, at_port, chat, completion, key_secret
from tests.live.backends import reference, to_backend
from tests.live.model_routes import model_route
from tests.live.objects import Manifest, gateway
from tests.live.proxy import WITHIN, Proxy, running_proxy
from tests.live.upstream import Seen, Upstream, upstream
from translator.inputs import ServiceAddress, Settings

OWN = {"bearer": "sk-of-bearer", "header": "sk-of-header", "anthropic": "sk-of-anthropic", "aws": "sk-of-aws"}
"""The credentials of providers, by their names."""
ACCESS_TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"


def keyed(name: str, port: int) -> Manifest:
    """Return a provider with a credential of its own."""
    auth: dict[str, Any] = {"secretRef": {"name": name}}
    every: dict[str, dict[str, Any]] = {
        "bearer": {"openai": {}, "auth": auth},
        "header": {"custom": {}, "auth": {**auth, "headerName": "X-Own-Token"}},
        "anthropic": {"anthropic": {}, "translate": "Native", "auth": auth},
        "aws": {"custom": {}, "auth": {"aws": {"region": "eu-west-1", **auth}}},
    }
    return at_port(port, name, **every[name])


def secrets() -> list[Manifest]:
    """Return the Secrets of these providers."""
    made = [key_secret(name, text) for name, text in OWN.items() if name != "aws"]
    keys = {"accessKey": "AKIDEX", "secretKey": "the-secret-key-of-aws", "sessionToken": OWN["aws"]}
    return [*made, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws"}, "stringData": keys}]


def credentials(seen: Received) -> set[str]:
    """Return whose credentials a request shows, anywhere."""
    return {name for name, text in OWN.items() if seen.shows(text)} | (
        {"client"} if seen.shows("of-the-client") else set()
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("order", [*permutations(("bearer", "header", "anthropic")), *permutations(("aws", "bearer"))])
async def test_no_provider_sees_the_credential_of_another(
    ai_proxy: Proxy, order: tuple[str, ...], stream: bool
) -> None:
    """Whichever of the providers fail in whichever order, each sees its own credential, and none of another's."""
    async with provider("one") as one, provider("two") as two, provider("three") as three:
        served = [one, two, three][: len(order)]
        for each in served:
            each.always = Status(503)
        found = [keyed(name, each.port) for name, each in zip(order, served, strict=True)]
        await ai_proxy.apply(to_backend("ai"), ai(*found), secrets())
        path = f"{CHAT}?key=of-the-client&api-key=of-the-client"
        for _ in range(2):
            answer = await ai_proxy.request(path, method="POST", headers=CLIENT | JSON, body=chat(stream=stream))
            assert answer.status == 503
        assert [len(each.seen) for each in served] == [2] * len(order)
        for name, each in zip(order, served, strict=True):
            assert [credentials(seen) for seen in each.seen] == [{name}, {name}]


async def test_a_key_that_is_passed_through(ai_proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """A provider may get the client's own key; the next one sees its own only."""
    passing = at(alpha, auth={"passthrough": {}})
    own = at(beta, auth={"secretRef": {"name": "bearer"}})

    async def fail(_: Seen) -> web.StreamResponse:
        return web.Response(status=503)

    await ai_proxy.apply(to_backend("ai"), ai(passing, own), secrets())
    alpha.answer = fail
    for header in ("Authorization", "x-api-key", "api-key", "x-goog-api-key"):
        text = "Bearer of-the-client" if header == "Authorization" else "of-the-client"
        found = await ai_proxy.request(CHAT, method="POST", headers=JSON | {header: text}, body=chat())
        assert found.status == 200
    assert {tuple(each.values("authorization")) for each in alpha.seen} == {("Bearer of-the-client",)}
    assert {tuple(each.values("authorization")) for each in beta.seen} == {("Bearer sk-of-bearer",)}
    assert "of-the-client" not in repr(beta.seen)


async def test_no_token_of_a_session_is_left(ai_proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """What a signature adds does not reach the next provider, though clients may send headers of that name."""
    one = at(alpha, "aws", auth={"aws": {"region": "eu-west-1", "secretRef": {"name": "aws"}}})

    async def fail(_: Seen) -> web.StreamResponse:
        return web.Response(status=503)

    names = ("x-amz-security-token", "x-amz-date", "x-amz-content-sha256")
    await ai_proxy.apply(to_backend("ai"), ai(one, at(beta), forwardHeaders=names), secrets())
    alpha.answer = fail
    assert (await ai_proxy.request(CHAT, method="POST", headers=CLIENT | JSON, body=chat())).status == 200
    assert alpha.seen[0].values("x-amz-security-token") == [OWN["aws"]]
    assert [beta.seen[0].values(each) for each in names] == [[], [], []]


@pytest.mark.parametrize("priority", [None, 0])
async def test_no_key_of_another_is_passed_through(
    ai_proxy: Proxy, alpha: Upstream, beta: Upstream, priority: int | None
) -> None:
    """A provider that would get the key of one before as the client's is left out, and its status tells."""
    own = at(alpha, auth={"secretRef": {"name": "bearer"}})
    passing = at(beta, auth={"passthrough": {}}) | ({"priority": priority} if priority is not None else {})

    async def fail(_: Seen) -> web.StreamResponse:
        return web.Response(status=503)

    alpha.answer = fail
    await ai_proxy.apply(to_backend("ai"), ai(own, passing), secrets())
    for _ in range(10):
        assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 503
    assert beta.seen == []
    accepted, *_ = ai_proxy.status("Backend", "ai")["conditions"]
    assert "providers[1].auth.passthrough" in accepted["message"]


async def test_a_signature_of_aws(ai_proxy: Proxy, alpha: Upstream) -> None:
    """Requests to Bedrock are signed for its region, with the body as it is sent; other keys sign at once."""
    found = at(alpha, bedrock={"region": "eu-west-1"}, auth={"aws": {"secretRef": {"name": "aws"}}}, model="large")
    await ai_proxy.apply(to_backend("ai"), ai(found), secrets())
    assert (await ai_proxy.request(CHAT, method="POST", headers=CLIENT | JSON, body=chat())).status == 200
    (seen,) = alpha.seen
    (signature,) = seen.values("authorization")
    assert "Credential=AKIDEX/" in signature
    assert "/eu-west-1/bedrock/aws4_request" in signature
    assert seen.values("x-amz-security-token") == [OWN["aws"]]
    assert seen.path == "/openai/v1/chat/completions"
    role = {"roleArn": "arn:aws:iam::123456789012:role/r", "externalId": "ab", "sessionName": "cd"}
    await ai_proxy.apply(ai(at(alpha, bedrock={"region": "eu-west-1"}, auth={"aws": {"assumeRole": role}})))


@pytest_asyncio.fixture(loop_scope="session")
async def entra() -> AsyncIterator[Upstream]:
    """Run an endpoint of tokens of Microsoft's."""
    async with upstream("entra") as found:

        async def give(seen: Seen) -> web.StreamResponse:
            return web.json_response({"access_token": "token-of-azure", "expires_in": 3600, "token_type": "Bearer"})

        found.answer = give
        yield found


async def test_a_token_of_azure(ai_proxy_of_issuers: Proxy, alpha: Upstream, entra: Upstream) -> None:
    """The proxy gets a token as an application, by its password, and sends it to Azure in place of a key."""
    azure = {
        "tenantId": "tenant",
        "clientId": "client",
        "secretRef": {"name": "app"},
        "authority": f"http://127.0.0.1:{entra.port}",
    }
    alpha.answer = completion
    found = at(alpha, azure={"resource": "shop"}, auth={"azure": azure})
    proxy = ai_proxy_of_issuers
    await proxy.apply(to_backend("ai"), ai(found), key_secret("app", "the-password", "clientSecret"))
    async with asyncio.timeout(WITHIN):
        while (await proxy.request(CHAT, method="POST", headers=CLIENT | JSON, body=chat())).status == 401:
            assert alpha.seen == []
    assert alpha.seen[0].values("authorization") == ["Bearer token-of-azure"]
    assert alpha.seen[0].path == "/openai/v1/chat/completions"
    assert entra.seen[0].path == "/tenant/oauth2/v2.0/token"
    assert b"the-password" in entra.seen[0].body


@pytest_asyncio.fixture(loop_scope="session")
async def ai_proxy_of_issuers(envoy_path: Path, upstreams: dict[str, Upstream]) -> AsyncIterator[Proxy]:
    """Run a proxy that may ask for tokens without TLS."""
    for each in upstreams.values():
        each.reset()
    settings = Settings(local_backends=True, allow_http_issuers=True)
    async with running_proxy(envoy_path, settings) as (proxy, _):
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
        yield proxy


@pytest.mark.parametrize("by_model", [False, True])
async def test_a_token_of_google(envoy_path: Path, alpha: Upstream, by_model: bool) -> None:
    """Requests to Vertex AI have an access token of the proxy's own; without one nothing is sent."""
    token: dict[str, Any] = {}
    alpha.reset()
    alpha.answer = completion

    async def give(seen: Seen) -> web.StreamResponse:
        right = seen.values("metadata-flavor") == ["Google"] and seen.path.partition("?")[0] == ACCESS_TOKEN
        return web.json_response(token) if token and right else web.Response(status=500)

    async with upstream("metadata") as metadata:
        metadata.answer = give
        settings = Settings(local_backends=True, gcp_metadata_server=ServiceAddress("127.0.0.1", metadata.port))
        async with running_proxy(envoy_path, settings) as (proxy, _):
            await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
            vertex = {"projectId": "p", "region": "europe-west4"}
            to_it = (
                model_route({"models": ["small"], "backendRefs": [reference("ai")]}) if by_model else to_backend("ai")
            )
            await proxy.apply(to_it, ai(at(alpha, vertexai=vertex, auth={"gcp": {}})))
            refused = await proxy.request(CHAT, method="POST", headers=CLIENT | JSON, body=chat())
            assert refused.status == 403
            assert alpha.seen == []
            token |= {"access_token": "ya29.token-of-google", "expires_in": 3600, "token_type": "Bearer"}
            found = await proxy.request(CHAT, method="POST", headers=CLIENT | JSON, body=chat())
            assert found.status == 200
    assert alpha.seen[0].values("authorization") == ["Bearer ya29.token-of-google"]
    assert "of-the-client" not in repr(alpha.seen)
