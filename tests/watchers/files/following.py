"""A source that is followed during a test, with its batches and changes so far."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from tests.watchers.files.written import value
from translator.inputs import Edit
from watchers.files.confirmation import Pauses
from watchers.files.source import FileSource, Timing
from watchers.files.store import FileStoreChange
from watchers.sources import Batch

QUICK = Timing(pauses=Pauses(wrong=0.05, deleted=0.1, shrunk=0.1, emptied=0.1))
"""Short debounce times."""

PATIENCE = 10.0
"""Timeout of waits, in seconds."""


class Following:
    """What a source has told.

    Attributes:
        batches: all of them, in order.
        changes: all that was reported, in order.
    """

    def __init__(self, paths: Iterable[str | Path], timing: Timing | None) -> None:
        self.batches: list[Batch] = []
        self.changes: list[FileStoreChange] = []
        self.source = FileSource(paths, self._reported, timing or QUICK)
        self._news = asyncio.Event()

    def _reported(self, change: FileStoreChange) -> None:
        self.changes.append(change)
        self._news.set()

    @property
    def served(self) -> dict[str, str | None]:
        """The values of the current ConfigMaps, by name, according to the batches."""
        objects = {edit.ref.name: value(edit.object) for edit in self.edits}
        return {name: text for name, text in objects.items() if text is not None}

    @property
    def edits(self) -> list[Edit]:
        """All edits so far."""
        return [edit for batch in self.batches for edit in batch.edits]

    @property
    def removed(self) -> set[str]:
        """The names of all objects that were ever removed."""
        return {edit.ref.name for edit in self.edits if edit.object is None}

    @property
    def diagnostics(self) -> list[str]:
        """The current diagnostics as text, with only the names of the files."""
        return [str(each).rpartition("/")[2] for each in self.source.diagnostics]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is checked after every batch and report."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def serves(self, **expected: str) -> None:
        """Wait until exactly these ConfigMaps are served."""
        try:
            await self.until(lambda: self.served == expected)
        except TimeoutError:
            assert self.served == expected

    async def follow(self) -> None:
        """Receive batches until the source ends."""
        async with aclosing(self.source.batches()) as batches:
            async for batch in batches:
                self.batches.append(batch)
                self._news.set()


@asynccontextmanager
async def following(*paths: str | Path, timing: Timing | None = None) -> AsyncIterator[Following]:
    """Follow folders and files, and yield after the first batch."""
    followed = Following(paths, timing)
    task = asyncio.create_task(followed.follow())
    try:
        await followed.until(lambda: bool(followed.batches))
        yield followed
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()
