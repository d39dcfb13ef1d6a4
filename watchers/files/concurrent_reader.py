"""Reads the files of a tree each by itself, so that one that takes long, or never ends, holds up no other."""

import math
from collections.abc import Callable, Collection
from functools import partial

from watchers.diagnostics import printable
from watchers.files.background import in_thread
from watchers.files.contents import FileContents, unreadable
from watchers.files.read_pool import ReadPool
from watchers.files.reader import Content, FileReader, Found
from watchers.files.tree import Tree


class ConcurrentReader:
    """The files of a source, read without blocking the event loop.

    Args:
        reader: finds and reads them; not to be used by anybody else.
        together: how long, in seconds, files that are looked at at once are waited for.
        slow: after how long a file that is still being read is told.
    """

    def __init__(self, reader: FileReader, together: float, slow: float) -> None:
        self._reader = reader
        self._together = together
        self._slow_after = slow
        self._slow: set[str] = set()
        self._pool: ReadPool[Content] = ReadPool()

    @property
    def tree(self) -> Tree:
        """Where the files are."""
        return self._reader.tree

    @property
    def is_idle(self) -> bool:
        """Whether no file is being read, and all that was read is collected."""
        return self._pool.is_idle

    async def progress(self, seconds: float) -> None:
        """Wait until there is something to collect, but no longer than this; of many files, until there are some."""
        if not self._pool.has_results:
            await self._pool.progress(seconds)
        await self._pool.wait(list(self._pool.paths), min(seconds, self._together))

    def stop(self) -> None:
        """Give up what is being read; returns at once."""
        self._pool.stop()

    async def look(self, paths: Collection[str]) -> dict[str, FileContents]:
        """Look again at these paths and all below them.

        Returns:
            What those say now that do not say the same as before, and could be read soon. `collect` gives the others.
        """
        return await self._look(partial(self._reader.find, paths), self._together)

    async def look_everywhere(self, patiently: bool = False) -> dict[str, FileContents]:
        """Look again at everything, opening only files whose signature is not what it was.

        Args:
            patiently: wait for all files that can be read at all.
        """
        return await self._look(self._reader.find_everywhere, math.inf if patiently else self._together)

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
        """Return what files say that were read meanwhile, and which of them take long."""
        readings = {}
        for file, content in self._pool.take().items():
            reading = self._reader.learn(file, content)
            if reading is not None:
                readings[file] = reading
            elif file in self._slow and (signature := self.tree.signature(file)):
                # The same as before, but meanwhile it was said to be slow.
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
