"""Providers of AI behind routes: where requests go, as what, and by whose key, through a real Envoy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web

from tests.live.ai_providers import CHAT, CLIENT, JSON, ai, at, chat, completion, key_secret
from tests.live.backend_tls import CA, authorities
from tests.live.backends import HEADGATE, to_backend
from tests.live.certificates import tls_server
from tests.live.name_server import name_server
from tests.live.objects import ROUTES, endpoints, gateway, service
from tests.live.proxy import Proxy, running_proxy
from tests.live.upstream import Seen, Upstream, upstream
from translator.extensions.ai_failover import MOST_AI_BODY
from xds.resources.types import CLUSTER


async def test_a_provider_with_its_key(ai_proxy: Proxy, alpha: Upstream) -> None:
    """A request comes with the provider's key and no credential of the client, at its own path and by its own name."""
    auth = {"secretRef": {"name": "openai"}}
    provider = at(alpha, "main", openai={}, auth=auth)
    await ai_proxy.apply(to_backend("ai"), ai(provider), key_secret("openai", "sk-own"))
    found = await ai_proxy.request(
        f"{CHAT}?api-key=of-the-client&api-version=1", method="POST", headers=CLIENT | JSON, body=chat()
    )
    assert found.echo["usage"]["total_tokens"] == 7
    (seen,) = alpha.seen
    assert seen.values("authorization") == ["Bearer sk-own"]
    assert "of-the-client" not in repr(seen)
    assert not any(name.startswith(("x-headgate", "x-forwarded", "x-envoy")) for name, _ in seen.headers)
    assert (seen.path, seen.host) == (f"{CHAT}?api-version=1", f"127.0.0.1:{alpha.port}")
    assert json.loads(seen.body) == json.loads(chat())


async def test_where_the_key_is(ai_proxy: Proxy, alpha: Upstream) -> None:
    """The key may be in another header, with another prefix, and under another name in its Secret."""
    auth = {"secretRef": {"name": "keys", "key": "second"}, "headerName": "X-Token", "prefix": "Key "}
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha, auth=auth)), key_secret("keys", "own", "second"))
    assert (await ai_proxy.request(CHAT, method="POST", headers=CLIENT | JSON, body=chat())).status == 200
    assert alpha.seen[0].values("x-token") == ["Key own"]
    assert alpha.seen[0].values("authorization") == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/team/v1/chat/completions", "/ai/chat/completions"])
async def test_paths_of_providers(ai_proxy: Proxy, alpha: Upstream, path: str) -> None:
    """What is asked for follows the provider's own prefix, whatever path the gateway serves it at."""
    provider = at(alpha, pathPrefix="/inference/v2", auth={"none": {}})
    await ai_proxy.apply(to_backend("ai"), ai(provider))
    assert (await ai_proxy.request(path, method="POST", headers=JSON, body=chat())).status == 200
    assert alpha.seen[0].path == "/inference/v2/chat/completions"


async def test_a_service_as_provider(ai_proxy: Proxy, alpha: Upstream) -> None:
    """A Service may be a provider, such as one of vLLM: it gets no credential of clients."""
    custom = {"backendRef": {"name": "vllm", "port": 8000}}
    await ai_proxy.apply(service("vllm", 8000), endpoints("vllm", [alpha.port]))
    await ai_proxy.apply(to_backend("ai"), ai({"name": "own", "custom": custom}))
    assert (await ai_proxy.request(CHAT, method="POST", headers=CLIENT | JSON, body=chat())).status == 200
    assert "of-the-client" not in repr(alpha.seen)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "small", "messages": [], "metadata": {"model": "other"}}',
        b'{"messages": ["\\"model\\": \\\\"], "mod\\u0065l": "small"}',
        b'{"MODEL":"small","model":"x","messages":[]}',
        b'{"messages":[]}',
        b"{ }",
    ],
)
async def test_the_model_of_a_provider(ai_proxy: Proxy, alpha: Upstream, body: bytes) -> None:
    """A provider is asked for its own model, however the body of the client names one, and for nothing else."""
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha, model='lar"ge')))
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=body)).status == 200
    wanted, found = json.loads(body), json.loads(alpha.seen[0].body)
    models = {value for name, value in found.items() if name.lower() == "model"}
    assert models == {'lar"ge'}
    assert {name: value for name, value in found.items() if name.lower() != "model"} == {
        name: value for name, value in wanted.items() if name.lower() != "model"
    }


@pytest.mark.parametrize("body", [b"no JSON", b'["model"]', b'{"model": "small"', b'{"a": [}', b'{"a": 1} 2'])
async def test_no_model_without_json(ai_proxy: Proxy, alpha: Upstream, body: bytes) -> None:
    """A body in which the model cannot be replaced is refused in the shape of the API, and goes nowhere."""
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha, model="large")))
    found = await ai_proxy.request(CHAT, method="POST", headers=JSON, body=body)
    assert found.status == 400
    assert json.loads(found.body)["error"]["type"] == "invalid_request_error"
    assert alpha.seen == []


