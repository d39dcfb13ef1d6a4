"""One Envoy process: started by this Headgate, or by an earlier one and adopted."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

from headgate.envoy.state import GatewayState, write_private
from headgate.reporting.proto_json import to_json
from headgate_proto.envoy.config.bootstrap.v3 import bootstrap_pb2
from translator.proxy import ACCESS_LOG_FLUSH_MILLISECONDS

#: Seconds in which an Envoy must end after SIGTERM.
STOP_DEADLINE = 5.0
#: Seconds for which the connections of a removed or changed listener stay open.
DRAIN_SECONDS = 10
#: Interval at which a process is polled if the kernel cannot report its end (no pidfd), in seconds.
POLL_INTERVAL = 0.2
#: The environment variable with the digest of an Envoy's launch, which unlike a file cannot be changed.
LAUNCH_VARIABLE = "HEADGATE_LAUNCH"


@dataclass(frozen=True, slots=True)
class Launch:
    """The parameters of the start of a Gateway's Envoy. Equal launches start equal Envoys.

    Attributes:
        state: the directory of its files.
        binary: the Envoy binary.
        bootstrap: its bootstrap.
        concurrency: the number of its worker threads.
        drain_seconds: the seconds for which the connections of a removed or changed listener stay open.
        descriptors: how many file descriptors it may have; None if that is not known. Envoy itself raises the soft
            limit that it inherits to the hard one.
    """

    state: GatewayState
    binary: Path
    bootstrap: bootstrap_pb2.Bootstrap
    concurrency: int = min(2, os.cpu_count() or 1)
    drain_seconds: int = DRAIN_SECONDS
    descriptors: int | None = None

    @property
    def arguments(self) -> list[str]:
        """The arguments after the program's name."""
        return [
            # These three identify an Envoy of Headgate.
            *("--config-path", str(self.state.bootstrap)),
            # Hot restart needs shared memory with a unique id on the machine; with xDS it is not needed.
            "--disable-hot-restart",
            *("--concurrency", str(self.concurrency)),
            *("--drain-time-s", str(self.drain_seconds)),
            *("--log-level", "warning"),
            *("--file-flush-interval-msec", str(ACCESS_LOG_FLUSH_MILLISECONDS)),
        ]

    @property
    def files(self) -> dict[Path, str]:
        """The files that describe the launch, for people, and for Envoy at its start."""
        binary = self.binary.stat()
        launch = {
            "gateway": self.state.gateway,
            "command": [str(self.binary), *self.arguments],
            # Another binary with the same path, as after an upgrade, is another launch.
            "binary": {"size": binary.st_size, "modified_ns": binary.st_mtime_ns},
            # An Envoy keeps the limit that it was started with.
            "descriptors": self.descriptors,
        }
        return {self.state.bootstrap: to_json(self.bootstrap), self.state.launch: json.dumps(launch, indent=2) + "\n"}

    @property
    def digest(self) -> str:
        """A hash of the parameters, to compare launches."""
        described = json.dumps([[str(path), content] for path, content in self.files.items()])
        return hashlib.sha256(described.encode()).hexdigest()

    def write(self) -> None:
        """Write the files that describe the launch, unless they are up to date.

        Raises:
            OSError: the directory cannot be written.
        """
        for path, content in self.files.items():
            if not _holds(path, content):
                write_private(path, content)


