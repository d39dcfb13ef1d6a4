"""Supervision: one running Envoy for each Gateway, restarted with back-off."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from headgate.envoy.process import EnvoyProcess, Launch
from headgate.process.errors import UserError, reason

#: The first and the longest pause before an Envoy is restarted, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
#: Seconds of running after which an Envoy has recovered: its next end counts as the first.
HEALTHY_AFTER = 10.0
#: Lines of the log that are reported of an Envoy that ended.
LAST_LINES, MAX_TOLD_BYTES = 3, 2048
#: Most characters of the last line in the Gateway's condition, without the prefix of Envoy's log.
MAX_TOLD_CHARACTERS = 500
_PREFIX = re.compile(r"^\[[^]]*\]\[\d+\]\[\w+\]\[\w+\] (?:\[[^]]*\] )?")
#: Bytes above which a log loses its older half, and the interval of checks, in seconds.
MAX_LOG_BYTES, LOG_CHECK_INTERVAL = 8 * 1024 * 1024, 5.0

NO_START = "cannot be started"

log = structlog.stdlib.get_logger("headgate.envoy")


def pauses() -> Iterator[float]:
    """Yield the pauses of an exponential back-off in seconds, each shortened at random by up to half."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1)
        pause = min(2 * pause, LONGEST_PAUSE)


@dataclass(slots=True)
class Supervisor:
    """Keeps the Envoy of one Gateway running until cancelled, and then stops it.

    No failure ends it or affects another Gateway: it is reported, and Envoy is started again.

    Attributes:
        launch: the launch of the Envoy.
        found: the Envoys that an earlier run left running.
        report: called with the reason, as text, when an Envoy ended or could not be started; with None once one has
            recovered.
        process: the running Envoy.
        restarts: the number of restarts.
        failure: the reason of the last end, as text; None if there was none.
    """

    launch: Launch
    found: Sequence[EnvoyProcess] = ()
    report: Callable[[str | None], None] = lambda _: None
    process: EnvoyProcess | None = None
    restarts: int = 0
    failure: str | None = None
    _pauses: Iterator[float] = field(default_factory=pauses)

    async def run(self) -> None:
        """Adopt the Gateway's running Envoy or start one, and restart it when it ends."""
        try:
            while True:
                await self._pause(await self._once())
                self.restarts += 1
        finally:
            await self._stop()

    async def _once(self) -> str:
        """Run the Envoy once; return the reason why it ended, or could not be started."""
        begun = time.monotonic()
        try:
            await self._begin()
            return await self._watch()
        except (OSError, UserError) as error:
            return f"{NO_START}: {reason(error)}"
        except Exception as error:  # a bug, which must not affect others
            log.exception("A bug in Headgate, please report it", gateway=self.gateway)
            return f"{NO_START}: {type(error).__name__}: {error}"
        finally:
            if time.monotonic() - begun >= HEALTHY_AFTER:
                self._pauses = pauses()

    async def _begin(self) -> None:
        """Adopt the running Envoy if its launch is equal, or start a new one."""
        while self.found:
            each = self.found[0]
            if self.process is None and each.is_as(self.launch):
                self.process = each
                with contextlib.suppress(OSError, UserError):
                    self.launch.state.make()
                    self.launch.write()  # the files describe the running Envoy
                log.info("Adopted the Envoy that was running", gateway=self.gateway, pid=each.pid)
            else:
                log.info("Replacing an Envoy with other launch parameters", gateway=self.gateway, pid=each.pid)
                await each.stop()
            self.found = self.found[1:]
        if self.process is None:
            self.process = EnvoyProcess.start(self.launch)
            log.info("Started Envoy", gateway=self.gateway, pid=self.process.pid)

    async def _watch(self) -> str:
        """Wait for the end of the process, and bound its logs meanwhile."""
        assert self.process is not None
        waiting = asyncio.ensure_future(self.process.wait())
        patience = HEALTHY_AFTER
        try:
            while not (await asyncio.wait({waiting}, timeout=patience))[0]:
                for each in self.launch.state.logs:
                    bound_log(each)
                if patience == HEALTHY_AFTER:
                    self.report(None)
                patience = LOG_CHECK_INTERVAL
            self.process = None
            return waiting.result()
        finally:
            waiting.cancel()

    async def _pause(self, ending: str) -> None:
        self.failure = ending
        pause = next(self._pauses)
        log.warning(
            f"Envoy {ending}; starting it again in {pause:.1f} s",
            gateway=self.gateway,
            log=str(self.launch.state.log),
            last_lines=last_lines(self.launch.state.log),
        )
        output = [] if ending.startswith(NO_START) else last_lines(self.launch.state.log)[-1:]
        self.report(": ".join([ending, *map(plain_line, output)]))
        await asyncio.sleep(pause)

    async def _stop(self) -> None:
        """Stop the Envoy; on cancellation, kill it."""
        for each in (*self.found, *([self.process] if self.process else [])):
            log.info("Stopping Envoy", gateway=self.gateway, pid=each.pid)
            with contextlib.suppress(OSError):
                await each.stop()
        with contextlib.suppress(OSError):
            self.launch.state.pid.unlink(missing_ok=True)

    @property
    def gateway(self) -> str:
        """The Gateway's "namespace/name"."""
        return self.launch.state.gateway


