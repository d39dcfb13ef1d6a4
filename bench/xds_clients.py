"""A thousand clients of one server, each on a connection of its own, that acknowledge all they are sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio

from bench.xds_resources import KEY
from bench.xds_servers import ADS, DELTA, STREAM
from proto.envoy.service.discovery.v3 import discovery_pb2

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
    kind: Any = discovery_pb2.DeltaDiscoveryRequest if delta else discovery_pb2.DiscoveryRequest
    answer = discovery_pb2.DeltaDiscoveryResponse if delta else discovery_pb2.DiscoveryResponse
    field = "resource_names_subscribe" if delta else "resource_names"
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.stream_stream(f"/{ADS}/{DELTA if delta else STREAM}")()
        for url, names in wanted:
            request = kind(type_url=url, **{field: names})
            request.node.id, request.node.cluster = "client", KEY
            await call.write(request.SerializeToString())
        names_of = dict(wanted)
        while (data := await call.read()) is not grpc.aio.EOF:
            response = answer.FromString(data)
            again = {} if delta else {field: names_of[response.type_url], "version_info": response.version_info}
            request = kind(type_url=response.type_url, response_nonce=response.nonce, **again)
            await call.write(request.SerializeToString())
            clients.note(data, len(response.resources))


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
