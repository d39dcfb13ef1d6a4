"""A pool of processes that inspect. One that takes too long is killed, and another one takes its place."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import structlog

from headgate.process.errors import UserError
from headgate.waf.inspection import LENGTHS, Inspection, Verdict, frame, read_verdict
from headgate.waf.turns import Share, Turns

log = structlog.stdlib.get_logger("headgate")


class PoolError(Exception):
    """Nothing was inspected."""


class Overloaded(PoolError):
    """Too many requests wait, or have waited for too long."""


class TooSlow(PoolError):
    """The inspection took too long."""


class Crashed(PoolError):
    """The process that inspected has ended."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Limits of a pool.

    Attributes:
        inspection: the most seconds of one inspection. With the seconds of waiting it is less than the second that
            proxies wait.
        waiting: the most seconds that a request waits for a process.
        load: the most seconds in which a process loads rules, beside that.
        queue: the most requests that wait, for each process.
        inspections: after so many inspections a process is replaced, whatever memory it has not given back.
        restart: the pause in seconds before a process is started again that could not be.
        rule_sets: the most profiles of which is remembered that a process has their rules.
    """

    inspection: float = 0.5
    waiting: float = 0.4
    load: float = 10.0
    queue: int = 64
    inspections: int = 200_000
    restart: float = 1.0
    rule_sets: int = 16


DEFAULTS = PoolLimits()


@dataclass(slots=True, eq=False)
class Worker:
    """A process.

    Attributes:
        process: the process.
        reader: what it says.
        writer: what it is told.
        known: the profiles whose rules it has.
        inspections: how many inspections it has made.
    """

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    known: OrderedDict[tuple[str, bool], None] = field(default_factory=OrderedDict)
    inspections: int = 0

    @classmethod
    async def start(cls, folder: Path | None) -> tuple[Worker, Verdict]:
        """Start a process; return it with what it says first."""
        ours, theirs = socket.socketpair()
        with theirs:
            arguments = [str(theirs.fileno()), *([str(folder)] if folder else [])]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "headgate.waf.worker", *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # Rules can name variables of the environment.
                env={"PYTHONPATH": ":".join(each for each in sys.path if each)},
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        found = cls(process, reader, writer)
        try:
            return found, await found.read()
        except BaseException:
            await found.end()
            raise

    async def read(self) -> Verdict:
        """Read what it says."""
        header, body = LENGTHS.unpack(await self.reader.readexactly(LENGTHS.size))
        data = await self.reader.readexactly(header + body)
        return read_verdict(data[:header])

    async def ask(self, message: bytes) -> Verdict:
        """Have it inspect something."""
        self.writer.write(message)
        await self.writer.drain()
        return await self.read()

    def learns(self, key: tuple[str, bool], most: int) -> bool:
        """Remember that it has the rules of a profile; return whether it has them only now."""
        is_new = key not in self.known
        self.known[key] = None
        self.known.move_to_end(key)
        if len(self.known) > most:
            self.known.popitem(last=False)
        return is_new

    async def end(self) -> None:
        """Kill it."""
        self.writer.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class Pool:
    """Processes that inspect, one request each at a time.

    Attributes:
        size: how many there are to be.
        restarts: how many were replaced before their time.
    """

    def __init__(self, size: int, folder: Path | None = None, limits: PoolLimits = DEFAULTS) -> None:
        self.size = size
        self.restarts = 0
        self._folder = folder
        self._limits = limits
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []
        self._turns: Turns[asyncio.Future[Worker]] = Turns(size, limits.queue * size)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        """How many processes there are."""
        return len(self._workers)

    async def __aenter__(self) -> Pool:
        """Start the processes.

        Raises:
            UserError: they do not start: there is no library, or there are no rules.
        """
        try:
            for _ in range(self.size):
                worker, first = await Worker.start(self._folder)
                if first.error:
                    await worker.end()
                    raise UserError(first.error)
                self._add(worker)
        except asyncio.IncompleteReadError:
            await self._end_all()
            raise UserError("The processes that inspect requests end at once: standard error says why.") from None
        except BaseException:
            await self._end_all()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        await self._end_all()

    async def inspect(self, found: Inspection, body: bytes, route: str = "") -> Verdict:
        """Inspect something of a route.

        Raises:
            PoolError: nothing was inspected.
        """
        key = (found.profile, found.response is not None)
        share = (route, found.profile)
        worker = await self._take(share, key)
        # The answer is read even if nobody waits for it any more.
        task = asyncio.ensure_future(self._ask(worker, share, key, frame(found, body)))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_retrieved)
            raise

    async def _ask(self, worker: Worker, share: Share, key: tuple[str, bool], message: bytes) -> Verdict:
        limits = self._limits
        seconds = limits.inspection + (limits.load if worker.learns(key, limits.rule_sets) else 0)
        try:
            async with asyncio.timeout(seconds):
                verdict = await worker.ask(message)
        except BaseException as error:
            self._turns.end(share, limits.inspection)
            await self._replace(worker)
            if isinstance(error, TimeoutError):
                raise TooSlow from None
            if isinstance(error, (OSError, EOFError)):
                raise Crashed from None
            raise
        self._turns.end(share, verdict.cpu)
        worker.inspections += 1
        if worker.inspections >= limits.inspections:
            await self._replace(worker, is_early=False)
        else:
            self._release(worker)
        return verdict

    async def _take(self, share: Share, key: tuple[str, bool]) -> Worker:
        if self._idle and self._turns.may_run(share, len(self._workers)):
            # One that has the rules; else the one whose turn it is.
            worker = next((each for each in self._idle if key in each.known), self._idle[0])
            self._idle.remove(worker)
            self._turns.begin(share)
            return worker
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        given_up = self._turns.wait(share, turn)
        if given_up is turn:
            raise Overloaded
        if given_up is not None:
            given_up.set_exception(Overloaded())
        try:
            async with asyncio.timeout(self._limits.waiting):
                return await asyncio.shield(turn)
        except BaseException as error:
            self._turns.leave(share, turn)
            if turn.done() and not turn.exception():
                self._turns.end(share)
                self._release(turn.result())
            if isinstance(error, TimeoutError):
                raise Overloaded from None
            raise

    def _add(self, worker: Worker) -> None:
        self._workers.add(worker)
        self._release(worker)

    def _release(self, worker: Worker) -> None:
        self._idle.append(worker)
        while self._idle and (found := self._turns.take(len(self._workers))):
            share, turn = found
            self._turns.begin(share)
            turn.set_result(self._idle.pop())

    async def _replace(self, worker: Worker, is_early: bool = True) -> None:
        self._workers.discard(worker)
        self.restarts += is_early
        task = asyncio.ensure_future(self._start_another(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start_another(self, before: Worker) -> None:
        await before.end()
        while True:
            try:
                worker, first = await Worker.start(self._folder)
                if not first.error:
                    self._add(worker)
                    return
                await worker.end()
                log.error("A process that inspects requests cannot start", reason=first.error)
            except (OSError, EOFError) as error:
                log.error("A process that inspects requests cannot start", reason=str(error))
            await asyncio.sleep(self._limits.restart)

    async def _end_all(self) -> None:
        # Inspections that are still waited for may give up meanwhile, and have their worker replaced.
        while self._workers or self._tasks:
            replacing = tuple(self._tasks)
            for task in replacing:
                task.cancel()
            await asyncio.gather(*replacing, return_exceptions=True)
            for worker in tuple(self._workers):
                self._workers.discard(worker)
                await worker.end()
        self._idle.clear()


def _retrieved(task: asyncio.Task[Verdict]) -> None:
    if not task.cancelled():
        task.exception()
