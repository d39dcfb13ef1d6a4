"""The gRPC server, which transports bytes; the protocol is in `xds.protocol.session`.

    async with Server(select=lambda node: node.cluster, address="127.0.0.1:18000") as server:
        server.publish("gateway", Snapshot.of(resources))

It serves the aggregated service and one by type, each in both variants. Use it from one event loop only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from headgate_proto.envoy.config.core.v3 import base_pb2
from xds.protocol.nacks import NackHistory
from xds.protocol.ordering import Timeouts
from xds.protocol.response_cache import ResponseCache
from xds.resources.snapshot import Snapshot
from xds.resources.types import TYPES
from xds.server.admission import Admission
from xds.server.fault_log import FaultLog
from xds.server.groups import Member, SnapshotGroup, SyncStatus
from xds.server.limits import Limits, options
from xds.server.observer import Client, Observer, Observers
from xds.server.stream import Admit, Stream, StreamRejected

__all__ = ["Client", "Limits", "Observer", "Peer", "Server", "StreamRejected", "SyncStatus", "Timeouts"]

TOO_MANY = "too many streams"

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"


@dataclass(frozen=True, slots=True)
class Peer:
    """The peer of a stream, as identified by the transport.

    Attributes:
        address: Its address in gRPC's form, such as ``ipv4:127.0.0.1:4711``.
        auth: gRPC's authentication context: with mutual TLS, the certificate's subject names.
        metadata: The stream's request headers, such as ``authorization``.
    """

    address: str
    auth: Mapping[str, Any]
    metadata: Mapping[str, str | bytes]

    @property
    def local(self) -> bool:
        """Whether it is connected by the Unix socket."""
        return self.address.startswith("unix:")


Select = Callable[[base_pb2.Node], str]
"""Returns the key of the snapshot for a node, or raises `StreamRejected`."""

Authenticate = Callable[[Peer], Awaitable[None] | None]
"""Takes the peer before any request is read; raises `StreamRejected` if it is unknown. May be asynchronous."""

Authorise = Callable[[str, Peer], Awaitable[None] | None]
"""Takes the selected key and the peer; raises `StreamRejected` if it is not authorised. May be asynchronous."""


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
        authenticate: Authenticate | None = None,
        authorise: Authorise | None = None,
        admit: Admit | None = None,
        on_sync_status: Callable[[str, SyncStatus], None] | None = None,
        observer: Observer | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Configure a server; it listens after `start`.

        Args:
            select: Selects the snapshot of a node, from the first request of its stream.
            address: Host and port to listen on; port 0 for a free one.
            socket: A Unix socket to listen on as well, always in plain text; `Peer.local` identifies its clients. An
                existing socket is replaced.
            credentials: The TLS credentials of the port; None for plain text.
            authenticate: Called with the peer before its requests are read, so that an unknown client cannot use
                memory; raises `StreamRejected`. An awaitable result is awaited, as that of `authorise` is.
            authorise: Called with the selected key and the peer; raises `StreamRejected` if it may not have that
                snapshot. An awaitable result is awaited for `Limits.first_request` at most; no request is read
                meanwhile.
            admit: Called with each request of an authorised client before it is applied. No further request is read
                while an awaitable result is awaited; the client is the one that `Observer.closed` gets.
            on_sync_status: Called on the event loop when the sync status of a key changes.
            observer: Observes streams, requests, responses, ACKs and NACKs.
            timeouts: The timeouts of each client.
            limits: Limits on clients.
        """
        self.port = 0
        self._address = address
        self._socket = socket
        self._credentials = credentials
        self._select = select
        self._authenticate = authenticate
        self._authorise = authorise
        self._admit = admit
        self._on_sync_status = on_sync_status
        self._observer = Observers(*([observer] if observer else []))
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or Limits()
        self._cache = ResponseCache(self._limits.cache_bytes)
        self._waiting: Admission[Stream] = Admission(self._limits.unauthorised, _make_room)
        self._nack_history = NackHistory()
        self._groups: dict[str, SnapshotGroup] = {}
        self._streams: set[Stream] = set()
        self._served = 0
        self._faults = FaultLog()
        self._changed: set[str] = set()
        self._server: grpc.aio.Server | None = None
        self._socket_server: grpc.aio.Server | None = None
        self._stopping = False

    async def start(self) -> None:
        """Start to listen.

        Raises:
            OSError: The address cannot be bound.
        """
        server = self._new_server()
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

    def _new_server(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=options(self._limits))
        server.add_generic_rpc_handlers(tuple(self._handlers()))
        return server

    async def open_socket(self) -> None:
        """Listen on the Unix socket again, after its file was removed.

        Connected clients stay connected, except those of a socket that an earlier call opened, which must reconnect.

        Raises:
            OSError: The socket cannot be bound.
        """
        # gRPC binds no further address after the start of a server, and a stopping server removes the socket's file.
        if self._socket_server is not None:
            await self._socket_server.stop(None)
            self._socket_server = None
        server = self._new_server()
        try:
            server.add_insecure_port(f"unix:{self._socket}")
        except RuntimeError as error:
            raise OSError(f"cannot listen for xDS on {self._socket}: {error}") from error
        await server.start()
        self._socket_server = server

    async def stop(self, grace: float = 5.0) -> None:
        """Stop gracefully.

        New streams are rejected, and clients get a GOAWAY. An open stream ends once its client has answered the
        outstanding responses, so that no client connects to another server without a cluster that its routes need.

        Args:
            grace: Seconds after which remaining streams are ended.
        """
        servers = [each for each in (self._server, self._socket_server) if each is not None]
        self._server = self._socket_server = None
        if servers:
            self._stopping = True
            stopped = asyncio.gather(*(each.stop(grace) for each in servers))
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
        """Serve a snapshot to the clients of a key from now on.

        A client without an outstanding response gets it at once; another one gets the newest snapshot when it has
        answered, and skips those in between. A resource that would end Envoy's process is not sent: the error is
        logged, the resource of before stays, and all others are served.

        Args:
            key: The key.
            snapshot: The snapshot.
            changed: The time of the change that led to the snapshot, on the event loop's clock, for `Ack.age`; None
                for now.
        """
        for each in self._group(key).publish(snapshot, changed):
            self._faults.tell(f"A resource for {key}, which is not sent", ValueError(each))

    def retry(self, key: str, type_url: str, names: Iterable[str]) -> None:
        """Resend unchanged resources to the clients of a key that rejected them.

        Use it when the cause of a NACK was outside the resource and no longer exists, such as a port in use.
        """
        if (group := self._groups.get(key)) is not None:
            group.retry(type_url, tuple(names))

    def withdraw(self, key: str) -> None:
        """Withdraw the snapshot of a key: connected clients keep their resources, new ones wait."""
        if (group := self._groups.get(key)) is not None:
            group.snapshot = None
            self._forget_if_idle(key)

    def clients(self, node: str | None = None) -> list[Client]:
        """Return the state of every stream, the longest connected first.

        Args:
            node: If given, only streams with this node id, with the versions of all their resources.
        """
        return list(self.iter_clients(node))

    def iter_clients(self, node: str | None = None) -> Iterator[Client]:
        """Yield the states that `clients` returns, each computed when it is yielded."""
        served = [(each, each.client) for each in self._streams if each.client and node in (None, each.client.node)]
        for stream, client in sorted(served, key=lambda each: each[1].since):
            yield self._state(stream, client, node is not None)

    def _state(self, stream: Stream, client: Client, has: bool) -> Client:
        try:
            return stream.state(has)
        except Exception as error:
            self._faults.tell(f"The state of the xDS stream of {client.node}", error)
            return client

    def sync_status(self, key: str) -> SyncStatus | None:
        """Return the sync status of the newest snapshot of a key; None if there is none."""
        group = self._groups.get(key)
        return group.sync_status() if group else None

    def _group(self, key: str) -> SnapshotGroup:
        if key not in self._groups:
            self._groups[key] = SnapshotGroup(partial(self._note, key))
        return self._groups[key]

    def _forget_if_idle(self, key: str) -> None:
        group = self._groups.get(key)
        if group is not None and group.snapshot is None and not group.sessions:
            del self._groups[key]

    def _note(self, key: str) -> None:
        """Schedule a report of a key's sync status, once for all changes in the same iteration of the event loop."""
        if self._on_sync_status is not None and key not in self._changed:
            self._changed.add(key)
            asyncio.get_running_loop().call_soon(self._report, key)

    def _report(self, key: str) -> None:
        self._changed.discard(key)
        group = self._groups.get(key)
        if (
            group is not None
            and self._on_sync_status is not None
            and (sync_status := group.changed_status()) is not None
        ):
            self._on_sync_status(key, sync_status)

    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return the services: the aggregated one, and one by type."""
        ads = self._service(ADS, None, "StreamAggregatedResources", "DeltaAggregatedResources")
        return [ads, *(self._service(each.service, each.url, each.stream, each.delta) for each in TYPES.values())]

    def _service(self, name: str, type_url: str | None, stream: str, delta: str) -> grpc.GenericRpcHandler:
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            method: grpc.stream_stream_rpc_method_handler(
                partial(self._serve, f"/{name}/{method}", type_url, method == delta)
            )
            for method in (stream, delta)
            if method
        }
        return grpc.method_handlers_generic_handler(name, methods)

    async def _serve(
        self,
        method: str,
        type_url: str | None,
        delta: bool,
        requests: Any,
        context: grpc.aio.ServicerContext[bytes, bytes],
    ) -> None:
        """Serve one stream until the client or the server ends it."""
        if self._stopping or self._served >= self._limits.streams:
            code = grpc.StatusCode.UNAVAILABLE if self._stopping else grpc.StatusCode.RESOURCE_EXHAUSTED
            await context.abort(code, "the server is stopping" if self._stopping else TOO_MANY)
        # The peer as known before its first request.
        peer = Peer(context.peer(), context.auth_context(), dict(context.invocation_metadata() or ()))
        stream = Stream(
            delta=delta,
            type_url=type_url,
            cache=self._cache,
            timeouts=self._timeouts,
            limits=self._limits,
            observer=self._observer,
            authenticate=lambda: self._authenticate(peer) if self._authenticate else None,
            authorise=partial(self._authorise_stream, method, peer),
            admit=self._admit,
        )
        self._streams.add(stream)
        self._waiting.enter(stream, peer.address)
        try:
            await stream.run(requests, context.write)
        except StreamRejected as rejected:
            await context.abort(rejected.code, str(rejected))
        except Exception as error:
            if context.done():  # the client disconnected during a call of gRPC
                return
            self._faults.tell(f"The xDS stream of {stream.client.node if stream.client else peer.address}", error)
            await context.abort(grpc.StatusCode.INTERNAL, "an error of the server's; see its log")
        finally:
            self._streams.discard(stream)
            self._waiting.leave(stream, peer.address)
            if stream.client is not None:
                self._leave(stream, stream.client)

    def _leave(self, stream: Stream, client: Client) -> None:
        self._served -= 1
        self._groups[client.key].discard(stream.session)
        self._forget_if_idle(client.key)
        self._observer.closed(client)

    async def _authorise_stream(
        self, method: str, peer: Peer, stream: Stream, node: base_pb2.Node
    ) -> tuple[Client, SnapshotGroup]:
        """Authorise a stream's client and add its session to the group of its snapshot's key."""
        if max(len(node.id), len(node.cluster)) > self._limits.name_bytes:
            text = f"the node's id or cluster is longer than {self._limits.name_bytes} characters"
            raise StreamRejected(text, grpc.StatusCode.INVALID_ARGUMENT)
        key = self._select(node)
        if self._authorise is not None:
            decision = self._authorise(key, peer)
            if decision is not None:
                await decision
        if self._served >= self._limits.streams:
            raise StreamRejected(TOO_MANY, grpc.StatusCode.RESOURCE_EXHAUSTED)
        client = Client(node.id, node.cluster, key, peer.address, method, time.time())
        stream.session.client_nacks = self._nack_history.of(key, node.id)
        group = self._group(key)
        group.add(stream.session, Member(stream.notify, stream.fail))
        self._waiting.leave(stream, peer.address)
        self._served += 1
        return client, group


def _make_room(stream: Stream) -> None:
    text = "too many streams wait to be authorised, most of them from this host"
    stream.fail(StreamRejected(text, grpc.StatusCode.RESOURCE_EXHAUSTED))
