"""Many xDS streams and one change a second: how long until the clients have acknowledged it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.workload import Options, Table
from bench.xds_clients import connected
from bench.xds_resources import CLUSTERS, assignment, world
from bench.xds_servers import Remote, ours
from xds import ENDPOINT

NAMES = [f"cluster-{number:05}" for number in range(CLUSTERS)]
PERIOD_SECONDS = 1.0


@dataclass(frozen=True)
class StreamAcks:
    """One changed assignment a second, to delta streams that all subscribe to it.

    Attributes:
        streams: the number of streams.
        changes: how many changes were made.
        median: milliseconds from a change until a client has written its ACK: the median of all clients and changes.
        p99: what 99 of 100 of them did not exceed.
        cpu: milliseconds of the server's CPU a change.
        memory: the server's resident memory a stream, in bytes, with its process.
    """

    streams: int
    changes: int
    median: float
    p99: float
    cpu: float
    memory: float


def measure(options: Options) -> list[StreamAcks]:
    """Measure each number of streams."""
    return [asyncio.run(_measure(streams, options.seconds)) for streams in options.streams]


async def _measure(streams: int, changes: int) -> StreamAcks:
    with Remote.start(ours) as server:
        server.push(world(0))
        async with connected(streams, server.port, True, (ENDPOINT, NAMES)) as clients:
            await clients.until(streams)
            before, times = server.usage().cpu, []
            for number in range(1, changes + 1):
                start, had = time.perf_counter(), clients.received
                clients.arrivals.clear()
                server.push([assignment(0, number)])
                await clients.until(had + streams)
                times += [(each - start) * 1000 for each in clients.arrivals]
                await asyncio.sleep(max(0.0, start + PERIOD_SECONDS - time.perf_counter()))
            usage = server.usage()
    times.sort()
    cpu = (usage.cpu - before) * 1000 / changes
    return StreamAcks(
        streams, changes, times[len(times) // 2], times[int(len(times) * 0.99)], cpu, usage.memory / streams
    )


def table(results: Sequence[StreamAcks]) -> Table:
    """Return the table: one row a number of streams."""
    return Table(
        ("streams", "changes", "to the ACK, ms", "p99", "CPU a change, ms", "a stream, KB"),
        tuple(
            (
                f"{each.streams:,}",
                f"{each.changes:,}",
                f"{each.median:.0f}",
                f"{each.p99:.0f}",
                f"{each.cpu:.0f}",
                f"{each.memory / 1000:.0f}",
            )
            for each in results
        ),
        ("All clients are one process, whose own CPU is in the times (target: p99 within a second).",),
    )
