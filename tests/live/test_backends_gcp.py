"""Services of Google Cloud as backends: requests get an identity token, or are not sent, through a real Envoy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from aiohttp import web
from joserfc import jwt

from tests.certificates import self_signed
from tests.live import tokens
from tests.live.backend_tls import authorities
from tests.live.backends import backend, reference, static, to_backend
from tests.live.google_cloud import HOST, CloudService, MetadataServer, cloud_service, metadata_server, never
from tests.live.name_server import name_server
from tests.live.objects import Manifest, gateway, prefix, route, traffic_policy
from tests.live.proxy import Proxy, running_proxy
from tests.live.test_grpc import grpc_route
from tests.live.tokens import token
from tests.live.upstream import Upstream
from translator.inputs import ServiceAddress, Settings

FORGED = {"Authorization": f"Bearer {token('somebody', aud=f'https://{HOST}')}"}
"""What looks like a token, and is of another issuer."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[MetadataServer]:
    """Run a metadata server."""
    async with metadata_server() as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def machine(envoy_path: Path, server: MetadataServer) -> AsyncIterator[Proxy]:
    """Run a proxy that has its identity from there, and whose Backends may be on this machine."""
    settings = Settings(local_backends=True, gcp_metadata_server=ServiceAddress("127.0.0.1", server.upstream.port))
    async with running_proxy(envoy_path, settings) as (proxy, _):
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def local(machine: Proxy, server: MetadataServer, upstreams: dict[str, Upstream]) -> Proxy:
    """Return that proxy, with no route and no token."""
    for each in upstreams.values():
        each.reset()
    machine.restore()
    await machine.apply(route({"backendRefs": []}))
    server.reset()
    return machine


@pytest_asyncio.fixture(loop_scope="session")
async def cloud(tmp_path: Path) -> AsyncIterator[CloudService]:
    """Run a service."""
    async with cloud_service(tmp_path) as found:
        yield found


def gcp(cloud: CloudService, **fields: Any) -> Manifest:
    """Return a Backend that is the service."""
    return backend(gcp={"host": HOST, "port": cloud.upstream.port, **fields})


async def test_requests_have_a_token(local: Proxy, cloud: CloudService, server: MetadataServer) -> None:
    """A request has a token for the host, by TLS, and the host's name; the token is fetched once for many requests."""
    await local.apply(to_backend(), gcp(cloud), *cloud.trusted())
    for _ in range(20):
        assert (await local.request("/a?b=c", method="POST", body=b"x")).status == 200
    assert {each["aud"] for each in cloud.subjects} == {f"https://{HOST}"}
    first = cloud.upstream.seen[0]
    assert (first.host, first.path, first.body) == (f"{HOST}:{cloud.upstream.port}", "/a?b=c", b"x")
    assert set(server.audiences) == {f"https://{HOST}"}
    assert len(server.audiences) < 10


async def test_an_audience_of_its_own(local: Proxy, cloud: CloudService, server: MetadataServer) -> None:
    """Tokens are for the audience that the Backend says; a service that asks for another one refuses them."""
    await local.apply(to_backend(), gcp(cloud, audience="shop.example.com"), *cloud.trusted())
    assert (await local.request()).status == 401
    cloud.audience = "shop.example.com"
    assert (await local.request()).status == 200
    assert set(server.audiences) == {"shop.example.com"}


async def test_tokens_that_end_are_fetched_anew(local: Proxy, cloud: CloudService, server: MetadataServer) -> None:
    """A token that ends within a minute is not used again: there is none in flight that a service would refuse."""
    server.seconds = 30
    await local.apply(to_backend(), gcp(cloud), *cloud.trusted())
    for _ in range(3):
        assert (await local.request()).status == 200
    assert len(server.audiences) == 3


@pytest.mark.parametrize("answer", ["error", "page", "nothing"])
async def test_without_a_token_nothing_is_sent(
    local: Proxy, cloud: CloudService, server: MetadataServer, answer: str
) -> None:
    """Requests get 403 while there is no token, whatever clients send in its place, and are served once there is."""

    async def error() -> web.Response:
        return web.Response(status=500)

    async def page() -> web.Response:
        return web.Response(text="<html>Log in first</html>")

    server.answer = {"error": error, "page": page, "nothing": never}[answer]
    await local.apply(to_backend(), gcp(cloud), *cloud.trusted())
    assert (await local.request()).status == 403
    assert (await local.request(headers=FORGED)).status == 403
    assert cloud.upstream.seen == []
    assert answer != "error" or len(server.audiences) == 2 * 3
    server.answer = None
    assert (await local.request()).status == 200


async def test_what_clients_send_is_replaced(local: Proxy, cloud: CloudService) -> None:
    """The service gets the proxy's token and no other, in whichever of its two headers the client has sent one."""
    await local.apply(to_backend(), gcp(cloud), *cloud.trusted())
    both = FORGED | {"X-Serverless-Authorization": FORGED["Authorization"]}
    assert (await local.request(headers=both)).status == 200
    (seen,) = cloud.upstream.seen
    assert seen.values("x-serverless-authorization") == []
    assert seen.values("authorization") != [FORGED["Authorization"]]


