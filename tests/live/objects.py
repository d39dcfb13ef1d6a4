"""Kubernetes objects for tests, in short form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

Manifest = dict[str, Any]

GATEWAY = "live"
ROUTES = "gateway.networking.k8s.io/v1"


def gateway(*listeners: Manifest, addresses: Sequence[str] = ()) -> Manifest:
    """Return the Gateway of the tests, with these listeners."""
    spec: Manifest = {"gatewayClassName": "headgate", "listeners": list(listeners)}
    if addresses:
        spec["addresses"] = [{"value": each} for each in addresses]
    return {"apiVersion": ROUTES, "kind": "Gateway", "metadata": {"name": GATEWAY}, "spec": spec}


def rule(*backends: str | Manifest, **fields: Any) -> Manifest:
    """Return a rule with its backends, Services by name at port 80 or whole backendRefs."""
    references = [{"name": each, "port": 80} if isinstance(each, str) else {"port": 80, **each} for each in backends]
    return {**({"backendRefs": references} if references else {}), **fields}


def prefix(path: str, **match: Any) -> Manifest:
    """Return a match of a path's prefix, and of what else is given."""
    return {"path": {"type": "PathPrefix", "value": path}, **match}


def exact(path: str, **match: Any) -> Manifest:
    """Return a match of a whole path, and of what else is given."""
    return {"path": {"type": "Exact", "value": path}, **match}


def route(
    *rules: Manifest, name: str = "route", hostnames: Sequence[str] = (), section: str = "", created: str = ""
) -> Manifest:
    """Return an HTTPRoute of the Gateway with these rules; `section` is the listener that it wants."""
    parent = {"name": GATEWAY, **({"sectionName": section} if section else {})}
    spec = {"parentRefs": [parent], "hostnames": list(hostnames), "rules": list(rules)}
    metadata = {"name": name, **({"creationTimestamp": created} if created else {})}
    return {"apiVersion": ROUTES, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def connection_route(
    kind: str,
    name: str,
    parent: Manifest,
    weights: Mapping[str, int],
    *,
    created: str = "",
    port: int = 80,
    **spec: Any,
) -> Manifest:
    """Return a route of the Gateway to Services by weight, of a kind whose rules match nothing.

    `parent` is what its reference to the Gateway has besides the name; `port` is that of the Services; what else there
    is goes into its spec.
    """
    references = [{"name": each, "port": port, "weight": weight} for each, weight in weights.items()]
    metadata = {"name": name} | ({"creationTimestamp": created} if created else {})
    spec = {"parentRefs": [{"name": GATEWAY, **parent}], **spec, "rules": [{"backendRefs": references}]}
    return {"apiVersion": ROUTES, "kind": kind, "metadata": metadata, "spec": spec}


def traffic_policy(level: str, name: str = "policy", **spec: Any) -> Manifest:
    """Return a TrafficPolicy for the Gateway, its listener `http`, the route `route` or that route's rule `named`."""
    target = {
        "gateway": {"kind": "Gateway", "name": GATEWAY},
        "listener": {"kind": "Gateway", "name": GATEWAY, "sectionName": "http"},
        "route": {"kind": "HTTPRoute", "name": "route"},
        "rule": {"kind": "HTTPRoute", "name": "route", "sectionName": "named"},
    }[level]
    references = [{"group": ROUTES.partition("/")[0], **target}]
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"name": name},
        "spec": {"targetRefs": references, **spec},
    }


def backend_config_policy(*services: str, name: str = "config", **spec: Any) -> Manifest:
    """Return a BackendConfigPolicy for Services."""
    references = [{"group": "", "kind": "Service", "name": each} for each in services]
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "BackendConfigPolicy",
        "metadata": {"name": name},
        "spec": {**({"targetRefs": references} if references else {}), **spec},
    }


def listener_policy(*, section: str = "", name: str = "listeners", **default: Any) -> Manifest:
    """Return a ListenerPolicy for the Gateway, or one listener of it, with these fields for all ports."""
    target = {"group": ROUTES.partition("/")[0], "kind": "Gateway", "name": GATEWAY}
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "ListenerPolicy",
        "metadata": {"name": name},
        "spec": {"targetRefs": [{**target, **({"sectionName": section} if section else {})}], "default": default},
    }


def service(name: str, port: int = 80, **spec: Any) -> Manifest:
    """Return a Service with one port; `app_protocol` is the port's, what else there is goes into its spec."""
    declared = {"port": port}
    if protocol := spec.pop("app_protocol", ""):
        declared["appProtocol"] = protocol
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [declared], **spec}}


def endpoints(
    service_name: str, ports: Iterable[int], address: str = "127.0.0.1", **conditions: bool
) -> list[Manifest]:
    """EndpointSlices of a Service, one for each port of an address."""
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{service_name}-{port}", "labels": {"kubernetes.io/service-name": service_name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True, **conditions}}],
            "ports": [{"port": port}],
        }
        for port in ports
    ]


def manifests(given: Iterable[str | Manifest | list[Manifest]]) -> Iterator[Manifest]:
    """Objects one by one, from YAML of several documents, maps and lists of maps."""
    for each in given:
        if isinstance(each, str):
            yield from yaml.load_all(each, yaml.CSafeLoader)
        elif isinstance(each, list):
            yield from each
        else:
            yield each


def gateway_extension(name: str, **spec: Any) -> Manifest:
    """Return a GatewayExtension with one member."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "GatewayExtension",
        "metadata": {"name": name},
        "spec": spec,
    }
