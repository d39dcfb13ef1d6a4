"""The pod of a proxy: Envoy as a user without privileges, on a file system that it cannot write to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from translator.api_group import GROUP
from translator.infrastructure.bootstrap import (
    BOOTSTRAP_FILE,
    CONFIG_FOLDER,
    MARGIN_SECONDS,
    METRICS_PATH,
    READY_PATH,
    TOKEN_FILE,
    TOKEN_FOLDER,
)
from translator.infrastructure.names import CONTAINER
from translator.inputs import ProxyDefaults
from translator.objects.headgate.gatewayparameters import GatewayParametersSpec
from translator.proxy import METRICS_PORT, READINESS_PORT

USER: Final = 65532
"""The user and group "nonroot" of distroless images."""

AUDIENCE: Final = "headgate"
"""Whom a proxy's token is for: nobody else takes it, and Headgate takes no token for anybody else."""
TOKEN_SECONDS: Final = 3600
"""How long a token is valid; the kubelet renews it well before."""

BOOTSTRAP_HASH: Final = f"{GROUP}/bootstrap-hash"

DEFAULT_RESOURCES: Final[Mapping[str, Any]] = {"requests": {"cpu": "100m", "memory": "128Mi"}}


def pod_spec(
    name: str, gateway: str, proxies: ProxyDefaults, parameters: GatewayParametersSpec, drain_path: str
) -> dict[str, Any]:
    """Make the `spec` of the proxies' pods.

    Args:
        name: what the ServiceAccount and the ConfigMap are called.
        gateway: "namespace/name" of the Gateway.
        proxies: what all proxies are told.
        parameters: the Gateway's.
        drain_path: the path that begins the drain.
    """
    security: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if not on_host_network(parameters):  # there, Kubernetes refuses it
        security["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": TOKEN_FILE}
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": parameters.drain_seconds + MARGIN_SECONDS,
        "securityContext": security,
        "containers": [_container(gateway, proxies, parameters, drain_path)],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        ],
    }


def on_host_network(parameters: GatewayParametersSpec) -> bool:
    """Whether the pods have the network of their nodes."""
    over: Any = (parameters.pod_template or {}).get("spec")
    return isinstance(over, Mapping) and bool(over.get("hostNetwork"))


def metrics_annotations(parameters: GatewayParametersSpec) -> dict[str, str]:
    """Return the annotations by which a Prometheus finds the metrics of pods."""
    if not parameters.stats.prometheus:
        return {}
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(METRICS_PORT),
        "prometheus.io/path": METRICS_PATH,
    }


def _container(
    gateway: str, proxies: ProxyDefaults, parameters: GatewayParametersSpec, drain_path: str
) -> dict[str, Any]:
    ports = [{"name": "readiness", "containerPort": READINESS_PORT}]
    if parameters.stats.prometheus:
        ports.append({"name": "metrics", "containerPort": METRICS_PORT})
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": parameters.image or proxies.image,
        "command": ["envoy"],
        "args": _arguments(gateway, parameters),
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        # The Gateway's own ports are left out: a new listener is no reason to replace the pods.
        "ports": [{**each, "protocol": "TCP"} for each in ports],
        # What Envoy said before it ended is told in the pod's status, and from there in the Gateway's.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": dict(DEFAULT_RESOURCES if parameters.resources is None else parameters.resources),
        "readinessProbe": {
            "httpGet": {"path": READY_PATH, "port": READINESS_PORT},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 2,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "token", "mountPath": TOKEN_FOLDER, "readOnly": True},
        ],
    }
    if parameters.drain_seconds:
        container["lifecycle"] = {"preStop": {"httpGet": {"path": drain_path, "port": READINESS_PORT}}}
    return container


def _arguments(gateway: str, parameters: GatewayParametersSpec) -> list[str]:
    arguments = [
        *("--config-path", f"{CONFIG_FOLDER}/{BOOTSTRAP_FILE}"),
        *("--service-cluster", gateway),
        *("--service-node", f"{gateway}/$(POD_NAME)"),
        *("--log-level", parameters.log_level),
        "--disable-hot-restart",
    ]
    if parameters.concurrency is not None:
        arguments += ("--concurrency", str(parameters.concurrency))
    return [*arguments, *parameters.extra_args]


def required_fields(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what of a pod's `spec` Headgate cannot do without, by field: account, token and configuration."""
    volumes = _by("name", spec.get("volumes"))
    mounts = _by("mountPath", _by("name", spec["containers"])[CONTAINER].get("volumeMounts"))
    return {
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        **{f"spec.volumes: {name}": volumes.get(name) for name in ("config", "token")},
        **{f"spec.containers: {CONTAINER}: {path}": mounts.get(path) for path in (CONFIG_FOLDER, TOKEN_FOLDER)},
    }


def _by(key: str, items: Any) -> Mapping[Any, Any]:
    """Return the items of a list by their key; what is no such list is for the API server to refuse."""
    found = items if isinstance(items, list) else []
    return {str(each.get(key)): each for each in found if isinstance(each, Mapping)}
