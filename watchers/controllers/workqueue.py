"""A work queue like client-go's: each key is queued once, processed by one task at a time, and may be delayed."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Hashable, Iterable
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class WorkQueue(Generic[Key]):
    """A queue of keys, ordered by due time. For several tasks of one event loop.

    A queued key that is added again keeps the earlier due time. A key that is added while it is processed is due once
    that is done. So the number of keys bounds the queue, and no key is processed twice at once.

    Args:
        clock: returns the time in seconds; only differences count.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = count()
        self._busy: set[Key] = set()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Return the number of queued keys, without those in progress."""
        return len(self._due)

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Add a key that is due after `delay` seconds."""
        due = self._clock() + max(delay, 0.0)
        known = self._due.get(key)
        if known is None or due < known:
            self._due[key] = due
            self._push(key)

    def add_all(self, keys: Iterable[Key], delay: float = 0.0) -> None:
        """Add keys that are due after `delay` seconds, in their order."""
        for each in keys:
            self.add(each, delay)

    async def get(self) -> Key:
        """Wait for the next due key and return it; call `done` for it afterwards."""
        while True:
            key, wait = self._next()
            if key is not None:
                return key
            self._changed.clear()
            alarm = None if wait is None else asyncio.get_running_loop().call_later(wait, self._changed.set)
            try:
                await self._changed.wait()
            finally:
                if alarm is not None:
                    alarm.cancel()

    def done(self, key: Key) -> None:
        """Mark a key as processed, successfully or not."""
        self._busy.discard(key)
        if key in self._due:
            self._push(key)

    def _push(self, key: Key) -> None:
        if key not in self._busy:
            entry = self._due[key], next(self._order), key
            heapq.heappush(self._heap, entry)
            if self._heap[0] is entry:  # otherwise an earlier one wakes `get`
                self._changed.set()

    def _next(self) -> tuple[Key, None] | tuple[None, float | None]:
        """Return a due key; else the seconds until the first one is due, None if the queue is empty."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) != due or key in self._busy:
                heapq.heappop(self._heap)  # it was processed, or is due earlier
                continue
            wait = due - self._clock()
            if wait > 0:
                return None, wait
            heapq.heappop(self._heap)
            del self._due[key]
            self._busy.add(key)
            return key, None
        return None, None
