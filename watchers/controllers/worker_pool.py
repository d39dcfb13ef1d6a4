"""Settles what has been touched, several keys at once, for as long as this replica leads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from watchers.controllers.workqueue import WorkQueue

Key = TypeVar("Key", bound=Hashable)

BUG_SECONDS: Final = 60.0
"""How long a key rests that a bug was met with."""
SLOW_SECONDS: Final = 1.0
"""What takes longer, such as a webhook that does not answer, does not hold up others any more."""
MOST_SLOW: Final = 100
"""So many keys may take long at once without holding up others; where more do, the others wait until one ends."""


class WorkerPool(Generic[Key]):
    """Has keys settled, each by one at a time, for as long as `lead` runs. Use from one event loop only.

    Args:
        count: how many are settled at once, besides those that take long, of which there are at most `MOST_SLOW`.
        settle: does what there is to do for a key; gives in how many seconds to try again, None if all is well.
        bug: called within the handling of an exception that `settle` let out, which nobody has foreseen.
    """

    def __init__(
        self, count: int, settle: Callable[[Key], Awaitable[float | None]], bug: Callable[[Key], None]
    ) -> None:
        self._count = count
        self._settle = settle
        self._bug = bug
        self._queue: WorkQueue[Key] | None = None

    def touch(self, keys: Iterable[Key]) -> None:
        """Has keys settled again, soon; nothing, while `lead` does not run."""
        if self._queue is not None:
            self._queue.add_all(keys)

    @property
    def waiting(self) -> int:
        """How many keys wait; 0 while `lead` does not run."""
        return 0 if self._queue is None else len(self._queue)

    async def lead(self, first: Iterable[Key]) -> None:
        """Settles these keys, then what is touched, until it is cancelled."""
        queue = self._queue = WorkQueue[Key]()
        queue.add_all(first)
        try:
            async with asyncio.TaskGroup() as group:
                places = _Places[Key](self._count)
                while True:
                    await places.free()
                    key = await queue.take()
                    places.enter(key)
                    group.create_task(self._work(queue, key, places))
        finally:
            self._queue = None

    async def _work(self, queue: WorkQueue[Key], key: Key, places: _Places[Key]) -> None:
        try:
            again = await self._settle(key)
        except Exception:
            self._bug(key)
            again = BUG_SECONDS
        finally:
            places.leave(key)
            queue.done(key)
        if again is not None:
            queue.add(key, again)


class _Places(Generic[Key]):
    """The places at which keys are settled, and `MOST_SLOW` more for keys that take long."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._slow: set[Key] = set()
        self._changed = asyncio.Event()

    async def free(self) -> None:
        """Wait until there is a place for another key."""
        while len(self._timers) - min(len(self._slow), MOST_SLOW) >= self._count:
            self._changed.clear()
            await self._changed.wait()

    def enter(self, key: Key) -> None:
        """Give a key a place."""
        self._timers[key] = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._takes_long, key)

    def leave(self, key: Key) -> None:
        """Take back the place of a key that is settled."""
        self._timers.pop(key).cancel()
        self._slow.discard(key)
        self._changed.set()

    def _takes_long(self, key: Key) -> None:
        self._slow.add(key)
        self._changed.set()
