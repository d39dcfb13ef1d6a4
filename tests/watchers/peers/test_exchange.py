"""When a replica writes its records: with an API server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from tests import virtual_time
from tests.watchers.cluster_api import ClusterApi
from watchers.peers.exchange import SYNC_ANNOTATION, Peers
from watchers.peers.membership import RENEWAL_SECONDS


class Exchanging:
    """A replica that exchanges records, alone.

    Attributes:
        peers: its exchange.
    """

    def __init__(self) -> None:
        self._api = ClusterApi()
        self.peers = Peers(self._api, "headgate-system", "one")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Exchanging]:
        """Run it; it has made its first write."""
        task = asyncio.create_task(self.peers.run())
        await asyncio.sleep(1)
        self.writes()
        yield self
        task.cancel()
        await asyncio.wait([task])

    def writes(self) -> int:
        """Return the number of writes since the last call."""
        count = sum(each.verb == "patch" for each in self._api.requests)
        self._api.requests.clear()
        return count

    def written(self) -> Any:
        """Return the records that other replicas see."""
        (lease,) = (raw for (plural, *_), raw in self._api.objects.items() if plural == "leases")
        return orjson.loads(lease["metadata"]["annotations"][SYNC_ANNOTATION])


@virtual_time.passes
async def test_records_that_nobody_waits_for_are_written_together() -> None:
    """Records with time are written once, in time for the first of them."""
    async with Exchanging().running() as one:
        for number in range(4):
            one.peers.publish("key", number, within=2.0)
            await asyncio.sleep(0.4)
        assert one.writes() == 0
        await asyncio.sleep(0.5)
        assert (one.writes(), one.written()) == (1, {"key": 3})


@virtual_time.passes
async def test_an_urgent_record_takes_the_others_along() -> None:
    """A record without time is written at once, together with those that wait, which are not written again."""
    async with Exchanging().running() as one:
        one.peers.publish("key", 1, within=2.0)
        await asyncio.sleep(0.5)
        one.peers.publish("other", 2)
        await asyncio.sleep(0.01)
        assert (one.writes(), one.written()) == (1, {"key": 1, "other": 2})
        await asyncio.sleep(RENEWAL_SECONDS - 1)
        assert one.writes() == 0
        one.peers.publish("key", 3, within=0.2)
        await asyncio.sleep(0.3)
        assert (one.writes(), one.written()) == (1, {"key": 3, "other": 2})