@pytest.mark.parametrize("usage", ["Always", "AsAsked", None])
async def test_usage_of_streams(ai_proxy: Proxy, alpha: Upstream, usage: str | None) -> None:
    """Streams are asked to end with their numbers of tokens, unless that is left to clients."""
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha), **({"usage": usage} if usage else {})))
    for options in ({}, {"stream_options": None}, {"stream_options": {"include_usage": False, "x": 1}}):
        body = chat(stream=True, **options)
        assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=body)).status == 200
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 200
    found = [json.loads(each.body).get("stream_options") for each in alpha.seen]
    if usage == "AsAsked":
        assert found == [None, None, {"include_usage": False, "x": 1}, None]
    else:
        assert found == [{"include_usage": True}, {"include_usage": True}, {"include_usage": True, "x": 1}, None]


async def test_large_requests(ai_proxy: Proxy, alpha: Upstream) -> None:
    """A request with images of megabytes is sent as it is, but for its model; one with too many gets 413."""
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha, model="large")))
    body = chat(image="x" * 5_000_000)
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=body)).status == 200
    assert json.loads(alpha.seen[0].body) == json.loads(body) | {"model": "large"}
    longer = chat(image="x" * (MOST_AI_BODY + 1))
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=longer)).status == 413
    assert len(alpha.seen) == 1


async def test_without_its_secret(ai_proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """A provider whose key is missing is told and left out; without any provider requests are refused."""
    lost = at(alpha, auth={"secretRef": {"name": "lost"}})
    await ai_proxy.apply(to_backend("ai"), ai(lost, at(beta)))
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 200
    (_, resolved) = ai_proxy.status("Backend", "ai")["conditions"]
    assert "spec.ai.providers[0].auth.secretRef: Secret default/lost does not exist" in resolved["message"]
    await ai_proxy.apply(ai(lost))
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 500
    assert (len(alpha.seen), len(beta.seen)) == (0, 1)


async def test_a_provider_by_tls(ai_proxy: Proxy, tmp_path: Path) -> None:
    """A certificate must be of the host, or of a name that is given, and by an authority that is trusted."""
    context, certificate = tls_server(tmp_path, "provider", "llm.test")
    trusted = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": CA["name"]}]}
    named = {"hostname": "llm.test", "subjectAltNames": [{"type": "Hostname", "hostname": "llm.test"}]}
    other = {"hostname": "llm.test", "subjectAltNames": [{"type": "URI", "uri": "spiffe://example.com/llm"}]}
    async with upstream("encrypted", tls=context) as found:
        found.answer = completion
        await ai_proxy.apply(authorities(certificate))
        statuses = []
        for tls in ({}, trusted, trusted | named, trusted | other):
            await ai_proxy.apply(to_backend("ai"), ai(at(found, tls=tls)))
            statuses.append((await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status)
    assert statuses == [503, 503, 200, 503]


async def test_keys_and_services_of_other_namespaces(ai_proxy: Proxy, alpha: Upstream) -> None:
    """A Secret or Service of another namespace needs a ReferenceGrant there, and is left out without."""
    auth = {"secretRef": {"name": "openai", "namespace": "keys"}}
    found = {"name": "own", "custom": {"backendRef": {"name": "vllm", "namespace": "keys", "port": 80}}, "auth": auth}
    there = [service("vllm"), *endpoints("vllm", [alpha.port]), key_secret("openai", "sk-own")]
    for each in there:
        each["metadata"]["namespace"] = "keys"
    await ai_proxy.apply(to_backend("ai"), ai(found), there)
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 500
    spec = {
        "from": [{"group": HEADGATE, "kind": "Backend", "namespace": "default"}],
        "to": [{"group": "", "kind": "Secret"}, {"group": "", "kind": "Service"}],
    }
    metadata = {"name": "grant", "namespace": "keys"}
    await ai_proxy.apply({"apiVersion": ROUTES, "kind": "ReferenceGrant", "metadata": metadata, "spec": spec})
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 200
    assert alpha.seen[0].values("authorization") == ["Bearer sk-own"]


async def test_headers_of_clients(ai_proxy: Proxy, alpha: Upstream) -> None:
    """A provider gets the headers of its API, and of others those that the Backend names, and no credential."""
    own = at(alpha, auth={"secretRef": {"name": "keys"}, "headerName": "X-Token"})
    sent = {"X-Session": "1", "X-Token": "2", "X-Secret": "3", "OpenAI-Beta": "4", "X-Stainless-Lang": "5", "Via": "6"}
    await ai_proxy.apply(to_backend("ai"), ai(own, forwardHeaders=["X-Session", "X-Token"]), key_secret("keys", "own"))
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON | sent, body=chat())).status == 200
    found = {name: alpha.seen[0].values(name) for name in sent}
    assert found == {
        "X-Session": ["1"],
        "X-Token": ["own"],
        "X-Secret": [],
        "OpenAI-Beta": ["4"],
        "X-Stainless-Lang": ["5"],
        "Via": [],
    }


