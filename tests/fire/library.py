"""Resources made with the library alone, and random changes to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from proto.envoy.config.route.v3 import route_pb2
from tests.fire.stage import VARIANTS, Stage
from tests.xds.resources import cluster, endpoints, listener
from xds.resource import Resource
from xds.snapshot import Snapshot

NAMES = [f"b{number}" for number in range(4)]
PATHS = [f"/p{number}/" for number in range(6)]


@dataclass
class Backend:
    """A cluster: its one endpoint, and its settings.

    Attributes:
        instance: the name that the server behind it answers with.
        port: where that listens.
        revision: a part of the cluster's name: with another one it is another cluster.
        timeout: changes the cluster in place.
    """

    instance: str
    port: int
    revision: int = 0
    timeout: int = 1


@dataclass
class Library:
    """What is served: two tables of routes, on two ports.

    Attributes:
        tables: for each the backends by path, in their order.
        serves: which table each of the two ports has.
        listeners: the names of the two listeners.
    """

    stage: Stage
    rng: random.Random
    backends: dict[str, Backend] = field(default_factory=dict)
    tables: list[dict[str, str]] = field(default_factory=list)
    serves: list[int] = field(default_factory=lambda: [0, 1])
    listeners: list[str] = field(default_factory=lambda: ["l0", "l1"])
    count: int = 0
    _recent: list[tuple[list[int], list[dict[str, str]]]] = field(default_factory=list)

    async def begin(self) -> None:
        """Publishes what is there at first, and waits until it works."""
        for name in NAMES:
            self.backends[name] = await self._backend(name)
        self.tables = [{path: self.rng.choice(NAMES) for path in PATHS} for _ in range(2)]
        self.publish()
        await self.stage.settle()

    async def _backend(self, name: str) -> Backend:
        self.count += 1
        instance = f"{name}.{self.count}"
        return Backend(instance, await self.stage.begin_backend(instance))

    def publish(self) -> None:
        """Says who is to answer, and publishes."""
        servers = {name: each.instance for name, each in self.backends.items()}
        self._recent.append((list(self.serves), [dict(each) for each in self.tables]))
        self.stage.expect(lambda place, path: [self.tables[self.serves[place]][path]], servers, self._meanwhile)
        self.stage.publish({each: self._snapshot(self.stage.ports[each]) for each in VARIANTS})

    def _meanwhile(self, place: int, path: str) -> set[str]:
        """Listeners and tables arrive apart: a port may have any of its tables in any of their states for a while."""
        served = {serves[place] for serves, _ in self._recent}
        return {tables[each][path] for _, tables in self._recent for each in served}

    def _snapshot(self, ports: tuple[int, int]) -> Snapshot:
        names = {name: f"{name}-{each.revision}" for name, each in self.backends.items()}
        found = [cluster(names[name], timeout=each.timeout) for name, each in self.backends.items()]
        found += [endpoints(names[name], each.port) for name, each in self.backends.items()]
        found += [_table(f"t{number}", table, names) for number, table in enumerate(self.tables)]
        listed = zip(self.listeners, ports, self.serves, strict=True)
        return Snapshot.of([*found, *(listener(name, port, f"t{serves}") for name, port, serves in listed)])

    async def change(self) -> None:
        """Makes a change at random, or some at once, and waits until it works."""
        gone: list[str] = []
        for _ in range(self.rng.choice([1, 1, 1, 3])):
            kind = self.rng.choice(
                [self.move, self.reorder, self.rename, self.alter, self.replace, self.swap, self.hand]
            )
            self.stage.log.append(kind.__name__)
            done = kind()
            gone += await done if isinstance(done, Awaitable) else []
            self.publish()
        await around(self.stage, self.rng)
        await self.stage.settle()
        del self._recent[:-1]
        await asyncio.sleep(0.05)
        for each in gone:
            await self.stage.end_backend(each)

    def move(self) -> None:
        """A path moves to another backend."""
        self.rng.choice(self.tables)[self.rng.choice(PATHS)] = self.rng.choice(NAMES)

    def reorder(self) -> None:
        """The routes of a table change places."""
        number = self.rng.randrange(2)
        items = list(self.tables[number].items())
        self.rng.shuffle(items)
        self.tables[number] = dict(items)

    def rename(self) -> None:
        """A cluster is replaced by another with other settings."""
        self.backends[self.rng.choice(NAMES)].revision += 1

    def alter(self) -> None:
        """A cluster changes under its name, and its endpoints do not."""
        self.backends[self.rng.choice(NAMES)].timeout = self.rng.randrange(1, 9)

    async def replace(self) -> list[str]:
        """A backend is replaced: the new one is there before the old one goes."""
        name = self.rng.choice(NAMES)
        old, new = self.backends[name], await self._backend(name)
        old.instance, gone = new.instance, old.instance
        old.port = new.port
        return [gone]

    def swap(self) -> None:
        """The two ports swap their tables."""
        self.serves.reverse()

    def hand(self) -> None:
        """A listener hands its port to another one."""
        number = self.rng.randrange(2)
        self.count += 1
        self.listeners[number] = f"l{number}.{self.count}"


async def around(stage: Stage, rng: random.Random) -> None:
    """Now and then restarts the server while a change is on its way, or makes the network slow."""
    await asyncio.sleep(rng.choice([0, 0, 0.02, 0.1]))
    what: Callable[[], Awaitable[None]] | None = rng.choice([None, None, stage.restart, lambda: stage.slow(rng)])
    if what is not None:
        await what()


def _table(name: str, paths: dict[str, str], names: dict[str, str]) -> Resource:
    message = route_pb2.RouteConfiguration(name=name)
    host = message.virtual_hosts.add(name="all", domains=["*"])
    for path, backend in paths.items():
        route = host.routes.add()
        route.match.prefix = path
        route.route.cluster = names[backend]
    return Resource.pack(message)
