"""The objects of the end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

from tests.e2e.kube import GATEWAY_API, HEADGATE_API, Object

CLASS: Final = os.environ.get("HEADGATE_GATEWAY_CLASS", "headgate")
GATEWAY: Final = "gw"
ECHO: Final = "echo"
HTTP: Final = {"name": "http", "protocol": "HTTP", "port": 80}


def echo() -> list[Object]:
    """A Deployment that answers with what it was asked, and its Service at port 8080."""
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
    """A Gateway with these listeners, else with one for HTTP at port 80; with GatewayParameters of this name."""
    spec: Object = {"gatewayClassName": CLASS, "listeners": list(listeners) or [HTTP]}
    if parameters:
        reference = {"group": HEADGATE_API.partition("/")[0], "kind": "GatewayParameters", "name": parameters}
        spec["infrastructure"] = {"parametersRef": reference}
    return {"apiVersion": GATEWAY_API, "kind": "Gateway", "metadata": {"name": GATEWAY}, "spec": spec}


def parameters(name: str, **spec: Any) -> Object:
    """GatewayParameters that say this."""
    return {"apiVersion": HEADGATE_API, "kind": "GatewayParameters", "metadata": {"name": name}, "spec": spec}


def route(name: str = "r", hostnames: Sequence[str] = ("example.com",), backend: str = ECHO) -> Object:
    """An HTTPRoute of these hostnames to a backend."""
    spec = {
        "parentRefs": [{"name": GATEWAY}],
        "hostnames": list(hostnames),
        "rules": [{"backendRefs": [{"name": backend, "port": 8080}]}],
    }
    return {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": {"name": name}, "spec": spec}


def denial(name: str, namespace: str, message: str, **rule: list[str]) -> list[Object]:
    """An admission policy that denies requests in a namespace, and its binding.

    Args:
        name: of both.
        namespace: where they are denied.
        message: what is said.
        rule: apiGroups, operations and resources of the requests.
    """
    only = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"apiVersions": ["*"], **rule}]},
        "validations": [{"expression": "false", "message": message}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": only}}
    api = "admissionregistration.k8s.io/v1"
    kind = "ValidatingAdmissionPolicy"
    return [
        {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": policy},
        {"apiVersion": api, "kind": f"{kind}Binding", "metadata": {"name": name}, "spec": binding},
    ]
