"""Health checks of endpoints by BackendConfigPolicies (`healthCheck`)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web

from tests.live.objects import Manifest, backend_config_policy, endpoints, route, rule, service
from tests.live.proxy import WITHIN, Proxy
from tests.live.upstream import Seen, Upstream

NAMES = ("alpha", "beta", "gamma")
SOON = {"interval": "1s", "timeout": "500ms", "unhealthyThreshold": 1, "healthyThreshold": 1, "initialJitter": "1ms"}


def many(upstreams: dict[str, Upstream], **spec: Any) -> list[Manifest]:
    """Return a Service with an endpoint at each of the upstreams, a route to it, and a policy."""
    ports = [upstreams[name].port for name in NAMES]
    policy = backend_config_policy("many", loadBalancer={"roundRobin": {}, "healthyPanicThreshold": 0}, **spec)
    return [service("many"), *endpoints("many", ports), route(rule("many")), policy]


async def answering(proxy: Proxy, wanted: set[str]) -> None:
    """Wait until all requests are answered by these upstreams, "503" for none."""
    async with asyncio.timeout(WITHIN * 2), aiohttp.ClientSession() as http:
        while True:
            found = [await proxy.request("/work", http=http) for _ in range(9)]
            if {each.backend if each.status == 200 else str(each.status) for each in found} == wanted:
                return


def checked(status: int, body: str = "") -> Callable[[Seen], Awaitable[web.StreamResponse | None]]:
    """Return an answer to checks; other requests get the echo."""

    async def answer(seen: Seen) -> web.StreamResponse | None:
        return web.Response(status=status, text=body) if seen.path.startswith("/health") else None

    return answer


async def test_unhealthy_endpoints_get_no_requests(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """An endpoint whose check fails gets none, and does again when it is healthy; checks say what the policy says."""
    upstreams["alpha"].answer = checked(500)
    http = {"path": "/health?full=1", "host": "health.example.com"}
    await proxy.apply(many(upstreams, healthCheck={**SOON, "http": http}))
    await answering(proxy, {"beta", "gamma"})
    check = next(each for each in upstreams["beta"].seen if each.path.startswith("/health"))
    assert (check.method, check.path, check.host) == ("GET", "/health?full=1", "health.example.com")
    upstreams["alpha"].answer, upstreams["beta"].answer = None, checked(404)
    await answering(proxy, {"alpha", "gamma"})


async def test_what_is_expected(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """Statuses and a part of the body say who is healthy; a status that may be tried again does not count at once."""
    upstreams["alpha"].answer = checked(204)
    upstreams["beta"].answer = checked(202, "all is well here")
    upstreams["gamma"].answer = checked(202, "all is ill here")
    http = {
        "path": "/health",
        "method": "POST",
        "requestBody": "how is it",
        "expectedBody": "well",
        "expectedStatuses": [{"range": {"start": 201, "end": 203}}, {"value": 208}],
        "retriableStatuses": [{"range": {"start": 500, "end": 502}}, {"value": 503}],
    }
    await proxy.apply(many(upstreams, healthCheck={**SOON, "unhealthyThreshold": 1000, "http": http}))
    await answering(proxy, {"beta"})
    check = next(each for each in upstreams["beta"].seen if each.path == "/health")
    assert (check.method, check.body) == ("POST", b"how is it")
    upstreams["beta"].answer = checked(503, "well")
    before = len([each for each in upstreams["beta"].seen if each.path == "/health"])
    async with asyncio.timeout(WITHIN):
        while len([each for each in upstreams["beta"].seen if each.path == "/health"]) < before + 2:
            await upstreams["beta"].saw(len(upstreams["beta"].seen) + 1)
    await answering(proxy, {"beta"})
    upstreams["beta"].answer = checked(404)
    await answering(proxy, {"503"})


async def test_panic(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """Where fewer endpoints are healthy than the threshold, all get requests, or none with 0."""
    for name in NAMES:
        upstreams[name].answer = checked(500)
    objects = many(upstreams, healthCheck={**SOON, "http": {"path": "/health"}})
    await proxy.apply(objects)
    await answering(proxy, {"503"})
    check = {**SOON, "http": {"path": "/health"}}
    panic = {"roundRobin": {}, "healthyPanicThreshold": 40}
    await proxy.apply(backend_config_policy("many", loadBalancer=panic, healthCheck=check))
    await answering(proxy, {*NAMES})
    upstreams["alpha"].answer = upstreams["beta"].answer = None
    await answering(proxy, {"alpha", "beta"})


@asynccontextmanager
async def talker(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Run a server that answers all that it hears; yield its port and what it has read."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):  # until Envoy closes: to be closed would be a failure
            heard.append(data)
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


@pytest.mark.parametrize(("answer", "found"), [(b"a PONG!", {"alpha"}), (b"PING", {"503"})])
async def test_another_port_by_tcp(
    proxy: Proxy, upstreams: dict[str, Upstream], answer: bytes, found: set[str]
) -> None:
    """A check may be at a port of its own, and say what is sent and expected there."""
    async with talker(answer) as (port, heard):
        check = {**SOON, "port": port, "tcp": {"send": "PING", "receive": "PONG"}}
        slices = endpoints("one", [upstreams["alpha"].port])
        policy = backend_config_policy("one", loadBalancer={"healthyPanicThreshold": 0}, healthCheck=check)
        await proxy.apply(service("one"), slices, route(rule("one")), policy)
        await answering(proxy, found)
        assert b"PING" in heard


async def test_connections(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """A check that says nothing needs a connection; an endpoint that takes none gets no requests."""
    ports = [upstreams["alpha"].port, 1]
    policy = backend_config_policy("many", loadBalancer={"healthyPanicThreshold": 0}, healthCheck={**SOON, "tcp": {}})
    await proxy.apply(service("many"), endpoints("many", ports), route(rule("many")), policy)
    await answering(proxy, {"alpha"})


class Health(grpc.GenericRpcHandler):
    """A server of `grpc.health.v1.Health`.

    Attributes:
        serving: whether it says that it is healthy.
        asked: the authorities and messages of the calls that came.
    """

    def __init__(self) -> None:
        self.serving = True
        self.asked: list[bytes] = []

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Return the method of checks, and one for requests."""
        if call.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(self.check)
        return grpc.unary_unary_rpc_method_handler(self.work)

    async def check(self, request: bytes, _: Any) -> bytes:
        """Answer SERVING or NOT_SERVING."""
        self.asked.append(request)
        return b"\x08\x01" if self.serving else b"\x08\x02"

    async def work(self, request: bytes, _: Any) -> bytes:
        """Answer a request."""
        return request


