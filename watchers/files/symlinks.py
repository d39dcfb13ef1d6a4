"""Resolution of symbolic links: where a path leads, and the directory entries on the way."""

import errno
import os
from collections import deque
from typing import NamedTuple

_MAX_LINKS = 40
"""How many symbolic links in a row the kernel follows before it calls them a circle; path_resolution(7)."""


class Lookup(NamedTuple):
    """What looking up a path came to.

    Attributes:
        real: the absolute path it stands for, with no symbolic links in it; where something on the way is missing, the
            path of that.
        entries: the absolute path, without links up to its last part, of every directory entry that was read on the
            way. As long as none of them changes, the path stands for the same.
    """

    real: str
    entries: tuple[str, ...]


def look_up(path: str, directory: str = "/") -> Lookup:
    """Follow a path, links and all, from a directory.

    Args:
        path: absolute, or relative to the directory.
        directory: an absolute path without links.

    Raises:
        OSError: something on the way may not be read, or links lead in a circle. What is missing is no error.
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
    """Return the target of an entry, None if it is no symbolic link."""
    try:
        return os.readlink(entry)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
            return None
        raise
