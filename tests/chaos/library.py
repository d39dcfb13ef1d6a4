"""Resources of the library without the translator, and random changes to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from headgate_proto.envoy.config.route.v3 import route_pb2
from tests.chaos.stage import VARIANTS
from tests.chaos.world import Backend, Change, World
from tests.xds.sample_resources import cluster, endpoints, listener
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot

NAMES = [f"b{number}" for number in range(4)]
PATHS = [f"/p{number}/" for number in range(6)]


@dataclass
class Cluster:
    """A cluster: the server behind its one endpoint, and its settings.

    Attributes:
        backend: the server.
        revision: a part of the cluster's name: another revision is another cluster.
        timeout: a setting that changes the cluster in place.
    """

    backend: Backend
    revision: int = 0
    timeout: int = 1


@dataclass
class Library(World):
    """Two route configurations, on two ports.

    Attributes:
        clusters: the clusters of the routes, by name.
        tables: the clusters of each route configuration by path, in order.
        serves: the route configuration of each port.
        listeners: the names of the two listeners.
    """

    clusters: dict[str, Cluster] = field(default_factory=dict)
    tables: list[dict[str, str]] = field(default_factory=list)
    serves: list[int] = field(default_factory=lambda: [0, 1])
    listeners: list[str] = field(default_factory=lambda: ["l0", "l1"])
    _recent: list[tuple[list[int], list[dict[str, str]]]] = field(default_factory=list)

    async def begin(self) -> None:
        """Publish the first configuration, and wait until it is served."""
        for name in NAMES:
            self.clusters[name] = Cluster(await self.begin_backend(name))
        self.tables = [{path: self.rng.choice(NAMES) for path in PATHS} for _ in range(2)]
        self.publish()
        await self.stage.settle()

    def publish(self) -> None:
        """Set the backends that may respond, and publish."""
        servers = {name: each.backend.instance for name, each in self.clusters.items()}
        self._recent.append((list(self.serves), [dict(each) for each in self.tables]))
        self.stage.expect(lambda place, path: [self.tables[self.serves[place]][path]], servers, self._meanwhile)
        self.stage.publish({each: self._snapshot(self.stage.ports[each]) for each in VARIANTS})

    def _meanwhile(self, place: int, path: str) -> set[str]:
        """Return the clusters of all tables: listeners and routes arrive separately, so a port may have any of them."""
        served = {serves[place] for serves, _ in self._recent}
        return {tables[each][path] for _, tables in self._recent for each in served}

    def _snapshot(self, ports: tuple[int, int]) -> Snapshot:
        names = {name: f"{name}-{each.revision}" for name, each in self.clusters.items()}
        found = [cluster(names[name], timeout=each.timeout) for name, each in self.clusters.items()]
        found += [endpoints(names[name], each.backend.port) for name, each in self.clusters.items()]
        found += [_table(f"t{number}", table, names) for number, table in enumerate(self.tables)]
        listed = zip(self.listeners, ports, self.serves, strict=True)
        return Snapshot.of([*found, *(listener(name, port, f"t{serves}") for name, port, serves in listed)])

    def kinds(self) -> Sequence[Change]:
        """Return the possible changes."""
        return (self.move, self.reorder, self.rename, self.alter, self.replace, self.swap, self.hand)

    async def change(self) -> None:
        """Make changes as in `World`; when they are served, the former clusters may no longer respond."""
        await super().change()
        del self._recent[:-1]

    def move(self) -> None:
        """Move a path to another backend."""
        self.rng.choice(self.tables)[self.rng.choice(PATHS)] = self.rng.choice(NAMES)

    def reorder(self) -> None:
        """Reorder the routes of a table."""
        number = self.rng.randrange(2)
        items = list(self.tables[number].items())
        self.rng.shuffle(items)
        self.tables[number] = dict(items)

    def rename(self) -> None:
        """Replace a cluster by one with other settings and another name."""
        self.clusters[self.rng.choice(NAMES)].revision += 1

    def alter(self) -> None:
        """Change a cluster in place, without its endpoints."""
        self.clusters[self.rng.choice(NAMES)].timeout = self.rng.randrange(1, 9)

    async def replace(self) -> Backend:
        """Replace a backend: the new one starts before the old one stops."""
        name = self.rng.choice(NAMES)
        changed = self.clusters[name]
        gone, changed.backend = changed.backend, await self.begin_backend(name)
        return gone

    def swap(self) -> None:
        """Swap the tables of the two ports."""
        self.serves.reverse()

    def hand(self) -> None:
        """Replace a listener by another one on the same port."""
        number = self.rng.randrange(2)
        self.count += 1
        self.listeners[number] = f"l{number}.{self.count}"


def _table(name: str, paths: dict[str, str], names: dict[str, str]) -> Resource:
    message = route_pb2.RouteConfiguration(name=name)
    host = message.virtual_hosts.add(name="all", domains=["*"])
    for path, backend in paths.items():
        route = host.routes.add()
        route.match.prefix = path
        route.route.cluster = names[backend]
    return Resource.pack(message)
