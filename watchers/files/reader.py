"""Finds the files of a tree that may have changed, and reads them; what has not changed is not parsed again.

Synchronous I/O. To find files and to read one are two steps, so that many can be read at once, each by itself.
"""

import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from watchers.diagnostics import printable
from watchers.files.contents import ABSENT, FileContents, Part, read, unreadable
from watchers.files.documents import MAX_BYTES
from watchers.files.read_pool import InterruptedRead, TooExpensive, processor_limit
from watchers.files.tree import MAX_PATHS, Signature, TooManyFiles, Tree
from watchers.files.yaml_decoder import Budget

_CLOCK_GRAIN_NS = 50_000_000
"""How coarse a file system's clock may be: a file changed so recently may change again under the same signature."""

Interrupt = Callable[[], None]


class Found(NamedTuple):
    """What a look at the tree gives.

    Attributes:
        contents: what is known without reading: files that are gone, folders that cannot be read or can be again.
        files: those to read, with what tells this version of each from others.
    """

    contents: dict[str, FileContents]
    files: dict[str, Signature]


class Content(NamedTuple):
    """What reading a file gave.

    Attributes:
        contents: what it says; None if that is what it said before.
        digest: of its bytes; None if it could not be read.
        trusted: its signature, if it cannot change any more without another one.
    """

    contents: FileContents | None
    digest: bytes | None = None
    trusted: Signature | None = None


class FileReader:
    """The files of a source, and what they said last.

    Args:
        roots: folders and files, as the user wrote them.
    """

    def __init__(self, roots: Iterable[str]) -> None:
        self.paths = tuple(roots)
        self.tree = Tree(self.paths)
        self._digests: dict[str, bytes] = {}
        self._parts: dict[str, Mapping[str, Part]] = {}
        self._trusted: dict[str, Signature] = {}
        self.closed: dict[str, str] = {}
        """The files and folders of which nothing can be known now, and why."""
        self._overflowing: dict[str, str] = {}

    def look(self, paths: Collection[str]) -> dict[str, FileContents]:
        """Look again at these paths and all below them, and read what may be another now.

        Returns:
            What those files and folders say now that do not say the same as before.
        """
        return self._read_all(self.find(paths))

    def look_everywhere(self) -> dict[str, FileContents]:
        """Look again at everything, opening only files whose signature is not what it was."""
        return self._read_all(self.find_everywhere())

    def _read_all(self, found: Found) -> dict[str, FileContents]:
        said = {file: self.learn(file, self.work(file)(_never)) for file in found.files}
        return found.contents | {file: reading for file, reading in said.items() if reading is not None}

    def find(self, paths: Collection[str]) -> Found:
        """Find these files, and those below these paths whose signature is not what it was."""
        return self._find(paths, frozenset(paths))

    def find_everywhere(self) -> Found:
        """Find all files whose signature is not what it was."""
        return self._find(self.tree.roots, frozenset())

    def _find(self, paths: Iterable[str], changed: frozenset[str]) -> Found:
        candidates = set[str]()
        for path in paths:
            self._overflowing.pop(path, None)
            try:
                candidates |= self.tree.look(path)
            except TooManyFiles:
                why = f"there are more than {MAX_PATHS} files and folders here; name a smaller folder"
                self._overflowing[path] = why
        readings = self._closures(self.tree.unreadable | self._overflowing)
        files = dict[str, Signature]()
        # In order, so that the messages about what is there twice do not depend on chance.
        for file in sorted(candidates):
            signature = self.tree.signature(file)
            if signature is None:
                self.forget(file)
                readings[file] = ABSENT
            elif file in changed or self._trusted.get(file) != signature:
                files[file] = signature
        return Found({path: each for path, each in readings.items() if path not in files}, files)

    def _closures(self, closed: dict[str, str]) -> dict[str, FileContents]:
        """Return what has come to be unreadable, and what no longer is."""
        changed = {path for path, _ in closed.items() ^ self.closed.items()}
        self.closed = closed
        readings = {}
        for path in changed:
            self.forget(path)
            readings[path] = _unreadable(path, closed[path]) if path in closed else ABSENT
        return readings

    def forget(self, file: str) -> None:
        """Have a file read as if for the first time, the next time."""
        self._digests.pop(file, None)
        self._parts.pop(file, None)
        self._trusted.pop(file, None)

    def is_known(self, file: str) -> bool:
        """Return whether an earlier version of a file has been read, and could be."""
        return file in self._digests

    def work(self, file: str) -> Callable[[Interrupt], Content]:
        """Return what reads a file of the tree: in any thread, and raising nothing but what it is interrupted with."""
        known = self._parts.get(file, {})
        return partial(_read, file, self.tree.real(file), self._digests.get(file), known)

    def learn(self, file: str, content: Content) -> FileContents | None:
        """Take in what reading a file gave, and return what it says, unless that is what it said before."""
        if content.digest is None:
            self.forget(file)
            return content.contents
        self._digests[file] = content.digest
        if content.trusted:
            self._trusted[file] = content.trusted
        if content.contents:
            self._parts[file] = content.contents.parts
        return content.contents


def _never() -> None:
    """Do not interrupt."""


def _read(file: str, real: str, digest: bytes | None, known: Mapping[str, Part], interrupt: Interrupt) -> Content:
    try:
        data, opened = _content(real)
    except FileNotFoundError:
        # Gone since it was found: whether it was deleted or went with its folder, the next look at the tree tells.
        return Content(None)
    except OSError as error:
        return Content(_unreadable(file, error.strerror or str(error)))
    trusted = opened if opened.modified + _CLOCK_GRAIN_NS < time.time_ns() else None
    now = blake2b(data, digest_size=16).digest()
    if now == digest:
        return Content(None, now, trusted)
    return Content(_parsed(data, file, known, interrupt), now, trusted)


def _parsed(data: bytes, file: str, known: Mapping[str, Part], interrupt: Interrupt) -> FileContents:
    limit = processor_limit()

    def check() -> None:
        interrupt()
        limit()

    try:
        return read(data, printable(file), known, Budget(interrupt=check))
    except TooExpensive as error:
        return _unreadable(file, str(error))
    except InterruptedRead:
        raise
    except Exception as error:  # the other files have nothing to do with it
        return _unreadable(file, f"a bug in Headgate, please report it: {type(error).__name__}: {error}")


def _unreadable(path: str, why: str) -> FileContents:
    return unreadable(printable(path), f"cannot be read: {why}; anything it gave before stays")


def _content(path: str) -> tuple[bytes, Signature]:
    """Return a file's content, and one byte too many of it if it is too large; never waits, as opening a pipe would."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(path)
        return file.read(MAX_BYTES + 1), Signature.of(status)
