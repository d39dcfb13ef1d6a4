"""Clients of a server over a real gRPC channel, message by message."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.xds.sample_resources import cluster
from xds.resources.snapshot import Snapshot
from xds.server.server import Server

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
STREAM, DELTA = ADS + "StreamAggregatedResources", ADS + "DeltaAggregatedResources"
NODE = base_pb2.Node(id="envoy-1", cluster="gateway")
CLUSTERS = Snapshot.of([cluster("a")])


Response = discovery_pb2.DeltaDiscoveryResponse | discovery_pb2.DiscoveryResponse


class Call:
    """One stream to a server."""

    def __init__(self, channel: grpc.aio.Channel, method: str, metadata: tuple[tuple[str, str], ...] = ()) -> None:
        self.delta = "/Delta" in method
        kind = discovery_pb2.DeltaDiscoveryResponse if self.delta else discovery_pb2.DiscoveryResponse
        opened: grpc.aio.StreamStreamMultiCallable[bytes, Response] = channel.stream_stream(
            method, response_deserializer=kind.FromString
        )
        self.call = opened(metadata=metadata)

    async def request(
        self, url: str, *names: str, node: base_pb2.Node | None = NODE, nonce: str = "", error: str = ""
    ) -> None:
        """Send a request."""
        request: Any = discovery_pb2.DiscoveryRequest(type_url=url, resource_names=names, response_nonce=nonce)
        if self.delta:
            request = discovery_pb2.DeltaDiscoveryRequest(
                type_url=url, resource_names_subscribe=names, response_nonce=nonce
            )
        if node is not None:
            request.node.CopyFrom(node)
        if error:
            request.error_detail.message = error
        # `status` returns the error of a stream that has ended, before the request or while it is sent.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self.call.write(request.SerializeToString())

    async def response(self) -> Any:
        """Return the next response; an error, if the stream ended with one."""
        async with asyncio.timeout(10):
            return await self.call.read()

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """Return the status with which the stream ended."""
        async with asyncio.timeout(10):
            return await self.call.code(), await self.call.details()


Dial = Callable[..., Call]
"""Opens a stream to a server, by default an incremental aggregated one, over a separate connection."""


class Serving(Server):
    """A server that stops at once, without waiting for its streams."""

    async def __aexit__(self, *_: object) -> None:
        """Stop at once."""
        await self.stop(0)


def serving(**kwargs: Any) -> Server:
    """Return a server that gives each node the snapshot of its cluster."""
    return Serving(lambda node: node.cluster, **kwargs)
