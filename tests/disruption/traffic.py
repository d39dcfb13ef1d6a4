"""Requests to Gateways all the time, half of them on kept connections and half on new ones."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from tests.chaos.load import Load, Target
from tests.headgate.running import Headgate
from tests.headgate.waiting import eventually

RATE = 75.0
"""Requests a second on kept connections, and as many on new ones."""


@dataclass(frozen=True)
class Traffic:
    """The two loads.

    Attributes:
        kept: requests on kept connections.
        new: requests that each have a connection of their own.
    """

    kept: Load
    new: Load

    @property
    def failed(self) -> list[str]:
        """Every request that did not get its answer, also those that an HTTP client would send again."""
        again = [f"{self.kept.again} kept connections were closed under a request"] if self.kept.again else []
        return [*self.kept.wrong, *self.new.wrong, *again]

    async def passes(self, seconds: float) -> None:
        """Wait until as many requests have begun as do in this time."""
        until = self.new.sent + int(seconds * RATE)
        await eventually(lambda: self.new.sent >= until, within=seconds + 30)

    def __str__(self) -> str:
        failed = len(self.kept.wrong) + len(self.new.wrong) + self.kept.again
        sent = f"{self.kept.sent} requests on kept connections and {self.new.sent} on new ones"
        slowest = max(self.kept.slowest, self.new.slowest)
        return f"{failed} failed of {sent}, slowest {slowest * 1000:.0f} ms"


@contextlib.asynccontextmanager
async def traffic(*ports: int) -> AsyncIterator[Traffic]:
    """Ask for /a, which answers with its path, on these ports all the time; fail if any request fails."""
    targets = [Target(port, "/a", {"/a"}) for port in ports]
    both = Traffic(Load(targets, RATE), Load(targets, RATE, keep_alive=False))
    running = asyncio.gather(*(each.run(sys.maxsize) for each in (both.kept, both.new)))
    try:
        yield both
    finally:
        both.kept.stop()
        both.new.stop()
        await running
    assert not both.failed, "\n".join([str(both), *both.failed[:10]])


@contextlib.asynccontextmanager
async def probes(headgate: Headgate) -> AsyncIterator[list[float]]:
    """Ask /healthz all the time; give the seconds that each answer took, 503 being a failure."""
    took: list[float] = []

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                began = time.monotonic()
                async with session.get(f"http://127.0.0.1:{headgate.admin}/healthz") as response:
                    assert response.status == 200, await response.text()
                took.append(time.monotonic() - began)
                await asyncio.sleep(0.005)

    task = asyncio.create_task(ask())
    try:
        yield took
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def serves(port: int, path: str, within: float = 20) -> float:
    """Wait until a path answers with itself; return the seconds that it took."""
    began = time.monotonic()
    async with aiohttp.ClientSession() as session, asyncio.timeout(within):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                    if response.status == 200 and await response.text() == path:
                        return time.monotonic() - began
            await asyncio.sleep(0.002)
