"""Folders of YAML as a source of objects: read once, then followed.

What is written is told at once. Only what a file takes away, or gets wrong, is believed after a moment: an editor that
renames the old file before it writes the new one, or a shell that empties a file before it fills it, must not take down
what is served, nor cause alarm.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from translator.edit import Edit
from watchers.diagnostic import Diagnostic, Place
from watchers.feed import Batch
from watchers.folder import Change, Folder
from watchers.reader import Reader
from watchers.reading import ABSENT, Reading
from watchers.watch import Watch


class SourceError(Exception):
    """A folder or file that was asked for is not there, or may not be read; the message says the way out."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When to look again, in seconds.

    Attributes:
        settle: how long a file must be still before it is believed when it takes something away or has a new error.
        longest: how long at most that is waited for, if the file does not come to rest.
        resync: how often everything is looked at for changes that nobody told of, as on some network file systems.
        unwatched: how often that is done where changes cannot be told at all.
    """

    settle: float = 0.1
    longest: float = 1.0
    resync: float = 60.0
    unwatched: float = 1.0


class _Doubt(NamedTuple):
    """A reading that is not believed yet, since when the file is in doubt, and when it is to be believed."""

    reading: Reading
    since: float
    due: float


def read_files(paths: Iterable[str | Path]) -> Folder:
    """Read folders, recursively, and files once.

    Raises:
        SourceError: one of them is not there or may not be read.
    """
    reader = Reader(map(str, paths))
    folder = Folder()
    folder.apply(_first(reader))
    return folder


class FileSource:
    """Folders and files as a source for a `Feed`.

    Args:
        paths: folders, read recursively, and files.
        report: called with what changes, diagnostics with it, whenever something does; before the edits are handed out.
        timing: for tests.
    """

    def __init__(
        self, paths: Iterable[str | Path], report: Callable[[Change], None] | None = None, timing: Timing | None = None
    ) -> None:
        self._reader = Reader(map(str, paths))
        self._watch = Watch()
        self._report = report
        self._timing = timing or Timing()
        self._doubts: dict[str, _Doubt] = {}
        self._resync_at = 0.0
        self.folder = Folder()
        """What the files make together; to be read, not changed."""

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All that is wrong now, in the order of files and lines."""
        return self.folder.diagnostics

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield all objects as the first batch, which is the synced one, and then what changes.

        Raises:
            SourceError: at the start, when a path is not there or may not be read. Later on nothing is raised for what
                becomes of the files.
        """
        try:
            readings = await asyncio.to_thread(_first, self._reader)
            readings |= await self._follow()
            yield Batch(self._apply(readings), synced=True)
            while True:
                readings = await self._next()
                if edits := self._apply(self._believed(readings)):
                    yield Batch(edits)
        finally:
            await self._watch.stop()

    async def _next(self) -> dict[str, Reading]:
        """Wait until something may have changed or is due, and read what has."""
        now = asyncio.get_running_loop().time()
        due = min([self._resync_at, *(doubt.due for doubt in self._doubts.values())])
        entries = await self._watch.changes(max(0.0, due - now))
        if entries is None:
            return await self._resync()
        tree = self._reader.tree
        paths = {path for entry in entries for path in tree.affected(entry)}
        readings = await asyncio.to_thread(self._reader.look, paths) if paths else {}
        return readings | await self._follow()

    async def _resync(self) -> dict[str, Reading]:
        now = asyncio.get_running_loop().time()
        if now < self._resync_at:
            return {}
        if self._watch.failure is not None:
            return await self._follow(anew=True)
        self._resync_at = now + self._timing.resync
        return await asyncio.to_thread(self._reader.look_everywhere) | await self._follow()

    async def _follow(self, anew: bool = False) -> dict[str, Reading]:
        """Watch all directories that matter now, and read what changed before that was so."""
        readings: dict[str, Reading] = {}
        while anew or not self._watch.asked.issuperset(self._reader.tree.directories):
            anew = False
            await self._watch.follow(self._reader.tree.directories)
            readings |= await asyncio.to_thread(self._reader.look_everywhere)
            failure, timing = self._watch.failure, self._timing
            readings[""] = _unwatched(self._reader.tree.roots[0], failure) if failure else ABSENT
            pause = timing.unwatched if failure else timing.resync
            self._resync_at = asyncio.get_running_loop().time() + pause
        return readings

    def _believed(self, readings: dict[str, Reading]) -> dict[str, Reading]:
        """What is to be believed now, of what has just been read and of what was in doubt before."""
        now = asyncio.get_running_loop().time()
        candidates = {file: doubt.reading for file, doubt in self._doubts.items()} | readings
        doubtful = self.folder.doubtful(candidates)
        doubts = {}
        for file in doubtful:
            doubt = self._doubts.get(file)
            if doubt is None or file in readings:
                since = doubt.since if doubt else now
                due = min(now + self._timing.settle, since + self._timing.longest)
                doubt = _Doubt(candidates[file], since, due)
            if doubt.due > now:
                doubts[file] = doubt
        self._doubts = doubts
        return {file: reading for file, reading in candidates.items() if file not in doubts}

    def _apply(self, readings: dict[str, Reading]) -> tuple[Edit, ...]:
        change = self.folder.apply(readings)
        if self._report is not None and change != Change(()):
            self._report(change)
        return change.edits


def _first(reader: Reader) -> dict[str, Reading]:
    """Everything as it is at the start, when what is not there is a mistake."""
    for path in reader.paths:
        if not os.path.exists(path):
            raise SourceError(f"{path!r} does not exist{_similar(path)}")
        if not os.path.isdir(path) and not os.path.isfile(path):
            raise SourceError(f"{path!r} is neither a folder nor a file")
    readings = reader.look_everywhere()
    for path in reader.tree.roots:
        if (why := reader.closed.get(path)) is not None:
            raise SourceError(f"{path!r} cannot be read: {why}")
    return readings


def _similar(path: str) -> str:
    """What may have been meant, or how far the path leads."""
    parent, name = os.path.split(os.path.abspath(path))
    try:
        close = get_close_matches(name, os.listdir(parent), n=1)
    except OSError:
        return f": there is no folder {os.path.dirname(path)!r}"
    return f"; did you mean {os.path.join(os.path.dirname(path), close[0])!r}?" if close else ""


def _unwatched(root: str, failure: str) -> Reading:
    message = (
        f"changes are noticed late, because the system cannot tell of them: {failure}; "
        "if a limit is reached, raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
    )
    return Reading({}, complete=False, diagnostics=(Diagnostic(Place(root), message, "warning"),))
