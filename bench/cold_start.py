"""Cold starts: of Headgate with many routes and Services, and of one more proxy of a Headgate that runs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.envoys import envoy
from bench.folder import FolderTarget
from bench.hosts import KEY, hostname
from bench.oracle import Oracle
from bench.oracle_target import OracleTarget, run_settings
from bench.requests import Requests
from bench.upstream import upstream
from bench.usage import cpu_seconds, peak_bytes, until_idle
from bench.workload import Options, Table
from headgate.envoy.state import GatewayState
from headgate.process.address import Address
from headgate.security.proxy_tokens import ProxyTokens

RUNS = 3
NEW_PROXIES = 5


@dataclass(frozen=True)
class ColdStart:
    """Starts with as many routes as Services; seconds are medians.

    Attributes:
        objects: the number of routes, and of Services.
        published: seconds from the start of Headgate until it has published the first snapshot, which is complete.
        published_longest: the longest of them.
        cpu: seconds of Headgate's CPU until then.
        peak: the peak of Headgate's resident memory until then, in bytes.
        answered: seconds from the start of Headgate until its Envoy answers for the last route.
        proxy: seconds from the start of a new Envoy until it answers for the last route, from a Headgate that runs.
        proxy_oracle: the same from the oracle.
    """

    objects: int
    published: float
    published_longest: float
    cpu: float
    peak: int
    answered: float
    proxy: float
    proxy_oracle: float


def measure(options: Options) -> list[ColdStart]:
    """Measure starts of Headgate, then starts of Envoys in turns."""
    size = options.objects
    with upstream() as port:
        runs = [_start(size, port) for _ in range(RUNS)]
        published, cpus, peaks, answered = zip(*runs, strict=True)
        proxy, floor = _new_proxies(size, port)
    return [
        ColdStart(
            objects=size,
            published=statistics.median(published),
            published_longest=max(published),
            cpu=statistics.median(cpus),
            peak=int(max(peaks)),
            answered=statistics.median(answered),
            proxy=proxy,
            proxy_oracle=floor,
        )
    ]


def _start(size: int, port: int) -> tuple[float, float, int, float]:
    with tempfile.TemporaryDirectory(prefix="hg-") as root:
        target = FolderTarget(Path(root), size, port, size)
        start = time.perf_counter()
        with target.running():
            target.until_ready()
            published = time.perf_counter() - start
            cpu, peak = cpu_seconds(target.control_plane), peak_bytes(target.control_plane)
            Requests(target.host, target.port).until_reachable(hostname(size - 1))
            return published, cpu, peak, time.perf_counter() - start


def _new_proxies(size: int, port: int) -> tuple[float, float]:
    """Return the median seconds of new proxies of Headgate, and of the oracle."""
    with tempfile.TemporaryDirectory(prefix="hg-") as folder, ExitStack() as stack:
        root = Path(folder)
        for name in ("a", "b"):
            (root / name).mkdir()
        ours, other = (
            FolderTarget(root / "a", size, port, size),
            OracleTarget(root / "b", size, port, size, settings=run_settings(own_envoys=False)),
        )
        stack.enter_context(ours.running("--no-envoy"))
        oracle = stack.enter_context(Oracle.start())
        oracle.load(other.snapshot)
        ours.until_ready()
        until_idle(ours.control_plane)
        token = ProxyTokens.load(ours.state).token(KEY)
        mine, theirs = [], []
        # The first of each counts for nothing: it fills caches of encoded responses.
        for number in range(NEW_PROXIES + 1):
            state = GatewayState(KEY, root / "s" / "x" / str(number))
            mine.append(_answers(state, ours.xds, token, ours.port, size))
            theirs.append(_answers(state, oracle.port, "", other.port, size))
        return statistics.median(mine[1:]), statistics.median(theirs[1:])


def _answers(state: GatewayState, xds: int, token: str, port: int, size: int) -> float:
    """Return the seconds from the start of an Envoy until it answers for the last route."""
    start = time.perf_counter()
    with envoy(state, Address("127.0.0.1", xds), token):
        Requests("127.0.0.1", port).until_reachable(hostname(size - 1))
        return time.perf_counter() - start


def table(results: Sequence[ColdStart]) -> Table:
    """Return the table: one row a number of objects."""
    return Table(
        (
            "routes and Services",
            "published, s",
            "max",
            "CPU, s",
            "peak, MiB",
            "Envoy answers, s",
            "new proxy, s",
            "from the oracle, s",
            "ratio",
        ),
        tuple(
            (
                f"{each.objects:,}",
                f"{each.published:.2f}",
                f"{each.published_longest:.2f}",
                f"{each.cpu:.2f}",
                f"{each.peak / 2**20:.0f}",
                f"{each.answered:.2f}",
                f"{each.proxy:.2f}",
                f"{each.proxy_oracle:.2f}",
                f"{each.proxy / each.proxy_oracle:.2f}",
            )
            for each in results
        ),
    )
