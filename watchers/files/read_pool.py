"""A pool of threads that read files, so that a slow or endless one delays no other.

One thread reads one file after another. If it has not finished one for a moment, another thread takes over the rest,
and the first continues with its file. Known and new files are read in turn: a change of one file does not wait for a
folder of others that is being copied.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Generic, TypeVar

from watchers.background import start_in_thread

Result = TypeVar("Result")

MAX_THREADS = 16
"""Most files read concurrently; if that many are endless, all others wait."""

TAKEOVER = 0.02
"""Seconds without a finished file after which another thread is started."""

PATIENT_TAKEOVER = 0.1
"""The same while no file is urgent: threads that parse delay each other."""

_MAX_PROCESSOR_SECONDS = 10.0


class InterruptedRead(Exception):
    """A read was cancelled."""


class TooExpensive(Exception):
    """The read of a file takes too much processor time."""

    def __init__(self) -> None:
        super().__init__(f"it takes more than {_MAX_PROCESSOR_SECONDS:.0f} s of processor time; split it")


def processor_limit(clock: Callable[[], float] = time.thread_time) -> Callable[[], None]:
    """Return a check that raises `TooExpensive` once this thread has used too much processor time from now on.

    Args:
        clock: the processor time of the current thread, in seconds.
    """
    begun = clock()

    def check() -> None:
        if clock() - begun > _MAX_PROCESSOR_SECONDS:
            raise TooExpensive

    return check


@dataclass(slots=True, eq=False)
class Read(Generic[Result]):
    """One file to read.

    Attributes:
        path: the file.
        work: reads it; calls its argument often, which may raise `InterruptedRead`.
        key: identifies the version of the file.
        started: the time at which a thread started it, on the pool's clock.
        interrupted: whether it was cancelled.
    """

    path: str
    work: Callable[[Callable[[], None]], Result]
    key: object
    started: float | None = None
    interrupted: bool = False

    def check(self) -> None:
        """Raise `InterruptedRead` if the read was cancelled."""
        if self.interrupted:
            raise InterruptedRead


class ReadPool(Generic[Result]):
    """The files being read; use it from one event loop only.

    Args:
        clock: a monotonic clock, in seconds.

    Attributes:
        takeover: the seconds without a finished file after which another thread is started.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.takeover = TAKEOVER
        self._clock = clock
        self._pending: dict[str, Read[Result]] = {}
        self._queues: tuple[deque[Read[Result]], deque[Read[Result]]] = (deque(), deque())
        self._turns = count()
        self._results: dict[str, Result] = {}
        self._threads = 0
        self._progress = clock()
        self._changed = asyncio.Event()

    def submit(self, path: str, work: Callable[[Callable[[], None]], Result], key: object, known: bool = False) -> None:
        """Schedule the read of a file; cancel that of another version.

        Args:
            path: the file.
            work: reads it; calls its argument often, which may raise, and raises nothing else.
            key: identifies the version of the file.
            known: whether an earlier version of it has been read.
        """
        self.interrupt(path)
        read = Read(path, work, key)
        self._pending[path] = read
        self._queues[known].append(read)
        self._help()

    def interrupt(self, path: str) -> None:
        """Cancel the read of a file, and drop its result."""
        self._results.pop(path, None)
        if earlier := self._pending.pop(path, None):
            earlier.interrupted = True

    def stop(self) -> None:
        """Cancel all reads; return at once."""
        for path in list(self._pending):
            self.interrupt(path)

    def pending(self, path: str) -> object:
        """Return the key of the version of a file that is being read; None if none is."""
        read = self._pending.get(path)
        return read and read.key

    @property
    def paths(self) -> Collection[str]:
        """The files that are being read."""
        return self._pending.keys()

    @property
    def is_idle(self) -> bool:
        """Whether no file is being read, and all results were taken."""
        return not self._pending and not self._results

    @property
    def has_results(self) -> bool:
        """Whether there are results to take."""
        return bool(self._results)

    def slow(self, seconds: float) -> list[str]:
        """Return the files whose read takes longer than `seconds`, including those that wait for others."""
        latest = self._clock() - seconds
        starved = self._progress < latest
        return [
            path for path, read in self._pending.items() if (starved if read.started is None else read.started < latest)
        ]

    async def wait(self, paths: Iterable[str], seconds: float) -> None:
        """Wait until none of these files is being read, at most `seconds`."""
        deadline = self._clock() + seconds
        for read in [self._pending[path] for path in paths if path in self._pending]:
            while self._pending.get(read.path) is read:
                if (left := deadline - self._clock()) <= 0:
                    return
                await self.progress(left)

    async def progress(self, seconds: float) -> None:
        """Wait until another file is finished, at most `seconds`."""
        self._changed.clear()
        ends = self._clock() + seconds
        while not self._changed.is_set() and (left := ends - self._clock()) > 0:
            self._help()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, self.takeover) if any(self._queues) else left):
                    await self._changed.wait()

    def take(self) -> dict[str, Result]:
        """Return the results since the last call."""
        taken, self._results = self._results, {}
        return taken

    def _help(self) -> None:
        """Start a thread if files wait, and no other thread makes progress."""
        stuck = self._clock() - self._progress >= self.takeover
        if any(self._queues) and self._threads < MAX_THREADS and (not self._threads or stuck):
            self._threads += 1
            self._progress = self._clock()
            loop = asyncio.get_running_loop()
            start_in_thread(partial(self._run, loop))

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read one file after another, in a thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: results are not needed
            while (read := self._next()) is not None:
                read.started = self._clock()
                with contextlib.suppress(InterruptedRead):
                    read.check()
                    loop.call_soon_threadsafe(self._complete, read, read.work(read.check))
            loop.call_soon_threadsafe(self._ended)

    def _next(self) -> Read[Result] | None:
        """Return the file to read next, in a thread: from the two queues in turn; None if both are empty."""
        turn = next(self._turns) % 2
        for queue in (self._queues[turn], self._queues[1 - turn]):
            with contextlib.suppress(IndexError):
                return queue.popleft()
        return None

    def _ended(self) -> None:
        self._threads -= 1
        self._help()  # for files submitted meanwhile

    def _complete(self, read: Read[Result], result: Result) -> None:
        self._progress = self._clock()
        if self._pending.get(read.path) is read:
            del self._pending[read.path]
            self._results[read.path] = result
            self._changed.set()
