"""Objects of an example shop: a Gateway of two protocols, a certificate and a Service of another team."""

from __future__ import annotations

from typing import Any

from bench.world import manifest
from tests.watchers.cluster_api import Raw
from translator.api_group import CONTROLLER_NAME

GROUP = "gateway.networking.k8s.io"


def _named(kind: str, version: str, name: str, namespace: str = "shop", **rest: Any) -> Raw:
    return manifest(version, kind, name, namespace, **rest)


def namespace(name: str, **labels: str) -> Raw:
    """Return a namespace."""
    raw = _named("Namespace", "v1", name, "")
    raw["metadata"]["labels"] = {"kubernetes.io/metadata.name": name, **labels}
    return raw


def gateway(name: str, namespace: str = "shop") -> Raw:
    """Return a Gateway with a listener for HTTP and one for HTTPS."""
    tls = {"certificateRefs": [{"name": "certificate"}]}
    listeners = [
        {"name": "http", "port": 80, "protocol": "HTTP"},
        {"name": "https", "port": 443, "protocol": "HTTPS", "tls": tls},
    ]
    spec = {"gatewayClassName": "headgate", "listeners": listeners}
    raw = _named("Gateway", f"{GROUP}/v1", name, namespace, spec=spec)
    raw["metadata"]["generation"] = 1
    return raw


def route(name: str, gateway: str, service: str, service_namespace: str = "shop") -> Raw:
    """Return a route to a Service."""
    backend = {"name": service, "namespace": service_namespace, "port": 80}
    spec = {"parentRefs": [{"name": gateway}], "rules": [{"backendRefs": [backend]}]}
    raw = _named("HTTPRoute", f"{GROUP}/v1", name, spec=spec)
    raw["metadata"]["generation"] = 1
    return raw


def policy(name: str, kind: str) -> Raw:
    """Return a TrafficPolicy for the route of the same name, of a kind."""
    target = {"group": GROUP, "kind": kind, "name": name}
    spec = {"targetRefs": [target], "cors": {"allowOrigins": ["https://shop.example.com"]}}
    raw = _named("TrafficPolicy", "gateway.headgate.dev/v1alpha1", name, spec=spec)
    raw["metadata"]["generation"] = 1
    return raw


def service(name: str, namespace: str) -> list[Raw]:
    """Return a Service with an endpoint."""
    found = _named("Service", "v1", name, namespace, spec={"ports": [{"name": "http", "port": 80}]})
    endpoints = [{"addresses": ["10.0.0.1"]}]
    ports = [{"name": "http", "port": 8080}]
    endpoint_slice = _named(
        "EndpointSlice",
        "discovery.k8s.io/v1",
        f"{name}-1",
        namespace,
        addressType="IPv4",
        endpoints=endpoints,
        ports=ports,
    )
    endpoint_slice["metadata"]["labels"] = {"kubernetes.io/service-name": name}
    return [found, endpoint_slice]


def secret(certificate: str, key: str, namespace: str = "shop") -> Raw:
    """Return the Secret of a certificate and key, both in base64."""
    data = {"tls.crt": certificate, "tls.key": key}
    return _named("Secret", "v1", "certificate", namespace, type="kubernetes.io/tls", data=data)


def shop(certificate: str, key: str) -> list[Raw]:
    """Return all objects of the shop."""
    spec = {"controllerName": CONTROLLER_NAME}
    grant = {
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "shop"}],
        "to": [{"group": "", "kind": "Service"}],
    }
    return [
        namespace("shop", team="shop"),
        namespace("stock", team="stock"),
        _named("GatewayClass", f"{GROUP}/v1", "headgate", "", spec=spec),
        gateway("web"),
        secret(certificate, key),
        route("cart", "web", "cart"),
        route("stock", "web", "stock", "stock"),
        {**route("calls", "web", "calls"), "kind": "GRPCRoute"},
        *(policy(each, "HTTPRoute") for each in ("cart", "stock")),
        policy("calls", "GRPCRoute"),
        *service("calls", "shop"),
        *service("cart", "shop"),
        *service("stock", "stock"),
        _named("ReferenceGrant", f"{GROUP}/v1beta1", "shop", "stock", spec=grant),
    ]
