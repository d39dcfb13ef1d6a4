"""What `make bench` prints: what loading and editing cost, in one run on this machine, and what becomes of them."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench import endtoend, memory, translation, xds_streams
from bench.translation import Edited, Figures

LIMIT_MILLISECONDS = 100
OTHERS = (0, 1_000)


def main() -> None:
    """Measure and print."""
    console = Console()
    console.print("From an edited file to another answer of Envoy, through headgate run:")
    for others in OTHERS:
        found = endtoend.measure(others)
        beside = f"among {others:,} routes" if others else "alone"
        console.print(
            f"  a route {beside}: median {found.median:.1f} ms of {endtoend.EDITS} edits, "
            f"slowest {found.slowest:.1f} ms (wanted: median below {LIMIT_MILLISECONDS} ms)",
            highlight=False,
        )
    console.print("\nThe translator: from parsed objects to snapshots and statuses, then single edits of it")
    console.print("(ms, in parentheses as a multiple of the first line's, then the queries that ran):")
    console.print(table(translation.measure_all()))
    console.print("\nThe memory of a controller:")
    for line in memory.report():
        console.print(line, highlight=False, soft_wrap=True)
    console.print("\nThe xDS server, with every client on a connection of its own:")
    for line in xds_streams.report():
        console.print(line, highlight=False, soft_wrap=True)


def table(found: list[Figures]) -> Table:
    """Lay figures out, a line for each size; the first is what the others are compared with."""
    first = found[0]
    made = Table("routes", "hosts", "cold load", "per route", "memory", "cells", *first.edits, box=None)
    for column in made.columns:
        column.justify = "right"
    for each in found:
        made.add_row(
            f"{each.size.routes:,}",
            f"{each.size.hosts:,}",
            f"{each.cold:.2f} s",
            f"{each.cold / each.size.routes * 1e6:.0f} µs",
            f"{each.megabytes:.0f} MB",
            f"{each.memos:,}",
            *(_cell(edited, first.edits[name]) for name, edited in each.edits.items()),
        )
    return made


def _cell(edited: Edited, first: Edited) -> str:
    return f"{edited.milliseconds:.2f} ({edited.milliseconds / first.milliseconds:.1f}) {edited.runs}"


if __name__ == "__main__":
    main()
