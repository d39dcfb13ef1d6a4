"""Servers on loopback, which answer as tests want, and counts that tests wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """Run a server that answers every request in one way, and yield its URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def endless(request: web.Request) -> web.StreamResponse:
    """Answer without an end, until the client closes the connection."""
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b" " * 5000)
    except ConnectionError:
        return response


class Waiter:
    """Counts, and lets tests wait for a number."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    def add(self) -> int:
        """Count one more; return how many these are."""
        self.count += 1
        self._changed.set()
        return self.count

    async def reaches(self, count: int) -> None:
        """Wait until so many are counted."""
        async with asyncio.timeout(15):
            while self.count < count:
                self._changed.clear()
                await self._changed.wait()
