"""Watches directories for changes, by inotify through `watchfiles`."""

import asyncio
import os
from collections.abc import AsyncGenerator

from watchfiles import Change, awatch

STEP_MS = 5
"""How often the library looks for events, in ms. It hands them on after one such step without a new one: a change is
seen within two steps, and idling takes 0.4 % of a processor."""

_ATTEMPTS = 3

_Changes = set[tuple[Change, str]]


class DirectoryWatch:
    """Follows a set of directories, not what is below them; the set can be replaced at any time.

    What changes while it is replaced may go untold, so look at everything once after `follow`.
    """

    def __init__(self) -> None:
        self.asked: frozenset[str] = frozenset()
        """The directories that `follow` was called with; empty when they must be followed anew."""
        self.failure: str | None = None
        """Why changes are not told, if they are not."""
        self._current: _Running | None = None

    async def follow(self, directories: frozenset[str]) -> None:
        """Tell of changes in these directories from now on, as far as they are there and may be read."""
        previous, self._current = self._current, None
        for _ in range(_ATTEMPTS):
            # A directory that goes away or is closed at this moment makes the whole attempt fail.
            self._current = await _Running.start(_present(directories))
            self.failure = self._current.failure
            if self.failure is None:
                break
        self.asked = directories
        if previous is not None:
            await previous.stop()

    async def changes(self, seconds: float) -> frozenset[str] | None:
        """Wait for directory entries to change, at most so many seconds.

        Returns:
            Their absolute paths; None if there are none. A directory of `asked` that is itself among them must be
            followed anew, as it may be another one by now.
        """
        if self._current is None or self.failure is not None:
            await asyncio.sleep(seconds)
            return None
        changes = await self._current.changes(seconds)
        if self._current.failure is not None:
            # Such as a file name that is not UTF-8; events are lost, and following anew finds out whether that helps.
            self.asked = frozenset()
            return frozenset()
        if changes is None:
            return None
        entries = frozenset(path for _, path in changes)
        if not entries.isdisjoint(self.asked):
            self.asked = frozenset()
        return entries

    async def stop(self) -> None:
        """Stop; it can be made to follow again."""
        if self._current is not None:
            await self._current.stop()
        self._current, self.asked = None, frozenset()


def _present(directories: frozenset[str]) -> list[str]:
    return sorted(each for each in directories if os.path.isdir(each) and os.access(each, os.R_OK, effective_ids=True))


class _Running:
    """One run of the library over a fixed list of directories."""

    def __init__(self, directories: list[str]) -> None:
        self._stopping = asyncio.Event()
        self._events: AsyncGenerator[_Changes, None] = awatch(
            *directories,
            watch_filter=None,
            debounce=STEP_MS,
            step=STEP_MS,
            stop_event=self._stopping,
            recursive=False,
            # It would keep all other errors to itself as well, such as that the system watches no more directories.
            ignore_permission_denied=False,
        )
        self._next = asyncio.create_task(self._advance())
        self.failure: str | None = None

    @classmethod
    async def start(cls, directories: list[str]) -> "_Running":
        """Start; the kernel keeps events from when this returns."""
        running = cls(directories)
        # The library sets up its watches in the task's first step, before it waits for anything.
        await asyncio.sleep(0)
        if running._next.done():
            running._take()
        return running

    async def changes(self, seconds: float) -> _Changes | None:
        await asyncio.wait({self._next}, timeout=seconds)
        return self._take() if self._next.done() else None

    async def stop(self) -> None:
        self._stopping.set()
        await asyncio.wait({self._next})
        self._next.exception()
        await self._events.aclose()

    def _take(self) -> _Changes | None:
        if (error := self._next.exception()) is not None:
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            self.failure = str(error) or type(error).__name__
            return None
        changes = self._next.result()
        self._next = asyncio.create_task(self._advance())
        return changes

    async def _advance(self) -> _Changes:
        return await anext(self._events, set())
