"""The server over a real gRPC channel: selection of snapshots, limits, notifications, and its end."""

import asyncio
import tempfile
from pathlib import Path
from unittest.mock import patch

import grpc
import pytest

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.headgate.waiting import eventually
from tests.xds.calls import CLUSTERS, DELTA, NODE, STREAM, Call, Dial, Serving, serving
from tests.xds.sample_resources import cluster, endpoints, routes
from xds.protocol.session import Ack, Response, Session
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, ROUTE, TYPES
from xds.server.server import Client, Limits, Observer, Peer, StreamRejected, SyncStatus


@pytest.mark.parametrize("method", [STREAM, DELTA])
async def test_a_client_gets_the_snapshot_of_its_key(dial: Dial, method: str) -> None:
    """The first request's node selects the snapshot; later requests need not repeat it, and changes follow."""
    async with serving() as server:
        server.publish("gateway", CLUSTERS)
        server.publish("other", Snapshot.of([cluster("b")]))
        call = dial(server, method)
        await call.request(CLUSTER)
        response = await call.response()
        assert len(response.resources) == 1
        await call.request(CLUSTER, node=None, nonce=response.nonce)
        server.publish("gateway", CLUSTERS.replace([cluster("c")]))
        assert (await call.response()).nonce != response.nonce
        [client] = server.clients()
        assert (client.node, client.cluster, client.key, client.method) == ("envoy-1", "gateway", "gateway", method)
        assert client.types[CLUSTER].wildcard
        assert "c" in client.types[CLUSTER].pending
        assert client.types[CLUSTER].waiting is not None


@pytest.mark.parametrize(
    "method", [f"/{each.service}/{name}" for each in TYPES.values() for name in (each.stream, each.delta) if name]
)
async def test_each_type_has_a_service_of_its_own(dial: Dial, method: str) -> None:
    """Every type is served by its own service, in both variants if it has two, without a type URL."""
    async with serving() as server:
        server.publish("gateway", Snapshot.of([cluster("a"), endpoints("a")]))
        call = dial(server, method)
        await call.request("")
        if method.startswith("/envoy.service.cluster.") or "/Delta" in method:
            response = await call.response()
            assert method.rpartition("/")[0][1:] == TYPES[response.type_url].service


async def test_a_client_waits_for_its_snapshot(dial: Dial) -> None:
    """A client whose key has no snapshot gets no response until there is one; withdrawn, it keeps its resources."""
    async with serving() as server:
        call = dial(server)
        await call.request(CLUSTER)
        await eventually(lambda: server.clients())
        assert server.sync_status("gateway") is None
        server.publish("gateway", CLUSTERS)
        assert [each.name for each in (await call.response()).resources] == ["a"]
        server.withdraw("gateway")
        assert server.sync_status("gateway") is None
        later = dial(server)
        await later.request(CLUSTER)
        await eventually(lambda: len(server.clients()) == 2)
        server.publish("gateway", CLUSTERS)
        assert [each.name for each in (await later.response()).resources] == ["a"]


async def test_an_unknown_node_is_rejected_with_a_status(dial: Dial) -> None:
    """An exception of `select` or `authorise` is the status of the stream, and the server continues."""

    def select(node: base_pb2.Node) -> str:
        if node.cluster != "gateway":
            raise StreamRejected(f"no Gateway {node.cluster!r}; known is 'gateway'")
        return node.cluster

    def authorise(key: str, peer: Peer) -> None:
        assert peer.address.startswith("ipv4:127.0.0.1:")
        if NODE.id in seen:
            raise StreamRejected("not yours", grpc.StatusCode.PERMISSION_DENIED)
        seen.append(NODE.id)

    seen: list[str] = []
    async with Serving(select, authorise=authorise) as server:
        stranger = dial(server)
        await stranger.request(CLUSTER, node=base_pb2.Node(cluster="none"))
        assert await stranger.status() == (grpc.StatusCode.NOT_FOUND, "no Gateway 'none'; known is 'gateway'")
        first, second = dial(server), dial(server)
        await first.request(CLUSTER)
        await eventually(lambda: server.clients())
        await second.request(CLUSTER)
        assert await second.status() == (grpc.StatusCode.PERMISSION_DENIED, "not yours")
        server.publish("gateway", CLUSTERS)
        assert (await first.response()).resources


