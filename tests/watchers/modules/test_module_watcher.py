"""The watcher of modules."""

from __future__ import annotations

import asyncio

import pytest

from tests.watchers.loopback import Waiter
from translator.ir.modules import FetchedModule, FetchedSource, ModuleAtUrl
from watchers.modules import watcher as watcher_module
from watchers.modules.download import ModuleError
from watchers.modules.watcher import module_watcher

ONE, TWO = ModuleAtUrl("https://a.com/one", "1"), ModuleAtUrl("https://a.com/two", "2")
GOOD, NEWER = FetchedModule(b"good"), FetchedModule(b"newer")


async def test_the_module_fetched_last_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is told only as long as there is no module; afterwards the module stays until there is another."""
    monkeypatch.setattr(watcher_module, "FIRST_RETRY_SECONDS", 0.001)
    answers: dict[FetchedSource, FetchedModule | str] = {ONE: "down", TWO: GOOD}
    known: dict[FetchedSource, FetchedModule | None] = {}
    told, fetched, synced = Waiter(), Waiter(), Waiter()

    async def fetch(source: FetchedSource) -> FetchedModule:
        fetched.add()
        answer = answers[source]
        if isinstance(answer, str):
            raise ModuleError(answer)
        return answer

    def found(source: FetchedSource, value: FetchedModule | None) -> None:
        known[source] = value
        told.add()

    watcher = module_watcher(fetch, found, lambda: _count(synced), 0.001, lambda: 0.5)
    task = asyncio.create_task(watcher.run())
    watcher.set_wanted(frozenset({ONE, TWO}))
    await told.reaches(2)
    assert known == {ONE: FetchedModule(error="down"), TWO: GOOD}
    assert synced.count == 1
    answers[TWO] = "down"
    await fetched.reaches(fetched.count + 5)
    assert known[TWO] == GOOD
    answers[TWO] = NEWER
    await told.reaches(3)
    assert known[TWO] == NEWER
    watcher.set_wanted(frozenset())
    await told.reaches(5)
    assert known == {ONE: None, TWO: None}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_silent_server_holds_the_start_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module without a result is not known any more once the time of the start is over."""
    monkeypatch.setattr(watcher_module, "SYNC_SECONDS", 0.01)
    synced = Waiter()

    async def fetch(_: FetchedSource) -> FetchedModule:
        await asyncio.Event().wait()
        raise AssertionError

    watcher = module_watcher(fetch, lambda *_: None, lambda: _count(synced))
    task = asyncio.create_task(watcher.run())
    watcher.set_wanted(frozenset({ONE}))
    await synced.reaches(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def _count(waiter: Waiter) -> None:
    waiter.add()
