"""Streams that come and go for a long time: the server's memory stays as it is, and nothing is left behind.

`make soak` runs it with 2,000 streams at a time; HEADGATE_SOAK_STREAMS says how many.
"""

import asyncio
import contextlib
import os
import random
from functools import partial

import grpc.aio

from bench.xds_resources import KEY
from bench.xds_servers import Remote, ours
from headgate_proto.envoy.config.core.v3 import base_pb2
from tests.xds.calls import DELTA, STREAM, Call
from tests.xds.sample_resources import cluster, endpoints, listener, routes
from xds.resources.resource import Resource
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE
from xds.server.server import Limits

STREAMS = int(os.environ.get("HEADGATE_SOAK_STREAMS", "50"))
TURNS = 3 if STREAMS < 1000 else 8
"""The number of memory measurements without connections; the first half fills caches."""
ROUNDS = 2
"""The number of times that each stream is replaced between two measurements."""
MAX_GROWTH = 0.25
"""The share by which memory may grow from the measurements of the first half to the last one."""


def world(number: int) -> list[Resource]:
    """Return resources, different for each number."""
    leads = [each for name in range(50) for each in (cluster(f"c{name}"), endpoints(f"c{name}", 1 + number % 1000))]
    return [*leads, routes("r", {f"/{number}": "c0", "/": "c1"}), listener("l", 80, "r")]


async def client(port: int, rng: random.Random, places: asyncio.Semaphore) -> None:
    """Subscribe, answer or ignore responses at random, and disconnect at any time."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with places, grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = Call(channel, rng.choice([DELTA, STREAM]))
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
            async with asyncio.timeout(rng.choice([0.05, 0.3, 1.0])):
                await _talk(call, base_pb2.Node(id=f"n{rng.randrange(STREAMS)}", cluster=KEY), rng)
        call.call.cancel()


async def _talk(call: Call, node: base_pb2.Node, rng: random.Random) -> None:
    wanted = {CLUSTER: (), LISTENER: (), ENDPOINT: ("c0", "c1"), ROUTE: ("r",)}
    for url, names in wanted.items():
        await call.request(url, *names, node=node)
    while rng.random() > 0.05:
        response = await call.response()
        if response is grpc.aio.EOF or rng.random() < 0.05:
            return
        names = () if call.delta else wanted[response.type_url]
        error = "no" if rng.random() < 0.1 else ""
        await call.request(response.type_url, *names, node=None, nonce=response.nonce, error=error)


async def test_replaced_streams_leave_no_memory() -> None:
    """After every stream was replaced many times, the server's memory has not grown, and it has no streams left."""
    rng = random.Random(1)
    with Remote.start(partial(ours, limits=Limits(cache_bytes=1 << 20))) as server:
        memory = []
        for turn in range(TURNS):
            publishing = asyncio.ensure_future(_publish(server, turn))
            places = asyncio.Semaphore(STREAMS)
            async with asyncio.TaskGroup() as group:
                for _ in range(ROUNDS * STREAMS):
                    group.create_task(client(server.port, rng, places))
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            await asyncio.sleep(0.5)
            usage = server.usage()
            assert usage.streams == 0
            memory.append(usage.memory)
        text = ", ".join(f"{each / 1e6:.0f}" for each in memory)
        print(f"{STREAMS} streams at a time, {TURNS * ROUNDS * STREAMS} in all: {text} MB when none is connected")
        assert memory[-1] < max(memory[: TURNS // 2 + 1]) * (1 + MAX_GROWTH)


async def _publish(server: Remote, turn: int) -> None:
    number = 10_000 * turn
    while True:
        number += 1
        server.push(world(number))
        await asyncio.sleep(0.1)