async def test_nothing_goes_to_what_is_on_the_machine(envoy_path: Path, alpha: Upstream) -> None:
    """A provider whose name leads to the proxies' own machine gets no request, and its key goes nowhere."""
    alpha.reset()
    async with (
        name_server({"here.test": ["127.0.0.1"]}) as dns,
        running_proxy(envoy_path, dns=dns) as (one, _),
    ):
        await one.begin(gateway({"name": "http", "protocol": "HTTP", "port": one.port}))
        found = at(alpha, host="here.test", auth={"secretRef": {"name": "key"}})
        await one.apply(to_backend("ai"), ai(found), key_secret("key", "sk-own"))
        assert (await one.request(CHAT, method="POST", headers=JSON, body=chat())).status == 403
    assert alpha.seen == []


async def test_a_new_key_is_used_at_once(ai_proxy: Proxy, alpha: Upstream) -> None:
    """A new value of the Secret is what the next request has; cluster and route stay."""
    found = at(alpha, auth={"secretRef": {"name": "key"}})
    await ai_proxy.apply(to_backend("ai"), ai(found), key_secret("key", "sk-first"))
    before = {each.name for each in ai_proxy.snapshot if each.type_url == CLUSTER}
    for text in ("sk-first", "sk-second"):
        await ai_proxy.apply(key_secret("key", text))
        assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 200
        assert alpha.seen[-1].values("authorization") == [f"Bearer {text}"]
    assert {each.name for each in ai_proxy.snapshot if each.type_url == CLUSTER} == before


async def test_requests_without_a_body(ai_proxy: Proxy, alpha: Upstream) -> None:
    """What has no body, such as a list of models, is asked for with the key, whatever model the provider has."""
    alpha.answer = None
    found = at(alpha, auth={"secretRef": {"name": "key"}}, model="large")
    await ai_proxy.apply(to_backend("ai"), ai(found), key_secret("key", "sk-own"))
    assert (await ai_proxy.request("/v1/models?limit=2", headers=CLIENT)).status == 200
    assert (await ai_proxy.request("/v1/files/a", method="DELETE", headers=CLIENT)).status == 200
    assert [(each.method, each.path) for each in alpha.seen] == [
        ("GET", "/v1/models?limit=2"),
        ("DELETE", "/v1/files/a"),
    ]
    assert {tuple(each.values("authorization")) for each in alpha.seen} == {("Bearer sk-own",)}


async def test_policies_of_the_backend(ai_proxy: Proxy, alpha: Upstream) -> None:
    """Policies for backends that target the Backend hold for its providers: one that speaks HTTP/1.1 only gets none."""
    target = {"group": HEADGATE, "kind": "Backend", "name": "ai"}
    spec = {"targetRefs": [target], "http2ProtocolOptions": {}}
    policy = {
        "apiVersion": f"{HEADGATE}/v1alpha1",
        "kind": "BackendConfigPolicy",
        "metadata": {"name": "h2"},
        "spec": spec,
    }
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), policy)
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status in (502, 503)
    assert alpha.seen == []


async def test_headers_of_answers(ai_proxy: Proxy, alpha: Upstream) -> None:
    """Clients get an answer's headers, but for those that tell of the gateway's account and connection."""
    own = {"Set-Cookie": "a=b", "Alt-Svc": "h3", "OpenAI-Organization": "us", "Anthropic-Organization-Id": "us"}

    async def answer(_: Seen) -> web.StreamResponse:
        return web.json_response({}, headers=own | {"x-ratelimit-remaining-tokens": "7"})

    alpha.answer = answer
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)))
    found = await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())
    assert [each for each in own if each in found.headers] == []
    assert found.headers["x-ratelimit-remaining-tokens"] == "7"


@pytest.mark.parametrize(
    "sent", [{"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "TEXT/plain"}]
)
@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings"])
async def test_json_that_says_to_be_a_form(ai_proxy: Proxy, alpha: Upstream, path: str, sent: dict[str, str]) -> None:
    """JSON that a program sends under its usual type, as curl does, comes to the provider as JSON."""
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)))
    assert (await ai_proxy.request(path, method="POST", headers=sent, body=chat())).status == 200
    assert alpha.seen[0].values("content-type") == ["application/json"]
    assert alpha.seen[0].body == chat()


@pytest.mark.parametrize(
    ("content", "body"),
    [("multipart/form-data; boundary=a", chat()), ("a/b", chat())],
)
async def test_what_is_sent_as_something_else(ai_proxy: Proxy, alpha: Upstream, content: str, body: bytes) -> None:
    """What a client calls something else on purpose stays what it says to be."""
    alpha.answer = None
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)))
    found = await ai_proxy.request("/v1/files", method="POST", headers={"Content-Type": content}, body=body)
    assert found.status == 200
    assert alpha.seen[0].values("content-type") == [content]
    assert alpha.seen[0].body == body
