"""gRPC's own xDS client, which resolves `xds:///` without a proxy, is served."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio

from headgate_proto.envoy.config.endpoint.v3 import endpoint_pb2
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from tests.xds.sample_resources import ADS, cluster, endpoints, listener, routes
from tests.xds.status_recorder import StatusRecorder
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.server.server import Server

PROGRAM = Path(__file__).parent / "proxyless.py"


def api_listener(name: str, route: str) -> Resource:
    """Return a listener for gRPC clients: an HTTP connection manager without an address."""
    full = listener_pb2.Listener.FromString(listener(name, 1, route).body)
    manager = http_connection_manager_pb2.HttpConnectionManager()
    full.filter_chains[0].filters[0].typed_config.Unpack(manager)
    message = listener_pb2.Listener(name=name)
    message.api_listener.api_listener.Pack(manager)
    return Resource.pack(message)


def weighted(name: str, *ports: int) -> Resource:
    """Return endpoints in a locality with a weight, without which gRPC clients ignore it."""
    message = endpoint_pb2.ClusterLoadAssignment.FromString(endpoints(name, *ports).body)
    message.endpoints[0].locality.zone = "here"
    message.endpoints[0].load_balancing_weight.value = 1
    return Resource.pack(message)


@contextlib.asynccontextmanager
async def backend(name: str) -> AsyncIterator[int]:
    """Run a gRPC server on a free loopback port that answers with its name."""

    async def who(_request: bytes, _context: object) -> bytes:
        return name.encode()

    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(who)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Who": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@contextlib.asynccontextmanager
async def client(xds_port: int, target: str) -> AsyncIterator[asyncio.StreamReader]:
    """Run the client, and yield its output."""
    bootstrap = {
        "xds_servers": [
            {
                "server_uri": f"127.0.0.1:{xds_port}",
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }
        ],
        "node": {"id": "grpc", "cluster": "gateway"},
    }
    environment = {**os.environ, "GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(bootstrap)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), target, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.kill()
        await process.wait()


async def test_a_proxyless_grpc_client_is_served() -> None:
    """The gRPC client resolves listener, route, cluster and endpoints, and follows changes of the last two."""
    news = StatusRecorder()
    base = [api_listener("echo", "r"), cluster("a", source=ADS)]
    async with (
        backend("one") as one,
        backend("two") as two,
        Server(lambda node: node.cluster, on_sync_status=news) as server,
    ):
        server.publish("gateway", Snapshot.of([*base, routes("r", {"": "a"}), weighted("a", one)]))
        async with client(server.port, "echo") as said, asyncio.timeout(20):
            assert await said.readline() == b"one\n"
            await news.until(lambda each: each.clients == 1 and not each.nack_groups)
            server.publish("gateway", Snapshot.of([*base, routes("r", {"": "a"}), weighted("a", two)]))
            assert await said.readline() == b"two\n"
            more = [cluster("b", source=ADS), weighted("b", one), routes("r", {"": "b"})]
            server.publish("gateway", Snapshot.of([*base, weighted("a", two), *more]))
            assert await said.readline() == b"one\n"
            sync_status = await news.until(lambda each: each.clients == each.synced == 1)
            assert not sync_status.nack_groups
