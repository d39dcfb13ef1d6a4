"""Requests to a Gateway, single or continuous."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import aiohttp

from tests.e2e.kube import until

TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


async def status(
    address: str, host: str, port: int = 80, headers: Mapping[str, str] | None = None, path: str = "/"
) -> int:
    """Return the status of a request on a connection of its own; 0 if there is no answer."""
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            return await _status(session, address, host, port, headers, path)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0


async def _status(
    session: aiohttp.ClientSession,
    address: str,
    host: str,
    port: int,
    headers: Mapping[str, str] | None = None,
    path: str = "/",
) -> int:
    sent = {"Host": host, **(headers or {})}
    async with session.get(f"http://{address}:{port}{path}", headers=sent, allow_redirects=False) as response:
        await response.read()
        return response.status


async def answers(
    address: str,
    host: str,
    expected: int = 200,
    port: int = 80,
    seconds: float = 60,
    headers: Mapping[str, str] | None = None,
    path: str = "/",
) -> None:
    """Wait until requests, with these headers, are answered with a status."""

    async def read() -> bool:
        return await status(address, host, port, headers, path) == expected

    async def now() -> int:
        return await status(address, host, port, headers, path)

    await until(f"{expected} of {host} at {address}:{port}{path}", read, seconds, told=now)


@asynccontextmanager
async def traffic(address: str, host: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Counter[int]]:
    """Send requests all the time, about 50 a second on a few connections, and count the statuses of their answers.

    The state at the end of the block is among what is counted.
    A request without an answer counts as 0, and its error is printed, for whoever reads of a failure.
    """
    seen: Counter[int] = Counter()

    async def send() -> None:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            while True:
                try:
                    seen[await _status(session, address, host, 80, headers)] += 1
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    print(f"{datetime.now(UTC).isoformat()} {host} at {address}: {error!r}")
                    seen[0] += 1
                await asyncio.sleep(0.02)

    task = asyncio.create_task(send())
    try:
        yield seen
        # What the block has waited for is in the answer to a request that began after it: the second one from here.
        last = seen.total() + 2

        async def answered() -> bool:
            return task.done() or seen.total() >= last

        await until("a last answer", answered)
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task])
