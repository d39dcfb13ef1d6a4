"""Attacks on authorisation by services: nothing passes that no authorizer has allowed."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

import grpc
import pytest

from headgate_proto.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
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
    grpc_authorizer,
)
from tests.live.objects import Manifest, endpoints, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy, free_port
from tests.live.spellings import SPELLINGS, send
from tests.live.traffic import traffic
from tests.live.upstream import Seen, Upstream, upstream
from translator.refs import Ref

Servicer = grpc.aio.ServicerContext[CheckRequest, bytes]
SOON = {"requestTimeout": "50ms"}


async def refuse(*_: object) -> CheckResponse:
    """Refuse a request."""
    return denied(401)


@pytest.mark.parametrize("fail_open", [False, True])
async def test_a_slow_authorizer(
    proxy: Proxy, authorizer: GrpcAuthorizer, http_authorizer: Upstream, alpha: Upstream, fail_open: bool
) -> None:
    """One that takes too long has failed: requests get `statusOnError`, or with `failOpen` they are allowed."""
    done = asyncio.Event()

    async def wait(*_: object) -> CheckResponse:
        await done.wait()
        return allowed()

    async def wait_http(_: Seen) -> None:
        await done.wait()

    authorizer.decide, http_authorizer.answer = wait, wait_http
    for port, service in ((authorizer.port, by_grpc(**SOON)), (http_authorizer.port, by_http(**SOON))):
        provider = extension(statusOnError=503, failOpen=fail_open, **service)
        await proxy.apply(at(port), provider, traffic_policy("gateway", extAuth=asking()), route(rule("alpha")))
        assert (await proxy.request()).status == (200 if fail_open else 503)
        proxy.restore()
    done.set()
    assert len(alpha.seen) == (2 if fail_open else 0)


@pytest.mark.parametrize("service", [by_grpc(), by_http()], ids=["grpc", "http"])
async def test_an_authorizer_that_is_down(proxy: Proxy, service: Manifest, alpha: Upstream) -> None:
    """One that cannot be reached, or has no endpoints, has failed; one that does not exist closes the routes."""
    objects = [traffic_policy("gateway", extAuth=asking()), route(rule("alpha"))]
    down = free_port()
    await proxy.apply(at(down), extension(**service), *objects)
    assert (await proxy.request()).status == 403
    await proxy.apply(extension(failOpen=True, **service))
    assert (await proxy.request()).status == 200
    await proxy.delete(Ref("EndpointSlice", "default", f"authorizer-{down}"))
    assert (await proxy.request()).status == 200
    await proxy.apply(extension(**service))
    assert (await proxy.request()).status == 403
    await proxy.apply(extension(failOpen=True, **service))
    await proxy.delete(Ref("Service", "default", "authorizer"))
    assert (await proxy.request()).status == 500
    await proxy.delete(Ref("GatewayExtension", "default", "authorizer"))
    assert (await proxy.request()).status == 500
    assert len(alpha.seen) == 2


async def test_grpc_garbage(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream) -> None:
    """What is no response of the protocol is a failure: bytes, errors, wrong headers; a refusal stays one."""
    await proxy.apply(
        at(authorizer.port), extension(**by_grpc()), traffic_policy("gateway", extAuth=asking()), route(rule("alpha"))
    )

    async def noise(*_: object) -> bytes:
        return b"\xff\xff\xff"

    async def fail(_: CheckRequest, context: Servicer) -> CheckResponse:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED)

    async def contradiction(*_: object) -> CheckResponse:
        found = denied(200, "come in")
        found.ok_response.SetInParent()
        return found

    async def injection(*_: object) -> CheckResponse:
        return allowed(x_a="1\r\nx-user: root")

    for decide, status in ((noise, 403), (fail, 403), (contradiction, 403), (injection, 500)):
        authorizer.decide = decide
        assert (await proxy.request()).status == status, decide
    assert alpha.seen == []


async def test_framing_stays(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream) -> None:
    """An authorizer cannot have a backend read one request as two."""
    await proxy.apply(
        at(authorizer.port), extension(**by_grpc()), traffic_policy("gateway", extAuth=asking()), route(rule("alpha"))
    )

    async def decide(*_: object) -> CheckResponse:
        return allowed(content_length="0", transfer_encoding="chunked", connection="x-b", x_a="1")

    authorizer.decide = decide
    assert (await proxy.request(method="POST", body=b"hello", headers={"X-B": "1"})).sent("x-a") == ["1"]
    (seen,) = alpha.seen
    assert (seen.body, seen.values("content-length"), seen.values("x-b")) == (b"hello", ["5"], ["1"])


@pytest.mark.parametrize("status", [201, 204, 301, 302, 304, 400, 401, 404, 429])
async def test_http_statuses(proxy: Proxy, http_authorizer: Upstream, alpha: Upstream, status: int) -> None:
    """Only 200 allows a request; the client gets any other status as it is, and no redirect is followed."""
    await proxy.apply(
        at(http_authorizer.port),
        extension(**by_http()),
        traffic_policy("gateway", extAuth=asking()),
        route(rule("alpha")),
    )
    http_authorizer.answer = answering(status, location="http://other.example.com/")
    found = await proxy.request()
    assert (found.status, found.headers["location"]) == (status, "http://other.example.com/")
    assert (len(http_authorizer.seen), alpha.seen) == (1, [])


async def test_http_garbage(proxy: Proxy, alpha: Upstream) -> None:
    """An authorizer that does not speak HTTP has failed."""

    async def noise(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nOK")
        writer.close()

    async with await asyncio.start_server(noise, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await proxy.apply(
            at(port), extension(**by_http()), traffic_policy("gateway", extAuth=asking()), route(rule("alpha"))
        )
        assert (await proxy.request()).status == 403
    assert alpha.seen == []


async def test_imitations(proxy: Proxy, http_authorizer: Upstream) -> None:
    """A client cannot send what only an authorizer sets: not where it sets nothing, nor where it failed open."""
    response = {"headersToBackend": ["X-User"]}
    objects = [traffic_policy("gateway", extAuth=asking()), route(rule("alpha"))]
    await proxy.apply(
        at(http_authorizer.port), extension(failOpen=True, **by_http(authorizationResponse=response)), *objects
    )
    for answer in (answering(), answering(503)):
        http_authorizer.answer = answer
        for name in ("X-User", "x-user", "X-USER"):
            assert (await proxy.request(headers={name: "root"})).sent("x-user") == []
    assert all(each.values("x-user") == [] for each in http_authorizer.seen)


async def test_a_second_authorization(proxy: Proxy, authorizer: GrpcAuthorizer, http_authorizer: Upstream) -> None:
    """Authorizers and backends get the same of two Authorization headers: what is checked is what counts."""
    await proxy.apply(
        at(authorizer.port),
        at(http_authorizer.port, "second"),
        extension(**by_grpc()),
        extension("second", **by_http("second")),
        traffic_policy("gateway", extAuth=asking("authorizer", "second")),
        route(rule("alpha")),
    )
    found = await proxy.request(headers=[("Authorization", "Bearer good"), ("Authorization", "Bearer evil")])
    both = found.sent("authorization")
    assert both == ["Bearer good,Bearer evil"]
    assert authorizer.headers["authorization"] == both[0]
    assert http_authorizer.seen[0].values("authorization") == both


async def test_method_override(proxy: Proxy, authorizer: GrpcAuthorizer) -> None:
    """The method that an authorizer decides about is the one that the backend gets, whatever headers name another."""

    async def decide(request: CheckRequest, _: object) -> CheckResponse:
        return allowed() if request.attributes.request.http.method == "GET" else denied()

    authorizer.decide = decide
    await proxy.apply(
        at(authorizer.port), extension(**by_grpc()), traffic_policy("gateway", extAuth=asking()), route(rule("alpha"))
    )
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    found = await proxy.request(headers=dict.fromkeys(names, "DELETE"))
    assert found.echo["method"] == "GET"
    assert {each.lower() for each in names} <= authorizer.headers.keys()
    assert (await proxy.request(method="DELETE", headers=dict.fromkeys(names, "GET"))).status == 403


async def test_preflights_without_cors(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream) -> None:
    """A preflight that no CORS policy answers is a request like any other."""
    authorizer.decide = refuse
    asked = {"Origin": "https://page.com", "Access-Control-Request-Method": "POST"}
    objects = [*at(authorizer.port), extension(**by_grpc()), route(rule("alpha"))]
    await proxy.apply(*objects, traffic_policy("gateway", extAuth=asking()))
    assert (await proxy.request(method="OPTIONS", headers=asked)).status == 401
    assert alpha.seen == []


async def test_changes_under_load(proxy: Proxy, alpha: Upstream) -> None:
    """While authorizers, extensions, Services and policies come, change and go, nothing passes that none allows."""
    async with grpc_authorizer() as first, grpc_authorizer() as second, upstream("third") as third:
        first.decide = second.decide = refuse
        third.answer = answering(401)
        policy = traffic_policy("gateway", extAuth=asking())
        await proxy.apply(
            at(first.port),
            at(second.port, "second"),
            at(third.port, "third"),
            extension(**by_grpc()),
            policy,
            route(rule("alpha", name="named")),
        )
        changes: list[list[Manifest] | Ref] = [
            [extension(**by_grpc("second"))],
            [extension(**by_http("third"))],
            [traffic_policy("gateway", extAuth=asking(contextExtensions={"a": "1"}))],
            [traffic_policy("gateway", extAuth=asking(withRequestBody={"maxRequestBytes": 10}))],
            endpoints("third", [free_port()]),
            endpoints("third", [third.port]),
            [traffic_policy("rule", "own", extAuth=asking(headersToForward=["x-a"]))],
            [extension(clearRouteCache=True, **by_grpc("second"))],
            [extension("other", **by_grpc("authorizer"))],
            [traffic_policy("rule", "own", extAuth=asking("other", "authorizer"))],
            [traffic_policy("gateway", enforced=True, extAuth=asking())],
            [policy],
            Ref("TrafficPolicy", "default", "own"),
            Ref("Service", "default", "second"),
            [*at(second.port, "second")],
            Ref("GatewayExtension", "default", "authorizer"),
            [extension(**by_grpc())],
            [traffic_policy("listener", "near", extAuth=asking())],
            Ref("TrafficPolicy", "default", "policy"),
        ]
        async with traffic(proxy) as requests:
            for change in changes:
                await (proxy.delete(change) if isinstance(change, Ref) else proxy.apply(change))
                await requests.more(50)
        assert alpha.seen == []
        assert requests.answers.keys() <= {"401", "403", "500"}, requests.answers
        assert requests.answers["401"] > len(changes) * 10


@pytest.mark.slow
async def test_spellings_of_paths(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream) -> None:
    """However a path is written, the backend gets the one that the authorizer has allowed, letter for letter."""
    allowing: list[str] = []

    async def decide(request: CheckRequest, _: object) -> CheckResponse:
        path = request.attributes.request.http.path
        if path.partition("?")[0].rstrip("/") == "/admin" or path.startswith("/admin/"):
            return denied()
        allowing.append(path)
        return allowed()

    authorizer.decide = decide
    await proxy.apply(
        at(authorizer.port), extension(**by_grpc()), traffic_policy("gateway", extAuth=asking()), route(rule("alpha"))
    )
    for spelling in SPELLINGS:
        await send(proxy.port, spelling)
    assert [each.path for each in alpha.seen] == allowing
    # Nothing that is left to decode once more, or to leave out, is /admin but for what the authorizer can see itself.
    assert {unquote(each.path) for each in alpha.seen} & {"/admin", "/admin/", "//admin", "/../admin"} == set()
    await send(proxy.port, "/public")
    assert alpha.seen[-1].path == "/public"


@pytest.mark.slow
async def test_spellings_at_rules(proxy: Proxy, authorizer: GrpcAuthorizer, alpha: Upstream) -> None:
    """A rule for a path is protected for all of its spellings that its backend reads as that path."""
    authorizer.decide = refuse
    named = rule("alpha", name="named", matches=[prefix("/admin")])
    objects = [*at(authorizer.port), extension(**by_grpc()), route(named, rule("alpha"))]
    await proxy.apply(*objects, traffic_policy("rule", extAuth=asking()))
    for spelling in SPELLINGS:
        await send(proxy.port, spelling)
    assert [each.path for each in alpha.seen if each.path.startswith("/admin/")] == []
    assert {unquote(each.path) for each in alpha.seen} & {"/admin", "/admin/", "//admin", "/../admin"} == set()
