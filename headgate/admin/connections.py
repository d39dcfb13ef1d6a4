"""Connections of the admin server, limited in number and duration, so that no client starves others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from headgate.process.address import Address

MAX_CONNECTIONS = 64
"""The limit of open connections; a further one closes the oldest, so that probes always get through."""
CONNECTION_SECONDS = 120.0
"""The limit of a connection's lifetime, active or not."""
IDLE_SECONDS = 60.0
"""The limit of the time that a connection waits for a request."""
STOP_SECONDS = 1.0
"""The time that a shutdown waits for responses in progress."""
BACKLOG = 1024
"""The listen backlog, if the kernel allows it. When it is full, the kernel drops the SYN of the next connection, and
the client retries it only after a second: too late for a probe."""

# Malformed requests and closed connections are no errors of Headgate's. aiohttp logs a traceback for each, by which
# any client could fill the disk. Bugs in handlers are logged by a middleware of the server.
_quiet = logging.getLogger("headgate.admin.connections")
_quiet.setLevel(logging.CRITICAL)


@contextlib.asynccontextmanager
async def listening(application: web.Application, address: Address) -> AsyncIterator[None]:
    """Serve an application on an address for as long as the context lasts.

    Raises:
        OSError: the address cannot be bound.
    """
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=_quiet,
        keepalive_timeout=IDLE_SECONDS,
        shutdown_timeout=STOP_SECONDS,
    )
    await runner.setup()
    assert runner.server is not None
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(Connections(runner.server), address.host, address.port, backlog=BACKLOG)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


class Connections:
    """A factory of connection protocols that enforces the limits."""

    def __init__(self, server: web.Server) -> None:
        """Create the factory.

        Args:
            server: makes the protocols, and knows which are connected.
        """
        self._server = server

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection, and close the oldest connections above the limit."""
        for each in self._server.connections[: 1 - MAX_CONNECTIONS or None]:
            _abort(each)
        made = self._server()
        asyncio.get_running_loop().call_later(CONNECTION_SECONDS, _abort, made)
        return made


def _abort(connection: web.RequestHandler) -> None:
    """Close a connection without a flush, which would wait for a client that does not read."""
    if isinstance(connection.transport, asyncio.Transport):
        connection.transport.abort()
