"""Proxies that reconnect at once, to a Headgate that runs and to one that starts: time, CPU, and nothing partial."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.folder import FolderTarget
from bench.hosts import KEY
from bench.oracle import Oracle
from bench.oracle_target import OracleTarget, run_settings
from bench.upstream import upstream
from bench.usage import cpu_seconds, until_idle
from bench.whole_clients import WholeClients
from bench.workload import Options, Table
from headgate.security.proxy_tokens import ProxyTokens
from xds import Snapshot

CLIENTS = 100
ROUNDS = 3
MOST_OBJECTS = 1_000
"""With more, a hundred clients in one process of Python are slower than any server."""


@dataclass(frozen=True)
class Reconnects:
    """Clients that connect at once, with as many routes as Services.

    Attributes:
        clients: their number.
        objects: the number of routes, and of Services.
        seconds: until all have all resources: the median of rounds.
        oracle_seconds: the same from the oracle.
        cpu: seconds of the server's CPU until then.
        oracle_cpu: the same of the oracle's.
        restart: seconds from the start of Headgate until all have all resources, while they try to connect.
        partial: how many received resources were not those of the complete snapshot.
    """

    clients: int
    objects: int
    seconds: float
    oracle_seconds: float
    cpu: float
    oracle_cpu: float
    restart: float
    partial: int


def measure(options: Options) -> list[Reconnects]:
    """Measure rounds of Headgate and the oracle in turns, then a restart of Headgate."""
    return [asyncio.run(_measure(min(MOST_OBJECTS, options.objects)))]


async def _measure(size: int) -> Reconnects:
    with tempfile.TemporaryDirectory(prefix="hg-") as folder, ExitStack() as stack:
        port, root = stack.enter_context(upstream()), Path(folder)
        for name in ("a", "b"):
            (root / name).mkdir()
        ours = FolderTarget(root / "a", size, port, size)
        # The same port: the resources of both are equal, byte for byte.
        expected = OracleTarget(root / "b", size, port, size, ours.port, run_settings(own_envoys=False)).snapshot
        oracle = stack.enter_context(Oracle.start())
        oracle.load(expected)
        mine, theirs, partial = [], [], 0
        with ours.running("--no-envoy"):
            ours.until_ready()
            until_idle(ours.control_plane)
            token = ProxyTokens.load(ours.state).token(KEY)
            for number in range(ROUNDS + 1):
                one, bad = await _round(ours.xds, token, expected, ours.control_plane)
                two, _ = await _round(oracle.port, "", expected, (oracle.pid,))
                partial += bad
                if number:
                    mine.append(one)
                    theirs.append(two)
        clients = WholeClients(ours.xds, KEY, token, expected)
        clients.connect(CLIENTS)
        start = time.perf_counter()
        with ours.running("--no-envoy"):
            await clients.until_complete(CLIENTS)
            restart = time.perf_counter() - start
            await clients.close()
    seconds, cpu = map(statistics.median, zip(*mine, strict=True))
    oracle_seconds, oracle_cpu = map(statistics.median, zip(*theirs, strict=True))
    return Reconnects(CLIENTS, size, seconds, oracle_seconds, cpu, oracle_cpu, restart, partial + clients.partial)


async def _round(port: int, token: str, expected: Snapshot, server: tuple[int, ...]) -> tuple[tuple[float, float], int]:
    """Return the seconds until all clients have all, those of the server's CPU, and the number of partial resources."""
    clients = WholeClients(port, KEY, token, expected)
    start, cpu = time.perf_counter(), cpu_seconds(server)
    clients.connect(CLIENTS)
    await clients.until_complete(CLIENTS)
    found = time.perf_counter() - start, cpu_seconds(server) - cpu
    await clients.close()
    until_idle(server)
    return found, clients.partial


def table(results: Sequence[Reconnects]) -> Table:
    """Return the table: one row a number of objects."""
    return Table(
        (
            "clients",
            "routes and Services",
            "all complete, s",
            "oracle, s",
            "CPU, s",
            "oracle's CPU, s",
            "CPU ratio",
            "at a start, s",
            "partial",
        ),
        tuple(
            (
                f"{each.clients:,}",
                f"{each.objects:,}",
                f"{each.seconds:.2f}",
                f"{each.oracle_seconds:.2f}",
                f"{each.cpu:.2f}",
                f"{each.oracle_cpu:.2f}",
                f"{each.cpu / each.oracle_cpu:.2f}",
                f"{each.restart:.2f}",
                f"{each.partial:,}",
            )
            for each in results
        ),
        ("The clients are one process of Python; `partial` counts resources (goal: 0).",),
    )
