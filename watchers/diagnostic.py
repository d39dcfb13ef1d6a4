"""What is wrong in a user's file, and where: a value, to be shown, logged or counted by whoever asks."""

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
