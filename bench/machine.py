"""A description of the machine, without which times mean nothing."""

from __future__ import annotations

import datetime
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import envoys


@dataclass(frozen=True)
class Machine:
    """The machine of a run.

    Attributes:
        date: the day, as YYYY-MM-DD.
        cores: the number of cores that the run may use.
        processor: the model of the processor.
        memory: bytes of memory.
        kernel: the operating system and its version.
        python: the version of Python.
        envoy: the version of Envoy.
    """

    date: str
    cores: int
    processor: str
    memory: int
    kernel: str
    python: str
    envoy: str

    @property
    def line(self) -> str:
        """All of it in a line."""
        return (
            f"{self.date}: {self.cores} cores ({self.processor}), {self.memory / 2**30:.0f} GiB, {self.kernel}, "
            f"Python {self.python}, Envoy {self.envoy}"
        )


def describe() -> Machine:
    """Describe this machine."""
    return Machine(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        processor=_processor(),
        memory=psutil.virtual_memory().total,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        envoy=envoys.version(),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((each.partition(":")[2].strip() for each in lines if each.startswith("model name")), platform.machine())
