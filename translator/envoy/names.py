"""Names of Envoy's resources. A resource keeps its name across edits, restarts and replicas."""

from __future__ import annotations

from dataclasses import astuple
from functools import lru_cache
from hashlib import blake2b

from translator.ir.backend import Backend
from translator.ir.listener import RouteConfigKey
from translator.refs import Ref


@lru_cache(maxsize=65536)
def cluster_name(backend: Backend) -> str:
    """Name a backend's cluster: service, port, and a hash of every setting, so that no cluster changes in place."""
    settings = blake2b(repr(astuple(backend)).encode(), digest_size=4).hexdigest()
    return f"{backend.owner}:{backend.port}/{settings}"


def listener_name(port: int) -> str:
    """Name the listener of a port."""
    return f"port-{port}"


def port_of(listener: str) -> int | None:
    """Return the port in a listener's name; None if the name is not Headgate's."""
    prefix, _, port = listener.rpartition("-")
    return int(port) if prefix == "port" and port.isdigit() else None


def table_name(table: RouteConfigKey) -> str:
    """Name a RouteConfiguration; the hostname of an HTTPS listener is part of it."""
    return f"port-{table.port}" + (f"/{table.hostname or '*'}" if table.tls else "")


def secret_name(secret: Ref) -> str:
    """Name a certificate by the Secret that it comes from."""
    return f"{secret.namespace}/{secret.name}"
