"""`headgate run` as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 60


@contextmanager
def headgate_run(folder: Path, state: Path, log: Path, xds: int, admin: int, *arguments: str) -> Iterator[int]:
    """Run Headgate on a folder, and yield its process id.

    Args:
        folder: the folder that it follows.
        state: the folder of its state.
        log: the file of its log.
        xds: the port of loopback for xDS.
        admin: that of its admin interface.
        arguments: further arguments of the command.
    """
    addresses = ("--xds-address", f"127.0.0.1:{xds}", "--admin-address", f"127.0.0.1:{admin}")
    command = [sys.executable, "-m", "headgate", "run", str(folder), *addresses, "--state-dir", str(state), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "NO_COLOR": "1"})
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
