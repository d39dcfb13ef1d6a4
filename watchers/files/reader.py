"""Reader of the files of a tree: it finds those that may have changed, and parses only changed ones.

Synchronous I/O. Finding files and reading one are separate steps, so that many can be read concurrently.
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
"""Resolution of a file system's clock: a file changed more recently may change again with the same signature."""

_PIECE = 64 * 1024
"""Bytes that are read at once."""

Interrupt = Callable[[], None]


class Found(NamedTuple):
    """The result of a look at the tree.

    Attributes:
        contents: the contents known without a read: of deleted files, and of folders that became (un)readable.
        files: the files to read, each with a key that identifies its version.
    """

    contents: dict[str, FileContents]
    files: dict[str, Signature]


class Content(NamedTuple):
    """The result of the read of a file.

    Attributes:
        contents: its contents; None if they have not changed.
        digest: the hash of its bytes; None if it could not be read.
        trusted: its signature, if no later change can have the same one.
    """

    contents: FileContents | None
    digest: bytes | None = None
    trusted: Signature | None = None


class FileReader:
    """The files of a source, with their last contents.

    Args:
        roots: folders and files, as given by the user.
    """

    def __init__(self, roots: Iterable[str]) -> None:
        self.paths = tuple(roots)
        self.tree = Tree(self.paths)
        self._digests: dict[str, bytes] = {}
        self._parts: dict[str, Mapping[str, Part]] = {}
        self._trusted: dict[str, Signature] = {}
        self.closed: dict[str, str] = {}
        """The unreadable files and folders, with the reasons."""
        self._overflowing: dict[str, str] = {}

    def look(self, paths: Collection[str]) -> dict[str, FileContents]:
        """Look at these paths and all below them again, and read files that may have changed.

        Returns:
            The contents of those that have changed, by path.
        """
        return self._read_all(self.find(paths))

    def look_everywhere(self) -> dict[str, FileContents]:
        """Look at all paths again, and read only files with a changed signature."""
        return self._read_all(self.find_everywhere())

    def _read_all(self, found: Found) -> dict[str, FileContents]:
        changed = {file: self.learn(file, self.work(file)(_never)) for file in found.files}
        return found.contents | {file: reading for file, reading in changed.items() if reading is not None}

    def find(self, paths: Collection[str]) -> Found:
        """Find these files, and those below these paths with a changed signature."""
        return self._find(paths, frozenset(paths))

    def find_everywhere(self) -> Found:
        """Find all files with a changed signature."""
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
        # Sorted, so that the diagnostics of duplicates do not depend on chance.
        for file in sorted(candidates):
            signature = self.tree.signature(file)
            if signature is None:
                self.forget(file)
                readings[file] = ABSENT
            elif file in changed or self._trusted.get(file) != signature:
                files[file] = signature
        return Found({path: each for path, each in readings.items() if path not in files}, files)

    def _closures(self, closed: dict[str, str]) -> dict[str, FileContents]:
        """Return the contents of files and folders that became unreadable, or readable again."""
        changed = {path for path, _ in closed.items() ^ self.closed.items()}
        self.closed = closed
        readings = {}
        for path in changed:
            self.forget(path)
            readings[path] = _unreadable(path, closed[path]) if path in closed else ABSENT
        return readings

    def forget(self, file: str) -> None:
        """Drop the stored contents of a file, so that it is parsed again."""
        self._digests.pop(file, None)
        self._parts.pop(file, None)
        self._trusted.pop(file, None)

    def is_known(self, file: str) -> bool:
        """Return whether an earlier version of a file was read successfully."""
        return file in self._digests

    def work(self, file: str) -> Callable[[Interrupt], Content]:
        """Return a function that reads a file, in any thread; it raises only the exceptions of its argument."""
        known = self._parts.get(file, {})
        return partial(_read, file, self.tree.real(file), self._digests.get(file), known)

    def learn(self, file: str, content: Content) -> FileContents | None:
        """Store the result of a read; return the contents, None if they have not changed."""
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
        # Deleted since it was found; the next look at the tree finds out whether its folder was, too.
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
    except Exception as error:  # a bug must not affect the other files
        return _unreadable(file, f"a bug in Headgate, please report it: {type(error).__name__}: {error}")


def _unreadable(path: str, why: str) -> FileContents:
    return unreadable(printable(path), f"cannot be read: {why}; anything it gave before stays")


def _content(path: str) -> tuple[bytes, Signature]:
    """Return a file's content, one byte too many if it is too large; never block, as opening a pipe would."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(path)
        found = bytearray()
        # In pieces, as memory for the largest file takes as long to get as a small one takes to parse.
        while len(found) <= MAX_BYTES and (piece := file.read(min(_PIECE, MAX_BYTES + 1 - len(found)))):
            found += piece
        return bytes(found), Signature.of(status)
