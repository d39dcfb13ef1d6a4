"""The processes of a chaos test: two real Envoys, one of each protocol variant, behind relays, and an xDS server."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.load import Load, Target
from tests.live.proxy import free_port
from tests.relay import Relay
from tests.xds.envoy_process import running_envoy, upstream
from xds.resources.snapshot import Snapshot
from xds.server.server import Server, Timeouts

VARIANTS = ("delta", "sotw")
TIMEOUTS = Timeouts(ack_deadline=3.0, removal_delay=0.5, drain=10.0)
DRAIN = ("--drain-time-s", "5", "--drain-strategy", "immediate", "--concurrency", "2")
WITHIN = 30.0
"""The timeout of a change, in seconds, also with a slow network."""


Services = Callable[[int, str], Iterable[str]]


@dataclass
class Stage:
    """The servers and proxies of a chaos test.

    Attributes:
        load: the requests.
        port: the port of the xDS server.
        relays: the relays between the Envoys and the server.
        ports: two ports for the listeners of each Envoy, by variant.
        log: the changes, for the message of a failure.
    """

    load: Load
    port: int
    relays: list[Relay]
    ports: dict[str, tuple[int, int]]
    server: Server = field(init=False)
    log: list[str] = field(default_factory=list)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    _wanted: dict[Target, Iterable[str]] = field(default_factory=dict)
    _servers: dict[str, list[str]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _upstreams: dict[str, contextlib.AsyncExitStack] = field(default_factory=dict)

    async def start(self) -> None:
        """Start the server, with the current snapshots."""
        self.server = Server(
            lambda node: node.cluster.rpartition("/")[2],
            address=f"127.0.0.1:{self.port}",
            timeouts=TIMEOUTS,
            on_sync_status=lambda _key, _status: self._news.set(),
        )
        await self.server.start()
        for key, snapshot in self.snapshots.items():
            self.server.publish(key, snapshot)

    async def restart(self) -> None:
        """Stop the server, and start another one after a while."""
        self.log.append("restart")
        await self.server.stop(20)
        await asyncio.sleep(0.1)
        await self.start()

    def expect(
        self, services: Services, servers: dict[str, str], meanwhile: Services = lambda _place, _path: []
    ) -> None:
        """Set the backends that may respond after the next publication.

        Args:
            services: returns the services for a port, by its index in the pair, and a path.
            servers: the name of the only server of each service.
            meanwhile: returns services that may respond until then, besides the former ones.
        """
        for service, server in servers.items():
            known = self._servers.setdefault(service, [])
            if known[-1:] != [server]:
                known.append(server)
        for pair in self.ports.values():
            for target in self.load.targets:
                if target.port in pair:
                    self._wanted[target] = services(pair.index(target.port), target.path)
        for target, wanted in self._wanted.items():
            pair = next(each for each in self.ports.values() if target.port in each)
            target.expect([*wanted, *meanwhile(pair.index(target.port), target.path)], self._servers)

    def publish(self, snapshots: dict[str, Snapshot]) -> None:
        """Publish a snapshot for each variant."""
        self.log.append(f"publish after {self.load.sent} requests")
        for key, snapshot in snapshots.items():
            assert not snapshot.dangling()
            self.server.publish(key, snapshot)
        self.snapshots.update(snapshots)

    async def settle(self) -> None:
        """Wait until both Envoys serve the last publication."""
        async with asyncio.timeout(WITHIN):
            while not all(self._synced(key) for key in VARIANTS):
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 1)
        await asyncio.sleep(0.1)  # from Envoy's main thread to its workers
        self.load.renew()  # connections to draining listeners have the former routes
        self._servers = {service: servers[-1:] for service, servers in self._servers.items()}
        self.log.append(f"settled after {self.load.sent} requests")
        for target, services in self._wanted.items():
            target.settle(services, self._servers)

    def _synced(self, key: str) -> bool:
        status = self.server.sync_status(key)
        if status is None:
            return False
        assert not status.nacks, (status.nacks, self.log)
        return status.clients == status.synced == 1

    async def slow(self, rng: random.Random) -> None:
        """Make the network to the control plane slow, or fast again."""
        for each in self.relays:
            each.delay = rng.choice([0.0, 0.0, 0.02, 0.3])
        self.log.append(f"slow {[each.delay for each in self.relays]}")

    async def begin_backend(self, name: str) -> int:
        """Start a backend that responds with its name; return its port."""
        self._upstreams[name] = stack = contextlib.AsyncExitStack()
        return await stack.enter_async_context(upstream(name))

    async def end_backend(self, name: str) -> None:
        """Stop a backend."""
        await self._upstreams.pop(name).aclose()

    async def aclose(self) -> None:
        """Stop all processes."""
        await self.server.stop(0)
        for name in list(self._upstreams):
            await self.end_backend(name)


@contextlib.asynccontextmanager
async def staged(envoy: Path, rate: float, paths: list[str]) -> AsyncIterator[Stage]:
    """Yield a stage. The Envoy of a variant serves the Gateway of this name in the namespace default."""
    ports = {each: (free_port(), free_port()) for each in VARIANTS}
    targets = [Target(port, path) for path in paths for pair in ports.values() for port in pair]
    xds = free_port()
    async with contextlib.AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(Relay(xds)) for _ in VARIANTS]
        stage = Stage(Load(targets, rate), xds, relays, ports)
        await stage.start()
        stack.push_async_callback(stage.aclose)
        for relay, each in zip(relays, VARIANTS, strict=True):
            delta = each == "delta"
            running = running_envoy(envoy, relay.port, delta=delta, cluster=f"default/{each}", arguments=DRAIN)
            await stack.enter_async_context(running)
        yield stage
