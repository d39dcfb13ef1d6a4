"""The oracle with an Envoy: it pushes the resources that a translator makes of the same objects."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.endtoend import free_port
from bench.envoys import envoy, received_bytes, routes_digest
from bench.hosts import KEY, files, route
from bench.oracle import Oracle
from bench.usage import until_idle
from bench.world import GATEWAY, NAMESPACE, edit
from headgate.envoy.descriptors import available
from headgate.envoy.state import GatewayState
from headgate.process.own_addresses import machine_addresses
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.translator import Translator
from xds import SCOPED_ROUTE, Reference, Resource, Snapshot, diff

ORACLE = "oracle"
"""Its name in reports."""
PLAIN, SCOPED = "RDS", "scopes"
"""The forms in which routes reach Envoy."""


def run_settings(own_envoys: bool = True) -> Settings:
    """Return the settings that `headgate run` translates with, as far as they change resources.

    Args:
        own_envoys: whether it starts Envoys; else it does not know how many file descriptors they may have.
    """
    return Settings(machine=machine_addresses(), descriptors=available() if own_envoys else None)


def plain(settings: Settings) -> Settings:
    """Return settings with which routes reach Envoy by RDS alone, however many there are."""
    return dataclasses.replace(settings, scoped_hostnames=0)


def form_of(snapshot: Snapshot) -> str:
    """Return how routes reach Envoy: by RDS alone, or by scopes (SRDS)."""
    return SCOPED if snapshot.resources(SCOPED_ROUTE) else PLAIN


def _changed(before: Snapshot, after: Snapshot) -> tuple[list[Resource], list[Reference]]:
    """Return what was added or changed between two snapshots, and what was removed."""
    names = [Reference(url, name) for url, changed in diff(before, after).items() for name in changed]
    found = {each: after.get(each) for each in names}
    return [each for each in found.values() if each], [each for each, resource in found.items() if not resource]


class OracleTarget:
    """The oracle, which pushes the resources of a translator, and an Envoy.

    Args:
        root: a folder for all files.
        routes: how many routes there are from the start.
        upstream: the port of the upstream.
        services: how many Services there are.
        listener: the port of the Gateway; 0 for a free one.
        settings: the settings of the translator that makes the resources.

    Attributes:
        form: how routes reach Envoy.
    """

    name = ORACLE
    host = "127.0.0.1"

    def __init__(
        self,
        root: Path,
        routes: int,
        upstream: int,
        services: int = 1,
        listener: int = 0,
        settings: Settings | None = None,
    ) -> None:
        self.port = listener or free_port()
        self._root = root
        self._made = Translator(settings or run_settings())
        made = files(self.port, upstream, routes, services)
        self._made.edit([edit(each) for _, objects in made for each in objects])
        self._made.evaluate()
        self.form = form_of(self.snapshot)
        self._added: list[str] = []
        self._oracle: Oracle | None = None
        self.control_plane: tuple[int, ...] = ()
        self.proxies: tuple[int, ...] = ()

    @property
    def snapshot(self) -> Snapshot:
        """All resources."""
        return self._made.snapshots[Ref("Gateway", NAMESPACE, GATEWAY)]

    @property
    def gateway_state(self) -> GatewayState:
        """The files of its Envoy."""
        return GatewayState(KEY, self._root / "state" / "oracle" / "envoy")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the oracle, and an Envoy with the bootstrap and the arguments that `headgate run` gives one."""
        xds = self._root / "xds.sock"
        with Oracle.start(f"unix:{xds}") as self._oracle:
            self._oracle.load(self.snapshot)
            self.control_plane = (self._oracle.pid,)
            with envoy(self.gateway_state, xds) as self.proxies:
                yield

    def prepare(self, host: str) -> None:
        """Translate a route, and have the oracle encode what changes."""
        assert self._oracle is not None
        before = self.snapshot
        self._made.edit([edit(route(host))])
        self._made.evaluate()
        self._oracle.prepare(host, *_changed(before, self.snapshot))
        self._added.append(host)

    def add(self, host: str) -> float:
        """Push what was prepared."""
        assert self._oracle is not None
        start = time.perf_counter()
        self._oracle.push(host)
        return start

    def remove_added(self) -> None:
        """Push the resources without the added routes."""
        assert self._oracle is not None
        before = self.snapshot
        self._made.edit([Edit(edit(route(each)).ref, None) for each in self._added])
        self._made.evaluate()
        self._added.clear()
        self._oracle.prepare("", *_changed(before, self.snapshot))
        self._oracle.push("")
        until_idle((*self.control_plane, *self.proxies))

    def sent_bytes(self) -> int:
        """Return what its Envoy counted."""
        return received_bytes(self.gateway_state.admin_socket)

    def routes_digest(self) -> str:
        """Return a hash of the routes that its Envoy has."""
        return routes_digest(self.gateway_state.admin_socket, self.port)
