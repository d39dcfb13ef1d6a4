"""Replicas that exchange records through a real API server. Run by `make e2e`."""

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
    """One of several, and the keys of which it was told that others say something else.

    Attributes:
        peers: what it hears and says.
        told: all those keys.
    """

    def __init__(self, client: ApiClient, namespace: str, name: str, **options: Any) -> None:
        self.peers = Peers(client, namespace, name, **options)
        self.peers.add_event_handler(self._take)
        self.told: set[str] = set()
        self._news = asyncio.Event()

    def _take(self, keys: Iterable[str]) -> None:
        self.told.update(keys)
        self._news.set()

    async def hears(self, wanted: Mapping[str, Sequence[object]]) -> None:
        """Wait until the others say exactly that of some keys."""
        async with asyncio.timeout(60):
            while {key: sorted(self.peers.records(key)) for key in wanted} != wanted:
                self._news.clear()
                await self._news.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Replica]:
        """While it speaks and listens."""
        task = asyncio.create_task(self.peers.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])


async def leases(client: ApiClient, namespace: str) -> dict[str, str]:
    """Who says something, by the names of the Leases."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    found = await client.get(path, query={"labelSelector": f"{LABEL}=true"})
    return {each["metadata"]["name"]: each["spec"]["holderIdentity"] for each in found["items"]}


async def test_each_hears_what_the_others_say(client: ApiClient, namespace: str) -> None:
    """What one says the others hear, but not itself; who stops in good order is forgotten at once, Leases and all."""
    async with Replica(client, namespace, "one").running() as one:
        async with Replica(client, namespace, "two").running() as two:
            one.peers.publish("a/b", 1)
            two.peers.publish("c/d", 2)
            await one.hears({"a/b": [], "c/d": [2]})
            await two.hears({"a/b": [1], "c/d": []})
            two.peers.publish("c/d", None)
            await one.hears({"c/d": []})
            two.peers.publish("c/d", 3)
            await one.hears({"c/d": [3]})
        await one.hears({"c/d": []})
        assert one.told == {"c/d"}
        assert set((await leases(client, namespace)).values()) == {"one"}
    assert await leases(client, namespace) == {}


async def test_ten_thousand_gateways(client: ApiClient, namespace: str) -> None:
    """What is too much for one Lease is said in several, all of it, and a change of one word is one more write."""
    async with Replica(client, namespace, "one").running() as one, Replica(client, namespace, "two").running() as two:
        two.peers.publish("a/b", 1)
        await one.hears({"a/b": [1]})
        names = [f"namespace-{number % 50}/gateway-{number}" for number in range(10_000)]
        for each in names:
            two.peers.publish(each, [1, True, []])
        await one.hears({"a/b": [1]} | {each: [[1, True, []]] for each in names})
        before = await versions(client, namespace)
        assert len(before) > 8
        two.peers.publish(names[0], [1, False, []])
        await one.hears({names[0]: [[1, False, []]]})
        after = await versions(client, namespace)
        # The first part is written now and then by itself.
        assert len({name for name in after if after[name] != before[name] and name.count("-") > 2}) <= 1
    assert await leases(client, namespace) == {}


async def versions(client: ApiClient, namespace: str) -> dict[str, str]:
    """Return the versions of all Leases."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in (await client.get(path))["items"]}


async def test_who_was_killed_is_buried(client: ApiClient, namespace: str) -> None:
    """A replica that was killed has no say any more once it has been silent for too long; all its Leases go."""
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
        await one.hears({"a/0": [0], "a/39": [39]})
        async with asyncio.timeout(60):
            while list(one.peers.records("a/0")) or "dead" in (await leases(client, namespace)).values():
                one.peers.publish("x/y", now)
                await asyncio.sleep(0.05)
        await one.hears({"a/0": [], "a/39": []})


async def test_an_api_server_that_is_killed_makes_nobody_forgotten(client: ApiClient, namespace: str) -> None:
    """Who lives is heard of all the time, though nobody could say anything for longer than it takes to be gone."""
    gone: list[str] = []
    skipped = 0.0
    loop = asyncio.get_running_loop()

    def clock() -> float:
        return loop.time() + skipped

    one = Replica(client, namespace, "one", clock=clock)
    async with one.running(), Replica(client, namespace, "two").running() as two:
        two.peers.publish("a/b", 1)
        await one.hears({"a/b": [1]})
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
        await one.hears({"a/b": [2]})
        watching.cancel()
    assert gone == []
