"""The gRPC server: bytes in, bytes out; all that the protocol asks for is in `xds.session`.

    async with Server(select=lambda node: node.cluster, address="127.0.0.1:18000") as server:
        server.publish("gateway", Snapshot.of(resources))

Serves the aggregated service and one by type, each in both variants. Use it from one event loop only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from headgate_proto.envoy.config.core.v3 import base_pb2
from xds.bodies import Bodies
from xds.delivery import Delivery, Group
from xds.observer import Client, Observer
from xds.ordering import Pace
from xds.rate import Bucket
from xds.refusals import Refusals
from xds.snapshot import Snapshot
from xds.stream import Refusal, Stream
from xds.types import TYPES

__all__ = ["Client", "Delivery", "Limits", "Observer", "Pace", "Peer", "Refusal", "Server"]

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may ask for.

    Attributes:
        streams: Most streams at a time; further ones get RESOURCE_EXHAUSTED.
        request_bytes: Longest request: a reconnecting client that names 90,000 resources sends 4.6 MB.
        names: Most resource names that one stream may subscribe to, by type.
        cache_bytes: Most bytes of response bodies, and of the resources in them, kept to be shared between clients.
        requests_per_second: How many requests are read from a stream per second in the long run; a client that sends
            more is slowed by flow control.
        requests_at_once: How many requests a stream may send at once before that.
        first_request: Seconds within which a stream must send its first request, and `authorise` must decide on it.
        ping_interval: Shortest time between a client's keepalive pings, in seconds.
        silence: Seconds without a sign of life after which a connection is pinged, and twice that until it is closed.
    """

    streams: int = 10_000
    request_bytes: int = 64 << 20
    names: int = 200_000
    cache_bytes: int = 16 << 20
    requests_per_second: float = 100.0
    requests_at_once: int = 1_000
    first_request: float = 15.0
    ping_interval: float = 5.0
    silence: float = 30.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a stream, as far as the transport knows.

    Attributes:
        address: As gRPC writes it, such as ``ipv4:127.0.0.1:4711``.
        auth: gRPC's authentication context: with mutual TLS, the certificate's subject names.
        metadata: The stream's request headers, such as ``authorization``.
    """

    address: str
    auth: Mapping[str, Any]
    metadata: Mapping[str, str | bytes]

    @property
    def local(self) -> bool:
        """Whether it came by a Unix socket."""
        return self.address.startswith("unix:")


Select = Callable[[base_pb2.Node], str]
"""Returns the key of the snapshot for a node, or raises `Refusal`."""

Authorise = Callable[[str, Peer], Awaitable[None] | None]
"""Takes the selected key and the peer; raises `Refusal` if it may not have that snapshot. May be asynchronous."""


class Server:
    """Serves snapshots to xDS clients. A client whose key has no snapshot waits until there is one.

    Attributes:
        port: The port it listens on, once started.
    """

    def __init__(
        self,
        select: Select,
        *,
        address: str = "127.0.0.1:0",
        socket: Path | None = None,
        credentials: grpc.ServerCredentials | None = None,
        authorise: Authorise | None = None,
        on_delivery: Callable[[str, Delivery], None] | None = None,
        observer: Observer | None = None,
        pace: Pace | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Describe a server; nothing happens until `start`.

        Args:
            select: Which snapshot a node gets, from the first request of its stream.
            address: Host and port to listen on; port 0 for a free one.
            socket: A Unix socket to listen on besides, always in plain text; `Peer.local` tells its clients. One that
                is there already is replaced.
            credentials: TLS of the port, if any; without, it speaks plain text.
            authorise: Called with the selected key and the peer; raises `Refusal` if it may not have that snapshot.
                What it returns is awaited, for `Limits.first_request` at most; meanwhile nothing more is read.
            on_delivery: Called on the event loop when what the clients of a key have accepted changes.
            observer: Is told of streams, requests, responses and answers.
            pace: How long clients are waited for.
            limits: What clients may ask for.
        """
        self.port = 0
        self._address = address
        self._socket = socket
        self._credentials = credentials
        self._select = select
        self._authorise = authorise
        self._on_delivery = on_delivery
        self._observer = observer or Observer()
        self._pace = pace or Pace()
        self._limits = limits or Limits()
        self._bodies = Bodies(self._limits.cache_bytes)
        self._refusals = Refusals()
        self._groups: dict[str, Group] = {}
        self._streams: set[Stream] = set()
        self._changed: set[str] = set()
        self._server: grpc.aio.Server | None = None
        self._stopping = False

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: The address cannot be bound.
        """
        server = grpc.aio.server(options=_options(self._limits))
        server.add_generic_rpc_handlers(tuple(self._handlers()))
        try:
            if self._credentials is None:
                self.port = server.add_insecure_port(self._address)
            else:
                self.port = server.add_secure_port(self._address, self._credentials)
            if self._socket is not None:
                server.add_insecure_port(f"unix:{self._socket}")
        except RuntimeError as error:
            raise OSError(f"cannot listen for xDS on {self._address}: {error}") from error
        await server.start()
        self._server, self._stopping = server, False

    async def stop(self, grace: float = 5.0) -> None:
        """Stop, without leaving clients halfway.

        There are no new streams, and clients are told to connect elsewhere (GOAWAY). A stream that is open ends once
        its client has accepted what is under way, so that another server finds no cluster gone which routes still need.

        Args:
            grace: Seconds after which streams are cut off, whatever their clients have accepted.
        """
        if self._server is not None:
            self._stopping = True
            server, self._server = self._server, None
            stopped = asyncio.ensure_future(server.stop(grace))
            for stream in self._streams:
                stream.close()
            await stopped

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def publish(self, key: str, snapshot: Snapshot, changed: float | None = None) -> None:
        """Serve a snapshot to the clients of a key from now on: at once to those that are idle.

        A client that is busy gets the newest when it is ready, and never the ones between.

        Args:
            key: Whose it is.
            snapshot: What to serve.
            changed: When that was changed which the snapshot came of, on the event loop's clock, for `Answer.age`; None
                for now.
        """
        self._group(key).publish(snapshot, changed)

    def retry(self, key: str, type_url: str, names: Iterable[str]) -> None:
        """Send resources that clients of a key refused to them once more, though they did not change.

        For refusals whose reason is outside the resource and has passed, such as a port that was taken.
        """
        if (group := self._groups.get(key)) is not None:
            group.retry(type_url, tuple(names))

    def withdraw(self, key: str) -> None:
        """Serve nothing under a key any more: connected clients keep what they have, new ones wait."""
        if (group := self._groups.get(key)) is not None:
            group.snapshot = None
            self._forget_if_idle(key)

    def clients(self, node: str | None = None) -> list[Client]:
        """Return the state of every stream, the longest connected first.

        Args:
            node: Only of streams with this node id, and then with all that each has.
        """
        served = [each for each in self._streams if each.client and node in (None, each.client.node)]
        return sorted((each.state(has=node is not None) for each in served), key=lambda each: each.since)

    def delivery(self, key: str) -> Delivery | None:
        """Return how far the newest snapshot of a key has come; None if there is none."""
        group = self._groups.get(key)
        return group.delivery() if group else None

    def _group(self, key: str) -> Group:
        if key not in self._groups:
            self._groups[key] = Group(partial(self._note, key))
        return self._groups[key]

    def _forget_if_idle(self, key: str) -> None:
        group = self._groups.get(key)
        if group is not None and group.snapshot is None and not group.sessions:
            del self._groups[key]

    def _note(self, key: str) -> None:
        """Report a key's delivery soon, once for all that happens in the same turn of the loop."""
        if self._on_delivery is not None and key not in self._changed:
            self._changed.add(key)
            asyncio.get_running_loop().call_soon(self._report, key)

    def _report(self, key: str) -> None:
        self._changed.discard(key)
        group = self._groups.get(key)
        if group is not None and self._on_delivery is not None and (delivery := group.news()) is not None:
            self._on_delivery(key, delivery)

    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return the services: the aggregated one, and one by type."""
        ads = self._service(ADS, None, "StreamAggregatedResources", "DeltaAggregatedResources")
        return [ads, *(self._service(each.service, each.url, each.stream, each.delta) for each in TYPES.values())]

    def _service(self, name: str, only: str | None, stream: str, delta: str) -> grpc.GenericRpcHandler:
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            method: grpc.stream_stream_rpc_method_handler(
                partial(self._serve, f"/{name}/{method}", only, method == delta)
            )
            for method in (stream, delta)
            if method
        }
        return grpc.method_handlers_generic_handler(name, methods)

    async def _serve(
        self, method: str, only: str | None, delta: bool, requests: Any, context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> None:
        """Serve one stream until the client or the server ends it."""
        if self._stopping or len(self._streams) >= self._limits.streams:
            code = grpc.StatusCode.UNAVAILABLE if self._stopping else grpc.StatusCode.RESOURCE_EXHAUSTED
            await context.abort(code, "the server is stopping" if self._stopping else "too many streams")
        stream = Stream(
            delta=delta,
            only=only,
            bodies=self._bodies,
            pace=self._pace,
            max_names=self._limits.names,
            bucket=self._bucket(),
            observer=self._observer,
            admit=partial(self._admit, method, context),
        )
        self._streams.add(stream)
        try:
            await stream.run(requests, context.write, self._limits.first_request)
        except Refusal as refusal:
            await context.abort(refusal.code, str(refusal))
        finally:
            self._streams.discard(stream)
            if stream.client is not None:
                key = stream.client.key
                self._groups[key].discard(stream.session)
                self._forget_if_idle(key)
                self._observer.closed(stream.client)

    def _bucket(self) -> Bucket:
        now = asyncio.get_running_loop().time()
        return Bucket(self._limits.requests_per_second, self._limits.requests_at_once, now)

    async def _admit(
        self, method: str, context: grpc.aio.ServicerContext[bytes, bytes], stream: Stream, node: base_pb2.Node
    ) -> tuple[Client, Group]:
        """Find out who a stream's client is and let it join the group of its snapshot's key."""
        key = self._select(node)
        peer = context.peer()
        if self._authorise is not None:
            metadata = dict(context.invocation_metadata() or ())
            decision = self._authorise(key, Peer(peer, context.auth_context(), metadata))
            if decision is not None:
                await decision
        client = Client(node.id, node.cluster, key, peer, method, time.time())
        stream.session.suspects = self._refusals.of(key, node.id)
        group = self._group(key)
        group.add(stream.session, stream.wake)
        return client, group


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        # Without these two, Envoy's keepalive pings get it disconnected ("too many pings").
        ("grpc.http2.min_ping_interval_without_data_ms", round(limits.ping_interval * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        # Finds clients whose machine or network is gone, of which TCP says nothing for hours.
        ("grpc.keepalive_time_ms", round(limits.silence * 1000)),
        ("grpc.keepalive_timeout_ms", round(limits.silence * 1000)),
        ("grpc.http2.ping_timeout_ms", round(limits.silence * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", limits.request_bytes),
        # State-of-the-world responses cannot be split: the client's own limit is the one that counts.
        ("grpc.max_send_message_length", -1),
        # Two servers on one port would each get some of the clients.
        ("grpc.so_reuseport", 0),
    ]
