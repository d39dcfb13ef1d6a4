"""Where `extAuth` is effective: single backends, calls of gRPC, WebSockets, preflights; authorizers behind TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest

from headgate_proto.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from tests.live import backend_tls
from tests.live.authorizers import (
    GrpcAuthorizer,
    allowed,
    answering,
    asking,
    at,
    by_grpc,
    by_http,
    denied,
    extension,
)
from tests.live.certificates import Authority, tls_secret, tls_server
from tests.live.cors import told
from tests.live.objects import Manifest, exact, route, rule, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.test_client_certificates import validating, validation
from tests.live.test_grpc import Backend, Client, grpc_route
from tests.live.test_https import https
from tests.live.upstream import Upstream, upstream
from tests.live.websockets import shout, talk

PAGE = "https://page.com"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
MANY = 40
"""So many requests reach both of two backends, but once in 10¹¹ times."""


async def refuse(*_: object) -> CheckResponse:
    """Refuse a request."""
    return denied(401)


@pytest.mark.parametrize("level", ["gateway", "route"])
@pytest.mark.parametrize("own", [False, True], ids=["policy", "filter"])
async def test_preflights(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream, level: str, own: bool) -> None:
    """A preflight that a CORS policy or filter answers reaches no authorizer; what it announces, and others, do."""
    authorizer.decide = refuse
    cors = {"allowOrigins": [PAGE], "allowMethods": ["POST"]}
    filters = [{"type": "CORS", "cors": cors}] if own else []
    units: Manifest = {"extAuth": asking()} if own else {"extAuth": asking(), "cors": cors}
    await proxy.apply(
        at(authorizer.port),
        extension(**by_grpc()),
        traffic_policy(level, **units),
        route(rule("alpha", filters=filters)),
    )
    found = await proxy.request(method="OPTIONS", headers=PREFLIGHT)
    assert (found.status, told(found)["allow-origin"], authorizer.seen) == (200, PAGE, [])
    assert (await proxy.request(method="OPTIONS", headers={"Origin": PAGE})).status == 401
    assert (await proxy.request(method="POST", headers={"Origin": PAGE})).status == 401
    imitation = {**PREFLIGHT, "Access-Control-Request-Method": "OPTIONS"}
    assert (await proxy.request(method="OPTIONS", headers=imitation)).status in (200, 401)
    assert alpha.seen == []


async def test_a_filter_of_one_backend(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """A policy that a filter of a backendRef names has the requests to this backend authorised, and no others."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "own"}
    guarded = {"name": "alpha", "filters": [{"type": "ExtensionRef", "extensionRef": reference}]}
    own = traffic_policy("route", "own", extAuth=asking())
    del own["spec"]["targetRefs"]
    authorizer.decide = refuse
    await proxy.apply(at(authorizer.port), extension(**by_grpc()), own, route(rule(guarded, "beta")))
    found = [await proxy.request() for _ in range(MANY)]
    assert {each.status for each in found} == {200, 401}
    assert {each.backend for each in found if each.status == 200} == {"beta"}
    external = {"protocol": "HTTP", "http": {}, "backendRef": {"name": "third", "port": 80}}
    filters = [{"type": "ExternalAuth", "externalAuth": external}]
    async with upstream("third") as third:
        third.answer = answering(402)
        await proxy.apply(at(third.port, "third"), route(rule(guarded, "beta", filters=filters)))
        found = [await proxy.request() for _ in range(MANY)]
        assert {each.status for each in found} == {401, 402}


async def test_calls(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """Calls of a GRPCRoute are authorised by their path; the client gets a status of gRPC for a refusal."""
    backend = Backend("one")
    target = {"group": "gateway.networking.k8s.io", "kind": "GRPCRoute", "name": "grpc"}
    policy = traffic_policy("route", extAuth=asking())
    policy["spec"]["targetRefs"] = [target]
    options = [("grpc.default_authority", "shop.example.com")]
    async with backend.serving() as objects, grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}", options) as channel:
        client = Client(channel)
        await proxy.apply(objects, at(authorizer.port), extension(**by_grpc()), policy, grpc_route(rule("one")))
        assert await client.call("/shop.v1.Cart/Add") == "one"
        assert authorizer.headers[":path"] == "/shop.v1.Cart/Add"
        authorizer.decide = refuse
        assert await client.call("/shop.v1.Cart/Add") == "UNAUTHENTICATED"
        assert len(backend.seen) == 1


