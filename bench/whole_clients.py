"""Bare delta clients that subscribe to all resources of a snapshot, and check that they get no other than these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import grpc.aio

from bench.xds_servers import ADS, DELTA
from headgate_proto.envoy.config.core.v3.base_pb2 import Node
from headgate_proto.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse
from xds import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET, Reference, Snapshot

WILDCARD = (CLUSTER, LISTENER, SCOPED_ROUTE)
"""The types of which Envoy subscribes to everything."""
ORDER = (CLUSTER, ENDPOINT, SECRET, LISTENER, SCOPED_ROUTE, ROUTE)
"""The order in which a starting Envoy comes to subscribe to types; others follow."""
RETRY_SECONDS = 0.25
OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))

Noticed = Callable[[Reference, bytes], None]
"""Called with each resource that a client receives, and its body."""


@dataclass
class WholeClients:
    """Clients of one server, and what they have received.

    Args:
        port: the port of the server.
        key: the Gateway that they are proxies of.
        token: what authenticates them; "" for nothing.
        expected: all resources of the Gateway.
        noticed: called with each received resource.

    Attributes:
        partial: how many received resources differ from those of the snapshot; equal responses count once.
        received: how many resources they have received.
    """

    port: int
    key: str
    token: str
    expected: Snapshot
    noticed: Noticed | None = None
    partial: int = 0
    received: int = 0
    _complete: int = 0
    _taken: dict[bytes, tuple[DeltaDiscoveryResponse, frozenset[Reference]]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Note what a client is to get."""
        self._all = frozenset(each.reference for each in self.expected)

    def connect(self, count: int) -> None:
        """Have so many clients connect, and connect again whenever they lose their stream."""
        self._tasks += [asyncio.create_task(self._run(number)) for number in range(count)]

    async def until_complete(self, count: int, longest: float = 300) -> None:
        """Wait until so many clients have got all resources, on one stream each, since the last call."""
        async with asyncio.timeout(longest):
            while self._complete < count:
                self._changed.clear()
                await self._changed.wait()
        self._complete -= count

    async def close(self) -> None:
        """Close all connections."""
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _run(self, number: int) -> None:
        while True:
            try:
                await self._stream(number)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the latter of a write after the end
                await asyncio.sleep(RETRY_SECONDS)

    async def _stream(self, number: int) -> None:
        metadata = [("authorization", f"Bearer {self.token}")] if self.token else []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options=OPTIONS) as channel:
            start: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"/{ADS}/{DELTA}")
            call = start(metadata=metadata)
            node = Node(id=f"{self.key}/client-{number}", cluster=self.key)
            for url in sorted(self.expected.types(), key=lambda url: ORDER.index(url) if url in ORDER else len(ORDER)):
                names = [] if url in WILDCARD else sorted(self.expected.resources(url))
                request = DeltaDiscoveryRequest(type_url=url, resource_names_subscribe=names, node=node)
                await call.write(request.SerializeToString())
            missing = set(self._all)
            while isinstance(data := await call.read(), bytes):
                response, found = self._take(data)
                acknowledge = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
                await call.write(acknowledge.SerializeToString())
                was = bool(missing)
                missing -= found
                self.received += len(found)
                if was and not missing:
                    self._complete += 1
                    self._changed.set()
        await asyncio.sleep(RETRY_SECONDS)

    def _take(self, data: bytes) -> tuple[DeltaDiscoveryResponse, frozenset[Reference]]:
        """Return a response and its resources; clients that get the same bytes share the work."""
        if data in self._taken:
            return self._taken[data]
        response = DeltaDiscoveryResponse.FromString(data)
        found = {}
        for each in response.resources:
            reference = Reference(response.type_url, each.name)
            found[reference] = each.resource.value
            if self.noticed:
                self.noticed(reference, each.resource.value)
                continue
            known = self.expected.get(reference)
            self.partial += known is None or known.body != each.resource.value
        taken = response, frozenset(found)
        if not self.noticed:
            self._taken[data] = taken
        return taken