async def test_authorization_for_the_service_itself(local: Proxy, cloud: CloudService) -> None:
    """With the other header, the service gets what clients send in Authorization beside the token."""
    await local.apply(to_backend(), gcp(cloud, tokenHeader="X-Serverless-Authorization"), *cloud.trusted())
    both = {"Authorization": "Basic abc", "X-Serverless-Authorization": FORGED["Authorization"]}
    assert (await local.request(headers=both)).status == 200
    assert (await local.request()).status == 200
    assert [each.values("authorization") for each in cloud.upstream.seen] == [["Basic abc"], []]


async def test_others_get_no_token(local: Proxy, cloud: CloudService, alpha: Upstream, beta: Upstream) -> None:
    """Neither a backend beside the service nor a mirror of its requests gets a token."""
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": reference("beta")}}
    shared = to_backend("hosts", "alpha", filters=[mirror])
    others = static(alpha.port, name="alpha"), static(beta.port, name="beta")
    await local.apply(shared, gcp(cloud), *others, *cloud.trusted())
    assert {(await local.request()).backend for _ in range(40)} == {"google", "alpha"}
    assert len(await beta.saw(40)) == 40
    assert all(each.values("authorization") == [] for each in (*alpha.seen, *beta.seen))


async def test_the_host_stays(local: Proxy, cloud: CloudService) -> None:
    """No rewrite of the Host sends the token to another service that is behind the same address."""
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "other.run.app"}}
    enforced = traffic_policy("gateway", enforced=True, hostRewrite={"literal": "evil.run.app"})
    for more in ({"filters": [rewrite]}, {}):
        await local.apply(to_backend(**more), gcp(cloud), *cloud.trusted(), enforced)
        assert (await local.request()).status == 200
    assert {each.host for each in cloud.upstream.seen} <= {f"{HOST}:{cloud.upstream.port}"}


async def test_redirects_are_not_followed(local: Proxy, cloud: CloudService, alpha: Upstream) -> None:
    """The proxy does not follow a redirect of the service, which would get the token to other backends."""
    away = {"matches": [prefix("/away")], "backendRefs": [reference("alpha")]}
    cloud.location = f"http://127.0.0.1:{local.port}/away"
    redirects = traffic_policy("gateway", internalRedirect={})
    routes = route({"matches": [prefix("/")], "backendRefs": [reference()]}, away)
    await local.apply(routes, gcp(cloud), static(alpha.port, name="alpha"), *cloud.trusted(), redirects)
    assert (await local.request("/away")).backend == "alpha"
    assert (await local.request("/")).status == 302
    assert [each.path for each in alpha.seen] == ["/away"]


async def test_its_certificate_is_validated(local: Proxy, cloud: CloudService) -> None:
    """Nothing is sent to a host whose certificate no authority of the system has issued, unless a policy trusts it."""
    await local.apply(to_backend(), gcp(cloud))
    assert (await local.request()).status == 503
    assert cloud.upstream.seen == []
    await local.apply(*cloud.trusted())
    assert (await local.request()).status == 200


async def test_no_token_for_what_is_on_the_machine(
    envoy_path: Path, cloud: CloudService, server: MetadataServer
) -> None:
    """A host whose name leads to the proxies' own machine gets no request, though there is a token and its own name."""
    server.reset()
    settings = Settings(gcp_metadata_server=ServiceAddress("127.0.0.1", server.upstream.port))
    async with (
        name_server({"here.test": ["127.0.0.1"]}) as dns,
        running_proxy(envoy_path, settings, dns=dns) as (one, _),
    ):
        await one.begin(gateway({"name": "http", "protocol": "HTTP", "port": one.port}))
        found = gcp(cloud)
        found["spec"]["gcp"]["host"] = "here.test"
        await one.apply(to_backend(), found, *cloud.trusted())
        assert (await one.request()).status == 403
    assert server.audiences == ["https://here.test"]
    assert cloud.upstream.seen == []


async def test_calls_of_grpc(local: Proxy, cloud: CloudService) -> None:
    """A GRPCRoute speaks HTTP/2 to the service, and its calls have a token."""
    certificate, key = self_signed("service", HOST)

    async def tell(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return str(dict(context.invocation_metadata() or ()).get("authorization")).encode()

    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Tell": grpc.unary_unary_rpc_method_handler(tell)}
    service = grpc.aio.server()
    service.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("demo.Cloud", handlers),))
    credentials = grpc.ssl_server_credentials([(key.encode(), certificate.encode())])
    port = service.add_secure_port("127.0.0.1:0", credentials)
    await service.start()
    try:
        policy, _ = cloud.trusted()
        hosts = backend(gcp={"host": HOST, "port": port})
        await local.apply(grpc_route({"backendRefs": [reference()]}), hosts, policy, authorities(certificate))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{local.port}") as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/demo.Cloud/Tell")
            found = await call(b"", metadata=(("authorization", "Bearer a.b.c"),))
        claims = jwt.decode(found.decode().removeprefix("Bearer "), tokens.key("google"), algorithms=["RS256"]).claims
        assert claims["aud"] == f"https://{HOST}"
    finally:
        await service.stop(None)
