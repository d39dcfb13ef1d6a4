"""Units of TrafficPolicies at GRPCRoutes: a real client and real servers of gRPC, with Envoy between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest_asyncio

from tests.live.objects import Manifest, endpoints, rule, service
from tests.live.proxy import Proxy
from tests.live.test_grpc import Backend, Client, Context, grpc_route
from tests.live.transformations import new_body, to_set

ADD = "/shop.v1.Cart/Add"


class Failing(Backend):
    """A server whose calls fail so often with a status, and take a time."""

    status = grpc.StatusCode.UNAVAILABLE
    failures = 0
    seconds = 0.0

    async def add(self, request: bytes, context: Context) -> bytes:
        """Fail, or do what the server does."""
        await asyncio.sleep(self.seconds)
        if len(self.seen) < self.failures:
            self._note(context)
            await context.abort(self.status, "as asked")
        return await super().add(request, context)


@pytest_asyncio.fixture(loop_scope="session")
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    """Yield a client of the gateway."""
    options = [("grpc.default_authority", "shop.example.com")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}", options) as channel:
        yield Client(channel)


@pytest_asyncio.fixture(loop_scope="session")
async def server(proxy: Proxy) -> AsyncIterator[Failing]:
    """Yield a server behind a GRPCRoute."""
    found = Failing("one")
    async with found.serving() as objects:
        await proxy.apply(objects, grpc_route(rule("one")))
        yield found


def policy(**spec: Manifest) -> Manifest:
    """Return a policy of the GRPCRoute."""
    reference = {"group": "gateway.networking.k8s.io", "kind": "GRPCRoute", "name": "grpc"}
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"name": "policy"},
        "spec": {"targetRefs": [reference], **spec},
    }


async def test_calls_are_tried_again_by_their_status(proxy: Proxy, client: Client, server: Failing) -> None:
    """A call that fails with UNAVAILABLE is tried again, with another status only if the policy names it."""
    for retry, status, tries in (
        ({}, grpc.StatusCode.UNAVAILABLE, 2),
        ({"attempts": 2}, grpc.StatusCode.UNAVAILABLE, 3),
        ({}, grpc.StatusCode.INTERNAL, 1),
        ({"retryOn": ["internal"]}, grpc.StatusCode.INTERNAL, 2),
        ({"retryOn": ["internal"]}, grpc.StatusCode.UNAVAILABLE, 1),
    ):
        server.seen.clear()
        server.status, server.failures = status, 1000
        await proxy.apply(policy(retry={**retry, "backoffBaseInterval": "1ms"}))
        assert await client.call(ADD) == status.name
        assert len(server.seen) == tries
    server.seen.clear()
    server.status, server.failures = grpc.StatusCode.UNAVAILABLE, 1
    await proxy.apply(policy(retry={}))
    assert await client.call(ADD) == "one"


async def test_calls_end_in_time(proxy: Proxy, client: Client, server: Failing) -> None:
    """A call that takes too long fails as one that did not reach a server."""
    server.seconds = 2
    await proxy.apply(policy(timeouts={"request": "200ms"}))
    assert await client.call(ADD) == "UNAVAILABLE"
    await proxy.apply(policy(timeouts={"request": "200ms", "backendRequest": "100ms"}, retry={"attempts": 1}))
    assert await client.call(ADD) == "UNAVAILABLE"


async def test_long_messages_are_refused(proxy: Proxy, client: Client, server: Failing) -> None:
    """A message that is too long reaches no server."""
    await proxy.apply(policy(buffer={"maxRequestSize": "64Ki"}))
    assert (await client.call(ADD, b"x" * 60_000)).startswith("one:")
    server.seen.clear()
    assert await client.call(ADD, b"x" * 70_000) == "UNKNOWN"
    assert server.seen == []


async def test_trailers_say_how_long_a_response_was_held_up(proxy: Proxy, client: Client, server: Failing) -> None:
    """With `responseTrailers`, clients of gRPC are told the delay, in milliseconds."""
    limit = {"limit": {"value": "64Ki"}}
    await proxy.apply(policy(bandwidthLimit={"response": {**limit, "responseTrailers": {"prefix": "shop"}}}))
    call = client.unary(ADD)(b"x" * 32_000)
    await call
    trailers = {str(key): str(value) for key, value in await call.trailing_metadata() or ()}
    assert int(trailers["shop-bandwidth-response-delay-ms"]) > 50


async def test_a_backend_is_reached_again_without_the_policy(proxy: Proxy, client: Client) -> None:
    """What cannot have been processed is tried elsewhere, whatever the policy names."""
    found = Backend("half")
    async with found.serving() as objects:
        slices = [each for each in objects if each["kind"] == "EndpointSlice"]
        dead = endpoints("half", [1])
        await proxy.apply(
            service("half"), slices, dead, grpc_route(rule("half")), policy(retry={"retryOn": ["internal"]})
        )
        assert {await client.call(ADD) for _ in range(10)} == {"half"}


async def test_calls_are_transformed_and_never_held(proxy: Proxy, client: Client, server: Failing) -> None:
    """Calls get other metadata; bodies are left alone, and calls refused where a template has to read them."""
    fields = {**to_set(x_a="{{ header('x-user') }}!"), **new_body("static")}
    response = {**to_set(x_b="{{ request_header('x-user') }}"), **new_body("static")}
    await proxy.apply(policy(transformation={"request": fields, "response": response}))
    call = client.unary(ADD)(b"item", metadata=grpc.aio.Metadata(("x-user", "me")))
    assert await call == b"one:item"
    assert dict(await call.initial_metadata())["x-b"] == "me"
    assert server.seen[-1]["x-a"] == "me!"
    chat: grpc.aio.StreamStreamCall[bytes, bytes] = client.channel.stream_stream("/shop.v1.Cart/Chat")()
    for word in (b"one", b"two"):
        await chat.write(word)
        assert await chat.read() == word.upper()
    await chat.done_writing()
    await proxy.apply(policy(transformation={"request": new_body("{{ body() }}")}))
    assert await client.call(ADD) == "one"
    await proxy.apply(policy(transformation={"request": new_body("{{ body() }}", onParseError="Reject")}))
    assert await client.call(ADD) == "INTERNAL"
    await proxy.apply(policy(transformation={"response": to_set(x_a="{{ 1 + none }}")}))
    assert await client.call(ADD) != "one"
