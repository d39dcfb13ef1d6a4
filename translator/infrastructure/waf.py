"""The web application firewall of a Gateway: `headgate waf` of Headgate's own image, in pods of its own."""

from __future__ import annotations

from typing import Any, Final

from translator.backends.own_service import PORT
from translator.backends.waf_service import WAF_SERVICE
from translator.infrastructure import own_service
from translator.infrastructure.own_service import CONTAINED, Objects
from translator.infrastructure.render_input import RenderInput
from translator.objects.headgate.gatewayparameters import WafServiceParameters

CONTAINER: Final = "waf"
HEALTH_PORT: Final = 8082
PROCESSES: Final = 2
"""How many processes of a pod inspect."""
GRACE_SECONDS: Final = 30
"""The time that a pod has to end: it waits until the proxies know, and then answers what it has begun with."""


def objects(plan: RenderInput, image: str) -> Objects:
    """Yield the objects of a Gateway's firewall.

    Raises:
        InvalidParameters: it could not run with these parameters.
    """
    wanted = plan.parameters.waf_service
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": str(HEALTH_PORT)}
    pod = {"terminationGracePeriodSeconds": GRACE_SECONDS, "containers": [_container(wanted, image)]}
    yield from own_service.objects(plan, WAF_SERVICE, wanted, "wafService", pod, annotations)


def arguments() -> list[str]:
    """Return the arguments of the program in the pod."""
    return [
        "waf",
        *("--address", f"0.0.0.0:{PORT}"),
        *("--http-address", f"0.0.0.0:{HEALTH_PORT}"),
        *("--log-format", "json"),
    ]


def _container(wanted: WafServiceParameters, image: str) -> dict[str, Any]:
    return {
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
        "securityContext": CONTAINED,
    }
