"""The report of `make bench`: the costs of loads, edits and pushes on this machine."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench import access_log, endtoend, filters, memory, translation, xds_streams
from bench.translation import Edited, Figures

LIMIT_MILLISECONDS = 100
OTHERS = (0, 1_000)


def main() -> None:
    """Measure everything and print the report."""
    console = Console()
    console.print("From an edited file to a changed response of Envoy, through headgate run:")
    for others in OTHERS:
        found = endtoend.measure(others)
        beside = f"among {others:,} routes" if others else "alone"
        console.print(
            f"  a route {beside}: median {found.median:.1f} ms of {endtoend.EDITS} edits, "
            f"slowest {found.slowest:.1f} ms (target: median below {LIMIT_MILLISECONDS} ms)",
            highlight=False,
        )
    cost = filters.measure()
    console.print(f"\nEnvoy's CPU time a request, with {cost.filters} disabled HTTP filters and without:")
    low, middle, high = cost.ratio
    console.print(
        f"  {cost.with_all:.1f} and {cost.without:.1f} µs: a ratio of {middle:.3f} "
        f"(quartiles of {filters.ROUNDS} rounds in turns: {low:.3f} and {high:.3f})",
        highlight=False,
    )
    log = access_log.measure()
    low, middle, high = log.ratio
    console.print(f"\nEnvoy's CPU time a request among {access_log.ROUTES:,} routes, with the access log:")
    console.print(
        f"  {log.ours:.1f} µs, {log.by_hand:.1f} µs with routes and the same logger by hand: a ratio of {middle:.3f} "
        f"(target: below 1.15; quartiles of {access_log.ROUNDS} rounds in turns: {low:.3f} and {high:.3f}); "
        f"{log.without:.1f} µs without a log",
        highlight=False,
    )
    console.print("\nThe translator: from parsed objects to snapshots and statuses, then single edits of it")
    console.print("(ms, in parentheses the multiple of the first line, then the executed queries):")
    console.print(table(translation.measure_all()))
    console.print("\nThe memory of a controller:")
    for line in memory.report():
        console.print(line, highlight=False, soft_wrap=True)
    console.print("\nThe xDS server, with every client on a connection of its own:")
    for line in xds_streams.report():
        console.print(line, highlight=False, soft_wrap=True)


def table(found: list[Figures]) -> Table:
    """Return the figures as a table, one row for each size; the multiples are of the first row."""
    first = found[0]
    rows = Table("routes", "hosts", "cold load", "per route", "memory", "memos", *first.edits, box=None)
    for column in rows.columns:
        column.justify = "right"
    for each in found:
        rows.add_row(
            f"{each.size.routes:,}",
            f"{each.size.hosts:,}",
            f"{each.cold:.2f} s",
            f"{each.cold / each.size.routes * 1e6:.0f} µs",
            f"{each.megabytes:.0f} MB",
            f"{each.memos:,}",
            *(_cell(edited, first.edits[name]) for name, edited in each.edits.items()),
        )
    return rows


def _cell(edited: Edited, first: Edited) -> str:
    return f"{edited.milliseconds:.2f} ({edited.milliseconds / first.milliseconds:.1f}) {edited.runs}"


if __name__ == "__main__":
    main()
