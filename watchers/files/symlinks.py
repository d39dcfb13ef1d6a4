"""Resolution of symbolic links: the real path, and the directory entries on the way to it."""

import errno
import os
from collections import deque
from typing import NamedTuple

_MAX_LINKS = 40
"""Most symbolic links that the kernel follows in one resolution; path_resolution(7)."""


class Lookup(NamedTuple):
    """The result of a lookup.

    Attributes:
        real: the real, absolute path without symbolic links; if a part of the path is missing, the path of that part.
        entries: the path of each directory entry that was read, absolute and without links up to its last part. While
            none of them changes, the result stays the same.
    """

    real: str
    entries: tuple[str, ...]


def look_up(path: str, directory: str = "/") -> Lookup:
    """Resolve a path from a directory.

    Args:
        path: absolute, or relative to the directory.
        directory: an absolute path without links.

    Raises:
        OSError: a part of the path cannot be read, or its links form a cycle. A missing part is no error.
    """
    real, entries, links = directory, dict[str, None](), 0
    rest = deque(path.split("/"))
    if path.startswith("/"):
        real = "/"
    while rest:
        part = rest.popleft()
        if part == "..":
            real = os.path.dirname(real)
        elif part not in ("", "."):
            entry = os.path.join(real, part)
            entries[entry] = None
            target = _link(entry)
            if target is None:
                real = entry
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            rest.extendleft(reversed(target.split("/")))
            real = "/" if target.startswith("/") else real
    return Lookup(real, tuple(entries))


def _link(entry: str) -> str | None:
    """Return the target of a symbolic link; None for any other entry."""
    try:
        return os.readlink(entry)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
            return None
        raise
