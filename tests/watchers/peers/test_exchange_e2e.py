"""Replicas that exchange records by a real API server. Run by `make e2e`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.watchers.cluster_actions import kill_api_server, ready
from watchers.kubernetes.client import ApiClient
from watchers.peers.exchange import LABEL, Peers
from watchers.peers.shards import ShardedRecords

pytestmark = pytest.mark.e2e


class Replica:
    """A replica, with the keys of changed records of others.

    Attributes:
        peers: its exchange.
        changed: the keys.
    """

    def __init__(self, client: ApiClient, namespace: str, name: str, **options: Any) -> None:
        self.peers = Peers(client, namespace, name, **options)
        self.peers.add_event_handler(self._take)
        self.changed: set[str] = set()
        self._event = asyncio.Event()

    def _take(self, keys: Iterable[str]) -> None:
        self.changed.update(keys)
        self._event.set()

    async def receives(self, wanted: Mapping[str, Sequence[object]]) -> None:
        """Wait until the others' records of some keys are these."""
        async with asyncio.timeout(60):
            while {key: sorted(self.peers.records(key)) for key in wanted} != wanted:
                self._event.clear()
                await self._event.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Replica]:
        """Run the exchange while the block runs."""
        task = asyncio.create_task(self.peers.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])


async def leases(client: ApiClient, namespace: str) -> dict[str, str]:
    """Return the identity of the replica of each Lease."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    found = await client.get(path, query={"labelSelector": f"{LABEL}=true"})
    return {each["metadata"]["name"]: each["spec"]["holderIdentity"] for each in found["items"]}


async def test_replicas_exchange_records(client: ApiClient, namespace: str) -> None:
    """Each replica gets the records of the others, not its own; those of a stopped one are removed at once."""
    async with Replica(client, namespace, "one").running() as one:
        async with Replica(client, namespace, "two").running() as two:
            one.peers.publish("a/b", 1)
            two.peers.publish("c/d", 2)
            await one.receives({"a/b": [], "c/d": [2]})
            await two.receives({"a/b": [1], "c/d": []})
            two.peers.publish("c/d", None)
            await one.receives({"c/d": []})
            two.peers.publish("c/d", 3)
            await one.receives({"c/d": [3]})
        await one.receives({"c/d": []})
        assert one.changed == {"c/d"}
        assert set((await leases(client, namespace)).values()) == {"one"}
    assert await leases(client, namespace) == {}


async def test_ten_thousand_gateways(client: ApiClient, namespace: str) -> None:
    """Records that exceed one Lease are published in several, and a changed record is one write."""
    async with Replica(client, namespace, "one").running() as one, Replica(client, namespace, "two").running() as two:
        two.peers.publish("a/b", 1)
        await one.receives({"a/b": [1]})
        names = [f"namespace-{number % 50}/gateway-{number}" for number in range(10_000)]
        for each in names:
            two.peers.publish(each, [1, True, []])
        await one.receives({"a/b": [1]} | {each: [[1, True, []]] for each in names})
        before = await versions(client, namespace)
        assert len(before) > 8
        two.peers.publish(names[0], [1, False, []])
        await one.receives({names[0]: [[1, False, []]]})
        after = await versions(client, namespace)
        # The first shard is also written periodically, as a heartbeat.
        assert len({name for name in after if after[name] != before[name] and name.count("-") > 2}) <= 1
    assert await leases(client, namespace) == {}


async def versions(client: ApiClient, namespace: str) -> dict[str, str]:
    """Return the resource versions of all Leases."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in (await client.get(path))["items"]}


async def test_a_killed_replica_expires(client: ApiClient, namespace: str) -> None:
    """The records of a killed replica are dropped after its expiry, and its Leases deleted."""
    now = 0.0

    def fast() -> float:
        """Return a time in which ten seconds pass whenever something comes."""
        nonlocal now
        now += 10.0
        return now

    dead = Replica(client, namespace, "dead", records=ShardedRecords(max_bytes=64)).peers
    for number in range(40):
        dead.publish(f"a/{number}", number)
    assert await dead._write_all()
    assert len(await leases(client, namespace)) > 3
    one = Replica(client, namespace, "one", clock=fast)
    async with one.running():
        await one.receives({"a/0": [0], "a/39": [39]})
        async with asyncio.timeout(60):
            while list(one.peers.records("a/0")) or "dead" in (await leases(client, namespace)).values():
                one.peers.publish("x/y", now)
                await asyncio.sleep(0.05)
        await one.receives({"a/0": [], "a/39": []})


async def test_an_api_server_outage_expires_no_replica(client: ApiClient, namespace: str) -> None:
    """No replica expires during an outage of the API server that is longer than the expiry."""
    gone: list[str] = []
    skipped = 0.0
    loop = asyncio.get_running_loop()

    def clock() -> float:
        return loop.time() + skipped

    one = Replica(client, namespace, "one", clock=clock)
    async with one.running(), Replica(client, namespace, "two").running() as two:
        two.peers.publish("a/b", 1)
        await one.receives({"a/b": [1]})
        kill_api_server()
        skipped = 1000.0
        await ready(client)
        two.peers.publish("a/b", 2)

        async def watch() -> None:
            while True:
                if not list(one.peers.records("a/b")):
                    gone.append("gone")
                await asyncio.sleep(0.01)

        watching = asyncio.create_task(watch())
        await one.receives({"a/b": [2]})
        watching.cancel()
    assert gone == []
