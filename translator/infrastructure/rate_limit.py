"""The rate limit service of a Gateway: Envoy's, beside a Redis that nobody else can reach, in one pod.

It is deployed where a policy has a global limit and names no service of its own. Limits travel in the requests of the
proxies, so that its configuration is always the same, and no edit of a policy concerns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from translator.backends.rate_limit_service import PORT
from translator.infrastructure.names import CONTROLLER, MANAGED_BY, MANAGER, label_value, rate_limit_name
from translator.infrastructure.pod import USER, pull_secrets
from translator.infrastructure.render_input import InvalidParameters, RenderInput
from translator.objects.headgate.gatewayparameters import RateLimitServiceParameters
from translator.refs import Ref
from translator.strategic_merge import TooDeep, merge, without_nulls

IMAGE: Final = "docker.io/envoyproxy/ratelimit:3fb70258"
REDIS_IMAGE: Final = "docker.io/library/redis:7.2-alpine"
NAME: Final = "headgate-rate-limit"
"""What all its pods, of all Gateways, are labelled with as their name."""
INSTANCE: Final = "app.kubernetes.io/instance"
"""The label that tells whose it is."""
SERVICE: Final = "ratelimit"
"""The container of the service."""
REDIS: Final = "redis"
"""The container of its Redis."""
REDIS_PORT: Final = 6379
HEALTH_PORT: Final = 8080
FOLDER: Final = "/etc/headgate-ratelimit"
FILE: Final = "headgate.yaml"
CONFIGURATION: Final = "domain: headgate\n"
REDIS_MEMORY: Final = "64mb"
"""The memory of the counts; those that end first are dropped if it is not enough."""


def objects(plan: RenderInput) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects of a Gateway's rate limit service: of each its kind, and all but its metadata.

    Raises:
        InvalidParameters: it could not run with these parameters.
    """
    labels = selector(plan.gateway.ref)
    ports = [{"name": "grpc", "port": PORT, "targetPort": PORT, "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"}]
    yield "ConfigMap", {"data": {FILE: CONFIGURATION}}
    yield "Service", {"spec": {"type": "ClusterIP", "selector": labels, "ports": ports}}
    wanted = plan.parameters.rate_limit_service
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": _template(plan, wanted),
        # Two at a time would count apart, but for that moment nobody would count at all.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "replicas": wanted.replicas,
    }
    yield "Deployment", {"spec": spec}


def identity(gateway: Ref, controller: str) -> dict[str, str]:
    """Return the labels of the objects of a Gateway's rate limit service, which cannot be configured."""
    return {
        **selector(gateway),
        "app.kubernetes.io/component": "rate-limit",
        MANAGED_BY: MANAGER,
        CONTROLLER: label_value(controller),
    }


def selector(gateway: Ref) -> dict[str, str]:
    """Return the labels that select its pods: none that those of the proxies have too."""
    return {"app.kubernetes.io/name": NAME, INSTANCE: rate_limit_name(gateway)}


def _template(plan: RenderInput, wanted: RateLimitServiceParameters) -> dict[str, Any]:
    # Pods with all of these are watched, so that the Gateway tells why they do not run.
    labels = identity(plan.gateway.ref, plan.controller)
    made = {"metadata": {"labels": labels}, "spec": _pod(plan, wanted)}
    field = "rateLimitService.podTemplate of the GatewayParameters"
    try:
        merged = without_nulls(merge(made, wanted.pod_template or {}))
    except TooDeep as error:
        raise InvalidParameters(f"{field} {error}.") from None
    for name in ("metadata", "spec"):
        if not isinstance(merged.get(name), Mapping):
            raise InvalidParameters(f"{field}: {name} must be an object.")
    found: dict[str, Any] = merge(merged, {"metadata": {"labels": labels}})
    return found


def _pod(plan: RenderInput, wanted: RateLimitServiceParameters) -> dict[str, Any]:
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
        "containers": [_service(wanted), *([] if wanted.redis_address else [_redis(wanted)])],
        "volumes": [{"name": "config", "configMap": {"name": rate_limit_name(plan.gateway.ref)}}],
    }


def environment(redis: str) -> dict[str, str]:
    """Return the environment of the service; `redis` is the address of its Redis."""
    return {
        "GRPC_PORT": str(PORT),
        "PORT": str(HEALTH_PORT),
        "DEBUG_HOST": "127.0.0.1",
        "REDIS_SOCKET_TYPE": "tcp",
        "REDIS_URL": redis,
        # Envoy has stopped waiting long before.
        "REDIS_TIMEOUT": "1s",
        "RUNTIME_ROOT": FOLDER,
        "RUNTIME_SUBDIRECTORY": "",
        "RUNTIME_APPDIRECTORY": "config",
        "RUNTIME_WATCH_ROOT": "false",
        # Those of the volume, in which the file is for a second time.
        "RUNTIME_IGNOREDOTFILES": "true",
        "USE_STATSD": "false",
        "DISABLE_STATS": "true",
        "LOG_LEVEL": "warn",
    }


def _service(wanted: RateLimitServiceParameters) -> dict[str, Any]:
    variables = environment(wanted.redis_address or f"127.0.0.1:{REDIS_PORT}")
    return {
        "name": SERVICE,
        "image": wanted.image or IMAGE,
        "command": ["/bin/ratelimit"],
        "env": [{"name": name, "value": value} for name, value in sorted(variables.items())],
        "ports": [{"name": "grpc", "containerPort": PORT, "protocol": "TCP"}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthcheck", "port": HEALTH_PORT}, "periodSeconds": 5},
        "securityContext": _CONTAINED,
        "volumeMounts": [{"name": "config", "mountPath": f"{FOLDER}/config", "readOnly": True}],
    }


def _redis(wanted: RateLimitServiceParameters) -> dict[str, Any]:
    arguments = ["--bind", "127.0.0.1", "--port", str(REDIS_PORT), "--save", "", "--appendonly", "no"]
    return {
        "name": REDIS,
        "image": wanted.redis_image or REDIS_IMAGE,
        "command": ["redis-server"],
        "args": [*arguments, "--maxmemory", REDIS_MEMORY, "--maxmemory-policy", "volatile-ttl"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "192Mi"}},
        "securityContext": _CONTAINED,
    }


_CONTAINED: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
}
