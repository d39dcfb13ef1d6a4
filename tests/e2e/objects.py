"""The objects of the end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.e2e.kube import GATEWAY_API, HEADGATE_API, Kube, Object, until
from watchers.kubernetes.errors import ApiError

CLASS: Final = os.environ.get("HEADGATE_GATEWAY_CLASS", "headgate")
GATEWAY: Final = "gw"
PROXIES: Final = f"headgate-{GATEWAY}"
"""The name of what is deployed for the Gateway."""
ECHO: Final = "echo"
HTTP: Final = {"name": "http", "protocol": "HTTP", "port": 80}


def echo() -> list[Object]:
    """Return a Deployment that answers with what it was asked, and its Service at port 8080."""
    labels = {"app": ECHO}
    names = {"POD_NAME": "metadata.name", "NAMESPACE": "metadata.namespace"}
    container = {
        "name": ECHO,
        "image": "registry.k8s.io/gateway-api/conformance/echo-basic:v0.1.0",
        "env": [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": field}}} for key, field in names.items()],
        "resources": {"requests": {"cpu": "10m"}},
        "readinessProbe": {"tcpSocket": {"port": 3000}, "periodSeconds": 1},
    }
    deployment = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    service = {"selector": labels, "ports": [{"port": 8080, "targetPort": 3000}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": ECHO}, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": ECHO}, "spec": service},
    ]


def gateway(*listeners: Object, parameters: str = "") -> Object:
    """Return a Gateway with these listeners, else with one for HTTP at port 80; with GatewayParameters of this name."""
    spec: Object = {"gatewayClassName": CLASS, "listeners": list(listeners) or [HTTP]}
    if parameters:
        reference = {"group": HEADGATE_API.partition("/")[0], "kind": "GatewayParameters", "name": parameters}
        spec["infrastructure"] = {"parametersRef": reference}
    return {"apiVersion": GATEWAY_API, "kind": "Gateway", "metadata": {"name": GATEWAY}, "spec": spec}


def parameters(name: str, **spec: Any) -> Object:
    """GatewayParameters that say this."""
    return {"apiVersion": HEADGATE_API, "kind": "GatewayParameters", "metadata": {"name": name}, "spec": spec}


def route(name: str = "r", hostnames: Sequence[str] = ("example.com",), backend: str = ECHO) -> Object:
    """Return an HTTPRoute of these hostnames to a backend."""
    spec = {
        "parentRefs": [{"name": GATEWAY}],
        "hostnames": list(hostnames),
        "rules": [{"backendRefs": [{"name": backend, "port": 8080}]}],
    }
    return {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec}


def policy(name: str = "policy", target: str = "r", kind: str = "HTTPRoute", **spec: Any) -> Object:
    """Return a TrafficPolicy for an object of the Gateway API, by default the route."""
    targets = [{"group": GATEWAY_API.partition("/")[0], "kind": kind, "name": target}]
    return {
        "apiVersion": HEADGATE_API,
        "kind": "TrafficPolicy",
        "metadata": {"name": name},
        "spec": {"targetRefs": targets, **spec},
    }


def extension(name: str, **spec: Any) -> Object:
    """Return a GatewayExtension that says this."""
    return {"apiVersion": HEADGATE_API, "kind": "GatewayExtension", "metadata": {"name": name}, "spec": spec}


def grant(kind: str, to: str, namespace: str, group: str = "") -> Object:
    """Return a ReferenceGrant from one of Headgate's kinds in a namespace to a kind in that where it is applied."""
    source = {"group": HEADGATE_API.partition("/")[0], "kind": kind, "namespace": namespace}
    spec = {"from": [source], "to": [{"group": group, "kind": to}]}
    return {"apiVersion": GATEWAY_API, "kind": "ReferenceGrant", "metadata": {"name": "grant"}, "spec": spec}


@asynccontextmanager
async def denied(kube: Kube, group: str, resource: str, at: str) -> AsyncIterator[None]:
    """Has the API server deny to create and change a resource in the namespace.

    Args:
        kube: the namespace.
        group: the resource's API group.
        resource: the resource, with its subresource if it is one.
        at: the kind and name of an object of which it is tried whether it is denied, and the subresource if it is one.
    """
    name = f"{kube.namespace}-denial"
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [resource]}
    policy: Object = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "not on my watch"}],
    }
    only = {"matchLabels": {"kubernetes.io/metadata.name": kube.namespace}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": only}}
    api, kind = "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"
    try:
        await kube.apply({"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": policy})
        await kube.apply({"apiVersion": api, "kind": f"{kind}Binding", "metadata": {"name": name}, "spec": binding})
        await until("denial", lambda: _is_denied(kube, *at.split("/", 1)))
        yield
    finally:
        await kube.delete(f"{kind}Binding", name)
        await kube.delete(kind, name)


async def _is_denied(kube: Kube, kind: str, name: str) -> bool:
    try:
        await kube.patch(kind, name, {"metadata": {"annotations": {"tried": "it"}}}, dryRun="All")
    except ApiError as error:
        return "not on my watch" in error.message
    return False