async def test_grpc(proxy: Proxy) -> None:
    """Servers of gRPC are asked by its own protocol, for a service; one that does not serve gets no calls."""
    server, health = grpc.aio.server(), Health()
    server.add_generic_rpc_handlers((health,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        check = {**SOON, "grpc": {"serviceName": "shop.Cart", "authority": "cart.example.com"}}
        policy = backend_config_policy("calls", loadBalancer={"healthyPanicThreshold": 0}, healthCheck=check)
        h2c = service("calls", app_protocol="kubernetes.io/h2c")
        await proxy.apply(h2c, endpoints("calls", [port]), route(rule("calls")), policy)
        assert b"\x0a\x09shop.Cart" in health.asked
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{proxy.port}", [("grpc.default_authority", "example.com")]
        ) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Cart/Add")
            assert await call(b"one") == b"one"
            health.serving = False
            async with asyncio.timeout(WITHIN):
                while not await refused(call(b"two")):
                    pass
            health.serving = True
            async with asyncio.timeout(WITHIN):
                while await refused(call(b"three")):
                    pass
    finally:
        await server.stop(None)


async def refused(call: Awaitable[bytes]) -> bool:
    """Return whether a call is refused for want of a healthy server."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code() is grpc.StatusCode.UNAVAILABLE
    return False


async def test_events(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """What becomes healthy or unhealthy is logged on the proxy's standard output, with the endpoint."""
    upstreams["alpha"].answer = checked(500)
    check = {**SOON, "http": {"path": "/health"}, "eventLog": {"alwaysLogFailures": True}}
    await proxy.apply(many(upstreams, healthCheck=check))
    port = upstreams["alpha"].port

    def is_event(line: dict[str, Any]) -> bool:
        told = line.get("host", {}).get("socket_address", {}) if isinstance(line.get("host"), dict) else {}
        return told.get("port_value") == port and "health_check_failure_event" in line

    await proxy.access_log.find(is_event)


async def test_an_endpoint_that_is_taken_off(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """An endpoint that is not there any more gets no requests, although its checks would succeed."""
    await proxy.apply(many(upstreams, healthCheck={**SOON, "http": {"path": "/health"}}))
    await answering(proxy, {*NAMES})
    (slice_,) = endpoints("many", [upstreams["gamma"].port])
    await proxy.apply({**slice_, "endpoints": []})
    await answering(proxy, {"alpha", "beta"})


async def test_an_edit_waits_for_the_first_checks(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """A change of the policy costs no request: the new cluster has asked its endpoints before it gets any."""
    await proxy.apply(many(upstreams))
    stop = asyncio.Event()

    async def load() -> list[int]:
        found = []
        async with aiohttp.ClientSession() as http:
            while not stop.is_set():
                found.append((await proxy.request(http=http)).status)
        return found

    running = [asyncio.create_task(load()) for _ in range(4)]
    for number in range(3, 9):
        check = {**SOON, "healthyThreshold": number, "http": {"path": "/health"}}
        await proxy.apply(many(upstreams, healthCheck=check))
    stop.set()
    found = [status for each in await asyncio.gather(*running) for status in each]
    assert {*found} == {200}
    stats = json.loads(await proxy.admin("/stats?format=json&filter=cluster.default/many.*membership_healthy"))["stats"]
    assert [each["value"] for each in stats if "value" in each][-1] == len(NAMES)