async def test_websockets(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream) -> None:
    """A WebSocket is authorised when it is opened; it has no body to wait for."""
    alpha.raw = shout
    for fields in ({}, {"withRequestBody": {"maxRequestBytes": 100}}):
        policy = traffic_policy("gateway", extAuth=asking(**fields))
        await proxy.apply(at(authorizer.port), extension(**by_grpc()), policy, route(rule("alpha")))
        assert await talk(proxy, "/", "hello", "again") == ["HELLO", "AGAIN"]
    assert len(authorizer.seen) == 2
    authorizer.decide = refuse
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await talk(proxy, "/", "hello")
    assert caught.value.status == 401


async def test_an_authorizer_behind_tls(proxy: Proxy, tmp_path: Path, alpha: Upstream) -> None:
    """A BackendTLSPolicy says how authorizers are reached; one that cannot be trusted has failed."""
    context, certificate = tls_server(tmp_path, "a", backend_tls.NAME)
    clients = Authority("clients")
    async with upstream("tls", tls=context) as found:
        await proxy.apply(
            at(found.port, "tls"),
            extension(**by_http("tls")),
            traffic_policy("gateway", extAuth=asking()),
            route(rule("alpha")),
        )
        assert (await proxy.request()).status == 403
        await proxy.apply(backend_tls.authorities(certificate), backend_tls.policy())
        assert (await proxy.request()).status == 200
        await proxy.apply(clients.client_secret("client"), backend_tls.presenting(proxy))
        assert (await proxy.request()).status == 200
        await proxy.apply(backend_tls.policy("other.example.com"))
        assert (await proxy.request()).status == 403
    assert len(alpha.seen) == 2


async def test_the_certificate_of_the_client(proxy: Proxy, authorizer: GrpcAuthorizer, tmp_path: Path) -> None:
    """With `includePeerCertificate` a gRPC authorizer gets the certificate of the client, and otherwise does not."""
    clients = Authority("clients")
    objects = [
        *at(authorizer.port),
        traffic_policy("gateway", extAuth=asking()),
        tls_secret("own", "a.org"),
        clients.config_map("ca"),
        validating(validation("ca"), https(proxy, "own")),
        route(rule("alpha")),
    ]
    context = clients.client(tmp_path)
    for included in (True, False):
        await proxy.apply(*objects, extension(includePeerCertificate=included, **by_grpc()))
        assert (await proxy.request(ssl=context, server_hostname="a.org", host="a.org")).status == 200
        certificate = authorizer.seen[-1].attributes.source.certificate
        assert ("BEGIN%20CERTIFICATE" in certificate) == included


async def test_the_protocol_of_a_service(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream) -> None:
    """A gRPC authorizer is reached by HTTP/2; one whose port asks for another protocol cannot be used."""
    objects = [extension(**by_grpc()), traffic_policy("gateway", extAuth=asking()), route(rule("alpha"))]
    await proxy.apply(at(authorizer.port, app_protocol="kubernetes.io/h2c"), *objects)
    assert (await proxy.request()).status == 200
    await proxy.apply(service("authorizer", app_protocol="kubernetes.io/ws"))
    assert (await proxy.request()).status == 500
    assert len(alpha.seen) == 1


async def test_policies_that_filters_name(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """A rule may name a policy with authorizers in a filter; this one goes before those that target its route."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "own"}
    own = traffic_policy("route", "own", extAuth=asking(contextExtensions={"of": "the rule"}))
    del own["spec"]["targetRefs"]
    named: list[dict[str, Any]] = [{"type": "ExtensionRef", "extensionRef": reference}]
    await proxy.apply(
        at(authorizer.port),
        extension(**by_grpc()),
        own,
        traffic_policy("route", extAuth=asking(contextExtensions={"of": "the route"})),
        route(rule("alpha", matches=[exact("/own")], filters=named), rule("alpha")),
    )

    async def decide(*_: object) -> CheckResponse:
        return allowed()

    authorizer.decide = decide
    for path, text in (("/own", "the rule"), ("/", "the route")):
        assert (await proxy.request(path)).status == 200
        assert dict(authorizer.seen[-1].attributes.context_extensions) == {"of": text}
