"""Backends for tests, and a proxy that takes them on this machine."""

from __future__ import annotations

from typing import Any

from tests.live.objects import GATEWAY, ROUTES, Manifest, route

HEADGATE = "gateway.headgate.dev"


def backend(name: str = "hosts", *, namespace: str = "default", **spec: Any) -> Manifest:
    """Return a Backend with one member."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{HEADGATE}/v1alpha1", "kind": "Backend", "metadata": metadata, "spec": spec}


def static(*hosts: int | Manifest, name: str = "hosts", **fields: Any) -> Manifest:
    """Return a Backend of hosts, which are ports of loopback unless they say otherwise."""
    written = [{"host": "127.0.0.1", "port": each} if isinstance(each, int) else each for each in hosts]
    return backend(name, static={"hosts": written, **fields})


def reference(name: str = "hosts", **fields: Any) -> Manifest:
    """Return a backendRef to a Backend."""
    return {"group": HEADGATE, "kind": "Backend", "name": name, **fields}


def to_backend(*names: str, **fields: Any) -> Manifest:
    """Return the route to Backends."""
    return route({"backendRefs": [reference(each) for each in names or ("hosts",)], **fields})


def tcp_route(name: str = "hosts", backend: Manifest | None = None) -> Manifest:
    """Return the TCPRoute to a Backend, or to another backend."""
    rule = {"backendRefs": [backend or reference(name)]}
    spec = {"parentRefs": [{"name": GATEWAY, "sectionName": "tcp"}], "rules": [rule]}
    return {"apiVersion": ROUTES, "kind": "TCPRoute", "metadata": {"name": "tcp"}, "spec": spec}
