"""The watcher of issuers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.watchers.loopback import Waiter
from tests.watchers.polled import running
from translator.ir.oidc import Discovered, ProviderMetadata
from watchers.oidc import watcher as module
from watchers.oidc.document import DiscoveryError
from watchers.oidc.watcher import DiscoveryWatcher
from watchers.polling import refresh_pause

ONE, TWO = "https://one.example.com", "https://two.example.com"


class Issuers:
    """Issuers, of which some cannot be read now, with what a watcher found out about them.

    Attributes:
        down: those that cannot be read, with the error.
        found: what the watcher said last of each.
        told: counts what it said.
        fetched: counts what it fetched.
        synced: how often it said that it is synced.
    """

    def __init__(self) -> None:
        self.down: dict[str, str] = {}
        self.found: dict[str, Discovered] = {}
        self.told, self.fetched = Waiter(), Waiter()
        self.synced = 0
        self.version = 1

    def metadata(self) -> ProviderMetadata:
        """Return the metadata of an issuer that can be read."""
        return ProviderMetadata(f"https://auth/{self.version}", "https://token")

    async def fetch(self, issuer: str) -> ProviderMetadata:
        """Fetch the metadata."""
        self.fetched.add()
        if issuer in self.down:
            raise DiscoveryError(self.down[issuer])
        return self.metadata()

    def discovered(self, issuer: str, found: Discovered | None) -> None:
        """Take what the watcher says."""
        if found is None:
            del self.found[issuer]
        else:
            self.found[issuer] = found
        self.told.add()

    def sync(self) -> None:
        """Take that the watcher is synced."""
        self.synced += 1
        self.told.add()


@asynccontextmanager
async def watching(issuers: Issuers, refresh: float = 0.001) -> AsyncIterator[DiscoveryWatcher]:
    """Run a watcher."""
    watcher = DiscoveryWatcher(issuers.fetch, issuers.discovered, issuers.sync, refresh, lambda: 0.5)
    async with running(watcher):
        yield watcher


async def test_issuers_that_are_asked_for() -> None:
    """Each issuer that is asked for has a result, and none that is asked for no more."""
    issuers = Issuers()
    async with watching(issuers, refresh=1000) as watcher:
        watcher.set_wanted(frozenset({ONE}))
        await issuers.told.reaches(2)
        assert issuers.found == {ONE: Discovered(issuers.metadata())}
        assert issuers.synced == 1
        watcher.set_wanted(frozenset({TWO}))
        await issuers.told.reaches(4)
        assert issuers.found.keys() == {TWO}
        watcher.set_wanted(frozenset())
        await issuers.told.reaches(5)
        assert not issuers.found
        assert (issuers.synced, issuers.fetched.count) == (1, 2)


async def test_an_issuer_that_is_down_and_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of an issuer is its result until it can be read; an error with other words replaces it."""
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.001)
    issuers = Issuers()
    issuers.down[ONE] = "HTTP 503"
    async with watching(issuers) as watcher:
        watcher.set_wanted(frozenset({ONE}))
        await issuers.told.reaches(2)
        assert issuers.found[ONE] == Discovered(error="HTTP 503")
        issuers.down[ONE] = "HTTP 500"
        await issuers.told.reaches(3)
        assert issuers.found[ONE] == Discovered(error="HTTP 500")
        issuers.down.clear()
        await issuers.told.reaches(4)
        assert issuers.found[ONE] == Discovered(issuers.metadata())


async def test_the_last_good_metadata_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata is fetched again; while that fails the last stays, and what is new replaces it."""
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 0.001)
    issuers = Issuers()
    async with watching(issuers) as watcher:
        watcher.set_wanted(frozenset({ONE}))
        await issuers.fetched.reaches(3)
        good = Discovered(issuers.metadata())
        issuers.down[ONE] = "HTTP 503"
        await issuers.fetched.reaches(issuers.fetched.count + 3)
        assert issuers.found[ONE] == good
        assert issuers.told.count == 2
        issuers.version = 2
        issuers.down.clear()
        await issuers.told.reaches(3)
        assert issuers.found[ONE] == Discovered(issuers.metadata()) != good


async def test_synced_without_issuers() -> None:
    """If no issuer is asked for at first, nothing is waited for."""
    issuers = Issuers()
    async with watching(issuers) as watcher:
        watcher.set_wanted(frozenset())
        await issuers.told.reaches(1)
        assert issuers.synced == 1


async def test_a_silent_issuer_holds_up_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit the watcher is synced, whether or not all issuers have a result."""
    monkeypatch.setattr(module, "SYNC_SECONDS", 0.01)
    issuers, never = Issuers(), asyncio.Event()

    async def fetch(issuer: str) -> ProviderMetadata:
        await never.wait()
        return issuers.metadata()

    issuers.fetch = fetch  # type: ignore[method-assign]
    async with watching(issuers) as watcher:
        watcher.set_wanted(frozenset({ONE}))
        await issuers.told.reaches(1)
        assert (issuers.synced, issuers.found) == (1, {})


@pytest.mark.parametrize(("drawn", "pause"), [(0.0, 80.0), (0.5, 100.0), (1.0, 120.0)])
def test_pauses_differ_at_random(drawn: float, pause: float) -> None:
    """Replicas that start together do not ask an issuer together: a pause is up to a fifth longer or shorter."""
    assert refresh_pause(100, drawn) == pytest.approx(pause)
