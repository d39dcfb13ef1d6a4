"""The alerts of the chart's PrometheusRule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from deploy.observability import envoy
from deploy.observability.promql import (
    BACKENDS,
    ERRORS,
    GATEWAY,
    LISTENERS,
    OWN,
    by,
    by_backend,
    increase,
    rate,
    series,
)
from headgate.observability import definitions as d
from headgate.observability.definitions import MetricDefinition

WINDOW: Final = "5m"
REPAIRED: Final = '="repaired"'
FAILURES: Final = '=~"refused|failed"'


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert.

    Attributes:
        name: its name.
        severity: `critical` where requests fail or will soon, else `warning`.
        minutes: how long the expression has to hold.
        expression: what is wrong, in PromQL.
        summary: one sentence, with labels of the series.
        action: what to do about it.
    """

    name: str
    severity: Literal["critical", "warning"]
    minutes: int
    expression: str
    summary: str
    action: str


def _max(definition: MetricDefinition, labels: str = GATEWAY) -> str:
    return by(labels, series(definition), "max")


def _errors(metric: envoy.EnvoyMetric, matchers: Mapping[str, str]) -> tuple[str, str]:
    """Return the rates of the failed responses and of all."""
    return rate(metric, WINDOW, **matchers, **ERRORS), rate(metric, WINDOW, **matchers)


_FAILED, _REQUESTS = _errors(envoy.REQUESTS, LISTENERS)
_BACKEND_FAILED, _BACKEND_REQUESTS = _errors(envoy.UPSTREAM_REQUESTS, BACKENDS)
_GATEWAY: Final = "Gateway {{ $labels.gateway }}"
_BACKEND: Final = f"Backend {{{{ $labels.backend }}}} of the {_GATEWAY}"
_POD: Final = "{{ $labels.namespace }}/{{ $labels.pod }}"

CONTROL_PLANE: Final = (
    Alert(
        "HeadgateWithoutLeader",
        "warning",
        5,
        f"{by('', series(d.LEADING))} != 1",
        "Not exactly one replica of Headgate leads.",
        "Meanwhile no proxy is deployed and no status is written; proxies go on serving. See the logs of the pods, and "
        "the Lease headgate in their namespace.",
    ),
    Alert(
        "HeadgateDown",
        "warning",
        5,
        f"absent({series(d.LEADING)})",
        "No replica of Headgate is scraped.",
        "Proxies go on serving, but nothing changes, and new proxies do not become ready. See the Deployment.",
    ),
    Alert(
        "HeadgateProxiesNotReady",
        "critical",
        10,
        f"{_max(d.PROXIES_READY)} < {_max(d.PROXIES_WANTED)}",
        f"{_GATEWAY} has fewer ready proxies than it should.",
        "The condition Programmed of the Gateway says why.",
    ),
    Alert(
        "HeadgateProxiesOutdated",
        "warning",
        10,
        f"{by(GATEWAY, series(d.XDS_CLIENTS_SYNCED))} < {by(GATEWAY, series(d.XDS_CLIENTS))}",
        f"Proxies of the {_GATEWAY} have not accepted the newest configuration.",
        "Conditions of the Gateway and its routes name what a proxy rejected; one without free CPU is slow.",
    ),
    Alert(
        "HeadgateConfigurationRejected",
        "warning",
        0,
        f"{by('type', increase(d.XDS_NACKS, '10m'))} > 0",
        "Proxies rejected resources of the type {{ $labels.type }}.",
        "The statuses of the objects that they follow from say why; what was accepted before stays in effect.",
    ),
    Alert(
        "HeadgateProxiesOverwritten",
        "warning",
        0,
        f"{by('kind', increase(d.DEPLOY_WRITES, '1h', outcome=REPAIRED))} > 5",
        "Another client changes objects of the kind {{ $labels.kind }} that Headgate deploys.",
        "The two overwrite each other: have the other client stop, or set the fields in GatewayParameters.",
    ),
    Alert(
        "HeadgateWritesFail",
        "warning",
        15,
        f"{by('kind, outcome', increase(d.DEPLOY_WRITES, '15m', outcome=FAILURES))} > 0",
        "Writes of proxies' objects of the kind {{ $labels.kind }} are {{ $labels.outcome }}.",
        "The conditions of the Gateways, and the log of the leader, have the API server's message.",
    ),
    Alert(
        "HeadgateApiServerFailing",
        "warning",
        15,
        f"{by('kind, reason', rate(d.WATCH_FAILURES, WINDOW))} > 0.05",
        "Requests to the API server for objects of the kind {{ $labels.kind }} fail: {{ $labels.reason }}.",
        "Changes of these objects are seen late or not at all. See /readyz and the log; a role may be missing.",
    ),
    Alert(
        "HeadgatePolicyTargetsMissing",
        "warning",
        30,
        f"{by('', series(d.POLICY_TARGETS_MISSING), 'max')} > 0",
        "Policies have targets that do not exist.",
        "A policy without its target protects nothing. `headgate status` names them.",
    ),
    Alert(
        "HeadgateFileDescriptors",
        "warning",
        10,
        f"{series(d.PROCESS_OPEN_FDS, **OWN)} / {series(d.PROCESS_MAX_FDS, **OWN)} > 0.8",
        f"{_POD} uses most of its file descriptors.",
        "Each proxy needs one. Raise the limit of the container runtime, or the number of replicas.",
    ),
)

