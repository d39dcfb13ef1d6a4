"""Authorizers as filters of listeners: the filter ExternalAuth, and GatewayExtensions with one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from headgate_proto.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from tests.live.authorizers import GrpcAuthorizer, allowed, answering, at, by_grpc, denied, extension, grpc_authorizer
from tests.live.objects import Manifest, gateway, prefix, route, rule
from tests.live.processor import answer, headers_of, processor
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream, upstream

BACKEND = {"name": "authorizer", "port": 80}
GRPC = {"type": "ExternalAuth", "externalAuth": {"protocol": "GRPC", "backendRef": BACKEND, "grpc": {}}}
HTTP = {"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": BACKEND, "http": {"path": "/check"}}}


def referring(name: str) -> Manifest:
    """Return the filter that is a GatewayExtension."""
    reference = {"group": "gateway.headgate.dev", "kind": "GatewayExtension", "name": name}
    return {"type": "ExtensionRef", "extensionRef": reference}


def filtered(proxy: Proxy, *filters: Manifest, **fields: Any) -> Manifest:
    """Return an HTTP listener with filters."""
    requests = {"requests": list(filters)}
    return {"name": "http", "protocol": "HTTP", "port": proxy.port, "filters": requests, **fields}


def by_tenant(value: str, backend: str) -> Manifest:
    """Return a rule for requests with a value of X-Tenant."""
    return rule(backend, matches=[prefix("/", headers=[{"name": "x-tenant", "value": value}])])


@pytest_asyncio.fixture(loop_scope="session")
async def authorizer(proxy: Proxy) -> AsyncIterator[GrpcAuthorizer]:
    """Yield an authorizer that is asked by gRPC."""
    async with grpc_authorizer() as found:
        await proxy.apply(at(found.port), extension(**by_grpc()))
        yield found


@pytest.mark.parametrize("own", [GRPC, referring("authorizer")], ids=["ExternalAuth", "ExtensionRef"])
async def test_routes_by_identity(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream, own: Manifest) -> None:
    """Routes match what an authorizer says; a request that it refuses gets to none, as one that no route matches."""
    await proxy.apply(gateway(filtered(proxy, own)), route(by_tenant("red", "beta"), rule("alpha")))

    async def red(_: CheckRequest, __: Any) -> CheckResponse:
        return allowed(x_tenant="red")

    async def refuse(_: CheckRequest, __: Any) -> CheckResponse:
        return denied(401, "who are you?")

    authorizer.decide = red
    assert (await proxy.request("/a")).backend == "beta"
    authorizer.decide = None
    assert (await proxy.request("/a")).backend == "alpha"
    authorizer.decide = refuse
    before = len(alpha.seen)
    found = await proxy.request("/a")
    assert (found.status, found.body, len(alpha.seen)) == (401, b"who are you?", before)


async def test_by_http(proxy: Proxy) -> None:
    """An authorizer that is asked by HTTP gets the path, and its headers choose the route."""
    async with upstream("authorizer") as found:
        await proxy.apply(at(found.port), gateway(filtered(proxy, HTTP)))
        await proxy.apply(route(by_tenant("red", "beta"), rule("alpha")))
        found.answer = answering(x_tenant="red")
        assert (await proxy.request("/cart")).backend == "beta"
        assert found.seen[-1].path == "/check/cart"
        found.answer = answering(403)
        assert (await proxy.request("/cart")).status == 403


async def test_the_host_stays(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """An authorizer that sets the host moves no request to another listener: it is refused, or the host stays."""
    await proxy.apply(extension(**by_grpc(), clearRouteCache=True))
    listeners = [
        filtered(proxy, referring("authorizer"), hostname="one.com"),
        {"name": "open", "protocol": "HTTP", "port": proxy.port},
    ]
    await proxy.apply(gateway(*listeners), route(rule("alpha"), section="http"))
    await proxy.apply(route(rule("beta"), name="open", section="open"))

    for name in (":authority", "host", "Host"):

        async def move(_: CheckRequest, __: Any, name: str = name) -> CheckResponse:
            made = allowed()
            option = made.ok_response.headers.add()
            option.header.key, option.header.value = name, "two.com"
            option.append_action = 2  # type: ignore[assignment]
            return made

        authorizer.decide = move
        found = await proxy.request(host="one.com")
        assert found.status >= 400 or found.echo["backend"] == "alpha", name
        assert found.status >= 400 or dict(found.echo["headers"])["host"] == "one.com"


async def test_between_processors(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """Filters of several kinds run in the order of the list."""
    async with processor() as found:

        async def decide(phase: str, request: Any) -> Any:
            seen = headers_of(request.request_headers.headers) if phase == "request_headers" else {}
            return answer(phase, set={"x-seen": seen.get("x-tenant", "nobody")}) if seen else None

        async def red(_: CheckRequest, __: Any) -> CheckResponse:
            return allowed(x_tenant="red")

        found.decide, authorizer.decide = decide, red
        service_reference = {"backendRef": {"name": "processor", "port": 80}}
        extension_of = {"kind": "GatewayExtension", "apiVersion": "gateway.headgate.dev/v1alpha1"}
        spec = {"extProc": {"grpcService": service_reference, "messageTimeout": "10s"}}
        made = {**extension_of, "metadata": {"name": "processor"}, "spec": spec}
        await proxy.apply(at(found.port, "processor"), made, route(rule("alpha")))
        for filters, seen in (
            ((GRPC, referring("processor")), "red"),
            ((referring("processor"), GRPC), "nobody"),
        ):
            await proxy.apply(gateway(filtered(proxy, *filters)))
            echoed = await proxy.request()
            assert (echoed.sent("x-seen"), echoed.sent("x-tenant")) == ([seen], ["red"])


async def test_an_authorizer_that_is_missing(proxy: Proxy, alpha: Upstream) -> None:
    """While the Service is missing, or may not be referred to, requests get 500, and the listener says why."""
    far = {**GRPC, "externalAuth": {**GRPC["externalAuth"], "backendRef": {**BACKEND, "namespace": "other"}}}  # type: ignore[dict-item]
    for own, reason in (GRPC, "InvalidListenerFilterRef"), (far, "RefNotPermitted"):
        await proxy.apply(gateway(filtered(proxy, own)), route(rule("alpha")))
        assert ((await proxy.request()).status, alpha.seen) == (500, [])
        conditions = proxy.status("Gateway", "live")["listeners"][0]["conditions"]
        found = next(each for each in conditions if each["type"] == "ResolvedRefs")
        assert (found["status"], found["reason"]) == ("False", reason)
        assert "filters.requests[0].externalAuth.backendRef" in found["message"]
