"""Reads the files of a tree that may have changed; what has not changed is not parsed again. Synchronous I/O."""

import os
import stat
import time
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from watchers.manifests import MAX_BYTES
from watchers.reading import ABSENT, Part, Reading, read, unreadable
from watchers.tree import MAX_PATHS, Signature, TooManyFiles, Tree

_CLOCK_GRAIN_NS = 50_000_000
"""How coarse a file system's clock may be: a file changed so recently may change again under the same signature."""


class Reader:
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

    def look(self, paths: Iterable[str]) -> dict[str, Reading]:
        """Look again at these paths and all below them.

        Returns:
            What those files and folders say now that do not say the same as before.
        """
        return self._look(paths, always=True)

    def look_everywhere(self) -> dict[str, Reading]:
        """Look again at everything, opening only files whose signature is not what it was."""
        return self._look(self.tree.roots, always=False)

    def _look(self, paths: Iterable[str], always: bool) -> dict[str, Reading]:
        files = set[str]()
        for path in paths:
            self._overflowing.pop(path, None)
            try:
                files |= self.tree.look(path)
            except TooManyFiles:
                why = f"there are more than {MAX_PATHS} files and folders here; name a smaller folder"
                self._overflowing[path] = why
        closures = self._closures(self.tree.unreadable | self._overflowing)
        # In order, so that the messages about what is there twice do not depend on chance.
        said = {file: self._read(file, always) for file in sorted(files)}
        return closures | {file: reading for file, reading in said.items() if reading is not None}

    def _closures(self, closed: dict[str, str]) -> dict[str, Reading]:
        """What has come to be unreadable, and what no longer is."""
        changed = {path for path, _ in closed.items() ^ self.closed.items()}
        self.closed = closed
        readings = {}
        for path in changed:
            self._forget(path)
            readings[path] = _unreadable(path, closed[path]) if path in closed else ABSENT
        return readings

    def _forget(self, file: str) -> None:
        self._digests.pop(file, None)
        self._parts.pop(file, None)
        self._trusted.pop(file, None)

    def _read(self, file: str, always: bool) -> Reading | None:
        """What a file says, unless it is the same as before."""
        signature = self.tree.signature(file)
        if signature is None:
            self._forget(file)
            return ABSENT
        if not always and self._trusted.get(file) == signature:
            return None
        try:
            data, opened = _content(self.tree.real(file))
        except FileNotFoundError:
            self._forget(file)
            return ABSENT
        except OSError as error:
            self._forget(file)
            return _unreadable(file, error.strerror or str(error))
        if opened.modified + _CLOCK_GRAIN_NS < time.time_ns():
            self._trusted[file] = opened
        digest = blake2b(data, digest_size=16).digest()
        if self._digests.get(file) == digest:
            return None
        self._digests[file] = digest
        reading = read(data, file, self._parts.get(file, {}))
        self._parts[file] = reading.parts
        return reading


def _unreadable(path: str, why: str) -> Reading:
    return unreadable(path, f"cannot be read: {why}; anything it gave before stays")


def _content(path: str) -> tuple[bytes, Signature]:
    """A file's content, and one byte too many of it if it is too large; never waits, as opening a pipe would."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(path)
        return file.read(MAX_BYTES + 1), Signature.of(status)
