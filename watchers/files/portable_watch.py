"""Watches of directories on systems other than Linux, with the library `watchfiles`."""

import asyncio
import os
from collections.abc import AsyncGenerator

from watchfiles import Change, awatch

STEP_MS = 5
"""The interval at which the library polls for events, in ms. It reports them after one interval without a new one: a
change is seen within two intervals, and idling takes 0.4 % of a processor."""

_ATTEMPTS = 3

_Changes = set[tuple[Change, str]]


class PortableWatch:
    """A `DirectoryWatch` that polls a thread of the library."""

    def __init__(self) -> None:
        self.followed: frozenset[str] = frozenset()
        """The directories that `follow` was called with; empty if they must be followed again."""
        self.failure: str | None = None
        """The reason why changes are not reported; None if they are."""
        self._current: _Running | None = None

    async def follow(self, directories: frozenset[str]) -> None:
        """Watch these directories from now on, as far as they exist and can be read."""
        previous, self._current = self._current, None
        for _ in range(_ATTEMPTS):
            # If one directory is removed or becomes unreadable at this moment, the whole attempt fails.
            self._current = await _Running.start(_present(directories))
            self.failure = self._current.failure
            if self.failure is None:
                break
        self.followed = directories
        if previous is not None:
            await previous.stop()

    async def changes(self, seconds: float) -> frozenset[str] | None:
        """Wait for changed directory entries, at most `seconds`.

        Returns:
            Their absolute paths; None if there are none. If one is in `followed`, follow again, as that directory
            may have been replaced.
        """
        if self._current is None or self.failure is not None:
            await asyncio.sleep(seconds)
            return None
        changes = await self._current.changes(seconds)
        if self._current.failure is not None:
            # For example a file name that is not UTF-8; events are lost, and the caller follows again.
            self.followed = frozenset()
            return frozenset()
        if changes is None:
            return None
        entries = frozenset(path for _, path in changes)
        if not entries.isdisjoint(self.followed):
            self.followed = frozenset()
        return entries

    async def stop(self) -> None:
        """Stop watching; `follow` starts again."""
        if self._current is not None:
            await self._current.stop()
        self._current, self.followed = None, frozenset()


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
            # Otherwise the library would hide all other errors, such as the system's limit of watches.
            ignore_permission_denied=False,
        )
        self._next = asyncio.create_task(self._advance())
        self.failure: str | None = None

    @classmethod
    async def start(cls, directories: list[str]) -> "_Running":
        """Start a run; the kernel queues events from the return on."""
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
