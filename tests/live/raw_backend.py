"""A backend that is a function of its connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class RawBackend:
    """A server on a loopback port.

    Attributes:
        opened: how many connections there were.
        first: the first bytes of each, up to the end of the headers of its first request.
        closed: how many of them the proxy has closed.
    """

    def __init__(self, answer: bytes = EMPTY, serve: Serve | None = None) -> None:
        self.port = 0
        self.answer = answer
        self.opened, self.closed = 0, 0
        self.first: list[bytes] = []
        self.requests = 0
        self._serve = serve
        self._news = asyncio.Condition()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each request."""
        async with self._news:
            self.opened += 1
            self._news.notify_all()
        try:
            if self._serve is not None:
                await self._serve(reader, writer)
            while head := await reader.readuntil(b"\r\n\r\n"):
                async with self._news:
                    self.requests += 1
                    if len(self.first) < self.opened:
                        self.first.append(head)
                    self._news.notify_all()
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            async with self._news:
                self.closed += 1
                self._news.notify_all()
        finally:
            writer.close()

    async def until(self, happened: Callable[[], bool], within: float = 15) -> None:
        """Wait until something has happened, which each connection may be a sign of; `within` is in seconds."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(happened)


@contextlib.asynccontextmanager
async def raw_backend(answer: bytes = EMPTY, serve: Serve | None = None) -> AsyncIterator[RawBackend]:
    """Run a backend that gives each request an answer, unless `serve` does it."""
    made = RawBackend(answer, serve)
    async with await asyncio.start_server(made.handle, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made
