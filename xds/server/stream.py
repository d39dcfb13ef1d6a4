"""One gRPC stream: one task reads requests into the session, another writes the session's responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import cast

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from xds.protocol.ordering import Timeouts
from xds.protocol.response_cache import ResponseCache
from xds.protocol.session import ProtocolError, Request, Session
from xds.protocol.substream import Substream
from xds.server.field_count import TooManyFields, count_fields
from xds.server.groups import SnapshotGroup
from xds.server.limits import Limits
from xds.server.observer import Client, Observer, TypeState
from xds.server.token_bucket import TokenBucket

MAX_LISTED = 100
"""Most pending names listed of a type in a client's state."""


class StreamRejected(Exception):
    """A stream is rejected: it ends with a gRPC status.

    Attributes:
        code: The status.
    """

    def __init__(self, message: str, code: grpc.StatusCode = grpc.StatusCode.NOT_FOUND) -> None:
        """Reject a stream.

        Args:
            message: The status message, which the client logs.
            code: The status: NOT_FOUND for unknown nodes; PERMISSION_DENIED, UNAUTHENTICATED and others.
        """
        super().__init__(message)
        self.code = code


AuthoriseStream = Callable[["Stream", base_pb2.Node], Awaitable[tuple[Client, SnapshotGroup]]]
Authenticate = Callable[[], Awaitable[None] | None]
Admit = Callable[[Client, str, Request], Awaitable[None] | None]
"""Takes a client, and the type and request that it sent, before the request is applied; raises `StreamRejected`. May be
asynchronous: until then the client gets no response to it."""


