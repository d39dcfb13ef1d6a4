"""One Envoy is kept running for each Gateway, whatever happens to it or to Headgate."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import aiohttp
import psutil
import pytest
import structlog

import headgate.envoy.supervisor as module
from headgate.envoy.bootstrap import bootstrap
from headgate.envoy.process import EnvoyProcess, Launch
from headgate.envoy.state import StateDirectory
from headgate.envoy.supervisor import (
    LONGEST_PAUSE,
    MAX_LOG_BYTES,
    Fleet,
    Supervisor,
    bound_log,
    last_lines,
    pauses,
    stop_all,
)
from headgate.process.address import Address
from tests.headgate.waiting import eventually
from translator.proxy import ENVOY_VERSION

NOBODY = Address("127.0.0.1", 1)


@pytest.fixture
def state(state_root: Path) -> StateDirectory:
    """Return a state directory."""
    return StateDirectory(state_root, NOBODY)


@pytest.fixture
def launch(state: StateDirectory, envoy_path: Path) -> Launch:
    """Return the launch of the real Envoy of the Gateway default/web."""
    return launch_of(state, "default/web", envoy_path)


def launch_of(state: StateDirectory, gateway: str, binary: Path) -> Launch:
    """Return the launch of an Envoy of a Gateway that never connects to its xDS server."""
    own = state.gateway(gateway)
    return Launch(own, binary, bootstrap(gateway, "test", NOBODY, own.admin_socket), concurrency=1)


def script(path: Path, body: str) -> Path:
    """Return a program in place of Envoy, with Envoy's version output."""
    version = f'[ "$1" != --version ] || {{ echo "envoy  version: 0/{ENVOY_VERSION}/Clean/RELEASE/BoringSSL"; exit; }}'
    path.write_text(f"#!/bin/sh\n{version}\n{body}\n")
    path.chmod(0o755)
    return path


class Supervised:
    """Supervisors that run until the end of a test."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def __call__(self, launch: Launch, found: Sequence[EnvoyProcess] = ()) -> Supervisor:
        """Start a supervisor."""
        supervisor = Supervisor(launch, found)
        self.tasks.append(asyncio.create_task(supervisor.run()))
        return supervisor

    async def stop(self) -> None:
        """Stop all supervisors, and so their Envoys."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def supervise() -> AsyncIterator[Supervised]:
    """Start supervisors that end with the test."""
    supervised = Supervised()
    yield supervised
    await supervised.stop()


async def admin(launch: Launch, path: str) -> str:
    """Return a page of the Envoy's admin interface, once it answers."""
    await eventually(launch.state.admin_socket.exists)
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(launch.state.admin_socket))) as session:
        for attempt in range(100):
            try:
                async with session.get(f"http://envoy{path}") as response:
                    return await response.text()
            except aiohttp.ClientConnectionError:
                assert attempt < 99
                await asyncio.sleep(0.05)
    raise AssertionError


async def test_a_started_envoy_answers_on_its_admin_socket(launch: Launch, supervise: Supervised) -> None:
    """An Envoy runs with its Gateway's bootstrap, without warnings, and has no open files of Headgate."""
    supervisor = supervise(launch)
    assert '"cluster": "default/web"' in await admin(launch, "/server_info")
    assert "32768" in await admin(launch, "/runtime")
    assert supervisor.process
    assert int(launch.state.pid.read_text()) == supervisor.process.pid
    assert os.getsid(supervisor.process.pid) == supervisor.process.pid
    assert not launch.state.log.read_text()
    ours = {*map(str, launch.state.logs), os.devnull}
    files = {file.path for file in psutil.Process(supervisor.process.pid).open_files()}
    assert files <= ours | {str(launch.state.bootstrap)}


async def test_a_killed_envoy_is_restarted_within_two_seconds(launch: Launch, supervise: Supervised) -> None:
    """After kill -9 another Envoy runs within two seconds, and the reason is reported."""
    supervisor = supervise(launch)
    await admin(launch, "/ready")
    first = supervisor.process
    assert first
    first.kill()
    await eventually(lambda: supervisor.process not in (first, None), within=2)
    assert supervisor.failure == "was killed by SIGKILL"
    assert supervisor.restarts == 1
    await admin(launch, "/ready")


async def test_stopping_a_supervisor_stops_its_envoy(launch: Launch, supervise: Supervised) -> None:
    """When the supervisor is cancelled its Envoy ends, and its process id file is removed."""
    supervisor = supervise(launch)
    await admin(launch, "/ready")
    assert supervisor.process
    pid = supervisor.process.pid
    await supervise.stop()
    assert not psutil.pid_exists(pid)
    assert not launch.state.pid.exists()


async def test_an_envoy_that_ignores_sigterm_is_killed(state: StateDirectory, state_root: Path) -> None:
    """An Envoy that does not end in time after SIGTERM is killed."""
    stubborn = script(state_root / "stubborn", "trap '' TERM; echo deaf >&2; while :; do sleep 0.05; done")
    process = EnvoyProcess.start(launch_of(state, "default/web", stubborn))
    await eventually(state.gateway("default/web").log.read_text)
    await process.stop(deadline=0.1)
    assert not psutil.pid_exists(process.pid)


