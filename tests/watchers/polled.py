"""What watchers poll, with answers that tests choose, and what the watchers said of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Generic

import pytest

from tests.watchers.loopback import Waiter
from watchers.polling import Key, Poller, PollError, Result


class Polled(Generic[Key, Result]):
    """Keys with their results, or the errors of those that cannot be read now.

    Attributes:
        answers: the results and errors.
        known: what the watcher said last of each.
        told: counts what it said.
        fetched: counts what it fetched.
        synced: counts how often it said that it is synced.
    """

    def __init__(self, answers: dict[Key, Result | str] | None = None) -> None:
        self.answers = answers or {}
        self.known: dict[Key, Result | None] = {}
        self.told, self.fetched, self.synced = Waiter(), Waiter(), Waiter()

    async def fetch(self, key: Key) -> Result:
        """Return the result of a key; one without an answer waits for ever."""
        self.fetched.add()
        if key not in self.answers:
            await asyncio.Event().wait()
        answer = self.answers[key]
        if isinstance(answer, str):
            raise PollError(answer)
        return answer

    def found(self, key: Key, value: Result | None) -> None:
        """Take what the watcher says."""
        self.known[key] = value
        self.told.add()

    def sync(self) -> None:
        """Take that the watcher is synced."""
        self.synced.add()


@asynccontextmanager
async def running(watcher: Poller[Any, Any]) -> AsyncIterator[None]:
    """Run a watcher."""
    task = asyncio.create_task(watcher.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
