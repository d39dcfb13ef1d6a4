"""Envoys as `headgate run` starts them, and what their admin interface tells."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headgate.envoy.binary import find_envoy
from headgate.envoy.bootstrap import bootstrap
from headgate.envoy.descriptors import available
from headgate.envoy.process import EnvoyProcess, Launch
from headgate.envoy.state import GatewayState
from headgate.process.address import Address
from translator.envoy.bootstrap import XDS_CLUSTER

RECEIVED = f"cluster.{XDS_CLUSTER}.upstream_cx_rx_bytes_total"


@contextmanager
def envoy(state: GatewayState, xds: Path | Address, token: str = "", instance: str = "bench") -> Iterator[tuple[int]]:
    """Run an Envoy with the bootstrap and the arguments that `headgate run` gives one; yield its process id.

    Args:
        state: where its files are.
        xds: the Unix socket, or the address, of its xDS server.
        token: the token that authenticates it; "" for none.
        instance: its name among the Envoys of a Gateway.
    """
    descriptors = available()
    made = bootstrap(state.gateway, instance, xds, state.admin_socket, token=token, descriptors=descriptors)
    process = EnvoyProcess.start(Launch(state, find_envoy(), made, descriptors=descriptors))
    try:
        yield (process.pid,)
    finally:
        process.kill()
        asyncio.run(process.wait())


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=30)
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def ask(admin: Path, path: str) -> Any:
    """Return the JSON of an answer of an Envoy's admin interface."""
    connection = _UnixConnection(admin)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def received_bytes(admin: Path) -> int:
    """Return how many bytes an Envoy received from its xDS server so far, with the framing of HTTP/2."""
    stats = ask(admin, f"/stats?format=json&filter=^{RECEIVED.replace('.', '%5C.')}$")["stats"]
    return sum(int(each["value"]) for each in stats)


def routes_digest(admin: Path, port: int) -> str:
    """Return a hash of the routes that an Envoy got, by RDS or SRDS: equal for those of equal routes at other ports.

    When it got them, and as which version, does not count.
    """
    dumps = ask(admin, "/config_dump")["configs"]
    routes = [each for each in dumps if each["@type"].endswith("RoutesConfigDump")]
    text = json.dumps(_timeless(routes), sort_keys=True).replace(str(port), "PORT")
    return hashlib.sha256(text.encode()).hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, list):
        return [_timeless(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _timeless(each) for name, each in value.items() if name not in ("version_info", "last_updated")}
    # Envoy dumps them in no order.
    unordered = {name: sorted(each, key=json.dumps) for name, each in found.items() if name.endswith("route_configs")}
    return found | unordered


def version() -> str:
    """Return the version of the Envoy that is measured."""
    output = subprocess.run([str(find_envoy()), "--version"], capture_output=True, text=True, check=True).stdout
    return output.strip().rpartition("version: ")[2].split("/")[1] if "version: " in output else output.strip()
