"""Memory of the translator by kind of object, and its growth by changes: at as many routes as Services and slices."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import psutil

from bench.world import edit, endpoint_slice, gateway, removal, route, service
from headgate.process.memory import settle_memory
from translator.inputs import Edit, Settings
from translator.translator import Translator

COUNT, CHANGES, BATCH, ROUNDS = 10_000, 10_000, 50, 3


@dataclass(frozen=True)
class ByKind:
    """The measured memory, in bytes.

    Attributes:
        before: the process without objects.
        services: the parsed Services.
        slices: the parsed EndpointSlices.
        routes: the parsed HTTPRoutes.
        derived: memos, IR, resources and statuses.
        memos: the number of memos.
        grown: the growth by each round of `CHANGES` changes, as a part of the whole. In the first, tables double their
            size, once: Python gives one that was filled as much room again as soon as something is deleted and added.
    """

    before: int
    services: int
    slices: int
    routes: int
    derived: int
    memos: int
    grown: tuple[float, ...]


def measure(count: int = COUNT, changes: int = CHANGES) -> ByKind:
    """Measure in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(_measure, count, changes).result()


def _measure(count: int, changes: int) -> ByKind:
    import headgate.cli
    import headgate.cluster.controller  # noqa: F401

    # What does not depend on the number of objects is there before the measurement.
    warm = Translator(Settings(offline=True))
    warm.edit([edit(gateway()), *(edit(make(0)) for make in (service, endpoint_slice)), edit(route(0, 1, 1))])
    warm.evaluate()
    translator, sizes = Translator(Settings(offline=True)), [_used()]
    translator.edit([edit(gateway())])
    for make in (service, endpoint_slice, lambda number: route(number, count, count)):
        translator.edit([edit(make(number)) for number in range(count)])
        sizes.append(_used())
    translator.evaluate()
    sizes.append(_used())
    memos = translator.memos
    rounds = sizes[-1:]
    for _ in range(ROUNDS):
        for each in _changes(count, changes):
            translator.edit(each)
            assert not translator.evaluate().failures
        assert translator.memos == memos, "changes left memos behind"
        rounds.append(_used())
    grown = tuple((after - before) / before for before, after in pairwise(rounds))
    services, slices, routes, derived = (after - before for before, after in pairwise(sizes))
    return ByKind(sizes[0], services, slices, routes, derived, memos, grown)


def _changes(count: int, changes: int) -> Iterator[list[Edit]]:
    """Yield batches that change routes and slices, and add Services and routes and delete them again."""
    for number in range(0, changes, 4 * BATCH):
        places = [each % count for each in range(number, number + BATCH)]
        added = [make(count + each) for each in range(BATCH // 2) for make in (service, _route)]
        yield [edit(route(each, count, count, path=f"/changed-{number}")) for each in places]
        yield [edit(endpoint_slice(each, address=f"10.9.{number // 256 % 256}.{number % 256}")) for each in places]
        yield [edit(each) for each in added]
        yield [removal(each) for each in added]


def _route(number: int) -> dict[str, object]:
    return route(number, number + 1, number + 1)


def _used() -> int:
    gc.collect()
    settle_memory()
    return int(psutil.Process().memory_info().rss)


def report() -> list[str]:
    """Measure, and return the lines of the report."""
    found = measure()
    parts = {
        "Services": found.services,
        "EndpointSlices": found.slices,
        "HTTPRoutes": found.routes,
        "memos, IR, resources and statuses": found.derived,
    }
    whole = found.before + sum(parts.values())
    return [
        f"  {whole / 1e6:.0f} MB with {COUNT:,} of each kind, {found.before / 1e6:.0f} MB of it without any:",
        *(f"    {name}: {size / 1e6:.1f} MB, {size / COUNT / 1000:.2f} KB each" for name, size in parts.items()),
        f"    {found.memos:,} memos; {CHANGES:,} changes add {found.grown[0]:.1%}, and "
        f"{' and '.join(f'{each:.1%}' for each in found.grown[1:])} when they are repeated",
    ]


if __name__ == "__main__":
    print("\n".join(report()))