async def test_a_crashing_envoy_is_restarted_with_backoff(
    state: StateDirectory, state_root: Path, supervise: Supervised
) -> None:
    """An Envoy that crashes at once is restarted, and the last line of its log is reported."""
    crashing = script(state_root / "crashing", "echo starting >&2; echo 'no such thing' >&2; exit 3")
    supervisor = supervise(launch_of(state, "default/web", crashing))
    reports: list[str | None] = []
    supervisor.report = reports.append
    await eventually(lambda: supervisor.restarts >= 2)
    assert set(reports) == {"ended with exit status 3: no such thing"}
    assert supervisor.failure == "ended with exit status 3"
    await eventually(lambda: last_lines(supervisor.launch.state.log) == ["starting", "no such thing"])


async def test_a_recovered_envoy_is_restarted_at_once(
    state: StateDirectory, state_root: Path, supervise: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each end of an Envoy that had recovered counts as the first: the pauses do not grow."""
    monkeypatch.setattr(module, "HEALTHY_AFTER", 0.1)
    with structlog.testing.capture_logs() as logs:
        supervisor = supervise(launch_of(state, "default/web", script(state_root / "ending", "sleep 0.15; exit 3")))
        reports: list[str | None] = []
        supervisor.report = reports.append
        await eventually(lambda: supervisor.restarts >= 4)
    pauses = [each["event"] for each in logs if "starting it again" in each["event"]]
    assert len(pauses) >= 4
    assert all(each.endswith(("in 0.1 s", "in 0.2 s")) for each in pauses)
    assert reports[:2] == [None, "ended with exit status 3"]


async def test_a_binary_that_cannot_be_executed_is_reported(
    state: StateDirectory, state_root: Path, supervise: Supervised
) -> None:
    """The failure of an invalid binary is reported with its path, and the start is retried."""
    broken = state_root / "broken"
    broken.write_text("not a program")
    broken.chmod(0o755)
    supervisor = supervise(launch_of(state, "default/web", broken))
    await eventually(lambda: supervisor.restarts >= 1)
    assert supervisor.failure == f"cannot be started: {broken}: Exec format error"


def test_backoff_pauses_are_bounded() -> None:
    """Pauses begin short enough to be back in two seconds, and never exceed the longest."""
    taken = list(islice(pauses(), 20))
    assert taken[0] < 1
    assert all(LONGEST_PAUSE / 2 <= pause <= LONGEST_PAUSE for pause in taken[10:])


ABANDON = """
import os, sys
from pathlib import Path
from headgate.envoy.process import EnvoyProcess
from headgate.envoy.state import StateDirectory
from tests.headgate.envoy.test_supervisor import NOBODY, launch_of
state = StateDirectory(Path(sys.argv[1]), NOBODY)
print(EnvoyProcess.start(launch_of(state, sys.argv[2], Path(sys.argv[3]))).pid, flush=True)
os.kill(os.getpid(), 9)
"""


def abandoned(state_root: Path, gateway: str, binary: Path) -> int:
    """Return the process id of an Envoy whose parent process was killed."""
    command = [sys.executable, "-c", ABANDON, str(state_root), gateway, str(binary)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": "."})
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    process = psutil.Process(int(ended.stdout))
    for _ in range(200):  # it may not have become Envoy yet
        if str(binary) in process.cmdline()[:1] and len(process.cmdline()) > 1:
            break
        time.sleep(0.05)
    return process.pid


async def test_an_abandoned_envoy_is_adopted(launch: Launch, state_root: Path, supervise: Supervised) -> None:
    """An Envoy keeps running when its Headgate is killed; the next one adopts it, and notices its end."""
    pid = abandoned(state_root, "default/web", launch.binary)
    await admin(launch, "/ready")
    supervisor = supervise(launch, EnvoyProcess.find_all(launch.state.path.parent)[launch.state.path])
    adopted = await eventually(lambda: supervisor.process)
    assert (adopted.pid, adopted.adopted) == (pid, True)
    adopted.kill()
    await eventually(lambda: supervisor.process not in (adopted, None), within=2)
    assert supervisor.failure == "ended"


async def test_an_envoy_with_another_bootstrap_is_replaced(
    launch: Launch, state: StateDirectory, state_root: Path, supervise: Supervised
) -> None:
    """An abandoned Envoy with another bootstrap than the current one is stopped, and a new one is started."""
    pid = abandoned(state_root, "default/web", launch.binary)
    other = bootstrap("default/web", "another", NOBODY, launch.state.admin_socket)
    found = EnvoyProcess.find_all(state.path)[launch.state.path]
    supervisor = supervise(Launch(launch.state, launch.binary, other, concurrency=1), found)
    await eventually(lambda: supervisor.process)
    assert supervisor.process
    assert supervisor.process.pid != pid
    assert '"id": "default/web/another"' in await admin(launch, "/server_info")
    await eventually(lambda: not is_alive(pid))


async def test_without_pidfd_the_end_is_polled(
    state: StateDirectory, state_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the kernel has no pidfd, the end of a child and of an adopted Envoy is found by polling."""
    monkeypatch.delattr(os, "pidfd_open")
    sleeper = script(state_root / "sleeper", "sleep 30")
    launch = launch_of(state, "default/web", sleeper)
    child = EnvoyProcess.start(launch)
    # The command line of a program cannot be read for a moment after its start.
    adopted = await eventually(lambda: EnvoyProcess.find(launch.state))
    child.kill()
    assert await adopted.wait() == "ended"
    assert await child.wait() == "was killed by SIGKILL"


async def test_the_envoy_of_a_deleted_gateway_is_stopped(
    state: StateDirectory, state_root: Path, envoy_path: Path
) -> None:
    """The Envoy of an earlier run for a Gateway that no longer exists is stopped, and no other."""
    gone, kept = (abandoned(state_root, gateway, envoy_path) for gateway in ("default/gone", "default/kept"))
    found = EnvoyProcess.find_all(state.path)
    await stop_all({state.gateway("default/gone").path: found[state.gateway("default/gone").path]})
    assert not is_alive(gone)
    assert is_alive(kept)
    survivor = await eventually(lambda: EnvoyProcess.find(state.gateway("default/kept")))
    await survivor.stop()


async def test_an_envoy_is_found_without_its_files(launch: Launch, state: StateDirectory, state_root: Path) -> None:
    """An Envoy without a process id file, or without its directory, is found by its arguments."""
    pid = abandoned(state_root, "default/web", launch.binary)
    await admin(launch, "/ready")  # it has read its files
    own = state.gateway("default/web")
    shutil.rmtree(own.path)
    found = await eventually(lambda: EnvoyProcess.find_all(state.path).get(own.path))
    assert [each.pid for each in found] == [pid]
    assert [each.path for each in state.existing([own.path])] == [own.path]
    await stop_all({own.path: found})
    assert not is_alive(pid)


async def test_another_program_is_not_adopted(state: StateDirectory, state_root: Path) -> None:
    """A program that only names the bootstrap, such as a pager, is not an Envoy of Headgate."""
    own = state.gateway("default/web")
    sleeper = script(state_root / "sleeper", "sleep 30; true")
    other = await asyncio.create_subprocess_exec(str(sleeper), "--config-path", str(own.bootstrap))
    await eventually(lambda: str(own.bootstrap) in psutil.Process(other.pid).cmdline())
    assert EnvoyProcess.find(own) is None
    other.kill()
    await other.wait()


async def test_a_fleet_runs_exactly_the_given_envoys(state: StateDirectory, state_root: Path) -> None:
    """Envoys start and stop with their Gateways; a recreated Gateway has one Envoy."""
    sleeper = script(state_root / "sleeper", "exec sleep 30")
    one, two = (replace(launch_of(state, name, sleeper), drain_seconds=0) for name in ("default/one", "default/two"))
    drained: list[str] = []
    async with asyncio.TaskGroup() as group:
        fleet = Fleet(group, drained=drained.append)
        fleet.want({"default/one": one, "default/two": two})
        first = await eventually(lambda: fleet.supervisors["default/one"].process)
        fleet.want({"default/two": two})
        await eventually(lambda: not is_alive(first.pid))
        assert drained == ["default/one"]
        fleet.want({"default/one": one, "default/two": two})
        again = await eventually(lambda: fleet.supervisors["default/one"].process)
        fleet.want({})
    assert not is_alive(again.pid)


async def test_a_gateway_recreated_during_the_drain_keeps_its_envoy(state: StateDirectory, state_root: Path) -> None:
    """An Envoy runs for a while after the deletion of its Gateway; recreated, the Gateway is served by it."""
    launch = launch_of(state, "default/one", script(state_root / "sleeper", "exec sleep 30"))
    async with asyncio.TaskGroup() as group:
        fleet = Fleet(group)
        fleet.want({"default/one": launch})
        first = await eventually(lambda: fleet.supervisors["default/one"].process)
        fleet.want({})
        fleet.want({"default/one": launch})
        assert fleet.supervisors["default/one"].process is first
        assert is_alive(first.pid)
        fleet.want({"default/one": replace(launch, concurrency=2, drain_seconds=0)})
        await eventually(lambda: not is_alive(first.pid))
        await eventually(lambda: fleet.supervisors["default/one"].process)
        fleet.want({})


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_log_above_its_bound_is_truncated(tmp_path: Path) -> None:
    """The newest half of the bound is kept in another file, and the writer continues at the start."""
    log = tmp_path / "envoy.log"
    with open(log, "ab") as writer:
        writer.write(b"x" * MAX_LOG_BYTES + b"last")
        writer.flush()
        bound_log(log)
        assert (tmp_path / "envoy.log.1").stat().st_size == MAX_LOG_BYTES // 2
        assert (tmp_path / "envoy.log.1").read_bytes().endswith(b"last")
        writer.write(b"next")
    assert log.read_bytes() == b"next"
