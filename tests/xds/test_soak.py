"""Streams that come and go for a long time: memory stays as it is, and nothing is left behind.

`make soak` runs it with 2,000 streams at a time; HEADGATE_SOAK_STREAMS says how many.
"""

import asyncio
import contextlib
import gc
import os
import random

import grpc.aio
import psutil

from proto.envoy.config.core.v3 import base_pb2
from tests.headgate.waiting import eventually
from tests.xds.calls import DELTA, STREAM, Call, serving
from tests.xds.resources import cluster, endpoints, listener, routes
from xds.server import Limits, Server
from xds.snapshot import Snapshot
from xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

STREAMS = int(os.environ.get("HEADGATE_SOAK_STREAMS", "100"))
ROUNDS = 4
"""How often every stream is replaced while memory is looked at, after as many rounds to warm up."""
KEYS = 10
MAX_GROWTH = 0.15
"""The share by which memory may be larger after all rounds than after those to warm up."""


def snapshot(number: int) -> Snapshot:
    """A snapshot of some size; each number makes another."""
    leads = [each for name in range(50) for each in (cluster(f"c{name}"), endpoints(f"c{name}", 1 + number % 1000))]
    return Snapshot.of([*leads, routes("r", {f"/{number}": "c0", "/": "c1"}), listener("l", 80, "r")])


async def client(server: Server, rng: random.Random, streams: asyncio.Semaphore) -> None:
    """Subscribes, accepts or refuses what comes or says nothing, and leaves at any time, with or without a word."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with streams, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel:
        call = Call(channel, rng.choice([DELTA, STREAM]))
        node = f"n{rng.randrange(10 * STREAMS)}"
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
            async with asyncio.timeout(rng.choice([0.05, 0.5, 1.0])):
                await _talk(call, node, rng)
        call.call.cancel()


async def _talk(call: Call, node: str, rng: random.Random) -> None:
    identity = base_pb2.Node(id=node, cluster=f"k{rng.randrange(KEYS)}")
    for url, names in ((CLUSTER, ()), (LISTENER, ()), (ENDPOINT, ("c0", "c1")), (ROUTE, ("r",))):
        await call.ask(url, *names, node=identity)
    while rng.random() > 0.05:
        response = await call.hear()
        if response is grpc.aio.EOF or rng.random() < 0.05:
            return
        wanted = {ENDPOINT: ("c0", "c1"), ROUTE: ("r",)}.get(response.type_url, ())
        error = "no" if rng.random() < 0.1 else ""
        await call.ask(response.type_url, *(() if call.delta else wanted), node=None, nonce=response.nonce, error=error)


async def test_streams_come_and_go() -> None:
    """After every stream was replaced many times, memory has hardly grown, and of the streams nothing is left."""
    rng = random.Random(1)
    async with serving(limits=Limits(streams=STREAMS)) as server:
        publishing = asyncio.ensure_future(_publish(server))
        await _rounds(server, rng)
        before = _memory()
        await _rounds(server, rng)
        after = _memory()
        publishing.cancel()
        await eventually(lambda: not server._streams)
        assert all(not each.sessions for each in server._groups.values())
        assert set(server._groups) <= {f"k{number}" for number in range(KEYS)}
        print(f"{STREAMS} streams, {2 * ROUNDS * STREAMS} in all: {before / 1e6:.0f} MB, then {after / 1e6:.0f} MB")
        assert after < before * (1 + MAX_GROWTH) + 5e6


async def _rounds(server: Server, rng: random.Random) -> None:
    streams = asyncio.Semaphore(STREAMS)
    async with asyncio.TaskGroup() as group:
        for _ in range(ROUNDS * STREAMS):
            group.create_task(client(server, rng, streams))


async def _publish(server: Server) -> None:
    number = 0
    while True:
        number += 1
        server.publish(f"k{number % KEYS}", snapshot(number))
        await asyncio.sleep(0.05)


def _memory() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)
