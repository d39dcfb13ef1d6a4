"""Servers of ASGI applications, in the event loop of the tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn


class UnsignalledServer(uvicorn.Server):
    """A server that leaves the signals of the process alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


@contextlib.asynccontextmanager
async def served_application(application: Any, port: int) -> AsyncIterator[None]:
    """Serve an application on a port of loopback."""
    config = uvicorn.Config(application, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1)
    server = UnsignalledServer(config)
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - it tells nobody when it listens
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await running
