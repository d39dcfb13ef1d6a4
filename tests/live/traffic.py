"""Requests without a pause, while something changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from tests.live.proxy import Proxy

CLIENTS = 4


class Traffic:
    """Requests that go on all the time.

    Attributes:
        answers: how often each backend answered 200, or each other status came.
    """

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self._news = asyncio.Condition()

    @property
    def count(self) -> int:
        """How many requests were answered."""
        return self.answers.total()

    async def add(self, answer: str) -> None:
        """Count an answer."""
        async with self._news:
            self.answers[answer] += 1
            self._news.notify_all()

    async def until(self, happened: Callable[[], bool], within: float) -> None:
        """Wait until something has happened, which each answer may be a sign of; `within` is in seconds."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(happened)

    async def more(self, requests: int = 100, within: float = 30) -> None:
        """Wait for so many answers more; `within` is in seconds."""
        wanted = self.count + requests
        await self.until(lambda: self.count >= wanted, within)


@contextlib.asynccontextmanager
async def traffic(
    proxy: Proxy, path: str = "/", *, kept: bool = True, first: int = 100, **options: Any
) -> AsyncIterator[Traffic]:
    """Send requests without a pause while the block runs, which begins after so many first answers.

    They go over connections that are kept, or each over one of its own.
    """
    found, stop = Traffic(), asyncio.Event()

    async def keep_asking(http: aiohttp.ClientSession | None) -> None:
        while not stop.is_set():
            response = await proxy.request(path, http=http, **options)
            await found.add(response.backend if response.status == 200 else str(response.status))

    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(keep_asking(http if kept else None))
        try:
            await found.more(first)
            yield found
        finally:
            stop.set()
