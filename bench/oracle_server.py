"""The oracle's process: a bare delta ADS server that writes bytes that were encoded before.

It is the least that a control plane does: it translates nothing, compares nothing, and keeps nothing of its clients but
which types they subscribe to. A push is bytes that are ready when the clock starts. What a change takes with it is what
gRPC, Envoy and the machine take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import grpc
import grpc.aio

from bench.remote import obey
from bench.xds_servers import ADS, DELTA
from headgate_proto.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse
from xds import CLUSTER, ENDPOINT, LISTENER, Reference

ORDER = (CLUSTER, ENDPOINT, LISTENER)
"""The types that are pushed before all others."""
UNLIMITED = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))

Packed = tuple[str, str, str, bytes]
"""A resource as it is passed to the oracle's process: type, name, version, and body."""


def encode(type_url: str, resources: Iterable[Packed], removed: Iterable[str] = ()) -> bytes:
    """Return a delta response with resources of one type."""
    response = DeltaDiscoveryResponse(type_url=type_url, nonce="oracle", removed_resources=removed)
    for _, name, version, body in resources:
        added = response.resources.add(name=name, version=version)
        added.resource.type_url, added.resource.value = type_url, body
    return response.SerializeToString()


@dataclass
class _State:
    """What the oracle's process knows: the resources by type and name, encoded responses, and the streams."""

    types: dict[str, dict[str, Packed]] = field(default_factory=dict)
    encoded: dict[tuple[str, tuple[str, ...]], bytes] = field(default_factory=dict)
    prepared: dict[str, list[bytes]] = field(default_factory=dict)
    streams: set[asyncio.Queue[bytes]] = field(default_factory=set)

    def update(self, resources: Sequence[Packed], removed: Sequence[Reference] = ()) -> list[bytes]:
        """Take resources; return the responses of a push of them, in the order of types."""
        changed: dict[str, tuple[list[Packed], list[str]]] = {}
        for each in resources:
            changed.setdefault(each[0], ([], []))[0].append(each)
            self.types.setdefault(each[0], {})[each[1]] = each
        for url, name in removed:
            changed.setdefault(url, ([], []))[1].append(name)
            self.types.get(url, {}).pop(name, None)
        self.encoded.clear()
        urls = sorted(changed, key=lambda url: ORDER.index(url) if url in ORDER else len(ORDER))
        return [encode(url, *changed[url]) for url in urls]

    def initial(self, type_url: str, names: tuple[str, ...]) -> bytes:
        """Return the response to a subscription; without names, or with "*", to all resources of the type."""
        key = type_url, names
        if key not in self.encoded:
            known = self.types.get(type_url, {})
            wanted = known if not names or "*" in names else {each: known[each] for each in names if each in known}
            missing = [each for each in names if each not in known and each != "*"]
            self.encoded[key] = encode(type_url, wanted.values(), missing)
        return self.encoded[key]


class _Server:
    """The oracle in its own process."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._state = _State()

    async def run(self, address: str) -> None:
        """Serve at an address, and obey commands."""
        server = grpc.aio.server(options=UNLIMITED)
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(self._stream)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ADS, {DELTA: handler}),))
        port = server.add_insecure_port(address)
        await server.start()
        self._link.send(port)
        await obey(self._link, self._act)

    async def _stream(self, requests: Any, context: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._state.streams.add(queue)
        reader = asyncio.ensure_future(self._read(requests, queue))
        try:
            while True:
                await context.write(await queue.get())
        finally:
            self._state.streams.discard(queue)
            reader.cancel()

    async def _read(self, requests: Any, queue: asyncio.Queue[bytes]) -> None:
        known: set[str] = set()
        async for data in requests:
            request = DeltaDiscoveryRequest.FromString(data)
            names, url = tuple(request.resource_names_subscribe), request.type_url
            if names or url not in known:
                known.add(url)
                queue.put_nowait(self._state.initial(url, names))

    async def _act(self, command: str, payload: Any) -> None:
        if command == "load":
            self._state.update(*payload)
        elif command == "prepare":
            key, *changes = payload
            self._state.prepared[key] = self._state.update(*changes)
        else:
            pushed = self._state.prepared.pop(payload)
            for queue in self._state.streams:
                for each in pushed:
                    queue.put_nowait(each)


def serve(link: Connection, address: str) -> None:
    """Be the oracle: serve at an address of gRPC, tell the port, and obey commands.

    A command is a pair: "load" with resources and removed ones, "prepare" with a key before these, "push" with a key.
    """
    asyncio.run(_Server(link).run(address))
