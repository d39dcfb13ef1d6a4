"""What a push to a thousand streams costs the server, beside a bare handler that writes the same bytes."""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass

from bench.xds_clients import Clients, connected
from bench.xds_resources import CLUSTERS, ROUTES, assignment, table, world
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
    """Seconds of the server's CPU for one push to all streams, the median: ours, and that of the bare handler."""

    variant: str
    ours: float
    bare: float

    @property
    def ratio(self) -> float:
        """How many times the bare handler's."""
        return self.ours / self.bare


@dataclass(frozen=True)
class Change:
    """What changing one endpoint sent to each delta stream.

    Attributes:
        resource: bytes of the resource that changed.
        message: bytes of the response.
        wire: bytes that a client received, of HTTP/2 too.
    """

    resource: int
    message: int
    wire: float


def pushes() -> list[Push]:
    """Measure both variants; ours and the bare server by turns."""
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
                own.append(await _cost(one, mine, [table(SIZE, number)]))
                others.append(await _cost(other, theirs, mine.last))
    return Push("delta" if delta else "state of the world", statistics.median(own), statistics.median(others))


async def _cost(server: Remote, clients: Clients, what: object) -> float:
    """Seconds of CPU from a push until all clients have answered it."""
    before, received = server.usage().cpu, clients.received
    server.push(what)
    await clients.until(received + STREAMS)
    return server.usage().cpu - before


def change() -> Change:
    """Measure what one changed endpoint sends to each of the streams, which have the endpoints of all clusters."""
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
    """Measure the bytes of memory of a stream that has all it asked for and is idle."""
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


def report() -> list[str]:
    """Measure all and say it in lines."""
    lines = [
        f"  {SIZE // 1000} KB to {STREAMS:,} streams, {each.variant}: {each.ours * 1000:.0f} ms of the server's CPU, "
        f"{each.ratio:.2f} times the bare handler's (wanted: at most {LIMIT_CPU})"
        for each in pushes()
    ]
    found = change()
    lines.append(
        f"  one endpoint changed, {STREAMS:,} delta streams: {found.wire:.0f} bytes on the wire for a resource of "
        f"{found.resource}, {found.wire / found.resource:.2f} times (wanted: at most {LIMIT_BYTES:.0f}); "
        f"{found.message - found.resource} bytes are the response's own"
    )
    idle = memory()
    lines.append(
        f"  an idle stream: {idle / 1000:.0f} KB of memory, {idle / LIMIT_MEMORY:.2f} of what is wanted "
        f"({LIMIT_MEMORY // 1000} KB at most)"
    )
    return lines


if __name__ == "__main__":
    assert len(table(SIZE, 0).body) < SIZE * 1.2
    print("\n".join(report()))
