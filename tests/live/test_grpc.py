"""GRPCRoutes: a real client and real servers of gRPC, with Envoy between them."""

from __future__ import annotations

import contextlib
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import pytest
import pytest_asyncio

from tests.live.certificates import tls_secret
from tests.live.objects import GATEWAY, ROUTES, Manifest, endpoints, gateway, route, rule, service
from tests.live.proxy import Proxy

Metadata = Sequence[tuple[str, str]]
Context = grpc.aio.ServicerContext[bytes, bytes]
SERVICES = ("shop.v1.Cart", "shop.v1.Orders", "stock.Items")


class Backend:
    """A server of gRPC that has the services `SERVICES`, all with the same methods.

    Attributes:
        seen: the metadata of the calls that came.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[dict[str, str]] = []

    def _note(self, context: Context) -> None:
        found: Any = context.invocation_metadata()
        self.seen.append({str(key): str(value) for key, value in found})

    async def add(self, request: bytes, context: Context) -> bytes:
        """Return the server's name and the request, with metadata before and after it; fail if asked to."""
        self._note(context)
        if request == b"fail":
            await context.abort(grpc.StatusCode.DATA_LOSS, "as asked", (("x-trailing", "of the failure"),))
        await context.send_initial_metadata((("x-leading", "1"),))
        context.set_trailing_metadata((("x-trailing", "2"),))
        return self.name.encode() + b":" + request

    async def watch(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """Return as many messages as asked for, one after the other, then fail."""
        self._note(context)
        for number in range(int(request)):
            yield b"%d" % number
        await context.abort(grpc.StatusCode.OUT_OF_RANGE, "no more")

    async def chat(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Return each message in capitals, as it comes."""
        self._note(context)
        async for each in requests:
            yield each.upper()

    @contextlib.asynccontextmanager
    async def serving(self, tls: grpc.ServerCredentials | None = None) -> AsyncIterator[list[Manifest]]:
        """Serve, and give the Service and EndpointSlice of this server; its port does not say what it speaks."""
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            **dict.fromkeys(("Add", "AddAll", "Get"), grpc.unary_unary_rpc_method_handler(self.add)),
            "Watch": grpc.unary_stream_rpc_method_handler(self.watch),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
        }
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(each, methods) for each in SERVICES])
        where = "127.0.0.1:0"
        port = server.add_secure_port(where, tls) if tls is not None else server.add_insecure_port(where)
        await server.start()
        try:
            yield [service(self.name), *endpoints(self.name, [port])]
        finally:
            await server.stop(0)


class Client:
    """A client of the gateway, which speaks HTTP/2 without TLS from the first byte."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    async def call(self, method: str, request: bytes = b"x", metadata: Metadata = ()) -> str:
        """Return the answer of a method, or the status that it failed with."""
        try:
            answer = await self.unary(method)(request, metadata=grpc.aio.Metadata(*metadata))
        except grpc.aio.AioRpcError as failure:
            return failure.code().name
        return answer.decode().removesuffix(":x")

    def unary(self, method: str) -> grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]:
        """Return a method with one request and one answer."""
        found: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(method)
        return found


@pytest_asyncio.fixture(loop_scope="session")
async def one() -> AsyncIterator[tuple[Backend, list[Manifest]]]:
    """Yield a server, and its objects."""
    backend = Backend("one")
    async with backend.serving() as objects:
        yield backend, objects


@pytest_asyncio.fixture(loop_scope="session")
async def two() -> AsyncIterator[tuple[Backend, list[Manifest]]]:
    """Yield another server, and its objects."""
    backend = Backend("two")
    async with backend.serving() as objects:
        yield backend, objects


@pytest_asyncio.fixture(loop_scope="session")
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    """Yield a client of the gateway."""
    options = [("grpc.default_authority", "shop.example.com")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}", options) as channel:
        yield Client(channel)


Server = tuple[Backend, list[Manifest]]


def grpc_route(*rules: Manifest, name: str = "grpc", hostnames: Sequence[str] = ()) -> Manifest:
    """Return a GRPCRoute of the Gateway with these rules."""
    spec = {"parentRefs": [{"name": GATEWAY}], "hostnames": list(hostnames), "rules": list(rules)}
    return {"apiVersion": ROUTES, "kind": "GRPCRoute", "metadata": {"name": name}, "spec": spec}


def method(service: str = "", method: str = "", **more: Any) -> Manifest:
    """Return a match of a service, a method, or both, and of what else is given."""
    called = {name: value for name, value in (("service", service), ("method", method)) if value}
    return {"method": called, **more}


async def test_a_call(proxy: Proxy, client: Client, one: Server) -> None:
    """A call reaches its server with its metadata, and the answer, the metadata around it and its status come back."""
    backend, objects = one
    await proxy.apply(*objects, grpc_route(rule("one", matches=[method("shop.v1.Cart", "Add")])))
    call = client.unary("/shop.v1.Cart/Add")(b"hello", metadata=grpc.aio.Metadata(("x-sent", "3")))
    assert await call == b"one:hello"
    assert dict(await call.initial_metadata())["x-leading"] == "1"
    assert dict(await call.trailing_metadata())["x-trailing"] == "2"
    assert backend.seen[0]["x-sent"] == "3"
    failing = client.unary("/shop.v1.Cart/Add")(b"fail")
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await failing
    assert (failure.value.code(), failure.value.details()) == (grpc.StatusCode.DATA_LOSS, "as asked")
    assert dict(await failing.trailing_metadata())["x-trailing"] == "of the failure"


@pytest.mark.parametrize("held_by", ["x-session", "cookie"])
async def test_calls_of_a_session(proxy: Proxy, client: Client, one: Server, two: Server, held_by: str) -> None:
    """A client that sends the header or cookie of an answer again gets to the server that gave it."""
    config = {"type": "Header", "header": {"name": held_by}}
    if held_by == "cookie":
        config = {"type": "Cookie", "cookie": {"name": "where"}}
    (_, *slices), (_, *more) = one[1], two[1]
    for each in (*slices, *more):
        each["metadata"]["labels"] = {"kubernetes.io/service-name": "both"}
    await proxy.apply(service("both"), *slices, *more, grpc_route(rule("both", sessionPersistence=config)))
    for _ in range(4):
        first = client.unary("/shop.v1.Cart/Add")(b"x")
        name = (await first).decode().removesuffix(":x")
        metadata = dict(await first.initial_metadata())
        held = str(metadata.get(held_by) or metadata.get("set-cookie")).partition(";")[0]
        assert {await client.call("/shop.v1.Cart/Add", metadata=((held_by, held),)) for _ in range(20)} == {name}


async def test_tls(proxy: Proxy, one: Server) -> None:
    """A listener of HTTPS speaks HTTP/2 to clients of gRPC, as agreed on in TLS."""
    secret = tls_secret("own", "shop.example.com")
    certificates = {"certificateRefs": [{"name": "own"}]}
    listener = {"name": "tls", "protocol": "HTTPS", "port": proxy.port, "tls": certificates}
    await proxy.apply(secret, gateway(listener), *one[1], grpc_route(rule("one")))
    trusted = grpc.ssl_channel_credentials(secret["stringData"]["tls.crt"].encode())
    options = [("grpc.ssl_target_name_override", "shop.example.com")]
    async with grpc.aio.secure_channel(f"127.0.0.1:{proxy.port}", trusted, options) as channel:
        assert await Client(channel).call("/shop.v1.Cart/Add") == "one"


async def test_streams(proxy: Proxy, client: Client, one: Server) -> None:
    """Messages go through as they come, both ways, and a stream that fails in its middle says why."""
    await proxy.apply(*one[1], grpc_route(rule("one")))
    chat: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = client.channel.stream_stream("/shop.v1.Cart/Chat")
    both = chat()
    for word in (b"one", b"two"):
        await both.write(word)
        assert await both.read() == word.upper()
    await both.done_writing()
    assert await both.code() is grpc.StatusCode.OK
    watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = client.channel.unary_stream("/shop.v1.Cart/Watch")
    answers = watch(b"3")
    assert [await answers.read() for _ in range(3)] == [b"0", b"1", b"2"]
    assert (await answers.code(), await answers.details()) == (grpc.StatusCode.OUT_OF_RANGE, "no more")


async def test_a_long_stream(proxy: Proxy, client: Client, one: Server) -> None:
    """A stream may be longer than what is kept of requests for another try."""
    await proxy.apply(*one[1], grpc_route(rule("one")))
    chat: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = client.channel.stream_stream("/shop.v1.Cart/Chat")
    both = chat()
    for _ in range(64):
        await both.write(b"x" * 65536)
        assert await both.read() == b"X" * 65536
    await both.done_writing()
    assert await both.code() is grpc.StatusCode.OK


async def test_methods(proxy: Proxy, client: Client, one: Server, two: Server) -> None:
    """Of several matches the one that tells most of service and method serves; what none matches is UNIMPLEMENTED."""
    await proxy.apply(
        *one[1],
        *two[1],
        grpc_route(
            rule("two", matches=[method("", "Get")]),
            rule("one", matches=[method("shop.v1.Cart")]),
            rule("two", matches=[method("shop.v1.Cart", "AddAll")]),
            rule("one", matches=[{"method": {"type": "RegularExpression", "service": "sto[ck]+[.].*"}}]),
        ),
    )
    calls = {
        "/shop.v1.Cart/Add": "one",
        "/shop.v1.Cart/AddAll": "two",
        "/shop.v1.Cart/Get": "one",
        "/shop.v1.Orders/Get": "two",
        "/shop.v1.Orders/Add": "UNIMPLEMENTED",
        "/stock.Items/Get": "one",
        "/shop.v1.cart/Add": "UNIMPLEMENTED",
        "/shop.v1.CartOfOthers/Add": "UNIMPLEMENTED",
    }
    assert {each: await client.call(each) for each in calls} == calls


async def test_headers(proxy: Proxy, client: Client, one: Server, two: Server) -> None:
    """Metadata is compared as headers are: all that a match asks for, exactly or by expression."""
    headers = [{"name": "Color", "value": "blue"}, {"name": "size", "type": "RegularExpression", "value": "[1-3]"}]
    await proxy.apply(
        *one[1], *two[1], grpc_route(rule("one"), rule("two", matches=[method("shop.v1.Cart", headers=headers)]))
    )
    add = "/shop.v1.Cart/Add"
    assert await client.call(add, metadata=(("color", "blue"), ("size", "2"))) == "two"
    assert await client.call(add, metadata=(("color", "blue"), ("size", "4"))) == "one"
    assert await client.call(add, metadata=(("color", "blue"),)) == "one"


async def test_header_modifiers(proxy: Proxy, client: Client, one: Server) -> None:
    """Filters change the metadata of calls and answers."""
    filters = [
        {
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {"set": [{"name": "x-set", "value": "new"}], "remove": ["x-gone"]},
        },
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-leading", "value": "4"}]}},
    ]
    backend, objects = one
    await proxy.apply(*objects, grpc_route(rule("one", filters=filters)))
    metadata = grpc.aio.Metadata(("x-set", "old"), ("x-gone", "1"))
    call = client.unary("/shop.v1.Cart/Add")(b"x", metadata=metadata)
    await call
    assert dict(await call.initial_metadata())["x-leading"] == "4"
    (seen,) = backend.seen
    assert (seen["x-set"], "x-gone" in seen) == ("new", False)


async def test_mirrors(proxy: Proxy, client: Client, one: Server, two: Server) -> None:
    """Copies of calls go to the mirror, which is spoken to in HTTP/2 too; its answers are dropped."""
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "two", "port": 80}}}
    await proxy.apply(*one[1], *two[1], grpc_route(rule("one", filters=[mirror])))
    assert [await client.call("/shop.v1.Cart/Add") for _ in range(5)] == ["one"] * 5
    await proxy.quiet("default/two")
    assert len(two[0].seen) == 5


