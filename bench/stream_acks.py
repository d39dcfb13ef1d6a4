"""Many xDS streams and one change a second: how long until the clients have acknowledged it, on one core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.cores import apart
from bench.usage import cpu_seconds
from bench.workload import Options, Table
from bench.xds_clients import Clients, connected
from bench.xds_resources import CLUSTERS, assignment, world
from bench.xds_servers import Remote, bare, ours
from xds import ENDPOINT

NAMES = [f"cluster-{number:05}" for number in range(CLUSTERS)]
PERIOD_SECONDS = 1.0


@dataclass(frozen=True)
class Acks:
    """How a server fared.

    Attributes:
        median: milliseconds from a change until a client has written its ACK: the median of all clients and changes.
        p99: what 99 of 100 of them did not exceed.
        cpu: microseconds of the server's CPU a change and stream.
    """

    median: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class StreamAcks:
    """One changed assignment a second, to delta streams that all subscribe to it.

    Attributes:
        streams: the number of streams.
        changes: how many changes were made.
        ours: Headgate's server.
        floor: a bare handler of grpc.aio that writes the same bytes, and drops the ACKs.
        memory: the server's resident memory a stream, in bytes, with its process.
        apart: whether the servers had a core, and the clients others.
    """

    streams: int
    changes: int
    ours: Acks
    floor: Acks
    memory: float
    apart: bool


def measure(options: Options) -> list[StreamAcks]:
    """Measure each number of streams."""
    return [asyncio.run(_measure(streams, options.seconds)) for streams in options.streams]


async def _measure(streams: int, changes: int) -> StreamAcks:
    with Remote.start(ours) as server, Remote.start(bare) as handler, apart((server.pid, handler.pid)) as is_apart:
        server.push(world(0))
        wanted = ENDPOINT, NAMES
        async with (
            connected(streams, server.port, True, wanted) as mine,
            connected(streams, handler.port, True, wanted) as theirs,
        ):
            await mine.until(streams)
            while handler.usage().streams < streams:  # noqa: ASYNC110 - another process
                await asyncio.sleep(1)
            one, other = _Run(server, mine, streams), _Run(handler, theirs, streams)
            for number in range(1, changes + 1):
                await one.push([assignment(0, number)])
                await other.push(mine.last)
            memory = server.usage().memory / streams
    return StreamAcks(streams, changes, one.result(), other.result(), memory, is_apart)


@dataclass
class _Run:
    """The pushes to a server's clients so far."""

    server: Remote
    clients: Clients
    streams: int
    _times: list[float] = field(default_factory=list)
    _cpu: list[float] = field(default_factory=list)

    async def push(self, payload: Any) -> None:
        """Push, and wait for all ACKs, for a second at least."""
        cpu, had = cpu_seconds((self.server.pid,)), self.clients.received
        self.clients.arrivals.clear()
        start = time.perf_counter()
        self.server.push(payload)
        await self.clients.until(had + self.streams)
        await asyncio.sleep(max(0.0, start + PERIOD_SECONDS - time.perf_counter()))
        self._times += [(each - start) * 1000 for each in self.clients.arrivals]
        self._cpu.append(cpu_seconds((self.server.pid,)) - cpu)

    def result(self) -> Acks:
        """Return the result of all pushes."""
        times = sorted(self._times)
        cpu = sum(self._cpu) * 1e6 / len(self._cpu) / self.streams
        return Acks(times[len(times) // 2], times[int(len(times) * 0.99)], cpu)


def table(results: Sequence[StreamAcks]) -> Table:
    """Return the table: one row a number of streams."""
    together = " They share the server's core." if any(not each.apart for each in results) else ""
    return Table(
        (
            "streams",
            "changes",
            "to the ACK, ms",
            "p99",
            "bare handler, ms",
            "p99",
            "CPU a change and stream, µs",
            "bare handler, µs",
            "a stream, KB",
        ),
        tuple(
            (
                f"{each.streams:,}",
                f"{each.changes:,}",
                f"{each.ours.median:.0f}",
                f"{each.ours.p99:.0f}",
                f"{each.floor.median:.0f}",
                f"{each.floor.p99:.0f}",
                f"{each.ours.cpu:.0f}",
                f"{each.floor.cpu:.0f}",
                f"{each.memory / 1000:.0f}",
            )
            for each in results
        ),
        (
            "The servers have one core (target: p99 within a second). All clients are one process, whose own CPU is in"
            f" the times.{together}",
        ),
    )
