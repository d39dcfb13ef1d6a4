"""Objects that belong to another controller: what Headgate's translator does for them, beside their absence."""

from __future__ import annotations

import gc
import multiprocessing
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import psutil

from bench.hosts import hostname, route
from bench.workload import Options, Table
from bench.world import edit, manifest, world
from translator.inputs import Edit, Settings
from translator.translator import Translator

OWN = 100
EDITS = 50


@dataclass(frozen=True)
class OtherControllers:
    """What objects of another controller cost, once they are parsed.

    Attributes:
        objects: their number.
        load: milliseconds of CPU to take them.
        bytes_each: the growth of memory by one of them, beside the parsed object.
        edit: milliseconds of CPU of an edit of a route of ours beside them: the median.
        edit_alone: the same without them.
        foreign_edit: milliseconds of CPU of an edit of one of them.
    """

    objects: int
    load: float
    bytes_each: float
    edit: float
    edit_alone: float
    foreign_edit: float


def foreign(count: int) -> Iterator[Edit]:
    """Yield a GatewayClass of another controller, its Gateway, and so many routes of it."""
    group = "gateway.networking.k8s.io/v1"
    other = manifest(group, "GatewayClass", "other", spec={"controllerName": "example.com/other"})
    del other["metadata"]["namespace"]
    yield edit(other)
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    yield edit(manifest(group, "Gateway", "other", spec={"gatewayClassName": "other", "listeners": [listener]}))
    for number in range(count):
        yield foreign_route(number)


def foreign_route(number: int, host: str = "") -> Edit:
    """Return the edit of a route of the other Gateway."""
    made = route(host or hostname(number))
    made["metadata"]["name"] = f"other-{number}"
    made["spec"]["parentRefs"] = [{"name": "other"}]
    return edit(made)


def measure(options: Options) -> list[OtherControllers]:
    """Measure in a separate process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return [pool.submit(measure_one, options.objects).result()]


def measure_one(count: int) -> OtherControllers:
    """Measure with so many objects, in this process."""
    made = Translator(Settings(offline=True))
    made.edit(world(OWN, OWN, 10))
    made.evaluate()
    alone = _edits(made, [edit(route(f"edited-{each}.example.com")) for each in range(EDITS)])
    edits = list(foreign(count))
    memory, start = _used(), time.process_time()
    made.edit(edits)
    made.evaluate()
    load, grown = (time.process_time() - start) * 1000, _used() - memory
    beside = _edits(made, [edit(route(f"again-{each}.example.com")) for each in range(EDITS)])
    theirs = _edits(made, [foreign_route(each, f"changed-{each}.example.com") for each in range(min(EDITS, count))])
    return OtherControllers(count, load, grown / count, beside, alone, theirs)


def _edits(made: Translator, edits: Sequence[Edit]) -> float:
    times = []
    for each in edits:
        start = time.process_time()
        made.edit([each])
        made.evaluate()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


def _used() -> int:
    gc.collect()
    return int(psutil.Process().memory_full_info().uss)


def table(results: Sequence[OtherControllers]) -> Table:
    """Return the table: one row a number of objects."""
    return Table(
        ("objects", "taken, ms", "each, bytes", "own edit, ms", "without them, ms", "ratio", "their edit, ms"),
        tuple(
            (
                f"{each.objects:,}",
                f"{each.load:.0f}",
                f"{each.bytes_each:,.0f}",
                f"{each.edit:.2f}",
                f"{each.edit_alone:.2f}",
                f"{each.edit / each.edit_alone:.2f}",
                f"{each.foreign_edit:.2f}",
            )
            for each in results
        ),
        ("CPU and memory beside the parsed objects; routes of a Gateway whose class names another controller.",),
    )
