"""The watcher of modules."""

from __future__ import annotations

import pytest

from tests.watchers.polled import Polled, running
from translator.ir.modules import FetchedModule, FetchedSource, ModuleAtUrl
from watchers.modules import watcher as watcher_module
from watchers.modules.watcher import module_watcher

ONE, TWO = ModuleAtUrl("https://a.com/one", "1"), ModuleAtUrl("https://a.com/two", "2")
GOOD, NEWER = FetchedModule(b"good"), FetchedModule(b"newer")


async def test_the_module_fetched_last_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is told only as long as there is no module; afterwards the module stays until there is another."""
    monkeypatch.setattr(watcher_module, "FIRST_RETRY_SECONDS", 0.001)
    polled = Polled[FetchedSource, FetchedModule]({ONE: "down", TWO: GOOD})
    watcher = module_watcher(polled.fetch, polled.found, polled.sync, 0.001, lambda: 0.5)
    async with running(watcher):
        watcher.set_wanted(frozenset({ONE, TWO}))
        await polled.told.reaches(2)
        assert polled.known == {ONE: FetchedModule(error="down"), TWO: GOOD}
        assert polled.synced.count == 1
        polled.answers[TWO] = "down"
        await polled.fetched.reaches(polled.fetched.count + 5)
        assert polled.known[TWO] == GOOD
        polled.answers[TWO] = NEWER
        await polled.told.reaches(3)
        assert polled.known[TWO] == NEWER
        watcher.set_wanted(frozenset())
        await polled.told.reaches(5)
        assert polled.known == {ONE: None, TWO: None}


async def test_a_silent_server_holds_the_start_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module without a result is not known any more once the time of the start is over."""
    monkeypatch.setattr(watcher_module, "SYNC_SECONDS", 0.01)
    polled = Polled[FetchedSource, FetchedModule]()
    watcher = module_watcher(polled.fetch, polled.found, polled.sync)
    async with running(watcher):
        watcher.set_wanted(frozenset({ONE}))
        await polled.synced.reaches(1)
