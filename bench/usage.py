"""The CPU time and memory of other processes, as the kernel counts them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

_SCHEDULED = 2
"""The clock of a process's CPU time, of all its threads, also of those that ended (Linux: CPUCLOCK_SCHED)."""
IDLE_SHARE = 0.03
"""The share of a core below which processes count as idle."""
WINDOW_SECONDS = 0.25
"""For how long they must."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of processes, user and system, in seconds.

    `/proc/PID/stat` counts in ticks of 10 ms; this clock counts nanoseconds, as clock_getcpuclockid(3) gives it.
    A process that ended counts as zero.
    """
    found = 0.0
    for pid in pids:
        try:
            found += time.clock_gettime((~pid << 3) | _SCHEDULED)
        except OSError:
            continue
    return found


def peak_bytes(pids: Iterable[int]) -> int:
    """Return the sum of the peaks of resident memory of processes, in bytes (VmHWM)."""
    return sum(_status(pid, "VmHWM") for pid in pids)


def reset_peaks(pids: Iterable[int]) -> None:
    """Have the peaks of processes of this user start at their resident memory of now (proc(5), clear_refs)."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of processes now, in bytes (VmRSS)."""
    return sum(_status(pid, "VmRSS") for pid in pids)


def _status(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(each.split()[1]) * 1024 for each in lines if each.startswith(f"{field}:")), 0)


def find(pattern: str) -> tuple[int, ...]:
    """Return the ids of the processes whose command line contains a text, without this one and its parents."""
    own = {os.getpid(), *(each.pid for each in psutil.Process().parents())}
    return tuple(
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if each.pid not in own and pattern in " ".join(each.info["cmdline"] or ())
    )


def until_idle(pids: Iterable[int], longest: float = 60.0) -> None:
    """Wait until processes take no more than `IDLE_SHARE` of a core for a while, or `longest` seconds."""
    known, deadline = tuple(pids), time.monotonic() + longest
    while time.monotonic() < deadline:
        before = cpu_seconds(known)
        time.sleep(WINDOW_SECONDS)
        if cpu_seconds(known) - before < IDLE_SHARE * WINDOW_SECONDS:
            return
