"""The pod of a proxy: Envoy as an unprivileged user, with a read-only file system."""

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
from translator.objects.kubernetes.workloads import ZONE, Deployment
from translator.proxy import ACCESS_LOG_FLUSH_MILLISECONDS, METRICS_PORT, READINESS_PORT

USER: Final = 65532
"""The user and group "nonroot" of distroless images."""

AUDIENCE: Final = "headgate"
"""The audience of a proxy's token: others do not accept it, and Headgate accepts no token for others."""
TOKEN_SECONDS: Final = 3600
"""Validity of a token; the kubelet renews it well before its end."""

BOOTSTRAP_HASH: Final = f"{GROUP}/bootstrap-hash"

DEFAULT_RESOURCES: Final[Mapping[str, Any]] = {"requests": {"cpu": "100m", "memory": "128Mi"}}


def pod_spec(
    name: str,
    gateway: str,
    proxies: ProxyDefaults,
    parameters: GatewayParametersSpec,
    drain_path: str,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """Return the `spec` of the proxies' pods.

    Args:
        name: the name of the ServiceAccount and the ConfigMap.
        gateway: the Gateway as "namespace/name".
        proxies: the defaults of all proxies.
        parameters: the Gateway's parameters.
        drain_path: the path that starts the drain.
        labels: the labels that select the Gateway's pods.
    """
    security: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if not on_host_network(parameters):  # where Kubernetes rejects it
        security["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": TOKEN_FILE}
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _grace(parameters),
        "securityContext": security,
        "containers": [_container(gateway, proxies, parameters, drain_path)],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
            *(each.model_dump(by_alias=True, exclude_none=True) for each in parameters.extra_volumes),
        ],
        **pull_secrets(parameters),
        **_spread(parameters, labels),
    }


def _grace(parameters: GatewayParametersSpec) -> int:
    grace = parameters.termination_grace_period_seconds
    return parameters.drain_seconds + MARGIN_SECONDS if grace is None else grace


def pull_secrets(parameters: GatewayParametersSpec) -> dict[str, Any]:
    """Return the field of a pod that names the Secrets with which its images are pulled; none where there are none."""
    names = [{"name": each.name} for each in parameters.image_pull_secrets]
    return {"imagePullSecrets": names} if names else {}


def _spread(parameters: GatewayParametersSpec, labels: Mapping[str, str]) -> dict[str, Any]:
    # Old pods, which are about to go, must not decide where new ones go.
    revision = {"matchLabelKeys": ["pod-template-hash"]} if parameters.kind == Deployment.kind else {}
    constraints = [
        {
            **each.model_dump(by_alias=True, exclude_none=True),
            "labelSelector": {"matchLabels": dict(labels)},
            **revision,
        }
        for each in parameters.topology_spread_constraints
    ]
    return {"topologySpreadConstraints": constraints} if constraints else {}


def on_host_network(parameters: GatewayParametersSpec) -> bool:
    """Return whether the pods use the network of their nodes."""
    over: Any = (parameters.pod_template or {}).get("spec")
    return isinstance(over, Mapping) and bool(over.get("hostNetwork"))


def metrics_annotations(parameters: GatewayParametersSpec) -> dict[str, str]:
    """Return the annotations by which Prometheus discovers the metrics of pods."""
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
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            # Empty without the label, which Kubernetes sets when it schedules the pod, if it does.
            {"name": "POD_ZONE", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{ZONE}']"}}},
        ],
        # The Gateway's own ports are left out, so that a new listener does not replace the pods.
        "ports": [{**each, "protocol": "TCP"} for each in ports],
        # Envoy's last log lines are then in the pod's status, from which the Gateway's status gets them.
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
            *(each.model_dump(by_alias=True, exclude_none=True) for each in parameters.extra_volume_mounts),
        ],
    }
    if parameters.image_pull_policy is not None:
        container["imagePullPolicy"] = parameters.image_pull_policy
    if parameters.drain_seconds:
        container["lifecycle"] = {"preStop": {"httpGet": {"path": drain_path, "port": READINESS_PORT}}}
    return container


def _arguments(gateway: str, parameters: GatewayParametersSpec) -> list[str]:
    arguments = [
        *("--config-path", f"{CONFIG_FOLDER}/{BOOTSTRAP_FILE}"),
        *("--service-cluster", gateway),
        *("--service-node", f"{gateway}/$(POD_NAME)"),
        *("--service-zone", "$(POD_ZONE)"),
        *("--file-flush-interval-msec", str(ACCESS_LOG_FLUSH_MILLISECONDS)),
        *("--log-level", parameters.log_level),
        "--disable-hot-restart",
    ]
    if parameters.component_log_levels:
        levels = (f"{name}:{level}" for name, level in sorted(parameters.component_log_levels.items()))
        arguments += ("--component-log-level", ",".join(levels))
    if parameters.concurrency is not None:
        arguments += ("--concurrency", str(parameters.concurrency))
    return [*arguments, *parameters.extra_args]


def required_fields(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the required fields of a pod's `spec`: service account, token and configuration."""
    volumes = _by("name", spec.get("volumes"))
    mounts = _by("mountPath", _by("name", spec["containers"])[CONTAINER].get("volumeMounts"))
    return {
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        **{f"spec.volumes: {name}": volumes.get(name) for name in ("config", "token")},
        **{f"spec.containers: {CONTAINER}: {path}": mounts.get(path) for path in (CONFIG_FOLDER, TOKEN_FOLDER)},
    }


def _by(key: str, items: Any) -> Mapping[Any, Any]:
    """Return the items of a list by their key; the API server rejects anything else."""
    found = items if isinstance(items, list) else []
    return {str(each.get(key)): each for each in found if isinstance(each, Mapping)}
