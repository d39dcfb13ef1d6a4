"""Settles what has been touched, several keys at once, for as long as this replica leads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from watchers.workqueue import WorkQueue

Key = TypeVar("Key", bound=Hashable)

BUG_SECONDS: Final = 60.0
"""How long a key rests that a bug was met with."""
SLOW_SECONDS: Final = 1.0
"""What takes longer, such as a webhook that does not answer, does not hold up others any more."""


class Workers(Generic[Key]):
    """Has keys settled, each by one at a time, for as long as `lead` runs. Use from one event loop only.

    Args:
        count: how many are settled at once, besides those that take long.
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
                places = asyncio.Semaphore(self._count)
                while True:
                    await places.acquire()
                    key = await queue.take()
                    group.create_task(self._work(queue, key, places))
        finally:
            self._queue = None

    async def _work(self, queue: WorkQueue[Key], key: Key, places: asyncio.Semaphore) -> None:
        place = _Place(places)
        try:
            again = await self._settle(key)
        except Exception:
            self._bug(key)
            again = BUG_SECONDS
        finally:
            place.leave()
            queue.done(key)
        if again is not None:
            queue.add(key, again)


class _Place:
    """One of the places at which keys are settled: it is left when that is done, or takes long."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._release)
        self._left = False

    def leave(self) -> None:
        """Leave it, unless that has been done."""
        self._timer.cancel()
        self._release()

    def _release(self) -> None:
        if not self._left:
            self._left = True
            self._places.release()
