"""The report of a run: tables as text, and results as JSON. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from bench.machine import Machine
from bench.workload import Table

GAP = "  "


def text(table: Table) -> str:
    """Return a table as lines, with cells of numbers aligned to the right, and its notes."""
    lines = [table.header, *table.rows] if table.header else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = [all(map(_is_number, column)) for column in zip(*table.rows, strict=True)] if table.rows else widths
    aligned = [
        GAP.join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*aligned, *table.notes])


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-")[:1].isdigit()


def document(machine: Machine, results: Iterable[tuple[str, str, Sequence[Any]]]) -> dict[str, Any]:
    """Return all results as JSON values.

    Args:
        machine: where they were measured.
        results: of each workload the name, the summary, and the results, which are dataclasses.
    """
    return {
        "machine": dataclasses.asdict(machine),
        "workloads": {
            name: {"summary": summary, "results": [dataclasses.asdict(each) for each in found]}
            for name, summary, found in results
        },
    }