async def test_weights(proxy: Proxy, client: Client, one: Server, two: Server) -> None:
    """Calls are shared out by weight, on one connection too; the share of a broken backend gets UNAVAILABLE."""
    weighted = [{"name": "one", "weight": 8}, {"name": "two", "weight": 2}, {"name": "missing", "weight": 10}]
    await proxy.apply(*one[1], *two[1], grpc_route(rule(*weighted)))
    found = Counter([await client.call("/shop.v1.Cart/Add") for _ in range(400)])
    assert found.keys() == {"one", "two", "UNAVAILABLE"}
    assert 140 < found["UNAVAILABLE"] < 260
    assert 2 * found["two"] < found["one"]


BROKEN: dict[str, tuple[Manifest, str]] = {
    "no backend": (rule(), "UNAVAILABLE"),
    "no such Service": (rule("missing"), "UNAVAILABLE"),
    "no endpoint": (rule("idle"), "UNAVAILABLE"),
    "nobody listens": (rule("silent"), "UNAVAILABLE"),
    "a port of HTTP/1.1": (rule("plain"), "UNAVAILABLE"),
    "an unknown filter": (
        rule("one", filters=[{"type": "ExtensionRef", "extensionRef": {"group": "a.b", "kind": "C", "name": "d"}}]),
        "UNAVAILABLE",
    ),
    "an answer": (
        rule(
            filters=[
                {
                    "type": "ExtensionRef",
                    "extensionRef": {"group": "gateway.headgate.dev", "kind": "DirectResponse", "name": "closed"},
                }
            ]
        ),
        "PERMISSION_DENIED",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_errors_are_those_of_grpc(proxy: Proxy, client: Client, one: Server, broken: str) -> None:
    """What Envoy answers by itself are errors of gRPC, which the client understands; sibling rules go on."""
    answer: Manifest = {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "DirectResponse",
        "metadata": {"name": "closed"},
        "spec": {"status": 403, "body": "closed"},
    }
    bad, expected = BROKEN[broken]
    await proxy.apply(
        *one[1],
        service("idle"),
        service("silent"),
        endpoints("silent", [1]),
        service("plain", app_protocol="http"),
        answer,
        grpc_route({**bad, "matches": [method("shop.v1.Cart")]}, rule("one", matches=[method("shop.v1.Orders")])),
    )
    assert await client.call("/shop.v1.Cart/Add") == expected
    assert await client.call("/shop.v1.Orders/Add") == "one"


async def test_beside_http_routes(proxy: Proxy, client: Client, one: Server) -> None:
    """On one hostname requests of gRPC go to the GRPCRoute, all others to the HTTPRoute, even if it has the path."""
    name = "shop.example.com"
    await proxy.apply(
        *one[1],
        route(rule("alpha"), hostnames=[name]),
        grpc_route(rule("one", matches=[method("shop.v1.Cart")]), hostnames=[name]),
    )
    assert await client.call("/shop.v1.Cart/Add") == "one"
    assert (await proxy.request("/shop.v1.Cart/Add", host=name, method="POST", body=b"x")).backend == "alpha"
    web = {"Content-Type": "application/grpc-web+proto"}
    assert (await proxy.request("/shop.v1.Cart/Add", host=name, method="POST", headers=web)).backend == "alpha"
    assert (await proxy.request("/other", host=name)).backend == "alpha"
    proto = {"Content-Type": "application/grpc+proto", "TE": "trailers"}
    found = await proxy.request("/shop.v1.Cart/Add", host=name, method="POST", headers=proto, body=message(b"x"))
    assert (found.status, found.body) == (200, message(b"one:x"))


def message(body: bytes) -> bytes:
    """Return a message of gRPC as it goes over the wire: a flag, its length, its bytes."""
    return struct.pack(">BI", 0, len(body)) + body


async def test_hostnames(proxy: Proxy, client: Client, one: Server, two: Server) -> None:
    """Calls go by their authority; one that no route has is UNIMPLEMENTED."""
    await proxy.apply(
        *one[1],
        *two[1],
        grpc_route(rule("one"), name="wide", hostnames=["*.example.com"]),
        grpc_route(rule("two", matches=[method("shop.v1.Cart")]), name="narrow", hostnames=["shop.example.com"]),
    )
    assert await client.call("/shop.v1.Cart/Add") == "two"
    assert await client.call("/shop.v1.Orders/Add") == "one"
    options = [("grpc.default_authority", "shop.example.org")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}", options) as channel:
        assert await Client(channel).call("/shop.v1.Cart/Add") == "UNIMPLEMENTED"


@pytest.mark.parametrize("change", [lambda one: one[:1], lambda one: one[1:]], ids=["endpoints", "service"])
async def test_changes(proxy: Proxy, client: Client, one: Server, change: Callable[[Any], Any]) -> None:
    """A backend serves as soon as it is complete, on a connection that was there before."""
    await proxy.apply(change(one[1]), grpc_route(rule("one")))
    assert await client.call("/shop.v1.Cart/Add") == "UNAVAILABLE"
    await proxy.apply(*one[1])
    assert await client.call("/shop.v1.Cart/Add") == "one"
