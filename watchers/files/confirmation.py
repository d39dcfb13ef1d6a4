"""Debouncing of file contents: removals and new errors count once they have lasted. Pure: the caller passes the time.

New and changed objects count at once. Removals and errors do not: an editor that renames the old file before it writes
the new one, `helm template > f`, which empties the file while it works, or a folder that is copied file by file, must
not remove served objects. A longer wait is reported by a diagnostic.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from watchers.diagnostics import Diagnostic, Place, printable
from watchers.files.contents import ABSENT, FileContents
from watchers.files.last_good import File
from watchers.files.store import FileStore


@dataclass(frozen=True, slots=True)
class Pauses:
    """Debounce times: the seconds for which file contents must not change before they count.

    Attributes:
        wrong: for contents with a new error that remove no object.
        deleted: for a deleted file.
        shrunk: for a file in which an object is missing, or that ends within a line.
        emptied: for a file without objects.
        most_extension: the factor by which the time is extended at most while files keep changing.
        report_after: the seconds after which a debounced file gets a diagnostic.
    """

    wrong: float = 0.1
    deleted: float = 0.5
    shrunk: float = 2.0
    emptied: float = 30.0
    most_extension: int = 10
    report_after: float = 1.0


class _Debounced(NamedTuple):
    """Debounced file contents.

    Attributes:
        contents: the contents.
        since: the time of the first contents that were debounced.
        due: the time at which they count, if they do not change again.
        pause: the debounce time, in seconds.
        message: the text of the diagnostic; "" if they remove no object.
        reported: whether the diagnostic was reported.
    """

    contents: FileContents
    since: float
    due: float
    pause: float
    message: str
    reported: bool

    def postpone(self, now: float, most_extension: int) -> "_Debounced":
        """Restart the debounce time, up to its extended limit."""
        return self._replace(due=min(now + self.pause, self.since + self.pause * most_extension))


class Confirmation:
    """The debounced contents of the files of a folder."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._debounced: dict[str, _Debounced] = {}

    @property
    def due(self) -> float:
        """The time at which to call `confirmed` without new contents; infinity for never."""
        return min(map(self._next, self._debounced.values()), default=math.inf)

    def _next(self, debounced: _Debounced) -> float:
        return (
            debounced.due
            if debounced.reported or not debounced.message
            else min(debounced.due, debounced.since + self._pauses.report_after)
        )

    def confirmed(
        self, folder: FileStore, readings: Mapping[str, FileContents], now: float, busy: bool = False
    ) -> dict[str, FileContents]:
        """Return the contents that count now, of new and of debounced ones.

        Args:
            folder: the files as they count so far; not changed.
            readings: the new contents, by path.
            now: the time in seconds.
            busy: whether files are still being read, which may contain objects that are missing in others.
        """
        candidates = {path: debounced.contents for path, debounced in self._debounced.items()} | dict(readings)
        before, self._debounced = self._debounced, {}
        for path in sorted(folder.needs_debounce(candidates)):
            debounced = self._debounce(folder, path, candidates[path], before.get(path), now)
            # A folder may be copied file by file.
            is_copied = readings and debounced.contents is ABSENT
            if path in readings or is_copied or (busy and debounced.message):
                debounced = debounced.postpone(now, self._pauses.most_extension)
            if debounced.due > now:
                self._debounced[path] = debounced
        reports = {path: self._notice(path, each) for path, each in self._debounced.items() if self._next(each) <= now}
        return reports | {path: each for path, each in candidates.items() if path not in self._debounced}

    def _debounce(
        self, folder: FileStore, path: str, reading: FileContents, before: _Debounced | None, now: float
    ) -> _Debounced:
        if before and before.contents is reading:
            return before
        pause, message = self._pause(folder.file(path), reading)
        reported = before is not None and before.reported and before.message == message
        return _Debounced(reading, before.since if before else now, now + pause, pause, message, reported)

    def _pause(self, file: File, reading: FileContents) -> tuple[float, str]:
        pauses = self._pauses
        if reading is ABSENT:
            return pauses.deleted, "is not there any more; what it gave stays until the files around it are at rest"
        loses = bool(file.lost(reading))
        if loses and not reading.definitions and not reading.broken:
            return pauses.emptied, (
                f"has no objects any more; what it gave before stays until that has been so for {pauses.emptied:g} s: "
                "to remove it at once, delete the file"
            )
        if loses or not reading.errors - file.contents.errors:
            return pauses.shrunk, (
                "has lost objects or ends within a line, as if it were still being written; "
                f"what it gave before stays until the file has been at rest for {pauses.shrunk:g} s"
            )
        return pauses.wrong, ""

    def _notice(self, path: str, debounced: _Debounced) -> FileContents:
        """Return the contents that report a debounced file, without a removal."""
        self._debounced[path] = debounced._replace(reported=True)
        diagnostic = Diagnostic(Place(printable(path)), debounced.message, "warning")
        return FileContents({}, complete=False, diagnostics=(diagnostic,))
