"""Unauthorised clients cost little memory and time, and do not count against the limit of others."""

from __future__ import annotations

import asyncio
import resource
import sys
from functools import partial
from multiprocessing.connection import Connection

import grpc
import grpc.aio
import psutil
import pytest

from bench.xds_servers import Remote
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.headgate.waiting import eventually
from tests.xds.calls import CLUSTERS, DELTA, NODE, STREAM, Call, Dial, serving
from tests.xds.sample_resources import cluster
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER
from xds.server.admission import Admission
from xds.server.server import Limits, Peer, Server, StreamRejected

MANY_NAMES = b"\x1a\x00"
"""An empty resource name in a state-of-the-world request."""


REFUSED = grpc.StatusCode.UNAUTHENTICATED, "no token"


async def reject(_: Peer) -> None:
    """Reject every peer, after a moment in which a client could send much."""
    await asyncio.sleep(0.5)
    raise StreamRejected("no token", grpc.StatusCode.UNAUTHENTICATED)


def strict(link: Connection, authenticated: bool) -> None:
    """Run a server in its own process; it reports its highest memory in bytes on request."""

    async def main() -> None:
        authenticate = reject if authenticated else None
        async with Server(lambda node: node.cluster, authenticate=authenticate) as server:
            link.send(server.port)
            asked = asyncio.Event()
            asyncio.get_running_loop().add_reader(link.fileno(), asked.set)
            while True:
                await asked.wait()
                asked.clear()
                while link.poll():
                    link.recv()
                    unit = 1 if sys.platform == "darwin" else 1024
                    link.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)

    asyncio.run(main())


def highest(server: Remote) -> int:
    """Return the highest memory of the server, in bytes."""
    server.link.send("memory")
    found: int = server.link.recv()
    return found


