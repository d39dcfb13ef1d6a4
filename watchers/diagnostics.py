"""Diagnostics of a source: what is wrong in it, and where; and a set of them that reports changes.

Pure: values, to be shown, logged or counted.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from translator.refs import Ref

Severity = Literal["error", "warning"]


def printable(path: str) -> str:
    """Return a path as it can be shown anywhere: what is not UTF-8 or not to be printed in it is escaped."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class Place(NamedTuple):
    """A line of a file; line 0 stands for the file (or folder) as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing wrong at one place.

    Attributes:
        place: the file and the line, counted from 1.
        message: what is wrong and the way out, in one sentence or two, without the place.
        severity: "error" when something is not served as it is written, "warning" when it is.
        ref: the object it is about, where that is known.
    """

    place: Place
    message: str
    severity: Severity = "error"
    ref: Ref | None = None

    def __str__(self) -> str:
        """In the form of compilers, which editors turn into links: `file:line: error: message`."""
        about = f"{self.ref}: " if self.ref else ""
        return f"{self.place}: {self.severity}: {about}{self.message}"


Report = Callable[[tuple[Diagnostic, ...], tuple[Diagnostic, ...]], None]
"""Takes what is wrong now and was not before, and what was wrong and is not any more."""


class DiagnosticSet:
    """A set of diagnostics, at most one of each owner.

    Args:
        report: called when something goes wrong that did not before, or nobody suffers from any more.
    """

    def __init__(self, report: Report | None = None) -> None:
        self._report = report or (lambda appeared, resolved: None)
        self._of: dict[Hashable, Diagnostic] = {}
        self._counts: Counter[Diagnostic] = Counter()

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All that is wrong now."""
        return tuple(sorted(self._counts, key=str))

    def put(self, owner: Hashable, diagnostic: Diagnostic | None) -> None:
        """Set the diagnostic of an owner; None resolves it."""
        before = self._of.get(owner)
        if before == diagnostic:
            return
        appeared, resolved = [], []
        if diagnostic is not None:
            self._of[owner] = diagnostic
            self._counts[diagnostic] += 1
            appeared = [diagnostic] if self._counts[diagnostic] == 1 else []
        else:
            del self._of[owner]
        if before is not None:
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
                resolved = [before]
        if appeared or resolved:
            self._report(tuple(appeared), tuple(resolved))
