"""The upstream of measured routes: a process that answers every request with 200."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
END = b"\r\n\r\n"


class _Answer(asyncio.Protocol):
    """Answers requests without a body."""

    def __init__(self, response: bytes) -> None:
        self._response = response

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        *requests, self._received = self._received.split(END)
        self._transport.write(self._response * len(requests))


def _serve(link: Connection, response: bytes) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(partial(_Answer, response), "127.0.0.1", 0)
        link.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def upstream(response: bytes = RESPONSE) -> Iterator[int]:
    """Run the upstream, which gives a response; yield its port on loopback."""
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(theirs, response), daemon=True)
    process.start()
    try:
        port: int = ours.recv()
        yield port
    finally:
        process.kill()
        process.join()
