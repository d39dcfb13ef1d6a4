"""Follows whatever is asked for and can only be polled: fetches it, fetches it again, keeps the last that was good."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

import structlog

from watchers.kubernetes.backoff import Backoff

JITTER: Final = 0.2
"""The share of a pause by which it is longer or shorter, at random: many replicas ask one server."""

log = structlog.stdlib.get_logger("headgate")

Key = TypeVar("Key")
Result = TypeVar("Result")


class PollError(Exception):
    """What is asked for cannot be read; the message says why, in words for people."""


class Poller(Generic[Key, Result]):
    """Follows results by their keys.

    Args:
        fetch: returns the result of a key, or raises `PollError`.
        failed: makes the result of a key that never could be read, from the error.
        found: takes a key with its result; None once nobody asks for it any more.
        synced: called once, when each key that was asked for at first has a result, or `sync_seconds` are over: a
            missing result means from then on that nothing is known.
        refresh_seconds: the seconds between two fetches of a good result.
        retry_seconds: the seconds until the next attempt after the first one has failed, which double, and their most.
        sync_seconds: the seconds after the start for which the absence of a result means nothing.
        order: what keys are put in order by.
        draw: returns a random number from 0 to 1.
    """

    def __init__(
        self,
        fetch: Callable[[Key], Awaitable[Result]],
        failed: Callable[[str], Result],
        found: Callable[[Key, Result | None], None],
        synced: Callable[[], None],
        *,
        refresh_seconds: float,
        retry_seconds: tuple[float, float],
        sync_seconds: float,
        order: Callable[[Key], Any],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._fetch = fetch
        self._failed = failed
        self._found = found
        self._synced: Callable[[], None] | None = synced
        self._refresh_seconds = refresh_seconds
        self._retry_seconds = retry_seconds
        self._sync_seconds = sync_seconds
        self._order = order
        self._draw = draw
        self._wanted: frozenset[Key] | None = None
        self._good: set[Key] = set()
        self._results: dict[Key, Result] = {}
        self._changed = asyncio.Event()

    def set_wanted(self, keys: frozenset[Key]) -> None:
        """Set what is asked for; the results of all else are forgotten."""
        if keys != self._wanted:
            self._wanted = keys
            self._changed.set()

    async def run(self) -> None:
        """Follow what is asked for until cancelled."""
        following: dict[Key, asyncio.Task[None]] = {}
        asyncio.get_running_loop().call_later(self._sync_seconds, self._note_synced, True)
        async with asyncio.TaskGroup() as group:
            while True:
                await self._changed.wait()
                self._changed.clear()
                wanted = self._wanted or frozenset()
                for key in following.keys() - wanted:
                    following.pop(key).cancel()
                    self._good.discard(key)
                    if self._results.pop(key, None) is not None:
                        self._found(key, None)
                for key in sorted(wanted - following.keys(), key=self._order):
                    following[key] = group.create_task(self._follow(key), name=f"discovery of {key}")
                self._note_synced()

    async def _follow(self, key: Key) -> None:
        backoff = Backoff(*self._retry_seconds, self._draw)
        while True:
            try:
                found = await self._fetch(key)
            except PollError as error:
                if key in self._good:
                    found = self._results[key]
                    log.warning("Discovery failed; what it found before stays in use", of=str(key), error=str(error))
                else:
                    found = self._failed(str(error))
                pause = backoff.next()
            else:
                self._good.add(key)
                backoff.reset()
                pause = refresh_pause(self._refresh_seconds, self._draw())
            if self._results.get(key) != found:
                self._results[key] = found
                self._found(key, found)
                self._note_synced()
            await asyncio.sleep(pause)

    def _note_synced(self, overdue: bool = False) -> None:
        """Report once that all that was asked for has a result, or should have one."""
        complete = self._wanted is not None and self._wanted <= self._results.keys()
        if self._synced is not None and (complete or overdue):
            synced, self._synced = self._synced, None
            synced()


def refresh_pause(seconds: float, drawn: float) -> float:
    """Return the pause until the next fetch of a good result: `seconds`, longer or shorter by up to `JITTER`."""
    return seconds * (1 + JITTER * (2 * drawn - 1))
