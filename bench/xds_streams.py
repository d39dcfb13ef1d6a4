"""Costs of pushes to a thousand streams, compared with a bare handler that writes the same bytes."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.workload import Options, Table
from bench.xds_clients import Clients, connected
from bench.xds_resources import CLUSTERS, ROUTES, assignment, world
from bench.xds_resources import table as routes_of
from bench.xds_servers import Remote, bare, ours
from tests.relay import Relay
from xds import ENDPOINT, ROUTE

STREAMS = 1_000
SIZE = 50_000
PUSHES = 10
NAMES = [f"cluster-{number:05}" for number in range(CLUSTERS)]
LIMIT_CPU, LIMIT_BYTES, LIMIT_MEMORY = 1.5, 2.0, 100_000


@dataclass(frozen=True)
class Push:
    """The median seconds of CPU of one push to all streams: of Headgate's server, and of the bare handler."""

    variant: str
    ours: float
    bare: float

    @property
    def ratio(self) -> float:
        """The cost as a multiple of the bare handler's."""
        return self.ours / self.bare


@dataclass(frozen=True)
class Change:
    """The bytes sent to each delta stream after a change of one endpoint.

    Attributes:
        resource: the bytes of the changed resource.
        message: the bytes of the response.
        wire: the bytes that a client received, with HTTP/2 framing.
    """

    resource: int
    message: int
    wire: float


def pushes() -> list[Push]:
    """Measure both protocol variants, with pushes of both servers in turn."""
    return [asyncio.run(_push(delta)) for delta in (False, True)]


async def _push(delta: bool) -> Push:
    with Remote.start(ours) as one, Remote.start(bare) as other:
        one.push(world(SIZE))
        async with (
            connected(STREAMS, one.port, delta, (ROUTE, [ROUTES])) as mine,
            connected(STREAMS, other.port, delta, (ROUTE, [ROUTES])) as theirs,
        ):
            await mine.until(STREAMS)
            own, others = [], []
            for number in range(1, PUSHES + 1):
                own.append(await _cost(one, mine, [routes_of(SIZE, number)]))
                others.append(await _cost(other, theirs, mine.last))
    return Push("delta" if delta else "state of the world", statistics.median(own), statistics.median(others))


async def _cost(server: Remote, clients: Clients, payload: object) -> float:
    """Return the seconds of CPU from a push until all clients have acknowledged it."""
    before, received = server.usage().cpu, clients.received
    server.push(payload)
    await clients.until(received + STREAMS)
    return server.usage().cpu - before


def change() -> Change:
    """Measure the bytes of one changed endpoint on streams that subscribe to the endpoints of all clusters."""
    return asyncio.run(_change())


async def _change() -> Change:
    with Remote.start(ours) as server:
        server.push(world(0))
        async with Relay(server.port) as relay, connected(STREAMS, relay.port, True, (ENDPOINT, NAMES)) as clients:
            await clients.until(STREAMS)
            resources, received, sent = clients.resources, clients.received, relay.received
            for number in range(1, PUSHES + 1):
                server.push([assignment(0, number)])
                await clients.until(received + number * STREAMS)
            assert clients.resources - resources == PUSHES * STREAMS, "more was sent than what changed"
            wire = (relay.received - sent) / PUSHES / STREAMS
            return Change(len(assignment(0, 1).body), len(clients.last), wire)


def memory() -> float:
    """Measure the bytes of memory of an idle stream that has all its resources."""
    return asyncio.run(_memory())


async def _memory() -> float:
    with Remote.start(ours) as server:
        server.push(world(SIZE))
        wanted = ((ROUTE, [ROUTES]), (ENDPOINT, NAMES))
        async with connected(50, server.port, True, *wanted) as few:
            await few.until(100)
            before = server.usage().memory
            async with connected(STREAMS, server.port, True, *wanted) as clients:
                await clients.until(2 * STREAMS)
                return (server.usage().memory - before) / STREAMS


@dataclass(frozen=True)
class Streams:
    """All figures of many streams.

    Attributes:
        streams: the number of streams.
        pushes: the cost of a push to all, of each protocol variant.
        change: the bytes of one changed endpoint.
        idle: the bytes of memory of an idle stream.
    """

    streams: int
    pushes: tuple[Push, ...]
    change: Change
    idle: float


def measure(_: Options) -> list[Streams]:
    """Measure everything."""
    return [Streams(STREAMS, tuple(pushes()), change(), memory())]


def table(results: Sequence[Streams]) -> Table:
    """Return the table: one row a protocol variant, and the other figures as notes."""
    rows, notes = [], []
    for each in results:
        rows += [
            (
                f"{each.streams:,}",
                push.variant,
                f"{push.ours * 1000:.0f}",
                f"{push.bare * 1000:.0f}",
                f"{push.ratio:.2f}",
            )
            for push in each.pushes
        ]
        found = each.change
        notes += [
            f"A push is of {SIZE // 1000} KB (target: a ratio of at most {LIMIT_CPU}).",
            f"One endpoint changed: {found.wire:.0f} bytes on the wire a stream for a resource of {found.resource}, "
            f"{found.wire / found.resource:.2f} times (target: at most {LIMIT_BYTES:.0f}); "
            f"{found.message - found.resource} bytes are overhead of the response.",
            f"An idle stream: {each.idle / 1000:.0f} KB of memory (target: {LIMIT_MEMORY // 1000} KB at most).",
        ]
    return Table(("streams", "variant", "CPU a push, ms", "bare handler, ms", "ratio"), tuple(rows), tuple(notes))
