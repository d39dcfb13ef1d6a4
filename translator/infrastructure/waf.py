"""The web application firewall of a Gateway: `headgate waf` of Headgate's own image, in pods of its own.

It is deployed where a policy has requests inspected and names no service of its own. What is inspected how strictly is
in the requests of the proxies, so that no edit of a policy concerns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from translator.backends.waf_service import PORT
from translator.infrastructure.names import CONTROLLER, MANAGED_BY, MANAGER, label_value, waf_name
from translator.infrastructure.pod import USER, pull_secrets
from translator.infrastructure.render_input import InvalidParameters, RenderInput
from translator.objects.headgate.gatewayparameters import WafServiceParameters
from translator.refs import Ref
from translator.strategic_merge import TooDeep, merge, without_nulls

NAME: Final = "headgate-waf"
"""What all its pods, of all Gateways, are labelled with as their name."""
INSTANCE: Final = "app.kubernetes.io/instance"
"""The label that tells whose it is."""
CONTAINER: Final = "waf"
HEALTH_PORT: Final = 8082
PROCESSES: Final = 2
"""How many processes of a pod inspect."""
GRACE_SECONDS: Final = 30
"""The time that a pod has to end: it waits until the proxies know, and then answers what it has begun with."""


def objects(plan: RenderInput, image: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects of a Gateway's firewall: of each its kind, and all but its metadata.

    Raises:
        InvalidParameters: it could not run with these parameters.
    """
    labels = selector(plan.gateway.ref)
    ports = [{"name": "grpc", "port": PORT, "targetPort": PORT, "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"}]
    yield "Service", {"spec": {"type": "ClusterIP", "selector": labels, "ports": ports}}
    wanted = plan.parameters.waf_service
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": _template(plan, wanted, image),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "replicas": wanted.replicas,
    }
    yield "Deployment", {"spec": spec}


def identity(gateway: Ref, controller: str) -> dict[str, str]:
    """Return the labels of the objects of a Gateway's firewall, which cannot be configured."""
    return {
        **selector(gateway),
        "app.kubernetes.io/component": "waf",
        MANAGED_BY: MANAGER,
        CONTROLLER: label_value(controller),
    }


def selector(gateway: Ref) -> dict[str, str]:
    """Return the labels that select its pods: none that those of the proxies have too."""
    return {"app.kubernetes.io/name": NAME, INSTANCE: waf_name(gateway)}


def _template(plan: RenderInput, wanted: WafServiceParameters, image: str) -> dict[str, Any]:
    # Pods with all of these are watched, so that the Gateway tells why they do not run.
    labels = identity(plan.gateway.ref, plan.controller)
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(HEALTH_PORT)}
    made = {"metadata": {"labels": labels, "annotations": annotations}, "spec": _pod(plan, wanted, image)}
    field = "wafService.podTemplate of the GatewayParameters"
    try:
        merged = without_nulls(merge(made, wanted.pod_template or {}))
    except TooDeep as error:
        raise InvalidParameters(f"{field} {error}.") from None
    for name in ("metadata", "spec"):
        if not isinstance(merged.get(name), Mapping):
            raise InvalidParameters(f"{field}: {name} must be an object.")
    found: dict[str, Any] = merge(merged, {"metadata": {"labels": labels}})
    return found


def arguments() -> list[str]:
    """Return the arguments of the program in the pod."""
    return [
        "waf",
        *("--address", f"0.0.0.0:{PORT}"),
        *("--http-address", f"0.0.0.0:{HEALTH_PORT}"),
        *("--log-format", "json"),
    ]


def _pod(plan: RenderInput, wanted: WafServiceParameters, image: str) -> dict[str, Any]:
    container = {
        "name": CONTAINER,
        "image": wanted.image or image,
        "args": arguments(),
        "env": [{"name": "HEADGATE_WAF_PROCESSES", "value": str(PROCESSES)}],
        "ports": [
            {"name": "grpc", "containerPort": PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": HEALTH_PORT, "protocol": "TCP"},
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": {"cpu": "200m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": HEALTH_PORT}, "periodSeconds": 5},
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": HEALTH_PORT},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
        },
        # Proxies go on asking it until they know that it goes.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
        },
    }
    return {
        **pull_secrets(plan.parameters),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
