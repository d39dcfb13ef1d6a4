"""xDS clients of one server, each on its own connection, that acknowledge every response."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence

import grpc.aio

from bench.xds_resources import KEY
from bench.xds_servers import ADS, DELTA, STREAM
from headgate_proto.envoy.config.core.v3.base_pb2 import Node
from headgate_proto.envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
)

NODE = Node(id="client", cluster=KEY)
PATIENCE_SECONDS = 120
RETRY_SECONDS = 0.5


class Clients:
    """Counters of the responses to all clients of a server.

    Attributes:
        received: the number of responses.
        resources: the number of resources in them.
        last: the bytes of the last response.
        arrivals: when each response was acknowledged, by `time.perf_counter`; to be cleared by whoever reads it.
    """

    def __init__(self) -> None:
        self.received = 0
        self.resources = 0
        self.last = b""
        self.arrivals: list[float] = []
        self._changed = asyncio.Event()

    def note(self, data: bytes, resources: int) -> None:
        """Count a response."""
        self.received += 1
        self.resources += resources
        self.last = data
        self.arrivals.append(time.perf_counter())
        self._changed.set()

    async def until(self, received: int) -> None:
        """Wait until that many responses have arrived, and the server has read their ACKs."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.received < received:
                self._changed.clear()
                await self._changed.wait()
        await asyncio.sleep(0.3)


async def _follow(clients: Clients, port: int, delta: bool, wanted: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Follow a stream, and another one whenever it ends: gRPC cancels some where thousands start at once."""
    while True:
        try:
            await _stream(clients, port, delta, wanted)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the latter of a write after the end
            await asyncio.sleep(RETRY_SECONDS)


async def _stream(clients: Clients, port: int, delta: bool, wanted: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Subscribe to the names of each type, and acknowledge all responses."""
    subscribe, acknowledge = (_subscribe_delta, _acknowledge_delta) if delta else (_subscribe, _acknowledge)
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(f"/{ADS}/{DELTA if delta else STREAM}")()
        for url, names in wanted:
            await call.write(subscribe(url, names))
        names_of = dict(wanted)
        while isinstance(data := await call.read(), bytes):
            request, resources = acknowledge(data, names_of)
            await call.write(request)
            clients.note(data, resources)


def _subscribe(url: str, names: Sequence[str]) -> bytes:
    return DiscoveryRequest(type_url=url, resource_names=names, node=NODE).SerializeToString()


def _subscribe_delta(url: str, names: Sequence[str]) -> bytes:
    return DeltaDiscoveryRequest(type_url=url, resource_names_subscribe=names, node=NODE).SerializeToString()


def _acknowledge(data: bytes, names: Mapping[str, Sequence[str]]) -> tuple[bytes, int]:
    """Return the ACK of a response, and the number of its resources."""
    response = DiscoveryResponse.FromString(data)
    url = response.type_url
    request = DiscoveryRequest(
        type_url=url, resource_names=names[url], version_info=response.version_info, response_nonce=response.nonce
    )
    return request.SerializeToString(), len(response.resources)


def _acknowledge_delta(data: bytes, _: Mapping[str, Sequence[str]]) -> tuple[bytes, int]:
    """Return the same for a delta response."""
    response = DeltaDiscoveryResponse.FromString(data)
    request = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
    return request.SerializeToString(), len(response.resources)


@contextlib.asynccontextmanager
async def connected(count: int, port: int, delta: bool, *wanted: tuple[str, Sequence[str]]) -> AsyncIterator[Clients]:
    """Connect `count` clients, which subscribe to the names of each type in `wanted`."""
    clients = Clients()
    tasks = [asyncio.ensure_future(_follow(clients, port, delta, wanted)) for _ in range(count)]
    try:
        yield clients
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
