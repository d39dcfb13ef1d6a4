"""Processes on cores of their own, so that a server's figure is of one core, whatever its clients do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def apart(servers: tuple[int, ...]) -> Iterator[bool]:
    """Have servers run on one core, and this process on the others; yield whether there are others."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        yield False
        return
    first = {min(cores)}
    for each in servers:
        _pin(each, first)
    _pin(os.getpid(), cores - first)
    try:
        yield True
    finally:
        _pin(os.getpid(), cores)


def _pin(pid: int, cores: Set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():  # threads that they start inherit it
        try:
            os.sched_setaffinity(int(thread.name), cores)
        except ProcessLookupError:
            continue
