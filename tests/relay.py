"""A TCP relay on loopback that counts what it carries, and can be slow: a network as bad as one wants."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Relay:
    """Carries connections to a port of loopback. Use as an async context manager.

    Attributes:
        port: where it listens.
        delay: seconds that each piece of data takes, each way.
        received: bytes that clients were sent by the server, TCP's own not counted.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.delay = 0.0
        self.received = 0
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Begins to listen."""
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
        # When the relay stops, asyncio's streams would make noise of the cancellation.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(
                self._carry(client, to_server, counted=False), self._carry(server, to_client, counted=True)
            )
        to_client.close()
        self._tasks.discard(task)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counted: bool) -> None:
        try:
            while data := await source.read(65536):
                if counted:
                    self.received += len(data)
                if self.delay:
                    await asyncio.sleep(self.delay)
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()
