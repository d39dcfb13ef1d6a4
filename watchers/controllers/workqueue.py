"""A work queue of keys: each key waits once, is processed by one task at a time, and may be delayed."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Callable, Hashable, Iterable
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class WorkQueue(Generic[Key]):
    """Keys that are due, oldest first. For several tasks of one event loop.

    A key that is added while it waits keeps the earlier of both times. One that is added while it is worked on waits
    until that is done. So what waits is bounded by the number of keys, and nothing is done twice at once.

    Args:
        clock: tells the time in seconds; only differences count.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = count()
        self._busy: set[Key] = set()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Return how many keys wait, without those in progress."""
        return len(self._due)

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Add a key that is due after `delay` seconds."""
        due = self._clock() + max(delay, 0.0)
        known = self._due.get(key)
        if known is None or due < known:
            self._due[key] = due
            self._push(key)

    def add_all(self, keys: Iterable[Key]) -> None:
        """Add keys that are due now, in their order."""
        for each in keys:
            self.add(each)

    async def get(self) -> Key:
        """Give the next key that is due, once there is one; `done` must be called for it."""
        while True:
            key, wait = self._next()
            if key is not None:
                return key
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    def done(self, key: Key) -> None:
        """Note that the work on a key that was taken is over, however it went."""
        self._busy.discard(key)
        if key in self._due:
            self._push(key)

    def _push(self, key: Key) -> None:
        if key not in self._busy:
            heapq.heappush(self._heap, (self._due[key], next(self._order), key))
            self._changed.set()

    def _next(self) -> tuple[Key, None] | tuple[None, float | None]:
        """Return a key that is due; else how long to wait for the first one, None if there is none."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) != due or key in self._busy:
                heapq.heappop(self._heap)  # it was taken, or has come forward
                continue
            wait = due - self._clock()
            if wait > 0:
                return None, wait
            heapq.heappop(self._heap)
            del self._due[key]
            self._busy.add(key)
            return key, None
        return None, None