async def test_bad_requests_end_only_their_own_stream(dial: Dial) -> None:
    """Invalid bytes and requests that break the protocol end their stream with INVALID_ARGUMENT and the reason."""
    async with serving(limits=Limits(names=2)) as server:
        server.publish("gateway", CLUSTERS)
        good, garbage, nameless, greedy = (dial(server) for _ in range(4))
        await garbage.call.write(b"\xff\xff\xff")
        code, details = await garbage.status()
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "cannot be parsed" in details
        await nameless.request("")
        assert (await nameless.status())[1] == "type_url: a request on an aggregated stream must name its resource type"
        await greedy.request(ENDPOINT, "a", "b", "c")
        assert "at most 2" in (await greedy.status())[1]
        await good.request(CLUSTER)
        assert (await good.response()).resources
        await eventually(lambda: len(server.clients()) == 1)


async def test_limits_of_streams(dial: Dial) -> None:
    """A stream above the limit, and one without a request, end with a status; an ended stream frees its place."""
    async with serving(limits=Limits(first_request=0.05)) as server:
        silent = dial(server)
        assert await silent.status() == (grpc.StatusCode.DEADLINE_EXCEEDED, "no request on the stream")
    async with serving(limits=Limits(streams=1)) as server:
        server.publish("gateway", CLUSTERS)
        one = dial(server)
        await one.request(CLUSTER)
        await one.response()
        two = dial(server)  # without a request: a client that writes when its stream ends may get INTERNAL
        assert await two.status() == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams")
        one.call.cancel()
        await eventually(lambda: not server.clients())
        three = dial(server)
        await three.request(CLUSTER)
        assert (await three.response()).resources


