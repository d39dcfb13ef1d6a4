"""The objects of propagation: one route a host, all to one Service."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from bench.world import GATEWAY, NAMESPACE, Raw, endpoint_slice, gateway, manifest, service

KEY = f"{NAMESPACE}/{GATEWAY}"
"""The key of the Gateway's snapshot."""


def hostname(number: int) -> str:
    """Return the hostname of the route of a number."""
    return f"host-{number}.example.com"


def route(host: str) -> Raw:
    """Return the route of a host, to the one Service that all routes share."""
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"name": "service-0", "port": 80}],
    }
    spec = {"parentRefs": [{"name": GATEWAY}], "hostnames": [host], "rules": [rule]}
    return manifest("gateway.networking.k8s.io/v1", "HTTPRoute", f"route-{host.partition('.')[0]}", spec=spec)


def base(port: int, upstream: int) -> list[Raw]:
    """Return the Gateway at a port, and the Service with the upstream."""
    return [gateway(port), service(0), endpoint_slice(0, "127.0.0.1", upstream)]


def dump(path: Path, manifests: Iterable[Raw]) -> None:
    """Write a file of YAML beside the folder that is followed, to be moved into it."""
    path.write_text(yaml.dump_all(manifests, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))
