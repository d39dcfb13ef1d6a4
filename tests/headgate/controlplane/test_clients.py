"""gRPC clients of the control plane: what they are served, when, and what they are refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest

from bench.world import edit, endpoint_slice, service
from headgate.controlplane import clients
from headgate.controlplane.clients import MAX_NAMES
from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from tests.live.proxyless import Plane
from tests.xds.calls import DELTA, STREAM, Call
from xds.resources.types import CLUSTER, LISTENER, ROUTE, RUNTIME, SECRET

EDITS = [edit(each(number)) for number in range(3) for each in (service, endpoint_slice)]
NODE = base_pb2.Node(id="client", cluster="default")


def target(number: int) -> str:
    """Return the name of a Service's listener."""
    return f"service-{number}.shop.svc.cluster.local:80"


@contextlib.asynccontextmanager
async def streams(plane: Plane) -> AsyncIterator[grpc.aio.Channel]:
    """Serve three Services, and open a channel."""
    async with plane.running():
        await plane.edit(EDITS)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{plane.server.port}") as channel:
            yield channel


async def named(call: Call) -> list[str]:
    """Return the names of the next response's listeners."""
    response = await call.response()
    return [listener_pb2.Listener.FromString(each.value).name for each in response.resources]


async def test_the_first_response_has_what_is_asked_for() -> None:
    """A client whose namespace others are served in gets no response without its target: it would count as deleted."""
    plane = Plane()
    async with plane.server, grpc.aio.insecure_channel(f"127.0.0.1:{plane.server.port}") as channel:
        first, second = Call(channel, STREAM), Call(channel, STREAM)
        async with plane.evaluating():
            await plane.edit(EDITS)
            await first.request(LISTENER, target(0), node=NODE)
            assert await named(first) == [target(0)]
        await second.request(LISTENER, target(1), node=NODE)
        answer = asyncio.create_task(named(second))
        assert await asyncio.wait({answer}, timeout=0.2) == (set(), {answer})
        async with plane.evaluating():
            assert await answer == [target(1)]


async def test_what_nobody_asks_for_is_not_kept() -> None:
    """Of a target that several clients ask for the resources stay until the last one goes."""
    plane = Plane()
    async with streams(plane) as channel:
        calls = [Call(channel, STREAM) for _ in range(2)]
        for each in calls:
            await each.request(LISTENER, target(0), node=NODE)
            assert await named(each) == [target(0)]
        calls[0].call.cancel()
        await calls[1].request(LISTENER, target(0), target(1), node=None)
        assert await named(calls[1]) == [target(0), target(1)]
        assert len(plane.translator.client_snapshots["default"].resources(LISTENER)) == 2
        calls[1].call.cancel()
        async with asyncio.timeout(10):
            while plane.translator.client_snapshots:  # noqa: ASYNC110
                await asyncio.sleep(0)


@pytest.mark.parametrize("type_url", [SECRET, RUNTIME])
async def test_secrets_are_refused(type_url: str) -> None:
    """A client that asks for a Secret, or for anything else that is for Envoys, is refused."""
    async with streams(Plane()) as channel:
        for method in (STREAM, DELTA):
            call = Call(channel, method)
            await call.request(type_url, "default/certificate", node=NODE)
            code, text = await call.status()
            assert code is grpc.StatusCode.PERMISSION_DENIED
            assert type_url in text


async def test_bounds() -> None:
    """A stream may ask for a limited number of targets, and not by the incremental variant."""
    async with streams(Plane()) as channel:
        call = Call(channel, STREAM)
        await call.request(LISTENER, *map(str, range(MAX_NAMES + 1)), node=NODE)
        assert (await call.status())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        call = Call(channel, DELTA)
        await call.request(CLUSTER, "a", node=NODE)
        assert (await call.status())[0] is grpc.StatusCode.UNIMPLEMENTED


async def test_a_client_waits_for_what_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is known of what is asked for, a client gets no response, and is told to come again."""
    monkeypatch.setattr(clients, "WAIT_SECONDS", 0.2)
    plane = Plane()
    async with plane.server, grpc.aio.insecure_channel(f"127.0.0.1:{plane.server.port}") as channel:
        call = Call(channel, STREAM)
        await call.request(LISTENER, target(0), node=NODE)
        assert (await call.status())[0] is grpc.StatusCode.UNAVAILABLE


async def test_other_types_wait_for_nothing() -> None:
    """A client gets clusters and routes by their names alone, as the listener names them."""
    async with streams(Plane()) as channel:
        call = Call(channel, STREAM)
        await call.request(LISTENER, target(0), node=NODE)
        assert await named(call) == [target(0)]
        await call.request(ROUTE, target(0), node=None)
        assert (await call.response()).type_url == ROUTE
