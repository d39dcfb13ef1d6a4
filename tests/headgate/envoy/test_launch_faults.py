"""Launch failures of one Gateway's Envoy are reported at that Gateway, and affect no other."""

import asyncio
import errno
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from headgate.envoy import process as launching
from headgate.envoy.process import EnvoyProcess
from headgate.envoy.state import StateDirectory
from headgate.envoy.supervisor import Fleet
from tests.headgate.envoy.test_supervisor import NOBODY, is_alive, launch_of, script
from tests.headgate.running import GATEWAY, Headgate, free_port
from tests.headgate.waiting import eventually

STEPS = ["", "bootstrap.json", "launch.json", "admin.sock"]
"""The files written before an Envoy starts, in order; "" is the directory itself."""


def block(path: Path) -> None:
    """Create an obstacle that prevents the write of a file, or the creation of a directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".json", ".sock"):
        (path / "in the way").mkdir(parents=True)
    else:
        path.touch()


def unblock(path: Path) -> None:
    """Remove the obstacle of `block`."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()


async def test_a_launch_failure_is_reported_at_its_gateway(headgate: Headgate) -> None:
    """Whichever file cannot be written, only its Gateway is not programmed, until the obstacle is removed."""
    state = StateDirectory(headgate.state, replace(NOBODY, port=headgate.xds))
    names = {f"broken-{place}": step for place, step in enumerate(STEPS)}
    paths = {name: state.gateway(f"default/{name}").path / step for name, step in names.items()}
    for name, path in paths.items():
        headgate.write(name, GATEWAY.format(name=name, port=free_port()))
        block(path)
    await headgate.start()
    await headgate.answers("/a", 200)
    for name, path in paths.items():
        found = await headgate.condition(name, "Programmed", "False")
        while found["reason"] == "Pending":
            found = await headgate.condition(name, "Programmed", "False")
        assert found["reason"] == "NoResources"
        assert ("cannot be started" if path.suffix != ".sock" else "ended with exit status 1") in found["message"]
        assert str(path) in found["message"]
    await headgate.condition("web", "Programmed", "True")
    for path in paths.values():
        unblock(path)
    for name in paths:
        await headgate.condition(name, "Programmed", "True", within=40)


FAULTS = [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("a bug")]


@pytest.mark.parametrize("fault", FAULTS, ids=["disk full", "bug"])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (launching, "write_private"),
        (launching, "to_json"),
        (launching, "_new_log"),
        (subprocess, "Popen"),
        (psutil, "Process"),
    ],
    ids=lambda each: str(getattr(each, "__name__", each)),
)
async def test_a_failed_launch_affects_no_other_gateway(
    state_root: Path, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, fault: Exception
) -> None:
    """A fault in any step is reported at its Gateway, leaves no process behind, and is retried; others keep running."""
    state = StateDirectory(state_root, NOBODY)
    sleeper = script(state_root / "sleeper", "exec sleep 30")
    one, two = (replace(launch_of(state, key, sleeper), drain_seconds=0) for key in ("default/one", "default/two"))
    reports: list[tuple[str, str | None]] = []

    def fail(*_arguments: object, **_options: object) -> None:
        raise fault

    async with asyncio.TaskGroup() as group:
        fleet = Fleet(group, report=lambda gateway, failure: reports.append((gateway, failure)))
        fleet.want({"default/one": one})
        first = await eventually(lambda: fleet.supervisors["default/one"].process)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            fleet.want({"default/one": one, "default/two": two})
            await eventually(lambda: reports)
            assert fleet.supervisors["default/two"].process is None
        assert {gateway for gateway, _ in reports} == {"default/two"}
        assert str(fault.args[-1]) in str(reports[0][1])
        second = await eventually(lambda: fleet.supervisors["default/two"].process)
        assert is_alive(first.pid)
        await eventually(lambda: two.state.path in EnvoyProcess.find_all(state.path) or sleeping(second.pid))
        assert children() == {first.pid, second.pid}
        fleet.want({})


def sleeping(pid: int) -> bool:
    """Return whether the script of a launch has become the program that it runs."""
    return psutil.Process(pid).name() == "sleep"


def children() -> set[int]:
    """Return the running child processes of this one."""
    return {each.pid for each in psutil.Process().children() if each.name() in ("sleep", "sleeper")}


async def test_an_envoy_runs_without_its_log_and_process_id_file(state_root: Path) -> None:
    """If only files for people cannot be written, Envoy runs nevertheless, and the next run finds it."""
    state = StateDirectory(state_root, NOBODY)
    launch = launch_of(state, "default/web", script(state_root / "sleeper", "sleep 30"))
    block(launch.state.path / "envoy.pid" / "x.json")
    launch.state.log.symlink_to(state_root / "missing" / "log")
    process = EnvoyProcess.start(launch)
    found = await eventually(lambda: EnvoyProcess.find(launch.state))
    assert found.pid == process.pid
    process.kill()
    await process.wait()


async def test_a_full_disk_leaves_files_as_they_were(state_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be written completely is not changed, so that a running Envoy still has an equal launch."""
    state = StateDirectory(state_root, NOBODY)
    launch = launch_of(state, "default/web", script(state_root / "sleeper", "sleep 30"))
    process = EnvoyProcess.start(launch)
    other = replace(launch, concurrency=7)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        EnvoyProcess.start(other)
    assert process.is_as(launch)
    assert not list(launch.state.path.glob(".*"))
    for each in (process, EnvoyProcess.start(launch)):  # nothing needs to be written: it starts on a full disk
        each.kill()
        await each.wait()


async def test_a_child_is_known_by_its_launch_at_once(state_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is known as its launch also while the kernel does not yet show its environment."""
    launch = launch_of(StateDirectory(state_root, NOBODY), "default/web", script(state_root / "sleeper", "sleep 30"))
    process = EnvoyProcess.start(launch)
    monkeypatch.setattr(psutil.Process, "environ", lambda _: {})
    assert process.is_as(launch)
    assert not process.is_as(replace(launch, concurrency=7))
    assert not process.is_as(replace(launch, descriptors=1000))
    process.kill()
    await process.wait()


def full(self: Path, target: Path) -> Path:
    """Raise the error of a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device", str(target))


async def test_a_second_start_needs_no_more_files_than_the_first(state_root: Path) -> None:
    """The restart of an Envoy reuses its files, so that it succeeds on a disk on which no file can be created."""
    state = StateDirectory(state_root, NOBODY)
    launch = launch_of(state, "default/web", script(state_root / "silent", "sleep 30"))
    first = EnvoyProcess.start(launch)
    launch.state.admin_socket.touch()
    before = {each.name: each.stat().st_ino for each in launch.state.path.iterdir() if each.name != "envoy.pid"}
    second = EnvoyProcess.start(launch)
    assert {each.name: each.stat().st_ino for each in launch.state.path.iterdir() if each.name != "envoy.pid"} == before
    for each in (first, second):
        each.kill()
        await each.wait()
