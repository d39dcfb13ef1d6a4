"""Costs of the translator: of a cold load of many objects, and of single edits."""

from __future__ import annotations

import gc
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from bench.workload import Options, Table
from bench.world import edit, endpoint_slice, gateway, removal, route, world
from headgate.process.memory import GC_THRESHOLD, settle_memory
from translator.inputs import Edit, Settings
from translator.translator import Translator

EDITS = 20


@dataclass(frozen=True)
class Size:
    """The number of objects of each kind."""

    routes: int
    hosts: int
    services: int


SIZES = (
    Size(100, 100, 10),
    Size(1_000, 100, 100),
    Size(10_000, 100, 1_000),
    Size(10_000, 1, 1_000),
    Size(10_000, 10_000, 1_000),
)


@dataclass(frozen=True)
class Edited:
    """The cost of one edit: the median CPU time, in milliseconds, and the executed queries."""

    milliseconds: float
    runs: int


@dataclass(frozen=True)
class Figures:
    """The measurements at one size.

    Attributes:
        cold: the CPU seconds from parsed objects to snapshots and statuses.
        megabytes: the growth of the process in that time.
        memos: the number of memos.
        edits: the costs of edits, by the kind of edit.
    """

    size: Size
    cold: float
    megabytes: float
    memos: int
    edits: dict[str, Edited]


def measure_all(options: Options) -> list[Figures]:
    """Measure every size, each in a separate process, one after the other."""
    sizes = [each for each in SIZES if each.routes <= max(options.sizes)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context, max_tasks_per_child=1) as pool:
        return list(pool.map(measure, sizes))


def table(results: Sequence[Figures]) -> Table:
    """Return the table: one row for each size; the multiples are of the first row."""
    first = results[0]
    return Table(
        ("routes", "hosts", "cold load, CPU s", "per route, µs", "memory, MB", "memos", *first.edits),
        tuple(
            (
                f"{each.size.routes:,}",
                f"{each.size.hosts:,}",
                f"{each.cold:.2f}",
                f"{each.cold / each.size.routes * 1e6:.0f}",
                f"{each.megabytes:.0f}",
                f"{each.memos:,}",
                *(_cell(edited, first.edits[name]) for name, edited in each.edits.items()),
            )
            for each in results
        ),
        ("Edits: ms of CPU, in parentheses the multiple of the first line, then the executed queries.",),
    )


def _cell(edited: Edited, first: Edited) -> str:
    return f"{edited.milliseconds:.2f} ({edited.milliseconds / first.milliseconds:.1f}) {edited.runs}"


def measure(size: Size) -> Figures:
    """Measure one size."""
    gc.disable()  # as while a process reads what exists at its start (`headgate.process.memory.reading`)
    edits = list(world(size.routes, size.hosts, size.services))
    translator = Translator(Settings(offline=True))
    grown, start = _megabytes(), time.process_time()
    translator.edit(edits)
    _evaluate(translator)
    cold, grown = time.process_time() - start, _megabytes() - grown
    settle_memory()
    gc.set_threshold(GC_THRESHOLD)
    gc.enable()
    return Figures(size, cold, grown, translator.memos, _edits(translator, size))


def _edits(translator: Translator, size: Size) -> dict[str, Edited]:
    def path(number: int) -> Edit:
        return edit(route(5, size.hosts, size.services, path=f"/edit-{number}"))

    def add_or_remove(number: int) -> Edit:
        added = route(size.routes + number // 2, size.hosts, size.services)
        return removal(added) if number % 2 else edit(added)

    def address(number: int) -> Edit:
        return edit(endpoint_slice(5, address=f"10.9.9.{number + 1}"))

    def annotation(number: int) -> Edit:
        changed = gateway()
        changed["metadata"]["annotations"] = {"edit": str(number)}
        return edit(changed)

    kinds: dict[str, Callable[[int], Edit]] = {
        "route changed": path,
        "route added or removed": add_or_remove,
        "endpoint changed": address,
        "Gateway annotated": annotation,
    }
    return {name: _follow(translator, map(make, range(EDITS))) for name, make in kinds.items()}


def _follow(translator: Translator, edits: Iterable[Edit]) -> Edited:
    times, runs = [], []
    for each in list(edits):
        before, start = sum(translator.executions.values()), time.process_time()
        translator.edit([each])
        _evaluate(translator)
        times.append(time.process_time() - start)
        runs.append(sum(translator.executions.values()) - before)
    return Edited(statistics.median(times) * 1000, max(runs))


def _evaluate(translator: Translator) -> None:
    changes = translator.evaluate()
    assert not changes.failures, changes.failures


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
