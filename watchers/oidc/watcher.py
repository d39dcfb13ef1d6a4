"""Follows the metadata of all issuers that are asked for: fetches it, refreshes it, keeps the last that was good."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from translator.ir.oidc import Discovered, ProviderMetadata
from watchers.kubernetes.backoff import Backoff
from watchers.oidc.document import DiscoveryError

REFRESH_SECONDS: Final = 600.0
"""Seconds after which metadata is fetched again, on average."""
JITTER: Final = 0.2
"""The share of these seconds by which a pause is longer or shorter, at random: many replicas ask one issuer."""
FIRST_RETRY_SECONDS: Final = 1.0
"""Seconds until the next attempt after the first one has failed; they double."""
MOST_RETRY_SECONDS: Final = 60.0
"""Most seconds between two attempts while there is no metadata, or it cannot be refreshed."""

SYNC_SECONDS: Final = 10.0
"""Seconds after the start for which the absence of a result means nothing; then issuers without one are not known."""

log = structlog.stdlib.get_logger("headgate")

Fetch = Callable[[str], Awaitable[ProviderMetadata]]
"""Returns the metadata of an issuer, or raises `DiscoveryError`."""


class DiscoveryWatcher:
    """Follows the metadata of issuers.

    Args:
        fetch: fetches the metadata of an issuer.
        discovered: takes an issuer with the result of its discovery; None once nobody asks for it any more.
        synced: called once, when each issuer that was asked for at first has a result, or `SYNC_SECONDS` are over: a
            missing result means from then on that an issuer is not known.
        refresh_seconds: the seconds between two fetches of good metadata.
        draw: returns a random number from 0 to 1.
    """

    def __init__(
        self,
        fetch: Fetch,
        discovered: Callable[[str, Discovered | None], None],
        synced: Callable[[], None] = lambda: None,
        refresh_seconds: float = REFRESH_SECONDS,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._fetch = fetch
        self._discovered = discovered
        self._synced: Callable[[], None] | None = synced
        self._refresh_seconds = refresh_seconds
        self._draw = draw
        self._issuers: frozenset[str] | None = None
        self._results: dict[str, Discovered] = {}
        self._changed = asyncio.Event()

    def set_wanted(self, issuers: frozenset[str]) -> None:
        """Set the issuers that are asked for; the results of others are forgotten."""
        if issuers != self._issuers:
            self._issuers = issuers
            self._changed.set()

    async def run(self) -> None:
        """Follow the issuers until cancelled."""
        following: dict[str, asyncio.Task[None]] = {}
        asyncio.get_running_loop().call_later(SYNC_SECONDS, self._note_synced, True)
        async with asyncio.TaskGroup() as group:
            while True:
                await self._changed.wait()
                self._changed.clear()
                wanted = self._issuers or frozenset()
                for issuer in following.keys() - wanted:
                    following.pop(issuer).cancel()
                    if self._results.pop(issuer, None) is not None:
                        self._discovered(issuer, None)
                for issuer in sorted(wanted - following.keys()):
                    following[issuer] = group.create_task(self._follow(issuer), name=f"discovery of {issuer}")
                self._note_synced()

    async def _follow(self, issuer: str) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, MOST_RETRY_SECONDS, self._draw)
        while True:
            try:
                found = Discovered(await self._fetch(issuer))
            except DiscoveryError as error:
                before = self._results.get(issuer)
                if before is None or before.metadata is None:
                    found = Discovered(error=str(error))
                else:
                    found = before
                    log.warning("Discovery failed; what it found before stays in use", issuer=issuer, error=str(error))
                pause = backoff.next()
            else:
                backoff.reset()
                pause = refresh_pause(self._refresh_seconds, self._draw())
            if self._results.get(issuer) != found:
                self._results[issuer] = found
                self._discovered(issuer, found)
                self._note_synced()
            await asyncio.sleep(pause)

    def _note_synced(self, overdue: bool = False) -> None:
        """Report once that all that was asked for has a result, or should have one."""
        complete = self._issuers is not None and self._issuers <= self._results.keys()
        if self._synced is not None and (complete or overdue):
            synced, self._synced = self._synced, None
            synced()


def refresh_pause(seconds: float, drawn: float) -> float:
    """Return the pause until the next fetch of good metadata: `seconds`, longer or shorter by up to `JITTER`."""
    return seconds * (1 + JITTER * (2 * drawn - 1))
