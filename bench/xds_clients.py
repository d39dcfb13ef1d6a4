"""A thousand clients of one server, each on a connection of its own, that acknowledge all they are sent."""

from __future__ import annotations

import asyncio
import contextlib
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
PATIENCE_SECONDS = 60


class Clients:
    """All clients of a server, and how far they are.

    Attributes:
        received: how many responses arrived so far.
        resources: how many resources were in them.
        last: the bytes of the newest response.
    """

    def __init__(self) -> None:
        self.received = 0
        self.resources = 0
        self.last = b""
        self._news = asyncio.Event()

    def note(self, data: bytes, resources: int) -> None:
        """Count a response."""
        self.received += 1
        self.resources += resources
        self.last = data
        self._news.set()

    async def until(self, received: int) -> None:
        """Wait until so many responses have arrived, and their answers have been taken."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.received < received:
                self._news.clear()
                await self._news.wait()
        await asyncio.sleep(0.3)


async def _follow(clients: Clients, port: int, delta: bool, wanted: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Subscribe to names of types and acknowledge whatever comes."""
    ask, acknowledge = (_ask_delta, _acknowledge_delta) if delta else (_ask, _acknowledge)
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(f"/{ADS}/{DELTA if delta else STREAM}")()
        for url, names in wanted:
            await call.write(ask(url, names))
        names_of = dict(wanted)
        while isinstance(data := await call.read(), bytes):
            request, resources = acknowledge(data, names_of)
            await call.write(request)
            clients.note(data, resources)


def _ask(url: str, names: Sequence[str]) -> bytes:
    return DiscoveryRequest(type_url=url, resource_names=names, node=NODE).SerializeToString()


def _ask_delta(url: str, names: Sequence[str]) -> bytes:
    return DeltaDiscoveryRequest(type_url=url, resource_names_subscribe=names, node=NODE).SerializeToString()


def _acknowledge(data: bytes, names: Mapping[str, Sequence[str]]) -> tuple[bytes, int]:
    """Give the request that answers a response, and how many resources that has."""
    response = DiscoveryResponse.FromString(data)
    url = response.type_url
    request = DiscoveryRequest(
        type_url=url, resource_names=names[url], version_info=response.version_info, response_nonce=response.nonce
    )
    return request.SerializeToString(), len(response.resources)


def _acknowledge_delta(data: bytes, _: Mapping[str, Sequence[str]]) -> tuple[bytes, int]:
    """Give the same for an incremental response."""
    response = DeltaDiscoveryResponse.FromString(data)
    request = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
    return request.SerializeToString(), len(response.resources)


@contextlib.asynccontextmanager
async def connected(count: int, port: int, delta: bool, *wanted: tuple[str, Sequence[str]]) -> AsyncIterator[Clients]:
    """Connect so many clients, which subscribe to these names of types."""
    clients = Clients()
    tasks = [asyncio.ensure_future(_follow(clients, port, delta, wanted)) for _ in range(count)]
    try:
        yield clients
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
