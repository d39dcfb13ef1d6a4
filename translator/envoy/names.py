"""Names of Envoy's resources. A resource keeps its name across edits, restarts and replicas."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from translator.ir.backend import Backend, Protocol
from translator.ir.listener import REVOCATION_LIST, RouteConfigKey, SocketPort
from translator.ir.route_scope import SCOPE_BITS
from translator.ir.secret import GenericSecret
from translator.refs import Ref

SERVICE: Final = "Service"
"""The kind of object that a backendRef names unless it says another (Gateway API, `BackendObjectReference`)."""
SECRET: Final = "Secret"
"""The kind of objects whose CA certificates have a name with the kind."""


CLOSED: Final = "headgate/closed"
"""The cluster without endpoints. No backend's cluster has this name: theirs name a port."""


PROXIES: Final = "headgate/proxies"
"""The cluster, in a proxy's bootstrap, of the Gateway's own proxies, by zone; no backend's has this name either."""


@lru_cache(maxsize=65536)
def cluster_name(backend: Backend) -> str:
    """Name a backend's cluster: object, port, and a hash of every setting, so that no cluster changes in place."""
    kind, namespace, name = backend.key
    # A reference without a kind is to a Service: so is a name without one.
    owner = f"{namespace}/{name}" if kind == SERVICE else f"{kind}/{namespace}/{name}"
    settings = ", ".join(each.fingerprint for each in backend.settings) or "0"
    protocol = backend.protocol or Protocol.HTTP1.value
    hosts = f", {[tuple(each) for each in backend.hosts]}" if backend.hosts else ""
    text = f"({owner!r}, {backend.port!r}, {protocol!r}, {backend.hostname!r}, {settings}{hosts})"
    port = f":{backend.port}" if backend.port or kind == SERVICE else ""
    return f"{owner}{port}/{blake2b(text.encode(), digest_size=4).hexdigest()}"


def object_of_cluster(cluster: str) -> str:
    """Return what a cluster's name says of its object and port: all but the hash."""
    return cluster.rpartition("/")[0]


def is_cluster_of(cluster: str, kind: str, namespace: str, name: str) -> bool:
    """Return whether a cluster's name is of an object, at whatever port."""
    owner = f"{namespace}/{name}" if kind == SERVICE else f"{kind}/{namespace}/{name}"
    return object_of_cluster(cluster).partition(":")[0] == owner


_LISTENERS: Final = {"TCP": "port", "UDP": "udp"}
"""What the names of listeners begin with, by the protocol of their ports."""


def listener_name(port: SocketPort, socket: str = "") -> str:
    """Name the listener of a port, and what is particular about its socket (`PortListener.socket`)."""
    name = f"{_LISTENERS[port.protocol]}-{port.number}"
    return f"{name}//socket-{blake2b(socket.encode(), digest_size=4).hexdigest()}" if socket else name


def http3_listener_name(port: SocketPort) -> str:
    """Name the listener on UDP that speaks HTTP/3 for a port of TCP, to which its faults are attributed (`port_of`)."""
    return f"{listener_name(port)}//http3"


def port_of(name: str) -> SocketPort | None:
    """Return the port in the name of a listener, or in that of a table of it; None if the name is of something else."""
    prefix, _, number = name.partition("/")[0].rpartition("-")
    protocol = next((each for each, begin in _LISTENERS.items() if begin == prefix), None)
    return SocketPort(int(number), protocol) if protocol is not None and number.isdigit() else None


def table_name(table: RouteConfigKey) -> str:
    """Name a RouteConfiguration; the hostname of an HTTPS listener is part of it."""
    return f"port-{table.port}" + (f"/{table.hostname or '*'}" if table.tls else "")


PART: Final = "//"
"""Stands between the name of a table and that of a part of it; no hostname has a slash."""


def route_configuration_name(table: RouteConfigKey, scope: int | None) -> str:
    """Name the RouteConfiguration of a scope of a table; that of the whole table without one."""
    return table_name(table) if scope is None else part_name(table_name(table), scope)


def part_name(table: str, scope: int) -> str:
    """Name the RouteConfiguration of a scope of the table with a name."""
    return f"{table}{PART}{scope:0{SCOPE_BITS}b}"


def table_of_configuration(name: str) -> str:
    """Return the name of the table of which a RouteConfiguration has the routes, or those of a scope."""
    table, _, part = name.partition(PART)
    return table if set(part) <= {"0", "1"} else name


def filters_table_name(table: RouteConfigKey) -> str:
    """Name the RouteConfiguration with the filters of listeners."""
    return f"{table_name(table)}{PART}filters"


def internal_listener_name(table: RouteConfigKey) -> str:
    """Name the listener behind these filters, and the cluster that it is for them."""
    return f"{table_name(table)}{PART}routes"


def secret_name(secret: Ref) -> str:
    """Name a certificate by the Secret that it comes from."""
    return f"{secret.namespace}/{secret.name}"


def generic_secret_name(secret: GenericSecret) -> str:
    """Name a secret text; no certificate has this name: that of a Secret's has one slash."""
    return "/".join(filter(None, (*secret[:3], secret.derivation.value, secret.purpose)))


def trust_bundle_name(sources: Iterable[Ref]) -> str:
    """Name the CA certificates of objects, with revocation lists; what is in them is no part of the name."""
    names = [_ca_name(each) for each in sources]
    says_kind = names and names[0][0].isupper()
    return ",".join(names) if says_kind else "ConfigMap/" + ",".join(names)


def _ca_name(source: Ref) -> str:
    if source.kind == SECRET:
        return f"{SECRET}/{source.namespace}/{source.name}"
    if source.kind == REVOCATION_LIST:
        return f"crl:{source.namespace}/{source.name}"
    return f"{source.namespace or source.kind}/{source.name}"  # no namespace has capital letters


def names_of_route(route: str) -> tuple[str, str, str]:
    """Return the namespace and name of the object that a ``Route`` is of, and the name of its rule, by its own name."""
    _, namespace, name, _, rule, *_ = route.split("/")
    return namespace, name, rule
