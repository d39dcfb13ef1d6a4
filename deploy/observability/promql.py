"""Expressions of PromQL, built from the definitions of metrics, so that none names a metric that is not there."""

from __future__ import annotations

from typing import Final

from deploy.observability.envoy import CLUSTER, CODE_CLASS, MANAGER
from headgate.observability.definitions import MetricDefinition

GATEWAY: Final = "gateway"
"""The label of the Gateway, as "namespace/name", of Headgate's metrics; the PodMonitor gives it to those of proxies."""
SELECTED: Final = {GATEWAY: '=~"$gateway"'}
LISTENERS: Final = {MANAGER: '=~"https?-.*"'}
"""The connections of clients, without those of probes and of the admin interface."""
BACKENDS: Final = {CLUSTER: '!~"xds|admin|self"'}
"""The clusters of backends, without a proxy's own."""
ERRORS: Final = {CODE_CLASS: '="5"'}
"""Responses with a status of 500 and above."""
OWN: Final = {"container": '="headgate"'}
"""Headgate's own processes, among others that have metrics of the same names."""
BACKEND_NAME: Final = "(.+?)(/[0-9a-f]{8})?"
"""The name of a cluster: the first group is the backend, the rest identifies its settings."""
TARGET_LABELS: Final = (GATEWAY, "namespace", "pod", "container", "job")
"""The labels that the Prometheus Operator, and the PodMonitors, give to all series of a pod."""
INTERVAL: Final = "$__rate_interval"


def series(definition: MetricDefinition, **matchers: str) -> str:
    """Return the selector of a metric: of a histogram its buckets. Matchers are operators with quoted values."""
    unknown = set(matchers) - {*definition.labels, *TARGET_LABELS}
    assert not unknown, f"{definition.name} has no label {unknown}"
    text = ",".join(f"{name}{match}" for name, match in matchers.items())
    return f"{definition.series[0]}{{{text}}}" if text else definition.series[0]


def increase(definition: MetricDefinition, interval: str = INTERVAL, **matchers: str) -> str:
    """Return the increase of a counter in an interval."""
    assert definition.type == "counter"
    return f"increase({series(definition, **matchers)}[{interval}])"


def rate(definition: MetricDefinition, interval: str = INTERVAL, **matchers: str) -> str:
    """Return the rate of a counter, a second."""
    assert definition.type == "counter"
    return f"rate({series(definition, **matchers)}[{interval}])"


def by(labels: str, expression: str, how: str = "sum") -> str:
    """Return an aggregation of an expression by labels; "" aggregates all."""
    return f"{how} by ({labels}) ({expression})" if labels else f"{how}({expression})"


def quantile(share: float, definition: MetricDefinition, labels: str = "", **matchers: str) -> str:
    """Return a quantile of a histogram."""
    assert definition.type == "histogram"
    inner = f"rate({series(definition, **matchers)}[{INTERVAL}])"
    return f"histogram_quantile({share}, {by(', '.join(filter(None, (labels, 'le'))), inner)})"


def by_backend(expression: str, how: str = "sum") -> str:
    """Return an aggregation by Gateway and backend: the name of its cluster without what identifies its settings."""
    named = f'label_replace({expression}, "backend", "$1", "{CLUSTER}", "{BACKEND_NAME}")'
    return by(f"{GATEWAY}, backend", named, how)