class Fleet:
    """The supervisors of all Gateways' Envoys.

    Args:
        group: the task group of the supervisors; its cancellation stops all Envoys.
        found: the Envoys that an earlier run left running, by the directories of their Gateways.
        report: called with a Gateway and the reason why its Envoy does not run; with None once it does.
        drained: called with a deleted Gateway after its Envoy was stopped.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        found: Mapping[Path, Sequence[EnvoyProcess]] | None = None,
        report: Callable[[str, str | None], None] = lambda *_: None,
        drained: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._group = group
        self._found = dict(found or {})
        self._report = report
        self._drained = drained
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._draining: dict[str, asyncio.TimerHandle] = {}
        self.supervisors: dict[str, Supervisor] = {}

    @property
    def untaken(self) -> Mapping[Path, Sequence[EnvoyProcess]]:
        """The Envoys of an earlier run without a supervisor, by the directories of their Gateways."""
        return dict(self._found)

    def take(self, directory: Path) -> Sequence[EnvoyProcess]:
        """Return the Envoys of an earlier run in a Gateway's directory, for which the caller is then responsible."""
        return self._found.pop(directory, ())

    def want(self, launches: Mapping[str, Launch]) -> None:
        """Run exactly these Envoys, by Gateway ("namespace/name"): start missing ones, stop all others.

        The caller makes the Envoy of a deleted Gateway serve nothing, which closes its listeners. It runs for another
        `Launch.drain_seconds`, in which its clients close their connections; if the Gateway is created again
        meanwhile, it is reused.
        """
        for gateway, supervisor in list(self.supervisors.items()):
            if gateway not in launches:
                self._drain(gateway, supervisor.launch.drain_seconds)
            elif launches[gateway] != supervisor.launch:
                self._end(gateway)
        for gateway, launch in launches.items():
            if timer := self._draining.pop(gateway, None):
                timer.cancel()
            if gateway not in self.supervisors:
                self._begin(gateway, launch)

    def _begin(self, gateway: str, launch: Launch) -> None:
        supervisor = Supervisor(launch, self.take(launch.state.path), partial(self._report, gateway))
        self.supervisors[gateway] = supervisor
        task = self._group.create_task(_after(self._tasks.get(gateway), supervisor), name=f"envoy {gateway}")
        self._tasks[gateway] = task
        task.add_done_callback(partial(self._forget, gateway))

    def _forget(self, gateway: str, ended: asyncio.Task[None]) -> None:
        if self._tasks.get(gateway) is ended:
            del self._tasks[gateway]

    def _end(self, gateway: str) -> None:
        del self.supervisors[gateway]
        if task := self._tasks.get(gateway):
            task.cancel()

    def _drain(self, gateway: str, seconds: float) -> None:
        if gateway not in self._draining:
            log.info("Draining the Envoy of a Gateway that is gone", gateway=gateway, seconds=seconds)
            loop = asyncio.get_running_loop()
            self._draining[gateway] = loop.call_later(seconds, self._end_drained, gateway)

    def _end_drained(self, gateway: str) -> None:
        del self._draining[gateway]
        self._end(gateway)
        self._drained(gateway)

    def kill(self) -> None:
        """Kill all Envoys at once."""
        for supervisor in self.supervisors.values():
            if supervisor.process:
                supervisor.process.kill()


async def _after(predecessor: asyncio.Task[None] | None, supervisor: Supervisor) -> None:
    """Run a supervisor after its predecessor in the same directory has ended."""
    if predecessor:
        await asyncio.wait({predecessor})
    try:
        await supervisor.run()
    except Exception:  # it would otherwise end the Envoys of all others
        log.exception("A bug in Headgate, please report it; the Gateway has no Envoy", gateway=supervisor.gateway)


async def stop_all(processes: Mapping[Path, Sequence[EnvoyProcess]]) -> None:
    """Stop the Envoys that an earlier Headgate left running, by the directories of their Gateways."""
    for path, found in processes.items():
        for each in found:
            log.info("Stopping an Envoy that was left running", directory=str(path), pid=each.pid)
            await each.stop()


def last_lines(path: Path) -> list[str]:
    """Return the last lines of a log; none if there is no log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_TOLD_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-LAST_LINES:]


def plain_line(line: str) -> str:
    """Return a line of Envoy's log without its time, thread and source line."""
    return _PREFIX.sub("", line)[:MAX_TOLD_CHARACTERS]


def bound_log(path: Path) -> None:
    """Copy the end of a log that exceeds its bound to `.1`, and truncate it in place while Envoy writes."""
    with contextlib.suppress(OSError), open(path, "r+b") as file:
        size = path.stat().st_size
        if size > MAX_LOG_BYTES:
            file.seek(size - MAX_LOG_BYTES // 2)
            path.with_suffix(".log.1").write_bytes(file.read())
            file.truncate(0)
