"""A pool of workers that reconcile enqueued keys concurrently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from watchers.controllers.workqueue import WorkQueue

Key = TypeVar("Key", bound=Hashable)

PANIC_SECONDS: Final = 60.0
"""The pause of a key whose reconciliation raised an unforeseen exception."""
SLOW_SECONDS: Final = 1.0
"""The time after which a key gives up its slot, such as when a webhook does not respond."""
MAX_SLOW: Final = 100
"""The most slow keys without a slot; further ones occupy slots until one of them ends."""


class WorkerPool(Generic[Key]):
    """Reconciles keys, each in one task at a time, while `run` runs. Use from one event loop only.

    Args:
        count: the number of slots: of keys reconciled at once, besides at most `MAX_SLOW` slow ones.
        reconcile: reconciles a key; returns the seconds until it is reconciled again, None for not before `enqueue`.
        on_panic: called while an unforeseen exception of `reconcile` is handled.
    """

    def __init__(
        self, count: int, reconcile: Callable[[Key], Awaitable[float | None]], on_panic: Callable[[Key], None]
    ) -> None:
        self._count = count
        self._reconcile = reconcile
        self._on_panic = on_panic
        self._queue: WorkQueue[Key] | None = None

    def enqueue(self, keys: Iterable[Key], delay: float = 0.0) -> None:
        """Enqueue keys that are due after `delay` seconds; ignored while `run` does not run."""
        if self._queue is not None:
            self._queue.add_all(keys, delay)

    @property
    def depth(self) -> int:
        """The number of queued keys; 0 while `run` does not run."""
        return 0 if self._queue is None else len(self._queue)

    async def run(self, first: Iterable[Key]) -> None:
        """Reconcile these keys, then those that are enqueued, until cancelled."""
        queue = self._queue = WorkQueue[Key]()
        queue.add_all(first)
        try:
            async with asyncio.TaskGroup() as group:
                slots = _Slots[Key](self._count)
                while True:
                    await slots.wait_free()
                    key = await queue.get()
                    slots.acquire(key)
                    group.create_task(self._work(queue, key, slots))
        finally:
            self._queue = None

    async def _work(self, queue: WorkQueue[Key], key: Key, slots: _Slots[Key]) -> None:
        try:
            requeue_after = await self._reconcile(key)
        except Exception:
            self._on_panic(key)
            requeue_after = PANIC_SECONDS
        finally:
            slots.release(key)
            queue.done(key)
        if requeue_after is not None:
            queue.add(key, requeue_after)


class _Slots(Generic[Key]):
    """The slots in which keys are reconciled, and `MAX_SLOW` more for slow keys."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._slow: set[Key] = set()
        self._changed = asyncio.Event()

    async def wait_free(self) -> None:
        """Wait until a slot is free."""
        while len(self._timers) - min(len(self._slow), MAX_SLOW) >= self._count:
            self._changed.clear()
            await self._changed.wait()

    def acquire(self, key: Key) -> None:
        """Occupy a slot for a key."""
        self._timers[key] = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._mark_slow, key)

    def release(self, key: Key) -> None:
        """Free the slot of a reconciled key."""
        self._timers.pop(key).cancel()
        self._slow.discard(key)
        self._changed.set()

    def _mark_slow(self, key: Key) -> None:
        self._slow.add(key)
        self._changed.set()
