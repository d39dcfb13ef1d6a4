"""Keeps one Envoy running per Gateway."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from headgate.envoy.process import EnvoyProcess, Launch
from headgate.envoy.state import GatewayState

#: The first pause before an Envoy that ended is started again, and the longest, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
#: An Envoy that ran for so many seconds has recovered: its next end counts as the first.
HEALTHY_AFTER = 10.0
#: Of an Envoy that ended, so many lines of its log are told.
LAST_LINES, MAX_TOLD_BYTES = 3, 2048
#: A log that outgrows this many bytes loses its older half; looked at every so many seconds.
MAX_LOG_BYTES, LOG_CHECK_INTERVAL = 8 * 1024 * 1024, 60.0

log = structlog.stdlib.get_logger("headgate.envoy")


def pauses() -> Iterator[float]:
    """Yields ever longer pauses, in seconds: doubled each time, with up to a half taken off at random."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1)
        pause = min(2 * pause, LONGEST_PAUSE)


@dataclass(slots=True)
class Supervisor:
    """Keeps the Envoy of one Gateway running until it is cancelled; then stops it.

    Attributes:
        launch: how it is started.
        process: the one that runs now.
        restarts: how often it was started again.
        failure: why it ended last, in words; None as long as it never did.
    """

    launch: Launch
    process: EnvoyProcess | None = None
    restarts: int = 0
    failure: str | None = None
    _pauses: Iterator[float] = field(default_factory=pauses)

    async def run(self) -> None:
        """Adopts the Gateway's running Envoy or starts one, and starts it again whenever it ends."""
        try:
            await self._adopt()
            while True:
                await self._once()
                self.restarts += 1
        finally:
            if self.process:
                await self.process.stop()
                self.launch.state.pid.unlink(missing_ok=True)

    async def _adopt(self) -> None:
        found = EnvoyProcess.find(self.launch.state)
        if found and found.is_as(self.launch):
            self.process = found
            log.info("Adopted the Envoy that was running", gateway=self.gateway, pid=found.pid)
        elif found:
            log.info("Replacing an Envoy that was started in another way", gateway=self.gateway, pid=found.pid)
            await found.stop()

    async def _once(self) -> None:
        """Runs the Envoy once, then pauses before the next time."""
        if not self.process:
            try:
                self.process = EnvoyProcess.start(self.launch)
            except OSError as error:
                await self._pause(
                    f"cannot be started: {error.strerror or error}: {error.filename or self.launch.binary}"
                )
                return
            log.info("Started Envoy", gateway=self.gateway, pid=self.process.pid)
        begun = time.monotonic()
        ending = await self._watch(self.process)
        self.process = None
        if time.monotonic() - begun >= HEALTHY_AFTER:
            self._pauses = pauses()
        await self._pause(ending)

    async def _watch(self, process: EnvoyProcess) -> str:
        """Waits for the end of the process, and keeps its log bounded meanwhile."""
        waiting = asyncio.ensure_future(process.wait())
        try:
            while not (await asyncio.wait({waiting}, timeout=LOG_CHECK_INTERVAL))[0]:
                bound_log(self.launch.state.log)
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
        await asyncio.sleep(pause)

    @property
    def gateway(self) -> str:
        """The Gateway's "namespace/name"."""
        return self.launch.state.gateway


class Fleet:
    """The Envoys of all Gateways: exactly those that are wanted, each supervised.

    Args:
        group: holds the supervisors; when it is cancelled all Envoys are stopped.
    """

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.supervisors: dict[str, Supervisor] = {}

    def want(self, launches: Mapping[str, Launch]) -> None:
        """Has exactly these Envoys, by Gateway ("namespace/name"): starts what lacks, stops the others."""
        for gateway, supervisor in list(self.supervisors.items()):
            if launches.get(gateway) != supervisor.launch:
                del self.supervisors[gateway]
                self._tasks[gateway].cancel()
        for gateway in launches.keys() - self.supervisors.keys():
            supervisor = self.supervisors[gateway] = Supervisor(launches[gateway])
            task = self._group.create_task(_after(self._tasks.get(gateway), supervisor), name=f"envoy {gateway}")
            self._tasks[gateway] = task

    def kill(self) -> None:
        """Ends all Envoys at once, for one who cannot wait."""
        for supervisor in self.supervisors.values():
            if supervisor.process:
                supervisor.process.kill()


async def _after(predecessor: asyncio.Task[None] | None, supervisor: Supervisor) -> None:
    """Runs a supervisor once the one before it has left their common directory."""
    if predecessor:
        await asyncio.wait({predecessor})
    await supervisor.run()


async def stop_leftovers(leftovers: Iterable[GatewayState]) -> None:
    """Stops the Envoys that an earlier Headgate left running, and that no supervisor has adopted."""
    for state in leftovers:
        if process := EnvoyProcess.find(state):
            log.info("Stopping an Envoy that was left running", gateway=state.gateway, pid=process.pid)
            await process.stop()


def last_lines(path: Path) -> list[str]:
    """The last few lines of a log; none when there is no log."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_TOLD_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-LAST_LINES:]


def bound_log(path: Path) -> None:
    """Moves the newest part of a log that outgrew its bound to `.1`, and empties it under its writer's hands."""
    with contextlib.suppress(OSError), open(path, "r+b") as file:
        size = path.stat().st_size
        if size > MAX_LOG_BYTES:
            file.seek(size - MAX_LOG_BYTES // 2)
            path.with_suffix(".log.1").write_bytes(file.read())
            file.truncate(0)
