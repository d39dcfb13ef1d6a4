"""Propagation: from a new route to the first answers of a real Envoy, beside the oracle in the same run.

Samples of all targets alternate, since machines change their speed from minute to minute: a ratio of samples that
followed each other says more than two medians of different hours.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from bench.folder import FolderTarget
from bench.hosts import hostname
from bench.oracle_target import ORACLE, PLAIN, OracleTarget, plain, run_settings
from bench.requests import Answered, Requests
from bench.target import Target
from bench.upstream import upstream
from bench.usage import cpu_seconds, peak_bytes, until_idle
from bench.workload import Options, Table

BATCH = 20
"""After so many routes were added, they are removed, so that a size stays what it is."""
POLL_SECONDS = 0.005
"""The pause between requests while CPU time is measured: they take some themselves."""


@dataclass(frozen=True)
class Times:
    """Milliseconds: the median and the maximum of samples."""

    median: float
    maximum: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Times:
        """Return the times of samples in seconds."""
        found = [each * 1000 for each in seconds]
        return cls(statistics.median(found), max(found))


@dataclass(frozen=True)
class Propagation:
    """What a new route takes, with one target and one number of routes.

    Attributes:
        target: what configured Envoy.
        form: how routes reached it, such as "RDS".
        routes: the number of routes beside the new one.
        first: the times to the first 200.
        stable: the times to the first of many 200s in a row.
        others: how many answers were neither 404 nor 200.
        control_plane_cpu: milliseconds of CPU of the control plane a change; None if its processes are not known.
        proxy_cpu: the same of Envoy.
        sent: the bytes that Envoy received a change; None if that is not known.
        control_plane_peak: the peak of resident memory of the control plane, in bytes; None of the oracle, which holds
            responses that were prepared.
        proxy_peak: the same of Envoy.
    """

    target: str
    form: str
    routes: int
    first: Times
    stable: Times
    others: int
    control_plane_cpu: float | None
    proxy_cpu: float | None
    sent: float | None
    control_plane_peak: int | None
    proxy_peak: int


@dataclass(frozen=True)
class Cost:
    """What a change costs: milliseconds of CPU, and bytes."""

    control_plane: float | None
    proxy: float | None
    sent: float | None


def measure(options: Options) -> list[Propagation]:
    """Measure `headgate run` and the oracle at each size."""
    return [each for size in options.sizes for each in _at(size, options)]


def _at(size: int, options: Options) -> list[Propagation]:
    with tempfile.TemporaryDirectory(prefix="hg-") as root, ExitStack() as stack:
        port = stack.enter_context(upstream())
        folders = [Path(root) / name for name in "abc"]
        for each in folders:
            each.mkdir()
        ours, oracle = FolderTarget(folders[0], size, port), OracleTarget(folders[1], size, port)
        ours.form = oracle.form
        targets: list[FolderTarget | OracleTarget] = [ours, oracle]
        if oracle.form != PLAIN:
            targets.append(OracleTarget(folders[2], size, port, settings=plain(run_settings())))
        for target in targets:
            stack.enter_context(target.running())
        for target in targets:
            requests = Requests(target.host, target.port)
            requests.until_reachable(hostname(size - 1))
            requests.close()
        ours.find_envoy()
        found = compare(targets, size, options)
        check_equal(ours, oracle)
        return found


def check_equal(ours: FolderTarget, oracle: OracleTarget) -> None:
    """Check that both Envoys have the same routes, byte for byte: else the oracle is none.

    Raises:
        AssertionError: the routes differ.
    """
    one, two = ours.routes_digest(), oracle.routes_digest()
    assert one == two, f"Headgate sent other routes than the oracle: {one} and {two}"


def compare(targets: Sequence[Target], size: int, options: Options) -> list[Propagation]:
    """Measure targets that have so many routes, in turns."""
    for each in targets:
        until_idle((*each.control_plane, *each.proxies))
    samples: list[list[Answered]] = [[] for _ in targets]
    for number in range(options.samples):
        # What comes first changes, so that none has the warmer caches.
        for each, found in list(zip(targets, samples, strict=True))[:: 1 if number % 2 else -1]:
            found.append(_timed(each, f"timed-{number}.example.com", options.stable))
        if number % BATCH == BATCH - 1:
            _remove(targets)
    _remove(targets)
    costs = [_costs(each, options.changes) for each in targets]
    return [_result(*each) for each in zip(targets, repeat(size), samples, costs, strict=False)]


def _remove(targets: Sequence[Target]) -> None:
    for each in targets:
        each.remove_added()


def _timed(target: Target, host: str, stable: int) -> Answered:
    target.prepare(host)
    requests = Requests(target.host, target.port)
    requests.connect()
    until_idle((*target.control_plane, *target.proxies), longest=2)
    try:
        return requests.until_ok(host, target.add(host), stable)
    finally:
        requests.close()


def _costs(target: Target, changes: int) -> Cost:
    """Return what a change costs, as the sum over many, each of which has arrived before the next is made."""
    requests = Requests(target.host, target.port)
    control_plane = proxy = 0.0
    sent = 0
    known = True
    for start in range(0, changes, BATCH):
        hosts = [f"counted-{number}.example.com" for number in range(start, min(start + BATCH, changes))]
        for each in hosts:
            target.prepare(each)
        until_idle((*target.control_plane, *target.proxies))
        before = cpu_seconds(target.control_plane), cpu_seconds(target.proxies), target.sent_bytes()
        for each in hosts:
            requests.until_ok(each, target.add(each), 1, POLL_SECONDS)
        until_idle((*target.control_plane, *target.proxies))
        control_plane += cpu_seconds(target.control_plane) - before[0]
        proxy += cpu_seconds(target.proxies) - before[1]
        now = target.sent_bytes()
        known = known and now is not None and before[2] is not None
        sent += (now or 0) - (before[2] or 0)
        target.remove_added()
    requests.close()
    return Cost(
        control_plane * 1000 / changes if target.control_plane else None,
        proxy * 1000 / changes if target.proxies else None,
        sent / changes if known else None,
    )


def _result(target: Target, size: int, samples: Sequence[Answered], cost: Cost) -> Propagation:
    return Propagation(
        target=target.name,
        form=target.form,
        routes=size,
        first=Times.of(each.first for each in samples),
        stable=Times.of(each.stable for each in samples),
        others=sum(each.others for each in samples),
        control_plane_cpu=cost.control_plane,
        proxy_cpu=cost.proxy,
        sent=cost.sent,
        control_plane_peak=None if target.name == ORACLE else peak_bytes(target.control_plane),
        proxy_peak=peak_bytes(target.proxies),
    )


def table(results: Sequence[Propagation]) -> Table:
    """Return the table: one row a target and size, with the ratio and the difference to the oracles of that size.

    The oracle pushes the same form of routes as the row's; that of plain RDS is a ratio of its own.
    """
    floors = {(each.routes, each.form): each for each in results if each.target == ORACLE}
    rows = tuple(_row(each, floors.get((each.routes, each.form)), floors.get((each.routes, PLAIN))) for each in results)
    bad = sum(each.others for each in results)
    return Table(
        header=(
            "routes",
            "target",
            "form",
            "first 200, ms",
            "max",
            "stable, ms",
            "max",
            "÷ oracle",
            "- oracle, ms",
            "÷ RDS oracle",
            "CPU, ms",
            "Envoy's CPU, ms",
            "sent, bytes",
            "peak, MiB",
            "Envoy's peak, MiB",
        ),
        rows=rows,
        notes=(f"{bad:,} answers were neither 404 nor 200 (goal: 0).",),
    )


def _row(found: Propagation, floor: Propagation | None, by_rds: Propagation | None) -> tuple[str, ...]:
    return (
        f"{found.routes:,}",
        found.target,
        found.form,
        f"{found.first.median:.1f}",
        f"{found.first.maximum:.1f}",
        f"{found.stable.median:.1f}",
        f"{found.stable.maximum:.1f}",
        _ratio(found, floor),
        "" if floor is None or floor is found else f"{found.stable.median - floor.stable.median:+.1f}",
        _ratio(found, by_rds),
        _number(found.control_plane_cpu, 1),
        _number(found.proxy_cpu, 1),
        _number(found.sent, 0),
        "" if found.control_plane_peak is None else f"{found.control_plane_peak / 2**20:.0f}",
        f"{found.proxy_peak / 2**20:.0f}",
    )


def _ratio(found: Propagation, floor: Propagation | None) -> str:
    return "" if floor is None or floor is found else f"{found.stable.median / floor.stable.median:.2f}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
