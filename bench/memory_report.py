"""The workload of `bench.memory`: its lines, as notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench import memory
from bench.workload import Options, Table


@dataclass(frozen=True)
class MemoryLines:
    """The report of the memory of a controller, as lines."""

    lines: tuple[str, ...]


def measure(_: Options) -> list[MemoryLines]:
    """Measure."""
    return [MemoryLines(tuple(map(str.strip, memory.report())))]


def table(results: Sequence[MemoryLines]) -> Table:
    """Return the lines as notes."""
    return Table(notes=tuple(line for each in results for line in each.lines))
