"""`headgate run` with a folder, and its Envoy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.endtoend import free_port
from bench.envoys import received_bytes, routes_digest
from bench.headgate_run import headgate_run
from bench.hosts import KEY, dump, files, route
from bench.usage import until_idle
from bench.world import Raw
from headgate.envoy.state import GatewayState

READY = b"Headgate is ready"
"""What its log says once the first snapshot is published."""


class FolderTarget:
    """`headgate run` with a folder, and its Envoy.

    Args:
        root: a folder for all files.
        routes: how many routes there are from the start.
        upstream: the port of the upstream.
        services: how many Services there are.
    """

    name = "Headgate"
    form = "RDS"
    host = "127.0.0.1"

    def __init__(self, root: Path, routes: int, upstream: int, services: int = 1) -> None:
        # Headgate watches the folder's parent, too, where a log would wake it by each of its own lines.
        self._root, self._folder, self._fresh = root, root / "parent" / "config", root / "new"
        self.port, self.xds, self.admin = free_port(), free_port(), free_port()
        self.state = root / "state"
        for each in (self._folder, self._fresh):
            each.mkdir(parents=True)
        for name, objects in files(self.port, upstream, routes, services):
            dump(self._folder / f"{name}.yaml", objects)
        self._added: list[Path] = []
        self.control_plane: tuple[int, ...] = ()
        self.proxies: tuple[int, ...] = ()

    @property
    def log(self) -> Path:
        """Headgate's log."""
        return self._root / "headgate.log"

    @property
    def gateway_state(self) -> GatewayState:
        """The files of its Envoy."""
        return GatewayState(KEY, self.state / f"127.0.0.1-{self.xds}" / KEY.replace("/", "."))

    @contextmanager
    def running(self, *arguments: str) -> Iterator[None]:
        """Run it."""
        with headgate_run(self._folder, self.state, self.log, self.xds, self.admin, *arguments) as pid:
            self.control_plane = (pid,)
            yield

    def until_ready(self, longest: float = 120) -> None:
        """Wait until it has published its first snapshot.

        Raises:
            TimeoutError: it did not in time; the message has its log.
        """
        deadline = time.monotonic() + longest
        while READY not in self.log.read_bytes():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Headgate is not ready after {longest:.0f} s:\n{self.log.read_text()}")
            time.sleep(0.01)

    def replace(self, name: str, objects: list[Raw]) -> float:
        """Replace a file; return when that was, by `time.perf_counter`."""
        fresh = self._fresh / f"{name}.yaml"
        dump(fresh, objects)
        start = time.perf_counter()
        fresh.rename(self._folder / fresh.name)
        return start

    def find_envoy(self) -> None:
        """Note the process of its Envoy, which listens by now."""
        self.proxies = (int(self.gateway_state.pid.read_text()),)

    def prepare(self, host: str) -> None:
        """Write the file of a route, where Headgate does not see it."""
        dump(self._fresh / f"{host}.yaml", [route(host)])

    def add(self, host: str) -> float:
        """Move the file into the folder."""
        fresh, path = self._fresh / f"{host}.yaml", self._folder / f"{host}.yaml"
        self._added.append(path)
        start = time.perf_counter()
        fresh.rename(path)
        return start

    def remove_added(self) -> None:
        """Remove the files; Headgate waits whether they come back, as after an editor's save."""
        for each in self._added:
            each.unlink()
        if self._added:
            time.sleep(1)
        self._added.clear()
        until_idle((*self.control_plane, *self.proxies))

    def sent_bytes(self) -> int:
        """Return what its Envoy counted."""
        return received_bytes(self.gateway_state.admin_socket)

    def routes_digest(self) -> str:
        """Return a hash of the routes that its Envoy has."""
        return routes_digest(self.gateway_state.admin_socket, self.port)
