"""Reads the files of a tree concurrently, so that a slow or endless one delays no other."""

import math
from collections.abc import Callable, Collection
from functools import partial

from watchers.background import in_thread
from watchers.diagnostics import printable
from watchers.files.contents import FileContents, unreadable
from watchers.files.read_pool import PATIENT_TAKEOVER, TAKEOVER, ReadPool
from watchers.files.reader import Content, FileReader, Found
from watchers.files.tree import Tree


class ConcurrentReader:
    """The files of a source, read without blocking the event loop.

    Args:
        reader: finds and reads them; it must have no other user.
        together: the seconds to wait for files that are read at the same time.
        slow: the seconds after which a file that is still being read gets a diagnostic.
    """

    def __init__(self, reader: FileReader, together: float, slow: float) -> None:
        self._reader = reader
        self._together = together
        self._slow_after = slow
        self._slow: set[str] = set()
        self._pool: ReadPool[Content] = ReadPool()

    @property
    def tree(self) -> Tree:
        """The tree of the files."""
        return self._reader.tree

    @property
    def is_idle(self) -> bool:
        """Whether no file is being read, and all results were collected."""
        return self._pool.is_idle

    async def progress(self, seconds: float) -> None:
        """Wait for results to collect, at most `seconds`; while many files are read, for several results."""
        if not self._pool.has_results:
            await self._pool.progress(seconds)
        await self._pool.wait(list(self._pool.paths), min(seconds, self._together))

    def stop(self) -> None:
        """Cancel all reads; return at once."""
        self._pool.stop()

    async def look(self, paths: Collection[str]) -> dict[str, FileContents]:
        """Look at these paths and all below them again.

        Returns:
            The contents that changed and could be read soon; `collect` returns the others.
        """
        return await self._look(partial(self._reader.find, paths), self._together)

    async def look_everywhere(self, patiently: bool = False) -> dict[str, FileContents]:
        """Look at all paths again, and read only files with a changed signature.

        Args:
            patiently: whether to wait for all files that can be read.
        """
        if not patiently:
            return await self._look(self._reader.find_everywhere, self._together)
        self._pool.takeover = PATIENT_TAKEOVER
        try:
            return await self._look(self._reader.find_everywhere, math.inf)
        finally:
            self._pool.takeover = TAKEOVER

    async def _look(self, find: Callable[[], Found], seconds: float) -> dict[str, FileContents]:
        found = await in_thread(find)
        for path in found.contents:
            self._pool.interrupt(path)
            self._slow.discard(path)
        for file, signature in found.files.items():
            if self._pool.pending(file) != signature:
                self._pool.submit(file, self._reader.work(file), signature, self._reader.is_known(file))
        await self._pool.wait(found.files, min(seconds, self._slow_after))
        readings = found.contents | self.collect()
        while seconds > self._slow_after and not self._slow.issuperset(self._pool.paths):
            await self._pool.wait(found.files, self._slow_after)
            readings |= self.collect()
        return readings

    def collect(self) -> dict[str, FileContents]:
        """Return the contents of files read since the last call, and diagnostics of slow ones."""
        readings = {}
        for file, content in self._pool.take().items():
            reading = self._reader.learn(file, content)
            if reading is not None:
                readings[file] = reading
            elif file in self._slow and (signature := self.tree.signature(file)):
                # Unchanged, but it was reported as slow meanwhile.
                self._reader.forget(file)
                self._pool.submit(file, self._reader.work(file), signature)
            self._slow.discard(file)
        for file in self._pool.slow(self._slow_after):
            if file not in self._slow:
                self._slow.add(file)
                self._reader.forget(file)
                readings[file] = unreadable(printable(file), self._slowness)
        return readings

    @property
    def _slowness(self) -> str:
        return f"has been read for {self._slow_after:g} s without coming to an end; anything it gave before stays"