PROXIES: Final = (
    Alert(
        "GatewayErrors",
        "critical",
        5,
        f"{by(GATEWAY, _FAILED)} / {by(GATEWAY, _REQUESTS)} > 0.05",
        f"{_GATEWAY} answers {{{{ $value | humanizePercentage }}}} of requests with 5xx.",
        "The dashboard of Gateways tells whether a backend or the proxy itself answers so; `headgate explain` why.",
    ),
    Alert(
        "GatewayBackendErrors",
        "warning",
        5,
        f"{by_backend(_BACKEND_FAILED)} / {by_backend(_BACKEND_REQUESTS)} > 0.1",
        f"{_BACKEND} answers {{{{ $value | humanizePercentage }}}} of requests with 5xx.",
        "See the logs of the backend.",
    ),
    Alert(
        "GatewayBackendWithoutEndpoints",
        "critical",
        5,
        f"{by_backend(series(envoy.MEMBERS, **BACKENDS), 'max')} > 0"
        f" unless {by_backend(series(envoy.HEALTHY, **BACKENDS), 'max')} > 0",
        f"{_BACKEND} has endpoints, and none of them is healthy.",
        "Its requests get 503, or go to unhealthy endpoints. See its pods, and health checks of a BackendConfigPolicy.",
    ),
    Alert(
        "GatewayProxyDisconnected",
        "warning",
        10,
        f"{series(envoy.CONNECTED)} == 0",
        f"The proxy {_POD} is not connected to Headgate.",
        "It keeps its last configuration. See its log, NetworkPolicies, and the pods of Headgate.",
    ),
    Alert(
        "GatewayProxyOverloaded",
        "critical",
        1,
        f"{series(envoy.SHEDDING)} > 0",
        f"The proxy {_POD} refuses requests, because its memory is at its limit.",
        "Raise the memory limit or the number of replicas in GatewayParameters.",
    ),
    Alert(
        "GatewayProxyConnections",
        "warning",
        5,
        f"{series(envoy.CONNECTIONS_PRESSURE)} > 80",
        f"The proxy {_POD} has {{{{ $value }}}} % of the most connections that it takes.",
        "It refuses more beyond that. Raise the number of replicas.",
    ),
    Alert(
        "GatewayCertificateExpires",
        "warning",
        60,
        f"{series(envoy.CERTIFICATE_DAYS)} < 7",
        f"A certificate that the proxy {_POD} uses expires in {{{{ $value }}}} days.",
        "See the Secrets of the Gateway's listeners, and whatever renews them, such as cert-manager.",
    ),
)


def rule_groups() -> list[dict[str, Any]]:
    """Return the groups of a PrometheusRule."""
    groups = {"headgate": CONTROL_PLANE, "headgate-proxies": PROXIES}
    return [{"name": name, "rules": [_rule(each) for each in alerts]} for name, alerts in groups.items()]


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        **({"for": f"{alert.minutes}m"} if alert.minutes else {}),
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.action},
    }