class EnvoyProcess:
    """A running Envoy. It has its own session and no open files of Headgate, and outlives it unless it is stopped.

    Attributes:
        pid: its process id.
        adopted: whether an earlier Headgate started it; its exit status is then unknown.
        started: the time of its start, in seconds since the epoch.
    """

    def __init__(
        self, process: psutil.Process, child: subprocess.Popen[bytes] | None = None, digest: str | None = None
    ) -> None:
        self._process = process
        self._child = child
        self._digest = digest
        self.pid: int = process.pid
        self.adopted = child is None
        self.started: float = process.create_time()

    @classmethod
    def start(cls, launch: Launch) -> EnvoyProcess:
        """Start an Envoy; return at once. No failure leaves an unknown process.

        Raises:
            OSError: the binary cannot be executed, or the state directory cannot be written.
            UserError: the directory cannot be created, or belongs to another user.
        """
        state = launch.state
        state.make()
        launch.write()
        digest = launch.digest
        # Envoy itself replaces the socket of an earlier one: on a full disk, a removed one could not be created again.
        with _new_log(state.log) as log, _new_log(state.access_log) as access_log:
            child = subprocess.Popen(
                [str(launch.binary), *launch.arguments],
                stdin=subprocess.DEVNULL,
                stdout=access_log,
                stderr=log,
                cwd=state.path,
                env={**os.environ, LAUNCH_VARIABLE: digest},
                start_new_session=True,
            )
        try:
            started = cls(psutil.Process(child.pid), child, digest)
        except BaseException:
            child.kill()
            child.wait()
            raise
        # For people: a later run finds its Envoys by their arguments, even after a full disk.
        with contextlib.suppress(OSError):
            try:
                write_private(state.pid, f"{child.pid}\n")
            except OSError:
                state.pid.unlink()  # it is that of an earlier Envoy
        return started

    @classmethod
    def find_all(cls, directory: Path) -> dict[Path, list[EnvoyProcess]]:
        """Return the Envoys that an earlier Headgate left running, by their Gateways' directories in `directory`.

        They are identified by their arguments, which are unique, and not by files, which may be missing or old.
        """
        found: dict[Path, list[EnvoyProcess]] = {}
        for pid in psutil.pids():
            with contextlib.suppress(psutil.Error, OSError):
                process = psutil.Process(pid)
                path = _bootstrap_of(process.cmdline())
                if path is None or path.parent.parent != directory or process.uids().real != os.getuid():
                    continue
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.setdefault(path.parent, []).append(cls(process))
        return found

    @classmethod
    def find(cls, state: GatewayState) -> EnvoyProcess | None:
        """Return the Envoy that an earlier Headgate left running in this state directory."""
        return next(iter(cls.find_all(state.path.parent).get(state.path, ())), None)

    def is_as(self, launch: Launch) -> bool:
        """Return whether this process was started by an equal launch."""
        # The kernel shows no environment of a process that has just been started: a child's is known without it.
        if self._digest is not None:
            return self._digest == launch.digest
        try:
            return self._process.environ().get(LAUNCH_VARIABLE) == launch.digest
        except (OSError, psutil.Error):
            return False

    async def wait(self) -> str:
        """Wait for the end of the process; return a description of it."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return self._ending()
        except (OSError, AttributeError):  # not available (macOS, old kernels), or no descriptor left
            while self._is_running():  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(POLL_INTERVAL)
            return self._ending()
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return self._ending()

    async def stop(self, deadline: float = STOP_DEADLINE) -> None:
        """End the process: SIGTERM, and SIGKILL if it still runs after `deadline` seconds, or on cancellation."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(deadline):
                await self.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.wait()
        except asyncio.CancelledError:
            self._signal(signal.SIGKILL)
            raise

    def kill(self) -> None:
        """End the process at once; its connections are closed."""
        self._signal(signal.SIGKILL)

    def _is_running(self) -> bool:
        if self._child:
            return self._child.poll() is None
        try:
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def _signal(self, number: signal.Signals) -> None:
        # psutil ensures that the process id was not reused.
        with contextlib.suppress(psutil.Error):
            self._process.send_signal(number)

    def _ending(self) -> str:
        status = self._child.wait() if self._child else None
        if status is None:
            return "ended"
        if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"


def _bootstrap_of(command: list[str]) -> Path | None:
    """Return the bootstrap in the command line of an Envoy of Headgate; None for any other command line."""
    for option, value, following in zip(command, command[1:], command[2:], strict=False):
        if option == "--config-path" and following == "--disable-hot-restart":
            return Path(value)
    return None


def _holds(path: Path, content: str) -> bool:
    try:
        return path.read_bytes() == content.encode()
    except OSError:
        return False


def _new_log(path: Path) -> BinaryIO:
    """Open a new log and keep the previous one; on failure return /dev/null, as a running Envoy is more important."""
    try:
        if path.stat().st_size:
            path.replace(path.with_suffix(".log.1"))
    except OSError:  # usually, there is none
        pass
    try:
        # Opened to append, so that it can be truncated while Envoy writes.
        return open(path, "ab")
    except OSError:
        return open(os.devnull, "ab")
