"""Folders of YAML files as a source of objects: read once, then watched.

New and changed objects are yielded at once; removals and errors are debounced (`confirmation`).
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from translator.inputs import Edit
from watchers.background import in_thread
from watchers.diagnostics import Diagnostic, Place, printable
from watchers.files.concurrent_reader import ConcurrentReader
from watchers.files.confirmation import Confirmation, Pauses
from watchers.files.contents import ABSENT, FileContents
from watchers.files.directory_watch import new_directory_watch
from watchers.files.reader import FileReader
from watchers.files.relations import Findings, RelationProblem, Relations
from watchers.files.store import FileStore, FileStoreChange, Plan
from watchers.sources import Batch

_TICK = 0.5
"""Interval of the check for slow reads, in seconds."""


class SourceError(Exception):
    """A given folder or file does not exist, or cannot be read; the message says how to resolve it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Timings of a source, in seconds.

    Attributes:
        pauses: the debounce times of removals and errors.
        together: the time to wait for files that change at the same time, to yield them together.
        slow: the time after which a file that is still being read gets a diagnostic.
        resync: the interval of looks at everything, for changes without an event, as on some network file systems.
        unwatched: the same interval where directories cannot be watched.
    """

    pauses: Pauses = field(default_factory=Pauses)
    together: float = 0.05
    slow: float = 5.0
    resync: float = 60.0
    unwatched: float = 1.0


def related(folder: FileStore) -> tuple[Diagnostic, ...]:
    """Return the problems of relations between the objects of a folder, which may be part of a larger set."""
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
        SourceError: one of them does not exist or cannot be read.
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
        report: called with each change, including diagnostics, before its edits are yielded.
        timing: the timings; tests set shorter ones.
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
        self._watch = new_directory_watch()
        self._report = report
        self._debounce = Confirmation(self._timing.pauses)
        self._resync_at = 0.0
        self._relations = Relations()
        self.store = FileStore()
        """The state of all files; read-only."""

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All current diagnostics: of files by line, then of relations between objects."""
        return (*self.store.diagnostics, *_placed(self.store, self._relations, self._relations.findings))

    def check(self) -> None:
        """Check that all paths exist, before the start.

        Raises:
            SourceError: one of them does not.
        """
        _check_there(self._reader)

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield all objects as the first, synced batch, and then the changes.

        Raises:
            SourceError: at the start, a path does not exist or cannot be read. Later changes of the files raise
                nothing.
        """
        try:
            await in_thread(partial(_check_there, self._reader))
            readings = await self._files.look_everywhere(patiently=True)
            _check_open(self._reader)
            readings |= await self._follow()
            yield Batch(self._commit(*await in_thread(partial(self._relate, readings))), synced=True)
            while True:
                readings = await self._next()
                if not readings and self._now() < self._debounce.due:
                    continue  # a change beside the files
                # In a thread: a file may have thousands of objects, which would block the event loop.
                plan = await in_thread(partial(self._plan, readings, self._now()))
                if edits := self._commit(*plan):
                    yield Batch(edits)
        finally:
            self._files.stop()
            await self._watch.stop()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _next(self) -> dict[str, FileContents]:
        """Wait until files may have changed or a time is due; return the changed contents."""
        # Only now, as the results of earlier reads were yielded already.
        if readings := await self._follow():
            return readings | self._files.collect()
        entries = await self._changes(max(0.0, min(self._resync_at, self._debounce.due) - self._now()))
        readings = self._files.collect()
        if entries is None:
            return readings | await self._resync()
        paths = {path for entry in entries for path in self._files.tree.affected(entry)}
        return readings | (await self._files.look(paths) if paths else {})

    async def _changes(self, seconds: float) -> frozenset[str] | None:
        """Wait for changed directory entries, or for the result of a slow read."""
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
        """Watch the directories of the tree, and read the files that changed before the watch."""
        readings: dict[str, FileContents] = {}
        while anew or not self._watch.followed.issuperset(self._files.tree.directories):
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
    """Raise `SourceError` for a missing path: at the start, it is a mistake."""
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
    """Return a suggestion for a missing path: a similar name, or its existing parent."""
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
