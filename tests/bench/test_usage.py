"""CPU time and memory of processes, as the kernel counts them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from bench.usage import cpu_seconds, find, peak_bytes, resident_bytes


def test_cpu_time_is_that_of_the_process() -> None:
    """The CPU time of this process is what Python says of it, to less than a tick of the kernel."""
    before = time.process_time()
    found = cpu_seconds([os.getpid()])
    assert before <= found <= time.process_time()


def test_an_ended_process_counts_as_nothing() -> None:
    """A process that ended has no CPU time and no memory."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert cpu_seconds([ended.pid]) == 0
    assert peak_bytes([ended.pid]) == 0


def test_the_peak_of_memory_is_not_below_what_is_resident() -> None:
    """The peak of this process is at least what it has now."""
    resident = resident_bytes([os.getpid()])  # before, since it may grow meanwhile
    assert peak_bytes([os.getpid()]) >= resident > 0


def test_processes_are_found_by_their_command_line() -> None:
    """A process is found by a text of its command line, and the one that searches is not."""
    text = f"bench-{os.getpid()}"
    with subprocess.Popen([sys.executable, "-c", "input()", text], stdin=subprocess.PIPE) as process:
        assert find(text) == (process.pid,)
        process.communicate(b"\n")
