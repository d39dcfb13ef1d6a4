"""A backend of HTTP/2 that shows its frames (RFC 9113), or of HTTP/1.1 where that is what it is spoken to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from tests.live.http2 import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)

OK: Final = b"\x88"
"""The status 200, in HPACK."""
INVALID: Final = OK + b"\x00\x03Bad\x01x"
"""The same and a header whose name has a capital letter, which HTTP/2 does not have."""
INITIAL_WINDOW: Final = 4


@dataclass
class FrameConnection:
    """A connection.

    Attributes:
        version: "2" or "1.1".
        settings: those that the proxy sent, by their numbers.
        windows: by how much the proxy has raised the windows, by stream; that of the connection is 0.
        pings: how many pings came.
        streams: the streams of requests.
        closed: set once it is closed.
    """

    version: str
    settings: dict[int, int] = field(default_factory=dict)
    windows: dict[int, int] = field(default_factory=dict)
    pings: int = 0
    streams: list[int] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class FrameBackend:
    """A backend that answers 200 to each request, once `go_on` is set.

    Attributes:
        connections: those so far.
        pongs: whether it answers pings.
        response: the headers of its responses.
    """

    port: int = 0
    connections: list[FrameConnection] = field(default_factory=list)
    pongs: bool = True
    response: bytes = OK
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def requests(self) -> int:
        """How many requests of HTTP/2 came."""
        return sum(len(each.streams) for each in self.connections)

    @property
    def pings(self) -> int:
        """How many pings came."""
        return sum(each.pings for each in self.connections)

    async def until(self, count: str, wanted: int, within: float = 15) -> None:
        """Wait until there are so many `requests`, `pings`, or `connections`."""

        def reached() -> bool:
            found = getattr(self, count)
            return (found if isinstance(found, int) else len(found)) >= wanted

        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(reached)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            begin = await reader.readexactly(len(PREFACE))
            connection = FrameConnection("2" if begin == PREFACE else "1.1")
            await self._add(connection)
            try:
                await (self._frames(connection, reader, writer) if begin == PREFACE else self._http1(reader, writer))
            finally:
                connection.closed.set()
        writer.close()

    async def _add(self, connection: FrameConnection) -> None:
        async with self._news:
            self.connections.append(connection)
            self._news.notify_all()

    async def _http1(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    async def _frames(
        self, connection: FrameConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(frame(SETTINGS, 0, 0))
        answers = set[asyncio.Task[None]]()
        while True:
            head = await reader.readexactly(9)
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            async with self._news:
                self._note(connection, kind, flags, stream, payload)
                self._news.notify_all()
            if kind == SETTINGS and not flags & ACK:
                writer.write(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK and self.pongs:
                writer.write(frame(PING, ACK, 0, payload))
            elif kind == HEADERS:
                answers.add(asyncio.create_task(self._answer(writer, stream)))

    def _note(self, connection: FrameConnection, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            for place in range(0, len(payload), 6):
                number = int.from_bytes(payload[place : place + 2], "big")
                connection.settings[number] = int.from_bytes(payload[place + 2 : place + 6], "big")
        elif kind == WINDOW_UPDATE:
            connection.windows[stream] = connection.windows.get(stream, 0) + int.from_bytes(payload, "big")
        elif kind == PING and not flags & ACK:
            connection.pings += 1
        elif kind == HEADERS:
            connection.streams.append(stream)

    async def _answer(self, writer: asyncio.StreamWriter, stream: int) -> None:
        await self.go_on.wait()
        writer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, self.response))


@contextlib.asynccontextmanager
async def frame_backend() -> AsyncIterator[FrameBackend]:
    """Run a backend that answers at once."""
    made = FrameBackend()
    made.go_on.set()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made