async def send(port: int, request: bytes) -> tuple[grpc.StatusCode, str]:
    """Send a request over a separate connection; return the status of the stream."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]

    def ask() -> tuple[grpc.StatusCode, str]:
        # Not with grpc.aio, which replaces the status of a call that ends during a write by INTERNAL.
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            opened: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(STREAM)
            call = opened(iter([request]), timeout=30)
            try:
                for _ in call:
                    pass
            except grpc.RpcError:
                pass
            return call.code(), call.details() or ""

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize(("megabytes", "streams"), [(66, 4), (15, 20)])
async def test_unauthenticated_clients_cost_no_memory(megabytes: int, streams: int) -> None:
    """The server does not read the requests of an unauthenticated client: its memory grows by less than 10 MB."""
    request = MANY_NAMES * (megabytes * 500_000)
    with Remote.start(partial(strict, authenticated=True)) as server:
        assert await send(server.port, b"") == REFUSED
        before = highest(server)
        ends = await asyncio.gather(*(send(server.port, request) for _ in range(streams)))
        # A client whose write fails before it has read the status reports INTERNAL instead.
        assert set(ends) - {(grpc.StatusCode.INTERNAL, "Internal error from Core")} <= {REFUSED}
        assert highest(server) - before < 10e6


async def test_a_request_is_measured_before_it_is_decoded() -> None:
    """Without authorisation, a too long request is not buffered, and one with many names is not parsed."""
    with Remote.start(partial(strict, authenticated=False)) as server:
        before = highest(server)
        code, _ = await send(server.port, MANY_NAMES * 33_000_000)
        assert code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL)
        assert highest(server) - before < 10e6
        code, why = await send(server.port, MANY_NAMES * 7_500_000)
        assert (code, why) == (grpc.StatusCode.INVALID_ARGUMENT, "more than 200000 resource names in one request")
        # The request's bytes in gRPC and in Python, in pieces and as a whole; parsed, it would take 300 MB.
        assert highest(server) - before < 5 * 15e6


async def test_unauthorised_streams_have_a_limit_of_their_own(dial: Dial) -> None:
    """Waiting streams do not count as authorised ones, and a stream above the limit of those does not wait."""
    verified = asyncio.Event()

    async def authorise(_: str, peer: Peer) -> None:
        if "token" not in peer.metadata:
            await verified.wait()

    async with serving(authorise=authorise, limits=Limits(streams=1)) as server:
        server.publish("gateway", CLUSTERS)
        waiting = [dial(server) for _ in range(3)]
        for call in waiting:
            await call.request(CLUSTER)
        good = dial(server, metadata=(("token", "good"),))
        await good.request(CLUSTER)
        assert (await good.response()).resources
        verified.set()
        for call in waiting:
            assert await call.status() == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams")
        assert [each.node for each in server.clients()] == [NODE.id]


async def test_waiting_streams_are_limited(dial: Dial) -> None:
    """Above the limit of waiting streams, the oldest one of the host with the most ends with RESOURCE_EXHAUSTED."""

    async def authenticate(_: Peer) -> None:
        await asyncio.Event().wait()

    async with serving(authenticate=authenticate, limits=Limits(unauthorised=2)) as server:
        calls = []
        for number in range(3):
            calls.append(dial(server))
            await calls[-1].request(CLUSTER)
            await eventually(lambda number=number: len(server._waiting) == min(number + 1, 2))  # type: ignore[misc]
        code, why = await calls[0].status()
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "wait to be authorised" in why
        assert not calls[1].call.done()
        assert not calls[2].call.done()


def test_the_host_with_the_most_streams_loses_one() -> None:
    """A host that opens many streams loses its own oldest one, and no other host loses any."""
    evicted: list[str] = []
    admission: Admission[str] = Admission(3, evicted.append)
    admission.enter("victim", "ipv6:%5B::1%5D:1")
    for number in range(5):
        admission.enter(f"greedy {number}", f"ipv4:10.0.0.1:{number}")
    assert evicted == ["greedy 0", "greedy 1", "greedy 2"]
    for number in range(5):
        admission.leave(f"greedy {number}", f"ipv4:10.0.0.1:{number}")
    admission.leave("victim", "ipv6:%5B::1%5D:1")
    assert not len(admission)


async def test_long_node_names_are_rejected(dial: Dial) -> None:
    """A node id or cluster above the limit of names is rejected before it is stored."""
    async with serving() as server:
        for field in ("id", "cluster"):
            call = dial(server, STREAM)
            node = discovery_pb2.DiscoveryRequest(node={"id": "a", "cluster": "b", field: "x" * 3000}).node
            await call.request(CLUSTER, node=node)
            assert (await call.status())[0] is grpc.StatusCode.INVALID_ARGUMENT
        assert not server._groups


async def test_connections_are_limited() -> None:
    """Above the limit, a connection is closed at once, and open ones stay."""
    async with serving(limits=Limits(connections=2)) as server:
        pairs = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        for reader, _ in pairs[:2]:
            assert await reader.read(1), "the server's settings"
        assert await pairs[2][0].read() == b""
        for _, writer in pairs:
            writer.close()


async def test_streams_of_a_connection_are_limited() -> None:
    """A client with the most streams on a connection is served the next one when another has ended."""
    async with serving(limits=Limits(connection_streams=1)) as server:
        server.publish("gateway", CLUSTERS)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            first = Call(channel, DELTA)
            await first.request(CLUSTER)
            received = await first.response()
            second = Call(channel, DELTA)
            waiting = asyncio.create_task(second.request(CLUSTER))
            for seconds in range(2, 7):
                await first.request(CLUSTER, node=None, nonce=received.nonce)
                server.publish("gateway", Snapshot.of([cluster("a", timeout=seconds)]))
                received = await first.response()
            assert len(server.clients()) == 1
            first.call.cancel()
            await waiting
            assert (await second.response()).resources


async def test_a_connection_without_handshake_is_closed() -> None:
    """A client that does not start HTTP/2 is disconnected after the handshake deadline."""
    async with serving(limits=Limits(handshake=0.2)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()


async def test_an_idle_connection_is_closed(dial: Dial) -> None:
    """A connection without a stream is closed after the idle time; one with a stream stays."""
    async with serving(limits=Limits(idle=0.3)) as server:
        server.publish("gateway", CLUSTERS)
        used, idle = dial(server), dial(server)
        for call in (used, idle):
            await call.request(CLUSTER)
            assert (await call.response()).resources
        idle.call.cancel()
        await eventually(lambda: len(connections(server.port)) == 1)
        assert not used.call.done()


def connections(port: int) -> list[object]:
    """Return the connections of this process, as the server, on a port."""
    found = psutil.Process().net_connections("tcp")
    return [each for each in found if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port]
