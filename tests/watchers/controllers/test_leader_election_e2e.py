"""Leader election with a real Lease, real processes, and a broken network."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.watchers.cluster_actions import kill_api_server, ready
from tests.watchers.controllers.replica import Replica
from tests.watchers.relay import Relay
from translator.refs import Ref
from watchers.controllers.leader_election import LeaseTimings
from watchers.kubernetes.client import ApiClient

pytestmark = pytest.mark.e2e

TIMING = LeaseTimings(lease=3.0, deadline=2.0, retry=0.2)

PROCESS = """
import asyncio, sys
from watchers.controllers.leader_election import Election, LeaseTimings
from watchers.kubernetes.kubeconfig import Access, Target
from watchers.kubernetes.client import ApiClient

async def lead():
    print("leading", flush=True)
    await asyncio.Event().wait()

async def main(namespace, name):
    async with ApiClient(await Access.load(Target())) as client:
        await Election(client, namespace, "it", name, timings=LeaseTimings(3.0, 2.0, 0.2)).run(lead)

asyncio.run(main(*sys.argv[1:]))
"""


def replica(client: ApiClient, namespace: str, name: str) -> Replica:
    """Return a replica that competes for the lease of a namespace."""
    return Replica(client, Ref("Lease", namespace, "it"), name, TIMING)


async def lease(client: ApiClient, namespace: str) -> dict[str, Any]:
    """Return the spec of the Lease."""
    found = await client.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/it")
    spec: dict[str, Any] = found["spec"]
    return spec


async def until(true: Callable[[], bool]) -> None:
    """Wait until a condition is true that must become true."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 (another machine, as it were)
            await asyncio.sleep(0.02)


async def soon(event: asyncio.Event, seconds: float = 30) -> None:
    """Wait for an event that must occur."""
    await asyncio.wait_for(event.wait(), seconds)


async def test_another_replica_follows_a_stopped_leader_at_once(client: ApiClient, namespace: str) -> None:
    """The Lease is created, released, and acquired by the other replica before it would expire."""
    one, two = replica(client, namespace, "one"), replica(client, namespace, "two")
    async with one.standing(), two.standing():
        await until(lambda: one.election.leading or two.election.leading)
        first, second = (one, two) if one.election.leading else (two, one)
        await until(lambda: second.election.leader != "")
        assert (first.terms, second.terms) == (1, 0)
        assert (await lease(client, namespace))["holderIdentity"] == ("one" if first is one else "two")
        await first.stop()
        await soon(second.leads, TIMING.lease / 2)
        assert (await lease(client, namespace))["leaseTransitions"] == 2
    assert (await lease(client, namespace)).get("holderIdentity") is None


async def test_another_replica_follows_a_killed_leader(client: ApiClient, namespace: str) -> None:
    """A killed process releases nothing; another one leads when its lease has expired."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, namespace, "process", stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while (line := await process.stdout.readline()) != b"leading\n":
            assert line, "the process has ended"
    loop = asyncio.get_running_loop()
    next_one = replica(client, namespace, "next")
    async with next_one.standing():
        await until(lambda: next_one.election.leader == "process")
        assert next_one.terms == 0
        process.kill()
        killed = loop.time()
        await process.wait()
        await soon(next_one.leads)
        assert TIMING.deadline - TIMING.retry < loop.time() - killed < TIMING.lease + 3
        assert (await lease(client, namespace))["leaseTransitions"] == 2


async def test_a_leader_that_is_cut_off_steps_down_before_another_leads(
    client: ApiClient, relayed: ApiClient, relay: Relay, namespace: str
) -> None:
    """A leader without a network steps down in time; when the network is back, it can lead again."""
    one, two = replica(relayed, namespace, "one"), replica(client, namespace, "two")
    async with one.standing():
        await soon(one.leads)
        async with two.standing():
            relay.down = True
            relay.cut()
            await soon(one.idle)
            assert not two.election.leading
            assert not one.election.leading
            await soon(two.leads)
            relay.down = False
            await until(lambda: one.election.leader == "two")
            assert one.terms == 1
        await soon(one.leads)
        assert one.terms == 2


async def test_an_api_server_that_is_killed_leaves_one_leader(client: ApiClient, namespace: str) -> None:
    """After an outage of any length one replica leads, and never two at once."""
    one, two = replica(client, namespace, "one"), replica(client, namespace, "two")
    async with one.standing(), two.standing():
        await until(lambda: one.election.leading or two.election.leading)
        kill_api_server()
        await ready(client)
        async with asyncio.timeout(30):
            while True:
                leading = [each for each in (one, two) if each.election.leading]
                assert len(leading) < 2
                if leading and (await lease(client, namespace)).get("holderIdentity") == leading[0].name:
                    break
                await asyncio.sleep(0.05)
