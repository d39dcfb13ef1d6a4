"""A pool of workers that reconcile enqueued keys, several at once, for as long as this replica leads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from watchers.controllers.workqueue import WorkQueue

Key = TypeVar("Key", bound=Hashable)

PANIC_SECONDS: Final = 60.0
"""The time until a key is reconciled again whose reconciliation raised an unforeseen exception."""
SLOW_SECONDS: Final = 1.0
"""A key that takes longer, such as for a webhook that does not answer, no longer occupies a slot."""
MAX_SLOW: Final = 100
"""So many keys may take long at once without holding up others; where more do, the others wait until one ends."""


class WorkerPool(Generic[Key]):
    """Reconcile keys, each in one task at a time, while `run` runs. Use from one event loop only.

    Args:
        count: how many keys are reconciled at once, besides at most `MAX_SLOW` that take long.
        reconcile: reconciles a key; returns in how many seconds to try again, None if all is well.
        on_panic: called while an unforeseen exception of `reconcile` is handled.
    """

    def __init__(
        self, count: int, reconcile: Callable[[Key], Awaitable[float | None]], on_panic: Callable[[Key], None]
    ) -> None:
        self._count = count
        self._reconcile = reconcile
        self._on_panic = on_panic
        self._queue: WorkQueue[Key] | None = None

    def enqueue(self, keys: Iterable[Key]) -> None:
        """Enqueue keys to be reconciled; does nothing while `run` does not run."""
        if self._queue is not None:
            self._queue.add_all(keys)

    @property
    def depth(self) -> int:
        """The number of keys that wait; 0 while `run` does not run."""
        return 0 if self._queue is None else len(self._queue)

    async def run(self, first: Iterable[Key]) -> None:
        """Reconcile these keys, then those that are enqueued, until cancelled."""
        queue = self._queue = WorkQueue[Key]()
        queue.add_all(first)
        try:
            async with asyncio.TaskGroup() as group:
                places = _Slots[Key](self._count)
                while True:
                    await places.free()
                    key = await queue.get()
                    places.acquire(key)
                    group.create_task(self._work(queue, key, places))
        finally:
            self._queue = None

    async def _work(self, queue: WorkQueue[Key], key: Key, places: _Slots[Key]) -> None:
        try:
            again = await self._reconcile(key)
        except Exception:
            self._on_panic(key)
            again = PANIC_SECONDS
        finally:
            places.release(key)
            queue.done(key)
        if again is not None:
            queue.add(key, again)


class _Slots(Generic[Key]):
    """The slots in which keys are reconciled, and `MAX_SLOW` more for keys that take long."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._slow: set[Key] = set()
        self._changed = asyncio.Event()

    async def free(self) -> None:
        """Wait until there is a slot for another key."""
        while len(self._timers) - min(len(self._slow), MAX_SLOW) >= self._count:
            self._changed.clear()
            await self._changed.wait()

    def acquire(self, key: Key) -> None:
        """Take a slot for a key."""
        self._timers[key] = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._mark_slow, key)

    def release(self, key: Key) -> None:
        """Free the slot of a key that is reconciled."""
        self._timers.pop(key).cancel()
        self._slow.discard(key)
        self._changed.set()

    def _mark_slow(self, key: Key) -> None:
        self._slow.add(key)
        self._changed.set()
