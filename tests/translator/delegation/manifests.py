"""HTTPRoutes that delegate to others, in short form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Manifest = dict[str, Any]

GATEWAY_API = "gateway.networking.k8s.io"
DELEGATION = "delegation.headgate.dev"
GATEWAY = "web"
PORT = 8080
DEFAULT = "default"

OF_GATEWAY: Manifest = {"kind": "Gateway", "name": GATEWAY, "namespace": DEFAULT}


def gateway(**annotations: str) -> Manifest:
    """Return the Gateway: one listener that takes the routes of all namespaces."""
    listener = {"name": "http", "protocol": "HTTP", "port": PORT, "allowedRoutes": {"namespaces": {"from": "All"}}}
    spec = {"gatewayClassName": "headgate", "listeners": [listener]}
    metadata = {"name": GATEWAY, "namespace": DEFAULT, "annotations": annotations}
    return {"apiVersion": f"{GATEWAY_API}/v1", "kind": "Gateway", "metadata": metadata, "spec": spec}


def of_route(name: str, namespace: str = "") -> Manifest:
    """Return the parentRef to a route."""
    place = {"namespace": namespace} if namespace else {}
    return {"group": GATEWAY_API, "kind": "HTTPRoute", "name": name, **place}


def route(
    name: str,
    *rules: Manifest,
    parents: Sequence[Manifest] = (),
    namespace: str = DEFAULT,
    hostnames: Sequence[str] = (),
    created: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Return an HTTPRoute."""
    metadata: Manifest = {"name": name, "namespace": namespace}
    if created:
        metadata["creationTimestamp"] = created
    metadata |= {key: dict(value) for key, value in (("labels", labels), ("annotations", annotations)) if value}
    spec: Manifest = {"rules": list(rules)}
    if parents:
        spec["parentRefs"] = list(parents)
    if hostnames:
        spec["hostnames"] = list(hostnames)
    return {"apiVersion": f"{GATEWAY_API}/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def root(name: str, *rules: Manifest, **fields: Any) -> Manifest:
    """Return an HTTPRoute that is attached to the Gateway."""
    return route(name, *rules, parents=[OF_GATEWAY], **fields)


def child(name: str, namespace: str = "", **fields: Any) -> Manifest:
    """Return a reference to a child; `*` means all of a namespace."""
    return of_route(name, namespace) | fields


def labelled(value: str, namespace: str = "", **fields: Any) -> Manifest:
    """Return a reference to the children with a value of the label."""
    place = {"namespace": namespace} if namespace else {}
    return {"group": DELEGATION, "kind": "label", "name": value, **place, **fields}


def to(service: str, namespace: str = "", **fields: Any) -> Manifest:
    """Return a reference to a Service."""
    place = {"namespace": namespace} if namespace else {}
    return {"name": service, "port": 80, **place, **fields}


def rule(*backends: Manifest, matches: Sequence[Manifest] | None = None, **fields: Any) -> Manifest:
    """Return a rule."""
    made: Manifest = {"backendRefs": list(backends), **fields}
    return made if matches is None else {"matches": list(matches), **made}


def under(path: str, *backends: Manifest, **fields: Any) -> Manifest:
    """Return a rule for a prefix of paths."""
    return rule(*backends, matches=[prefix(path)], **fields)


def prefix(path: str, **match: Any) -> Manifest:
    """Return a match of a prefix of paths, and of what else is given."""
    return {"path": {"type": "PathPrefix", "value": path}, **match}


def exact(path: str, **match: Any) -> Manifest:
    """Return a match of a whole path, and of what else is given."""
    return {"path": {"type": "Exact", "value": path}, **match}


def regex(path: str, **match: Any) -> Manifest:
    """Return a match of paths by an expression, and of what else is given."""
    return {"path": {"type": "RegularExpression", "value": path}, **match}


def header(name: str, value: str, **more: Any) -> Manifest:
    """Return a match of a header or of a parameter."""
    return {"name": name, "value": value, **more}


def setting(value: str, name: str = "x-by") -> Manifest:
    """Return a filter that sets a header of requests."""
    change = {"set": [{"name": name, "value": value}]}
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": change}


def rewriting(hostname: str) -> Manifest:
    """Return a filter that changes the host of requests."""
    return {"type": "URLRewrite", "urlRewrite": {"hostname": hostname}}


def grant(namespace: str, from_namespace: str, name: str = "") -> Manifest:
    """Return a ReferenceGrant for HTTPRoutes of a namespace to HTTPRoutes, or to one of them."""
    target = {"group": GATEWAY_API, "kind": "HTTPRoute", **({"name": name} if name else {})}
    source = {"group": GATEWAY_API, "kind": "HTTPRoute", "namespace": from_namespace}
    return {
        "apiVersion": f"{GATEWAY_API}/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": f"from-{from_namespace}-{name or 'all'}", "namespace": namespace},
        "spec": {"from": [source], "to": [target]},
    }


def service(name: str, namespace: str = DEFAULT) -> Manifest:
    """Return a Service with port 80."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
