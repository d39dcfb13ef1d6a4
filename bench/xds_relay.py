"""A TCP relay on loopback that counts what it carries."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Relay:
    """Carries connections to a server on loopback. Use as an async context manager.

    Attributes:
        port: where it listens.
        received: bytes that clients were sent by the server, TCP's own not counted.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.received = 0
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        self._server.close()
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(self._carry(client, to_server, 0), self._carry(server, to_client, 1))
        except asyncio.CancelledError:
            pass  # the relay stops; asyncio's streams would make noise of it
        finally:
            self._tasks.discard(task)
            to_server.close()
            to_client.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, counted: int) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                self.received += counted * len(data)
                sink.write(data)
                await sink.drain()
            sink.write_eof()
