"""Replicas that tell each other what they know, through a real API server. Run by `make e2e`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from watchers.kubernetes.client import Client
from watchers.peers import SILENCE_SECONDS, Peers

pytestmark = pytest.mark.e2e


@asynccontextmanager
async def replica(
    client: Client, namespace: str, name: str, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[tuple[Peers, asyncio.Queue[None]]]:
    """A replica, and a queue that gets an entry for each change of what the others say."""
    changes: asyncio.Queue[None] = asyncio.Queue()
    peers = Peers(client, namespace, name, lambda: changes.put_nowait(None), clock=clock)
    running = asyncio.create_task(peers.run())
    try:
        yield peers, changes
    finally:
        running.cancel()
        await asyncio.wait([running])


async def heard(peers: Peers, changes: asyncio.Queue[None], wanted: object) -> None:
    """Waits until a replica has heard exactly that."""
    async with asyncio.timeout(20):
        while list(peers.others) != wanted:
            await changes.get()


async def test_each_hears_what_the_others_say(client: Client, namespace: str) -> None:
    """What one says the others hear, but not itself; who stops in good order is forgotten at once."""
    async with replica(client, namespace, "one") as (one, changes):
        async with replica(client, namespace, "two") as (two, others):
            one.say({"a/b": [1, True, []]})
            two.say({"c/d": [2, False, []]})
            await heard(one, changes, [{"c/d": [2, False, []]}])
            await heard(two, others, [{"a/b": [1, True, []]}])
            two.say({})
            await heard(one, changes, [{}])
        await heard(one, changes, [])


async def test_who_is_silent_for_long_is_gone(client: Client, namespace: str) -> None:
    """A replica that was killed has no say any more once it has been silent for too long."""
    now = 0.0
    async with replica(client, namespace, "one", lambda: now) as (one, changes):
        dead = Peers(client, namespace, "two", lambda: None)
        dead.say({"a/b": [1, True, []]})
        assert await dead._write()
        await heard(one, changes, [{"a/b": [1, True, []]}])
        now += SILENCE_SECONDS
        assert one.others == ()


async def test_more_than_a_lease_holds_is_not_said(client: Client, namespace: str) -> None:
    """Too much to say is nothing said, instead of an error for ever."""
    async with replica(client, namespace, "one") as (one, changes), replica(client, namespace, "two") as (two, _):
        two.say({"a/b": [1, True, []]})
        await heard(one, changes, [{"a/b": [1, True, []]}])
        two.say({"a/b": "x" * 300_000})
        await heard(one, changes, [{}])
