"""Costs of pushes to a thousand streams, compared with a bare handler that writes the same bytes."""

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
                own.append(await _cost(one, mine, [table(SIZE, number)]))
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


def report() -> list[str]:
    """Measure everything, and return the lines of the report."""
    lines = [
        f"  {SIZE // 1000} KB to {STREAMS:,} streams, {each.variant}: {each.ours * 1000:.0f} ms of the server's CPU, "
        f"{each.ratio:.2f} times the bare handler's (target: at most {LIMIT_CPU})"
        for each in pushes()
    ]
    found = change()
    lines.append(
        f"  one endpoint changed, {STREAMS:,} delta streams: {found.wire:.0f} bytes on the wire for a resource of "
        f"{found.resource}, {found.wire / found.resource:.2f} times (target: at most {LIMIT_BYTES:.0f}); "
        f"{found.message - found.resource} bytes are overhead of the response"
    )
    idle = memory()
    lines.append(
        f"  an idle stream: {idle / 1000:.0f} KB of memory, {idle / LIMIT_MEMORY:.2f} of the target "
        f"({LIMIT_MEMORY // 1000} KB at most)"
    )
    return lines


if __name__ == "__main__":
    assert len(table(SIZE, 0).body) < SIZE * 1.2
    print("\n".join(report()))
