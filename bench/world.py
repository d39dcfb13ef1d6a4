"""Generated objects: a Gateway with thousands of routes, Services and EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from translator.inputs import Edit
from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS

NAMESPACE = "shop"
GATEWAY = "web"

Raw = dict[str, Any]


def parsed(raw: Raw) -> KubernetesObject:
    """Parse a manifest without problems."""
    found = KINDS.parse(raw)
    assert found.object is not None, found.problems
    assert not found.problems, found.problems
    return found.object


def edit(raw: Raw) -> Edit:
    """Return the edit that creates or changes an object."""
    found = parsed(raw)
    return Edit(found.ref, found)


def removal(raw: Raw) -> Edit:
    """Return the edit that deletes an object."""
    return Edit(parsed(raw).ref, None)


def manifest(api_version: str, kind: str, name: str, namespace: str = NAMESPACE, **rest: Any) -> Raw:
    """Return a manifest; `rest` are the fields beside its metadata."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **rest}


def gateway(port: int = 10080, hostname: str | None = None) -> Raw:
    """Return the Gateway that all routes attach to, with one HTTP listener."""
    listener = {"name": "http", "port": port, "protocol": "HTTP", **({"hostname": hostname} if hostname else {})}
    spec = {"gatewayClassName": "headgate", "listeners": [listener]}
    return manifest("gateway.networking.k8s.io/v1", "Gateway", GATEWAY, spec=spec)


def route(number: int, hosts: int, services: int, path: str | None = None) -> Raw:
    """Return the route of a number: one path on one of `hosts` hosts, to one of `services` Services."""
    spec = {
        "parentRefs": [{"name": GATEWAY}],
        "hostnames": [f"host-{number % hosts}.example.com"],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": path or f"/route-{number}"}}],
                "backendRefs": [{"name": f"service-{number % services}", "port": 80}],
            }
        ],
    }
    return manifest("gateway.networking.k8s.io/v1", "HTTPRoute", f"route-{number}", spec=spec)


def policy(number: int, **units: Any) -> Raw:
    """Return a TrafficPolicy of the route of a number."""
    targets = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": f"route-{number}"}]
    spec = {"targetRefs": targets, **units}
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", f"policy-{number}", spec=spec)


def service(number: int) -> Raw:
    """Return the Service of a number."""
    return manifest("v1", "Service", f"service-{number}", spec={"ports": [{"name": "http", "port": 80}]})


def endpoint_slice(number: int, address: str | None = None, port: int = 8080) -> Raw:
    """Return the EndpointSlice of the Service of a number, with one endpoint."""
    found = manifest(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        f"service-{number}-1",
        addressType="IPv4",
        endpoints=[{"addresses": [address or f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"]}],
        ports=[{"name": "http", "port": port}],
    )
    found["metadata"]["labels"] = {"kubernetes.io/service-name": f"service-{number}"}
    return found


def world(routes: int, hosts: int, services: int) -> Iterator[Edit]:
    """Yield the edits that create a Gateway with a number of routes, on so many hosts, to so many Services."""
    yield edit(gateway())
    for number in range(services):
        yield edit(service(number))
        yield edit(endpoint_slice(number))
    for number in range(routes):
        yield edit(route(number, hosts, services))
