"""The two compared servers, each in a separate process: Headgate's, and a bare handler that writes given bytes."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import resource
from collections.abc import Awaitable, Callable, Sized
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Self

import grpc
import grpc.aio
import psutil

from bench.remote import RemoteServer, obey
from bench.xds_resources import KEY
from headgate.process.memory import GC_THRESHOLD
from xds import Limits, Resource, Server, Snapshot

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
STREAM, DELTA = "StreamAggregatedResources", "DeltaAggregatedResources"


class Usage(NamedTuple):
    """The usage of a process: seconds of CPU so far, bytes of memory, and open streams."""

    cpu: float
    memory: int
    streams: int


class Remote(RemoteServer):
    """A server of xDS."""

    @classmethod
    def start(cls, main: Callable[[Connection], None]) -> Self:
        """Start a server and wait until it listens."""
        return cls.launch(main)

    def push(self, payload: Any) -> None:
        """Have the server send resources, or bytes, to all its clients."""
        self.command("push", payload)

    def usage(self) -> Usage:
        """Return the usage of the server's process."""
        found: Usage = self.command("usage")
        return found


async def _serve_commands(
    link: Connection, push: Callable[[Any], Awaitable[None]], streams: Callable[[], Sized]
) -> None:
    gc.set_threshold(GC_THRESHOLD)  # as Headgate has it

    async def act(name: str, payload: Any) -> Usage | None:
        if name == "push":
            await push(payload)
            return None
        gc.collect()
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # what ended streams leave to the C library is not theirs
        used = resource.getrusage(resource.RUSAGE_SELF)
        memory = psutil.Process().memory_info().rss
        return Usage(used.ru_utime + used.ru_stime, memory, len(streams()))

    await obey(link, act)


def ours(link: Connection, limits: Limits | None = None) -> None:
    """Serve a snapshot with the library; a push creates or changes resources."""

    async def main() -> None:
        snapshot = Snapshot()
        # All clients are of one host, and connect at once.
        limit = limits or Limits(unauthorised=Limits().streams)
        async with Server(lambda node: node.cluster, limits=limit) as server:

            async def push(payload: list[Resource]) -> None:
                nonlocal snapshot
                snapshot = snapshot.replace(payload)
                server.publish(KEY, snapshot)

            link.send(server.port)
            await _serve_commands(link, push, server.clients)

    asyncio.run(main())


def bare(link: Connection) -> None:
    """Drop requests and write the pushed bytes: the least that a handler of grpc.aio can do."""
    waiting: set[asyncio.Queue[bytes]] = set()

    async def handle(requests: Any, context: Any) -> None:
        async def drop() -> None:
            async for _ in requests:
                pass

        queue: asyncio.Queue[bytes] = asyncio.Queue()
        waiting.add(queue)
        reader = asyncio.ensure_future(drop())
        try:
            while True:
                await context.write(await queue.get())
        finally:
            waiting.discard(queue)
            reader.cancel()

    async def push(payload: bytes) -> None:
        for queue in waiting:
            queue.put_nowait(payload)

    async def main() -> None:
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            each: grpc.stream_stream_rpc_method_handler(handle) for each in (STREAM, DELTA)
        }
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ADS, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        link.send(port)
        await _serve_commands(link, push, lambda: waiting)

    asyncio.run(main())
