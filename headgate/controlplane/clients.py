"""gRPC's own xDS clients: what they ask for, by namespace, is an input of the translator."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Collection
from typing import Final

import grpc

from headgate.controlplane.inputs import Inputs
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from translator.objects.gateway_api.gateway import is_gateway_key
from xds import CLUSTER, ENDPOINT, LISTENER, ROUTE, Client, Observer, Request, StreamRejected

MAX_NAMES: Final = 100
"""Most names that one stream may ask for; gRPC opens a stream for each target."""
WAIT_SECONDS: Final = 15.0
"""Seconds that a client waits until what it asks for is known; then it must connect again."""

SERVED: Final = frozenset({LISTENER, ROUTE, CLUSTER, ENDPOINT})
"""The types of resources that clients are served: no Secret is among them."""


class GrpcClients(Observer):
    """The names of listeners that gRPC clients ask for: ``xds:///NAME``.

    A request is answered once its names are evaluated: a client that reconnects would take an earlier response, which
    lacks them, for their deletion.

    Args:
        inputs: take the names.
    """

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._names: dict[int, frozenset[str]] = {}
        self._requested: dict[str, Counter[str]] = {}
        self._evaluated = asyncio.Event()

    def admit(self, client: Client, type_url: str, request: Request) -> Awaitable[None] | None:
        """Take a request; return what to await before it is answered, None for a proxy's, or one with nothing new.

        Raises:
            StreamRejected: it asks for what gRPC clients are not served, in another variant of the protocol, or for
                too much.
        """
        if is_gateway_key(client.key):
            return None
        if type_url not in SERVED:
            raise StreamRejected(f"gRPC clients are not served {type_url}", grpc.StatusCode.PERMISSION_DENIED)
        if not isinstance(request, discovery_pb2.DiscoveryRequest):
            raise StreamRejected("gRPC clients are served state of the world only", grpc.StatusCode.UNIMPLEMENTED)
        if type_url != LISTENER:
            return None
        if len(request.resource_names) > MAX_NAMES:
            text = f"a gRPC client may ask for {MAX_NAMES} targets on a stream"
            raise StreamRejected(text, grpc.StatusCode.RESOURCE_EXHAUSTED)
        names = frozenset(request.resource_names)
        if not self._replace(client, names):
            return None
        return self._until_evaluated(client.key)

    def closed(self, client: Client) -> None:
        """Take that a stream has ended."""
        if not is_gateway_key(client.key):
            self._replace(client, frozenset())

    def evaluated(self) -> None:
        """Take that an evaluation is published, of all that was asked for before."""
        self._evaluated.set()
        self._evaluated = asyncio.Event()

    async def _until_evaluated(self, namespace: str) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._evaluated.wait()
                while not self._inputs.translator.knows_requested(namespace):
                    await self._evaluated.wait()
        except TimeoutError:
            text = "what the client asks for is not known yet"
            raise StreamRejected(text, grpc.StatusCode.UNAVAILABLE) from None

    def _replace(self, client: Client, names: frozenset[str]) -> bool:
        """Set the names of a stream; return whether these are others than before."""
        before = self._names.pop(id(client), frozenset())
        if names:
            self._names[id(client)] = names
        if names == before:
            return False
        counts = self._requested.setdefault(client.key, Counter())
        _count(counts, names - before, 1)
        _count(counts, before - names, -1)
        if not counts:
            del self._requested[client.key]
        self._inputs.set_requested(client.key, frozenset(counts))
        return True


def _count(counts: Counter[str], names: Collection[str], difference: int) -> None:
    for each in names:
        counts[each] += difference
        if not counts[each]:
            del counts[each]
