"""The watcher of instances."""

from __future__ import annotations

import pytest

from tests.watchers.polled import Polled, running
from translator.ir.aws import FoundInstances, Instance, InstanceQuery
from watchers.ec2 import watcher as module
from watchers.ec2.watcher import instance_watcher

ONE, TWO = InstanceQuery("eu-west-1", (("a", None),)), InstanceQuery("eu-west-1", (("a", "b"),))
GOOD = FoundInstances((Instance("i-1", "10.0.0.1"),))


async def test_the_instances_found_last_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is told only as long as nothing is known; afterwards the instances stay until others are found."""
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.001)
    polled = Polled[InstanceQuery, FoundInstances]({ONE: "down", TWO: GOOD})
    watcher = instance_watcher(polled.fetch, polled.found, polled.sync, 0.001, lambda: 0.5)
    async with running(watcher):
        watcher.set_wanted(frozenset({ONE, TWO}))
        await polled.told.reaches(2)
        assert polled.known == {ONE: FoundInstances(error="down"), TWO: GOOD}
        assert polled.synced.count == 1
        polled.answers[TWO] = "down"
        await polled.fetched.reaches(polled.fetched.count + 5)
        assert polled.known[TWO] == GOOD
        polled.answers[ONE] = GOOD
        await polled.told.reaches(3)
        assert polled.known[ONE] == GOOD
        watcher.set_wanted(frozenset())
        await polled.told.reaches(5)
        assert polled.known == {ONE: None, TWO: None}


async def test_a_silent_aws_holds_up_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit the watcher is synced, whether or not all queries have a result."""
    monkeypatch.setattr(module, "SYNC_SECONDS", 0.01)
    polled = Polled[InstanceQuery, FoundInstances]()
    watcher = instance_watcher(polled.fetch, polled.found, polled.sync)
    async with running(watcher):
        watcher.set_wanted(frozenset({ONE}))
        await polled.synced.reaches(1)