class Stream:
    """One client's stream.

    Attributes:
        session: The protocol state.
        client: The client; None before its first request.
    """

    def __init__(
        self,
        *,
        delta: bool,
        type_url: str | None,
        cache: ResponseCache,
        timeouts: Timeouts,
        limits: Limits,
        observer: Observer,
        authenticate: Authenticate,
        authorise: AuthoriseStream,
        admit: Admit | None = None,
    ) -> None:
        """Start a stream.

        Args:
            delta: Whether it uses the incremental variant.
            type_url: The one type of a stream that is not aggregated.
            cache: The cache of responses.
            timeouts: The timeouts of the client.
            limits: The limits on the client.
            observer: Observes the stream.
            authenticate: Called before any request is read; an awaitable result is awaited.
            authorise: Awaited with the node of the first request; no further request is read meanwhile.
            admit: Called with each request of the authorised client; an awaitable result is awaited.
        """
        self._loop = asyncio.get_running_loop()
        self.session = Session(
            delta=delta,
            type_url=type_url,
            cache=cache,
            timeouts=timeouts,
            max_names=limits.names,
            clock=self._loop.time,
        )
        self.client: Client | None = None
        self._limits = limits
        self._rate_limit = TokenBucket(limits.requests_per_second, limits.requests_at_once, self._loop.time())
        self._deciding = False
        self._group: SnapshotGroup | None = None
        self._observer = observer
        self._authenticate = authenticate
        self._authorise = authorise
        self._admit = admit
        self._failure: Exception | None = None
        self._event = asyncio.Event()
        self._closing = False

    def notify(self) -> None:
        """Wake the stream to send pending responses."""
        self._event.set()

    def close(self) -> None:
        """End the stream once its client has answered the outstanding responses."""
        self._closing = True
        self._event.set()

    def fail(self, error: Exception) -> None:
        """End the stream with an error."""
        self._failure = error
        self._event.set()

    async def run(self, requests: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[None]]) -> None:
        """Serve until the client ends the stream, or `close` or `fail` is called.

        Args:
            requests: The client's messages.
            write: Sends one message; returns when flow control allows the next.

        Raises:
            StreamRejected: The client was not authorised, or broke the protocol.
        """
        reader = asyncio.create_task(self._read(requests))
        reader.add_done_callback(lambda _: self._event.set())
        timeout = self._loop.call_later(self._limits.first_request, self._event.set)
        try:
            await self._write(reader, write, self._loop.time() + self._limits.first_request)
        finally:
            timeout.cancel()
            reader.cancel()
            # An error of the reader has been raised already, or is not the cause of the stream's end.
            with suppress(asyncio.CancelledError, Exception):
                await reader

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        self._deciding = True
        if (decision := self._authenticate()) is not None:
            # No request is read meanwhile: gRPC buffers what flow control permits, 64 KB.
            await decision
        self._deciding = False
        async for raw in requests:
            try:
                await self._receive(raw)
            except TooManyFields as error:
                raise StreamRejected(str(error), grpc.StatusCode.INVALID_ARGUMENT) from error
            except DecodeError as error:
                raise StreamRejected(
                    f"the request cannot be parsed: {error}", grpc.StatusCode.INVALID_ARGUMENT
                ) from error
            except ProtocolError as error:
                raise StreamRejected(str(error), grpc.StatusCode.INVALID_ARGUMENT) from error
            self._received()
            if seconds := self._rate_limit.take(self._loop.time()):
                await self._rest(seconds)

    def _received(self) -> None:
        """Wake the writer after a request, unless that was an ACK after which there is nothing to write."""
        if self._closing or self._group is None or not self.session.idle():
            self._event.set()
        else:
            self._group.note(self.session)

    async def _rest(self, seconds: float) -> None:
        """Pause reading since the client exceeds its rate limit: flow control then throttles it."""
        if self.client is not None:
            self._observer.throttled(self.client, seconds)
        await asyncio.sleep(seconds)

    async def _receive(self, raw: bytes) -> None:
        self._deciding = True
        kind = discovery_pb2.DeltaDiscoveryRequest if self.session.delta else discovery_pb2.DiscoveryRequest
        if len(raw) > self._limits.name_bytes:  # a shorter one is within all limits
            for _ in count_fields(raw, cast("Descriptor", kind.DESCRIPTOR), self._limits):
                await asyncio.sleep(0)
        request: Request = kind.FromString(raw)
        if len(request.type_url) > self._limits.name_bytes:
            raise StreamRejected("type_url: longer than any type's", grpc.StatusCode.INVALID_ARGUMENT)
        if self.client is None:
            # "Only the first request on a stream is guaranteed to carry the node identifier."
            self.client, self._group = await self._authorise(self, request.node)
            self._observer.opened(self.client)
        type_url = request.type_url or self.session.type_url or ""
        self._observer.requested(self.client, type_url)
        if self._admit is not None and (decision := self._admit(self.client, type_url, request)) is not None:
            await decision
        ack = self.session.receive(request)
        if ack is not None:
            self._observer.acked(self.client, ack)

    async def _write(
        self, reader: asyncio.Task[None], write: Callable[[bytes], Awaitable[None]], deadline: float
    ) -> None:
        """Write responses as they become ready, until the reader ends, or the client has answered all while closing."""
        while not reader.done():
            # Cleared first: an event during a write is processed in the next iteration.
            self._event.clear()
            if self._failure is not None:
                raise self._failure
            if not await self._drain(write) and self._group is not None:
                # Not after a write, which makes an ACK due; publishing has noted that already.
                self._group.note(self.session)
            if self._closing and self.session.drain_deadline() is None:
                return
            if self.client is None and self._loop.time() >= deadline:
                text = "who is asking could not be found out in time" if self._deciding else "no request on the stream"
                raise StreamRejected(text, grpc.StatusCode.DEADLINE_EXCEEDED)
            await self._wait()
        reader.result()

    async def _drain(self, write: Callable[[bytes], Awaitable[None]]) -> bool:
        """Write all responses that are ready; return whether there was one."""
        wrote = False
        while (response := self.session.next()) is not None:
            await write(response.data)
            wrote = True
            if self.client is not None:
                self._observer.responded(self.client, response)
        return wrote

    async def _wait(self) -> None:
        times = (self.session.deadline(), self.session.drain_deadline() if self._closing else None)
        deadline = min((each for each in times if each is not None), default=None)
        alarm = self._loop.call_at(deadline, self._event.set) if deadline is not None else None
        try:
            await self._event.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    def state(self, has: bool = False) -> Client:
        """Return the client's state; with `has`, including the version of each of its resources."""
        assert self.client is not None
        now = self._loop.time()
        types = {url: _state(each, now, has) for url, each in self.session.substreams.items()}
        return replace(self.client, synced=self.session.synced(), types=types, nack_groups=self.session.nack_groups())


def _state(substream: Substream, now: float, has: bool) -> TypeState:
    oldest = substream.outstanding.oldest
    waiting = now - oldest.sent if oldest else None
    wanted = substream.subscription
    pending = tuple(sorted(substream.unacked())[:MAX_LISTED])
    return TypeState(wanted.wildcard, len(wanted.names), pending, waiting, substream.holdings() if has else {})
