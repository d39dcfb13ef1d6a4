"""A service of Headgate's own, deployed beside the proxies of a Gateway: a Deployment behind a Service.

What it is to do travels in the requests of the proxies, so that no edit of a policy concerns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from translator.backends.own_service import PORT, OwnService
from translator.backends.rate_limit_service import RATE_LIMIT_SERVICE
from translator.backends.waf_service import WAF_SERVICE
from translator.infrastructure.names import CONTROLLER, MANAGED_BY, MANAGER, label_value, own_service_name
from translator.infrastructure.pod import USER, pull_secrets
from translator.infrastructure.render_input import InvalidParameters, RenderInput
from translator.objects.headgate.gatewayparameters import RateLimitServiceParameters, WafServiceParameters
from translator.refs import Ref
from translator.strategic_merge import TooDeep, merge, without_nulls

OWN_SERVICES: Final = (RATE_LIMIT_SERVICE, WAF_SERVICE)
NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"
"""The label that tells whose it is."""
CONTAINED: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
}
"""The security context of a container."""

Parameters = RateLimitServiceParameters | WafServiceParameters
Objects = Iterator[tuple[str, Mapping[str, Any]]]
"""Objects in the order in which they are applied: of each its kind, and all but its metadata."""


def objects(
    plan: RenderInput,
    service: OwnService,
    wanted: Parameters,
    field: str,
    pod: Mapping[str, Any],
    annotations: Mapping[str, str] | None = None,
) -> Objects:
    """Yield the Service and the Deployment of a service.

    Args:
        plan: the inputs of the Gateway's manifests.
        service: the service.
        wanted: its parameters.
        field: their field in the GatewayParameters.
        pod: the fields of its pods beside those that all such pods have.
        annotations: the annotations of its pods.

    Raises:
        InvalidParameters: it could not run with these parameters.
    """
    labels = selector(service, plan.gateway.ref)
    ports = [{"name": "grpc", "port": PORT, "targetPort": PORT, "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"}]
    yield "Service", {"spec": {"type": "ClusterIP", "selector": labels, "ports": ports}}
    # Pods with all of these are watched, so that the Gateway tells why they do not run.
    metadata: dict[str, Any] = {"labels": identity(service, plan.gateway.ref, plan.controller)}
    if annotations:
        metadata["annotations"] = annotations
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": _template(
            metadata, {**_pod(plan), **pod}, wanted.pod_template, f"{field}.podTemplate of the GatewayParameters"
        ),
        # Two rate limit services at a time would count apart, but for that moment nobody would count at all.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "replicas": wanted.replicas,
    }
    yield "Deployment", {"spec": spec}


def identity(service: OwnService, gateway: Ref, controller: str) -> dict[str, str]:
    """Return the labels of the objects of a Gateway's service, which cannot be configured."""
    return {
        **selector(service, gateway),
        "app.kubernetes.io/component": service.component,
        MANAGED_BY: MANAGER,
        CONTROLLER: label_value(controller),
    }


def selector(service: OwnService, gateway: Ref) -> dict[str, str]:
    """Return the labels that select its pods: none that those of the proxies have too."""
    return {NAME: app_name(service), INSTANCE: own_service_name(service.prefix, gateway)}


def app_name(service: OwnService) -> str:
    """Return what all pods of a service, of all Gateways, are labelled with as their name."""
    return f"headgate-{service.component}"


def _pod(plan: RenderInput) -> dict[str, Any]:
    return {
        **pull_secrets(plan.parameters),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _template(
    metadata: Mapping[str, Any], pod: Mapping[str, Any], over: Mapping[str, Any] | None, field: str
) -> dict[str, Any]:
    try:
        merged = without_nulls(merge({"metadata": metadata, "spec": pod}, over or {}))
    except TooDeep as error:
        raise InvalidParameters(f"{field} {error}.") from None
    for name in ("metadata", "spec"):
        if not isinstance(merged.get(name), Mapping):
            raise InvalidParameters(f"{field}: {name} must be an object.")
    found: dict[str, Any] = merge(merged, {"metadata": {"labels": metadata["labels"]}})
    return found
