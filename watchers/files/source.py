"""Folders of YAML as a source of objects: read once, then followed.

What is written is told at once; what a file takes away, or gets wrong, once that is certain (`confirmation`).
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from translator.inputs import Edit
from watchers.diagnostics import Diagnostic, Place, printable
from watchers.files.background import in_thread
from watchers.files.concurrent_reader import ConcurrentReader
from watchers.files.confirmation import Confirmation, Pauses
from watchers.files.contents import ABSENT, FileContents
from watchers.files.inotify import DirectoryWatch
from watchers.files.reader import FileReader
from watchers.files.relations import Findings, RelationProblem, Relations
from watchers.files.store import FileStore, FileStoreChange, Plan
from watchers.sources import Batch

_TICK = 0.5
"""How often, in seconds, it is looked whether what is being read takes too long."""


class SourceError(Exception):
    """A folder or file that was asked for is not there, or may not be read; the message says the way out."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When to look again, in seconds.

    Attributes:
        pauses: how long what takes something away, or is wrong, must stay so to be believed.
        together: how long files that changed at once are waited for, to be told at once.
        slow: after how long a file that is still being read is told.
        resync: how often everything is looked at for changes that nobody told of, as on some network file systems.
        unwatched: how often that is done where changes cannot be told at all.
    """

    pauses: Pauses = field(default_factory=Pauses)
    together: float = 0.05
    slow: float = 5.0
    resync: float = 60.0
    unwatched: float = 1.0


def related(folder: FileStore) -> tuple[Diagnostic, ...]:
    """Return what is wrong between the objects of a folder, which somebody else may complete."""
    relations = Relations(standalone=False)
    relations.update(Edit(ref, found) for ref, found in folder.objects.items())
    return _placed(folder, relations, relations.findings)


def _placed(folder: FileStore, relations: Relations, findings: Iterable[RelationProblem]) -> tuple[Diagnostic, ...]:
    nowhere = Place("<nowhere>")
    return tuple(
        Diagnostic(folder.place(each.ref) or nowhere, relations.explain(each), "warning", each.ref) for each in findings
    )


def read_files(paths: Iterable[str | Path]) -> FileStore:
    """Read folders, recursively, and files once.

    Raises:
        SourceError: one of them is not there or may not be read.
    """
    reader = FileReader(map(str, paths))
    folder = FileStore()
    _check_there(reader)
    readings = reader.look_everywhere()
    _check_open(reader)
    folder.apply(readings)
    return folder


class FileSource:
    """Folders and files as a source for a `SourceMux`.

    Args:
        paths: folders, read recursively, and files.
        report: called with what changes, diagnostics with it, whenever something does; before the edits are handed out.
        timing: for tests.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        report: Callable[[FileStoreChange], None] | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._timing = timing or Timing()
        self._reader = FileReader(map(str, paths))
        self._files = ConcurrentReader(self._reader, self._timing.together, self._timing.slow)
        self._watch = DirectoryWatch()
        self._report = report
        self._debounce = Confirmation(self._timing.pauses)
        self._resync_at = 0.0
        self._relations = Relations()
        self.store = FileStore()
        """What the files make together; to be read, not changed."""

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All that is wrong now: in files by line, then between objects."""
        return (*self.store.diagnostics, *_placed(self.store, self._relations, self._relations.findings))

    def check(self) -> None:
        """Look whether all paths are there, before anything begins.

        Raises:
            SourceError: one of them is not.
        """
        _check_there(self._reader)

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield all objects as the first batch, which is the synced one, and then what changes.

        Raises:
            SourceError: at the start, when a path is not there or may not be read. Later on nothing is raised for what
                becomes of the files.
        """
        try:
            await in_thread(partial(_check_there, self._reader))
            readings = await self._files.look_everywhere(patiently=True)
            _check_open(self._reader)
            readings |= await self._follow()
            yield Batch(self._commit(*await in_thread(partial(self._relate, readings))), synced=True)
            while True:
                readings = await self._next()
                # In a thread: a file may have thousands of objects, and others want the event loop meanwhile.
                plan = await in_thread(partial(self._plan, readings, self._now()))
                if edits := self._commit(*plan):
                    yield Batch(edits)
        finally:
            self._files.stop()
            await self._watch.stop()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _next(self) -> dict[str, FileContents]:
        """Wait until something may have changed or is due, and read what has."""
        # Only now: what was read before is handed out already.
        if readings := await self._follow():
            return readings | self._files.collect()
        entries = await self._changes(max(0.0, min(self._resync_at, self._debounce.due) - self._now()))
        readings = self._files.collect()
        if entries is None:
            return readings | await self._resync()
        paths = {path for entry in entries for path in self._files.tree.affected(entry)}
        return readings | (await self._files.look(paths) if paths else {})

    async def _changes(self, seconds: float) -> frozenset[str] | None:
        """Wait for directory entries to change, or for a file to be read that took long."""
        if self._files.is_idle:
            return await self._watch.changes(seconds)
        changes = asyncio.ensure_future(self._watch.changes(min(seconds, _TICK)))
        progress = asyncio.ensure_future(self._files.progress(min(seconds, _TICK)))
        try:
            await asyncio.wait({changes, progress}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changes.cancel()
            progress.cancel()
            await asyncio.wait({changes, progress})
        return None if changes.cancelled() else changes.result()

    async def _resync(self) -> dict[str, FileContents]:
        if self._now() < self._resync_at:
            return {}
        if self._watch.failure is not None:
            return await self._follow(anew=True)
        self._resync_at = self._now() + self._timing.resync
        return await self._files.look_everywhere() | await self._follow()

    async def _follow(self, anew: bool = False) -> dict[str, FileContents]:
        """Watch all directories that matter now, and read what changed before that was so."""
        readings: dict[str, FileContents] = {}
        while anew or not self._watch.asked.issuperset(self._files.tree.directories):
            anew = False
            await self._watch.follow(self._files.tree.directories)
            readings |= await self._files.look_everywhere()
            failure, timing = self._watch.failure, self._timing
            readings[""] = _unwatched(self._files.tree.roots[0], failure) if failure else ABSENT
            self._resync_at = self._now() + (timing.unwatched if failure else timing.resync)
        return readings

    def _plan(self, readings: dict[str, FileContents], now: float) -> tuple[Plan, Findings]:
        return self._relate(self._debounce.confirmed(self.store, readings, now, not self._files.is_idle))

    def _relate(self, readings: dict[str, FileContents]) -> tuple[Plan, Findings]:
        plan = self.store.plan(readings)
        return plan, self._relations.update(plan.change.edits)

    def _commit(self, plan: Plan, findings: Findings) -> tuple[Edit, ...]:
        old = _placed(self.store, self._relations, findings.resolved)
        change = self.store.commit(plan)
        appeared = (*change.appeared, *_placed(self.store, self._relations, findings.appeared))
        change = FileStoreChange(change.edits, appeared, (*change.resolved, *old))
        if self._report is not None and change != FileStoreChange(()):
            self._report(change)
        return change.edits


def _check_there(reader: FileReader) -> None:
    """At the start, what is not there is a mistake."""
    for path in reader.paths:
        if not os.path.exists(path):
            if os.path.islink(path):
                raise SourceError(f"{path!r} is a link to {os.readlink(path)!r}, which does not exist")
            raise SourceError(f"{path!r} does not exist{_similar(path)}")
        if not os.path.isdir(path) and not os.path.isfile(path):
            raise SourceError(f"{path!r} is neither a folder nor a file")


def _check_open(reader: FileReader) -> None:
    for path in reader.tree.roots:
        if (why := reader.closed.get(path)) is not None:
            raise SourceError(f"{path!r} cannot be read: {why}")


def _similar(path: str) -> str:
    """Return what may have been meant, or how far the path leads."""
    parent, name = os.path.split(os.path.abspath(path))
    try:
        close = get_close_matches(name, os.listdir(parent), n=1)
    except NotADirectoryError:
        return f": {os.path.dirname(path)!r} is not a folder"
    except OSError:
        return f": there is no folder {os.path.dirname(path)!r}"
    return f"; did you mean {os.path.join(os.path.dirname(path), close[0])!r}?" if close else ""


def _unwatched(root: str, failure: str) -> FileContents:
    message = (
        f"changes are noticed late, because the system cannot tell of them: {failure}; "
        "if a limit is reached, raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
    )
    return FileContents({}, complete=False, diagnostics=(Diagnostic(Place(printable(root)), message, "warning"),))
