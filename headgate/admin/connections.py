"""Connections of the admin server, limited in number and duration, so that no client keeps others out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from headgate.process.address import Address

MAX_CONNECTIONS = 64
"""Most connections at a time; for a further one the oldest is closed, so that probes always get through."""
CONNECTION_SECONDS = 120.0
"""A connection is closed after so many seconds, whatever it does."""
IDLE_SECONDS = 60.0
"""A connection on which nothing is asked is closed after so many seconds."""
STOP_SECONDS = 1.0
"""A stop waits so long for answers that are under way."""
BACKLOG = 1024
"""So many connections may wait to be taken, if the kernel allows it. Beyond them it drops the next, and who connects
tries again only after a second: a probe among many connections would come too late."""

# What clients send wrong, or do not wait for, is no error of Headgate's. aiohttp logs a traceback for each, with which
# whoever reaches the address could fill the disk. Bugs in pages are told before they come here.
_quiet = logging.getLogger("headgate.admin.connections")
_quiet.setLevel(logging.CRITICAL)


@contextlib.asynccontextmanager
async def listening(application: web.Application, address: Address) -> AsyncIterator[None]:
    """Answer on an address for as long as the context lasts.

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
        """Begin with none.

        Args:
            server: Makes the protocols, and knows which are connected.
        """
        self._server = server

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection; the oldest ones make room for it."""
        for each in self._server.connections[: 1 - MAX_CONNECTIONS or None]:
            _abort(each)
        made = self._server()
        asyncio.get_running_loop().call_later(CONNECTION_SECONDS, _abort, made)
        return made


def _abort(connection: web.RequestHandler) -> None:
    """Close a connection, also one whose client does not read."""
    if isinstance(connection.transport, asyncio.Transport):
        connection.transport.abort()
