"""Debouncing of file contents: removals and new errors count once they have lasted. Pure: the time is given.

What is written is believed at once. What a file takes away, or gets wrong, is not: an editor that renames the old file
before it writes the new one, `helm template > f`, which empties a file for as long as it works, a folder that is
filled one file after the other, must not take down what is served. What has to be waited for longer is told meanwhile.
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
    """How long a reading must stay as it is until it is believed, in seconds.

    Attributes:
        wrong: one with a new error, which takes nothing away.
        deleted: of a file that is not there any more.
        shrunk: of a file in which an object is missing, or that breaks off within a line.
        emptied: of a file that has no objects any more.
        unrest: how many times as long that lasts at most, if files do not come to rest.
        untold: how long a reading is in doubt before that is told.
    """

    wrong: float = 0.1
    deleted: float = 0.5
    shrunk: float = 2.0
    emptied: float = 30.0
    unrest: int = 10
    untold: float = 1.0


class _Debounced(NamedTuple):
    """A reading that is not believed yet.

    Attributes:
        contents: what is in doubt.
        since: since when the file is in doubt.
        due: when it is believed, if nothing else comes.
        pause: how long it must stay so, in seconds.
        message: what to tell of it; "" if it takes nothing away.
        reported: whether that was told.
    """

    contents: FileContents
    since: float
    due: float
    pause: float
    message: str
    reported: bool

    def postpone(self, now: float, unrest: int) -> "_Debounced":
        """Have it wait from now on, unless it has waited for too long already."""
        return self._replace(due=min(now + self.pause, self.since + self.pause * unrest))


class Confirmation:
    """The readings of a folder that are in doubt."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._debounced: dict[str, _Debounced] = {}

    @property
    def due(self) -> float:
        """When `confirmed` has to be called though there is no new reading; infinity for never."""
        return min(map(self._next, self._debounced.values()), default=math.inf)

    def _next(self, doubt: _Debounced) -> float:
        return doubt.due if doubt.reported or not doubt.message else min(doubt.due, doubt.since + self._pauses.untold)

    def confirmed(
        self, folder: FileStore, readings: Mapping[str, FileContents], now: float, busy: bool = False
    ) -> dict[str, FileContents]:
        """Return what is to be believed now, of new readings and of those in doubt.

        Args:
            folder: what is believed so far; it is not changed.
            readings: what files say now.
            now: the time in seconds.
            busy: whether files are still being read, which may have what is missing in others.
        """
        candidates = {path: doubt.contents for path, doubt in self._debounced.items()} | dict(readings)
        before, self._debounced = self._debounced, {}
        for path in sorted(folder.needs_debounce(candidates)):
            doubt = self._debounce(folder, path, candidates[path], before.get(path), now)
            # A folder may be filled one file after the other.
            unrest = readings and doubt.contents is ABSENT
            if path in readings or unrest or (busy and doubt.message):
                doubt = doubt.postpone(now, self._pauses.unrest)
            if doubt.due > now:
                self._debounced[path] = doubt
        told = {path: self._notice(path, each) for path, each in self._debounced.items() if self._next(each) <= now}
        return told | {path: each for path, each in candidates.items() if path not in self._debounced}

    def _debounce(
        self, folder: FileStore, path: str, reading: FileContents, before: _Debounced | None, now: float
    ) -> _Debounced:
        if before and before.contents is reading:
            return before
        pause, message = self._pause(folder.file(path), reading)
        told = before is not None and before.reported and before.message == message
        return _Debounced(reading, before.since if before else now, now + pause, pause, message, told)

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

    def _notice(self, path: str, doubt: _Debounced) -> FileContents:
        """Tell of a doubt: as a reading that takes nothing away."""
        self._debounced[path] = doubt._replace(reported=True)
        diagnostic = Diagnostic(Place(printable(path)), doubt.message, "warning")
        return FileContents({}, complete=False, diagnostics=(diagnostic,))
