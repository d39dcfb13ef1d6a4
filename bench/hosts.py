"""The objects of propagation and of starts: one route a host, to one Service or to as many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from bench.world import GATEWAY, NAMESPACE, Raw, endpoint_slice, gateway, manifest, service

KEY = f"{NAMESPACE}/{GATEWAY}"
"""The key of the Gateway's snapshot."""
DOCUMENTS = 500
"""How many objects are in a file."""
SEPARATE = 100
"""How many EndpointSlices have files of their own, to be changed."""


def hostname(number: int) -> str:
    """Return the hostname of the route of a number."""
    return f"host-{number}.example.com"


def route(host: str, service: int = 0) -> Raw:
    """Return the route of a host to the Service of a number."""
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"name": f"service-{service}", "port": 80}],
    }
    spec = {"parentRefs": [{"name": GATEWAY}], "hostnames": [host], "rules": [rule]}
    return manifest("gateway.networking.k8s.io/v1", "HTTPRoute", f"route-{host.partition('.')[0]}", spec=spec)


def files(port: int, upstream: int, routes: int, services: int = 1) -> Iterator[tuple[str, list[Raw]]]:
    """Yield the objects by the names of their files.

    Args:
        port: where the Gateway listens.
        upstream: the port of loopback that all Services have as their endpoint.
        routes: the number of routes.
        services: the number of Services; each has an EndpointSlice, the first ones in files of their own.
    """
    yield "gateway", [gateway(port)]
    for chunk in _chunks(services):
        yield f"services-{chunk[0]}", [service(each) for each in chunk]
    for number in range(min(services, SEPARATE)):
        yield f"slice-{number}", [endpoint_slice(number, "127.0.0.1", upstream)]
    for chunk in _chunks(services, SEPARATE):
        yield f"slices-{chunk[0]}", [endpoint_slice(each, "127.0.0.1", upstream) for each in chunk]
    for chunk in _chunks(routes):
        yield f"routes-{chunk[0]}", [route(hostname(each), each % services) for each in chunk]


def _chunks(count: int, start: int = 0) -> Iterator[range]:
    for first in range(start, count, DOCUMENTS):
        yield range(first, min(first + DOCUMENTS, count))


def dump(path: Path, manifests: Iterable[Raw]) -> None:
    """Write a file of YAML beside the folder that is followed, to be moved into it."""
    path.write_text(yaml.dump_all(manifests, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))
