"""Signals: no Envoy is left without a supervisor."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.headgate.running import Headgate
from tests.headgate.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def hang_up() -> Iterator[None]:
    """Set the default action of SIGHUP, which nohup and its children ignore."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
async def test_a_reload_changes_nothing(headgate: Headgate, number: signal.Signals) -> None:
    """As files are followed anyway, the reload signals of daemons are logged, and have no effect."""
    await headgate.start(detached=True)
    await headgate.condition("web", "Programmed", "True")
    assert headgate.process
    headgate.process.send_signal(number)
    await eventually(lambda: f"{number.name} changes nothing" in headgate.log)
    await headgate.answers("/a", 200)
    assert headgate.process.returncode is None


async def test_sigquit_stops_the_envoys(headgate: Headgate) -> None:
    """SIGQUIT is a stop like any other."""
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    pid = headgate.envoy_pid()
    assert pid
    assert await headgate.end(signal.SIGQUIT) == 0
    assert not psutil.pid_exists(pid)


IN_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""A program that makes its standard input the terminal of its session, and then executes another one."""


async def test_closing_the_terminal_stops_all(headgate: Headgate) -> None:
    """Closing Headgate's terminal leaves no Envoy behind."""
    terminal, inner = pty.openpty()
    command = [sys.executable, "-c", IN_A_TERMINAL, *headgate.command]
    headgate.process = await asyncio.create_subprocess_exec(
        *command, env=headgate.environment, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    )
    os.close(inner)
    loop = asyncio.get_running_loop()
    loop.add_reader(terminal, lambda: os.read(terminal, 1 << 16))
    try:
        await headgate.condition("web", "Programmed", "True")
        envoy = headgate.envoy_pid()
        assert envoy
    finally:
        loop.remove_reader(terminal)
        os.close(terminal)
    assert await asyncio.wait_for(headgate.process.wait(), 20) == 0
    assert not psutil.pid_exists(envoy)


async def test_damaged_state_files_stop_no_envoy(headgate: Headgate) -> None:
    """Whatever is in the files of the state directory, the next start adopts the Envoy, and repairs them."""
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    envoy = headgate.envoy_pid()
    await headgate.end(signal.SIGKILL)
    directory = headgate.state / f"127.0.0.1-{headgate.xds}"
    spoilt = [directory / "default.web" / name for name in ("bootstrap.json", "launch.json", "envoy.pid")]
    good = [each.read_bytes() for each in spoilt]
    for each in (*spoilt, directory / "lock"):
        each.write_bytes(b"\xff\xfe\x00\x80")
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    assert [process["pid"] for process in (await headgate.ask("/status"))["envoys"]] == [envoy]
    assert [each.read_bytes() for each in spoilt[:2]] == good[:2]