class Recorder(Observer):
    """Records the callbacks."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def opened(self, client: Client) -> None:
        """Record a stream."""
        self.events.append(f"opened {client.node}")

    def closed(self, client: Client) -> None:
        """Record its end."""
        self.events.append(f"closed {client.node}")

    def requested(self, client: Client, type_url: str) -> None:
        """Record a request."""
        self.events.append("requested " + type_url.rpartition(".")[2])

    def responded(self, client: Client, response: Response) -> None:
        """Record a response."""
        self.events.append(f"responded {response.resources} in {len(response.data) > 50}")

    def acked(self, client: Client, answer: Ack) -> None:
        """Record an ACK or NACK."""
        self.events.append(f"answered {answer.error}")


async def test_observers_and_the_sync_status_follow_a_stream(dial: Dial) -> None:
    """An observer gets every event, and the sync status goes from no client to synced, or has the NACKs."""
    deliveries: list[tuple[int, int, int]] = []

    def note(key: str, sync_status: SyncStatus) -> None:
        assert key == "gateway"
        deliveries.append((sync_status.clients, sync_status.synced, len(sync_status.nack_groups)))

    seen = Recorder()
    async with serving(observer=seen, on_sync_status=note) as server:
        server.publish("gateway", CLUSTERS)
        call = dial(server)
        await call.request(CLUSTER)
        response = await call.response()
        await call.request(CLUSTER, nonce=response.nonce)
        await eventually(lambda: deliveries[-1:] == [(1, 1, 0)])
        server.publish("gateway", CLUSTERS.replace([cluster("b")]))
        response = await call.response()
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce=response.nonce)
        request.error_detail.message = "b is bad"
        await call.call.write(request.SerializeToString())
        await eventually(lambda: deliveries[-1:] == [(1, 0, 1)])
        sync_status = server.sync_status("gateway")
        assert sync_status is not None
        assert sync_status.nack_groups == ((CLUSTER, ("b",), "b is bad"),)
        assert server.clients()[0].nack_groups == sync_status.nack_groups
        call.call.cancel()
        await eventually(lambda: deliveries[-1:] == [(0, 0, 0)])
    step = ["requested Cluster", "responded 1 in True", "requested Cluster"]
    assert seen.events[:4] == ["opened envoy-1", *step]
    assert seen.events[4:] == ["answered None", *step[1:], "answered b is bad", "closed envoy-1"]


async def test_an_ack_does_not_wake_the_writer(dial: Dial) -> None:
    """After a change, the session is asked for a response twice, for it and for another one, and not after the ACK."""
    async with serving() as server:
        server.publish("gateway", CLUSTERS)
        call = dial(server)
        await call.request(CLUSTER)
        await call.request(CLUSTER, nonce=(await call.response()).nonce)
        await eventually(lambda: server.clients()[0].synced)
        with patch.object(Session, "next", autospec=True, side_effect=Session.next) as asked:
            server.publish("gateway", CLUSTERS.replace([cluster("b")]))
            await call.request(CLUSTER, nonce=(await call.response()).nonce)
            await eventually(lambda: server.clients()[0].synced)
        assert asked.call_count == 2


async def test_a_disconnected_client_does_not_count(dial: Dial) -> None:
    """A client that had accepted all resources is neither connected nor synced after it has disconnected."""
    async with serving() as server:

        def counted() -> tuple[int, int]:
            sync_status = server.sync_status("gateway")
            return (sync_status.clients, sync_status.synced) if sync_status else (-1, -1)

        server.publish("gateway", CLUSTERS)
        call = dial(server)
        await call.request(CLUSTER)
        await call.request(CLUSTER, nonce=(await call.response()).nonce)
        await eventually(lambda: counted() == (1, 1))
        call.call.cancel()
        await eventually(lambda: not server.clients())
        assert counted() == (0, 0)


async def test_no_change_is_lost(dial: Dial) -> None:
    """For any order of changes and answers, each client ends with the newest snapshot, and skips those in between."""
    async with serving() as server:
        calls = [dial(server) for _ in range(5)]
        for call in calls:
            await call.request(CLUSTER)

        async def follow(call: Call) -> int:
            received = 0
            while True:
                response = await call.response()
                received += 1
                if {each.version for each in response.resources} == {cluster("a", timeout=300).version}:
                    return received
                await call.request(CLUSTER, nonce=response.nonce)

        followers = [asyncio.ensure_future(follow(call)) for call in calls]
        for timeout in range(1, 301):
            server.publish("gateway", Snapshot.of([cluster("a", timeout=timeout)]))
            if timeout % 3 == 0:
                await asyncio.sleep(0)
        assert max(await asyncio.gather(*followers)) < 300


async def test_a_stop_ends_streams_at_once(dial: Dial) -> None:
    """A stop does not wait for its grace period if all is answered: streams end with OK."""
    server = serving()
    await server.start()
    server.publish("gateway", CLUSTERS)
    call = dial(server)
    await call.request(CLUSTER)
    response = await call.response()
    await call.request(CLUSTER, nonce=response.nonce)
    await eventually(lambda: not server.clients()[0].types[CLUSTER].pending)
    async with asyncio.timeout(5):
        await server.stop(grace=60)
    assert await call.status() == (grpc.StatusCode.OK, "")
    assert not server.clients()


async def test_a_stop_completes_make_before_break(dial: Dial) -> None:
    """A stop in the middle of make before break waits for the answers: the route still follows its cluster."""
    server = serving()
    await server.start()
    call = dial(server)
    server.publish("gateway", Snapshot.of([cluster("a", eds=False), routes("r", {"/": "a"})]))
    await call.request(CLUSTER)
    await call.request(ROUTE, "r")
    clusters = await call.response()
    stopping = asyncio.ensure_future(server.stop(grace=60))
    await asyncio.sleep(0.05)
    assert not stopping.done()
    await call.request(CLUSTER, nonce=clusters.nonce)
    found = await call.response()
    assert found.type_url == ROUTE
    await call.request(ROUTE, nonce=found.nonce)
    async with asyncio.timeout(5):
        await stopping
    assert await call.status() == (grpc.StatusCode.OK, "")


async def test_a_port_in_use_is_an_error() -> None:
    """An address in use raises an OSError that names it."""
    async with serving() as server:
        other = serving(address=f"127.0.0.1:{server.port}")
        with pytest.raises(OSError, match=rf"cannot listen for xDS on 127\.0\.0\.1:{server.port}"):
            await other.start()


async def test_a_removed_socket_is_opened_again() -> None:
    """Clients of the first socket stay connected, and new ones connect by the new one, however often it is removed."""
    # A socket's path is limited to 108 bytes, which pytest's own directories may exceed.
    path = Path(tempfile.mkdtemp()) / "xds.sock"
    async with serving(socket=path) as server, grpc.aio.insecure_channel(f"unix:{path}") as channel:
        server.publish("gateway", CLUSTERS)
        first = Call(channel, DELTA)
        await first.request(CLUSTER)
        response = await first.response()
        for _ in range(3):
            path.unlink()
            await server.open_socket()
            async with grpc.aio.insecure_channel(f"unix:{path}") as another:
                call = Call(another, DELTA)
                await call.request(CLUSTER)
                assert (await call.response()).resources
        assert path.exists()
        server.publish("gateway", CLUSTERS.replace([cluster("c")]))
        await first.request(CLUSTER, nonce=response.nonce)
        assert (await first.response()).nonce != response.nonce
    path.parent.rmdir()
