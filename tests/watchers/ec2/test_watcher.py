"""The watcher of instances."""

from __future__ import annotations

import asyncio

import pytest

from tests.watchers.loopback import Waiter
from translator.ir.aws import FoundInstances, Instance, InstanceQuery
from watchers.ec2 import watcher as module
from watchers.ec2.watcher import instance_watcher
from watchers.polling import PollError

ONE, TWO = InstanceQuery("eu-west-1", (("a", None),)), InstanceQuery("eu-west-1", (("a", "b"),))
GOOD = FoundInstances((Instance("i-1", "10.0.0.1"),))


def _count(waiter: Waiter) -> None:
    waiter.add()


async def test_the_instances_found_last_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is told only as long as nothing is known; afterwards the instances stay until others are found."""
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.001)
    answers: dict[InstanceQuery, FoundInstances | str] = {ONE: "down", TWO: GOOD}
    known: dict[InstanceQuery, FoundInstances | None] = {}
    told, fetched, synced = Waiter(), Waiter(), Waiter()

    async def fetch(asked: InstanceQuery) -> FoundInstances:
        fetched.add()
        answer = answers[asked]
        if isinstance(answer, str):
            raise PollError(answer)
        return answer

    def found(asked: InstanceQuery, value: FoundInstances | None) -> None:
        known[asked] = value
        told.add()

    watcher = instance_watcher(fetch, found, lambda: _count(synced), 0.001, lambda: 0.5)
    task = asyncio.create_task(watcher.run())
    watcher.set_wanted(frozenset({ONE, TWO}))
    await told.reaches(2)
    assert known == {ONE: FoundInstances(error="down"), TWO: GOOD}
    assert synced.count == 1
    answers[TWO] = "down"
    await fetched.reaches(fetched.count + 5)
    assert known[TWO] == GOOD
    answers[ONE] = GOOD
    await told.reaches(3)
    assert known[ONE] == GOOD
    watcher.set_wanted(frozenset())
    await told.reaches(5)
    assert known == {ONE: None, TWO: None}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_silent_aws_holds_up_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit the watcher is synced, whether or not all queries have a result."""
    monkeypatch.setattr(module, "SYNC_SECONDS", 0.01)
    synced, never = Waiter(), asyncio.Event()

    async def fetch(_: InstanceQuery) -> FoundInstances:
        await never.wait()
        return GOOD

    watcher = instance_watcher(fetch, lambda *_: None, lambda: _count(synced))
    task = asyncio.create_task(watcher.run())
    watcher.set_wanted(frozenset({ONE}))
    await synced.reaches(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
