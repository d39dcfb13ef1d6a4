"""Watches of directories by Linux's inotify, without a thread or a poll: a change is seen when it is made."""

import asyncio
import contextlib
import ctypes
import errno
import math
import os
import struct
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Final, NamedTuple

from watchers.background import in_thread

QUIET: Final = 0.0005
"""Seconds after the last change until changes are returned: files that are saved together are read together."""
LATEST: Final = 0.005
"""Seconds after the first change until it is returned, even if more follow or the file is still being written."""

# Of <sys/inotify.h>.
_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO = 0x2, 0x4, 0x8, 0x40, 0x80
_CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x100, 0x200, 0x400, 0x800
_OVERFLOW, _ONLY_DIRECTORY, _IS_DIRECTORY = 0x4000, 0x1000000, 0x40000000
_MOVED: Final = _MOVED_FROM | _MOVED_TO | _MOVE_SELF
_MASK: Final = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED | _CREATE | _DELETE | _DELETE_SELF | _ONLY_DIRECTORY

_HEADER: Final = struct.Struct("iIII")
_READ_BYTES: Final = 64 * 1024
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG})
"""The errors of directories that do not exist or cannot be read."""


class InotifyWatch:
    """A `DirectoryWatch` by inotify."""

    def __init__(self) -> None:
        self.followed: frozenset[str] = frozenset()
        self.failure: str | None = None
        self._descriptor: int | None = None
        self._directories: dict[int, set[str]] = {}
        self._changes = ChangedEntries()
        self._lost = False
        self._news = asyncio.Event()

    async def follow(self, directories: frozenset[str]) -> None:
        """Watch these directories from now on, as far as they exist and can be read."""
        self.failure = None
        try:
            if self._descriptor is None:
                self._descriptor = call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
                asyncio.get_running_loop().add_reader(self._descriptor, self._read, self._descriptor)
            # In a thread, as the server of a network file system may not answer.
            watches = await in_thread(partial(_watch, self._descriptor, directories))
        except OSError as error:
            await self.stop()
            self.failure = (
                "there are too many watches" if error.errno == errno.ENOSPC else os.strerror(error.errno or 0)
            )
        else:
            for watch in self._directories.keys() - watches.keys():
                _unwatch(self._descriptor, watch)
            self._directories = watches
        self.followed = directories

    async def changes(self, seconds: float) -> frozenset[str] | None:
        """Wait for changed directory entries, at most `seconds`, and return them; None if there are none."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not self._lost and (until := min(self._changes.due, deadline)) > loop.time():
            self._news.clear()
            timer = loop.call_at(until, self._news.set)
            try:
                await self._news.wait()
            finally:
                timer.cancel()
        entries = self._changes.take(loop.time())
        if self._lost or not entries.isdisjoint(self.followed):
            # Of changes that the kernel did not queue, the look at everything after the next `follow` tells.
            self.followed, self._lost = frozenset(), False
            return entries
        return entries or None

    async def stop(self) -> None:
        """Stop watching; `follow` starts again."""
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
        self._descriptor, self._directories, self.followed = None, {}, frozenset()

    def _read(self, descriptor: int) -> None:
        """Take what the kernel has queued; the event loop calls this until there is nothing more."""
        now = asyncio.get_running_loop().time()
        for event in read_events(descriptor):
            self._lost = self._lost or bool(event.mask & _OVERFLOW)
            for directory in self._directories.get(event.watch, ()):
                entry = os.path.join(directory, event.name) if event.name else directory
                self._changes.add(entry, now, event.is_complete)
        self._news.set()


class Event(NamedTuple):
    """What happened to an entry of a watched directory; without a name, to the directory itself."""

    watch: int
    mask: int
    name: str

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is to come; a file that is being written is closed in the end, unless it is a link."""
        return not self.mask & (_MODIFY | _CREATE) or bool(self.mask & _IS_DIRECTORY)


class ChangedEntries:
    """Changed entries, until they are taken. Times are in seconds, on one clock."""

    def __init__(self) -> None:
        self._complete: dict[str, float] = {}
        self._written: dict[str, float] = {}
        self._last = 0.0

    def add(self, entry: str, now: float, complete: bool) -> None:
        """Add a change of an entry; it is not complete while a file is being written."""
        if complete:
            self._written.pop(entry, None)
            self._complete.setdefault(entry, now)
            self._last = now
        else:
            self._written.setdefault(entry, now)

    @property
    def due(self) -> float:
        """The time at which there is something to take."""
        written = next(iter(self._written.values()), math.inf) + LATEST
        complete = next(iter(self._complete.values()), math.inf) + LATEST
        return min(written, complete, self._last + QUIET if self._complete else math.inf)

    def take(self, now: float) -> frozenset[str]:
        """Return the complete entries, and those that have been written for long enough; none before they are due."""
        if now < self.due:
            return frozenset()
        written = [entry for entry, since in self._written.items() if since + LATEST <= now]
        taken = frozenset((*self._complete, *written))
        self._complete.clear()
        for entry in written:
            del self._written[entry]
        return taken


def read_events(descriptor: int) -> Iterator[Event]:
    """Read what the kernel has queued, as far as there is room for it."""
    data, position = os.read(descriptor, _READ_BYTES), 0
    while position < len(data):
        watch, mask, _, length = _HEADER.unpack_from(data, position)
        position += _HEADER.size + length
        yield Event(watch, mask, os.fsdecode(data[position - length : position].rstrip(b"\0")))


def _watch(descriptor: int, directories: Iterable[str]) -> dict[int, set[str]]:
    """Watch directories; return the paths of each watch, of which one directory may have several.

    Raises:
        OSError: there are too many watches.
    """
    watches: dict[int, set[str]] = {}
    for each in directories:
        try:
            watches.setdefault(call("inotify_add_watch", descriptor, os.fsencode(each), _MASK), set()).add(each)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
    return watches


def _unwatch(descriptor: int, watch: int) -> None:
    with contextlib.suppress(OSError):  # the directory was removed, and its watch with it
        call("inotify_rm_watch", descriptor, watch)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: int | bytes) -> int:
    """Call a function of the C library, which Python has no binding of.

    Raises:
        OSError: it failed.
    """
    result: int = _libc()[name](*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result
