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
from typing import NamedTuple

from bench.folder import FolderTarget
from bench.hosts import KEY
from bench.oracle import Oracle
from bench.oracle_target import OracleTarget, run_settings
from bench.upstream import upstream
from bench.usage import cpu_seconds, peak_bytes, reset_peaks, resident_bytes, until_idle
from bench.whole_clients import WholeClients
from bench.workload import Options, Table
from headgate.security.proxy_tokens import ProxyTokens
from xds import Snapshot

CLIENTS = 100
ROUNDS = 3


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
        memory: how much more resident memory the server had meanwhile than before, in bytes.
        oracle_memory: the same of the oracle's.
        restart: seconds from the start of Headgate until all have all resources, while they try to connect.
        partial: how many received resources were not those of the complete snapshot.
    """

    clients: int
    objects: int
    seconds: float
    oracle_seconds: float
    cpu: float
    oracle_cpu: float
    memory: float
    oracle_memory: float
    restart: float
    partial: int


def measure(options: Options) -> list[Reconnects]:
    """Measure rounds of Headgate and the oracle in turns, then a restart of Headgate."""
    return [asyncio.run(_measure(options.objects))]


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
            resident, oracle_resident = resident_bytes(ours.control_plane), resident_bytes((oracle.pid,))
            for number in range(ROUNDS + 1):
                one, bad = await _round(ours.xds, token, expected, ours.control_plane, resident)
                two, _ = await _round(oracle.port, "", expected, (oracle.pid,), oracle_resident)
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
    seconds, cpu, memory = map(statistics.median, zip(*mine, strict=True))
    oracle_seconds, oracle_cpu, oracle_memory = map(statistics.median, zip(*theirs, strict=True))
    return Reconnects(
        clients=CLIENTS,
        objects=size,
        seconds=seconds,
        oracle_seconds=oracle_seconds,
        cpu=cpu,
        oracle_cpu=oracle_cpu,
        memory=memory,
        oracle_memory=oracle_memory,
        restart=restart,
        partial=partial + clients.partial,
    )


class _Round(NamedTuple):
    """What it takes until all clients have all: seconds, seconds of the server's CPU, and bytes of its memory."""

    seconds: float
    cpu: float
    memory: float


async def _round(
    port: int, token: str, expected: Snapshot, server: tuple[int, ...], resident: int
) -> tuple[_Round, int]:
    """Return what a round takes, with the memory above what was `resident`, and the number of partial resources."""
    clients = WholeClients(port, KEY, token, expected)
    reset_peaks(server)
    start, cpu = time.perf_counter(), cpu_seconds(server)
    clients.connect(CLIENTS)
    await clients.until_complete(CLIENTS)
    found = _Round(time.perf_counter() - start, cpu_seconds(server) - cpu, peak_bytes(server) - resident)
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
            "memory, MiB",
            "oracle's memory, MiB",
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
                f"{each.memory / 2**20:.0f}",
                f"{each.oracle_memory / 2**20:.0f}",
                f"{each.restart:.2f}",
                f"{each.partial:,}",
            )
            for each in results
        ),
        ("The clients are one process of Python; `partial` counts resources (goal: 0).",),
    )
