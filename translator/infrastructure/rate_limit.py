"""The rate limit service of a Gateway: Envoy's, beside a Redis that nobody else can reach, in one pod.

It is deployed where a policy has a global limit and names no service of its own. Limits travel in the requests of the
proxies, so that its configuration is always the same, and no edit of a policy concerns it.
"""

from __future__ import annotations

from typing import Any, Final

from translator.backends.own_service import PORT
from translator.backends.rate_limit_service import RATE_LIMIT_SERVICE
from translator.infrastructure import own_service
from translator.infrastructure.names import own_service_name
from translator.infrastructure.own_service import CONTAINED, Objects
from translator.infrastructure.render_input import RenderInput
from translator.objects.headgate.gatewayparameters import RateLimitServiceParameters

IMAGE: Final = "docker.io/envoyproxy/ratelimit:3fb70258"
REDIS_IMAGE: Final = "docker.io/library/redis:7.2-alpine"
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


def objects(plan: RenderInput) -> Objects:
    """Yield the objects of a Gateway's rate limit service.

    Raises:
        InvalidParameters: it could not run with these parameters.
    """
    wanted = plan.parameters.rate_limit_service
    yield "ConfigMap", {"data": {FILE: CONFIGURATION}}
    name = own_service_name(RATE_LIMIT_SERVICE.prefix, plan.gateway.ref)
    pod = {
        "containers": [_service(wanted), *([] if wanted.redis_address else [_redis(wanted)])],
        "volumes": [{"name": "config", "configMap": {"name": name}}],
    }
    yield from own_service.objects(plan, RATE_LIMIT_SERVICE, wanted, "rateLimitService", pod)


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
        "securityContext": CONTAINED,
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
        "securityContext": CONTAINED,
    }
