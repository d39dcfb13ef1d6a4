"""The definitions of all metrics of Headgate: names, types, labels and descriptions, from which all else follows.

The code creates its metrics from these, and so do the reference, the dashboards and the alerts that are generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

Command = Literal["", "controller", "run", "waf"]


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric.

    Attributes:
        name: its name, without the suffix that Prometheus' client adds.
        type: its type.
        text: its description.
        labels: the names of its labels.
        command: the only command that has it; "" if `run` and `controller` have.
    """

    name: str
    type: Literal["counter", "gauge", "histogram", "info"]
    text: str
    labels: tuple[str, ...] = ()
    command: Command = ""

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series, as Prometheus stores them."""
        match self.type:
            case "counter":
                return (f"{self.name}_total",)
            case "histogram":
                return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
            case "info":
                return (f"{self.name}_info",)
            case _:
                return (self.name,)

    def counter(self, registry: prometheus.CollectorRegistry) -> prometheus.Counter:
        """Return a new counter."""
        return prometheus.Counter(self.name, self.text, self.labels, registry=registry)

    def gauge(self, registry: prometheus.CollectorRegistry) -> prometheus.Gauge:
        """Return a new gauge."""
        return prometheus.Gauge(self.name, self.text, self.labels, registry=registry)

    def histogram(
        self,
        registry: prometheus.CollectorRegistry,
        buckets: Sequence[float] = prometheus.Histogram.DEFAULT_BUCKETS,
    ) -> prometheus.Histogram:
        """Return a new histogram with these bounds, in seconds."""
        return prometheus.Histogram(self.name, self.text, self.labels, registry=registry, buckets=buckets)

    def family(self) -> GaugeMetricFamily | CounterMetricFamily:
        """Return an empty family of samples, for a collector."""
        family = CounterMetricFamily if self.type == "counter" else GaugeMetricFamily
        return family(self.name, self.text, labels=self.labels)

    def sample(self, value: float) -> Metric:
        """Return the family of a metric without labels, with its value."""
        family = self.family()
        family.add_metric([], value)
        return family


def _metric(
    kind: Literal["counter", "gauge", "histogram", "info"], name: str, text: str, *labels: str, only: Command = ""
) -> MetricDefinition:
    found = MetricDefinition(f"headgate_{name}", kind, text, labels, only)
    _ALL.append(found)
    return found


_ALL: Final[list[MetricDefinition]] = []

BUILD: Final = _metric("info", "build", "The version of Headgate.", "version")
EVALUATION_SECONDS: Final = _metric(
    "histogram", "evaluation_seconds", "From a change of objects to its publication, in seconds."
)
DIAGNOSTICS: Final = _metric("gauge", "diagnostics", "Problems in the files or the cluster.", "severity")
POLICY_TARGETS_MISSING: Final = _metric("gauge", "policy_targets_missing", "Targets of policies that do not exist.")
COLLECTOR_FAILURES: Final = _metric(
    "counter", "collector_failures", "Scrapes without some metrics because of a bug.", "collector"
)

XDS_CLIENTS: Final = _metric("gauge", "xds_clients", "Streams of xDS clients, by Gateway.", "gateway")
XDS_CLIENTS_SYNCED: Final = _metric(
    "gauge", "xds_clients_synced", "Streams of xDS clients that have accepted all.", "gateway"
)
XDS_STREAMS: Final = _metric("counter", "xds_streams", "Streams of xDS clients that were opened.")
XDS_REQUESTS: Final = _metric("counter", "xds_requests", "Requests of xDS clients.", "type")
XDS_RESPONSES: Final = _metric("counter", "xds_responses", "Responses to xDS clients.", "type")
XDS_RESPONSE_BYTES: Final = _metric("counter", "xds_response_bytes", "Bytes of responses to xDS clients.", "type")
XDS_ACKS: Final = _metric("counter", "xds_acks", "Responses that xDS clients accepted.", "type")
XDS_NACKS: Final = _metric("counter", "xds_nacks", "Responses that xDS clients rejected.", "type")
XDS_SLOWED: Final = _metric(
    "counter", "xds_slowed", "Requests of xDS clients after which nothing was read for a while."
)
XDS_ANSWER_SECONDS: Final = _metric(
    "histogram", "xds_answer_seconds", "From a response to its ACK or NACK, in seconds.", "type"
)
XDS_PUSH_SECONDS: Final = _metric(
    "histogram", "xds_push_seconds", "From an edit to the response with it to one client, in seconds.", "type"
)
XDS_CHANGE_SECONDS: Final = _metric(
    "histogram", "xds_change_seconds", "From an edit to its ACK or NACK by one client, in seconds.", "type"
)

ENVOY_UP: Final = _metric("gauge", "envoy_up", "Whether the Envoy of a Gateway runs.", "gateway", only="run")
ENVOY_RESTARTS: Final = _metric("counter", "envoy_restarts", "How often Envoy ended by itself.", "gateway", only="run")
ENVOY_UPTIME_SECONDS: Final = _metric(
    "gauge", "envoy_uptime_seconds", "How long an Envoy has run, in seconds.", "gateway", only="run"
)

LEADING: Final = _metric(
    "gauge",
    "leading",
    "Whether this replica is the leader, which deploys proxies and writes statuses.",
    only="controller",
)
PROXIES_WANTED: Final = _metric(
    "gauge", "proxies_wanted", "Desired proxies of a Gateway.", "gateway", only="controller"
)
PROXIES_READY: Final = _metric(
    "gauge", "proxies_ready", "Proxies of a Gateway that are ready.", "gateway", only="controller"
)
DEPLOY_WORKQUEUE_DEPTH: Final = _metric(
    "gauge", "deploy_workqueue_depth", "Gateways in the queue of the proxy reconciler.", only="controller"
)
DEPLOY_WRITES: Final = _metric(
    "counter",
    "deploy_writes",
    "Writes of the objects of proxies, by their outcome.",
    "kind",
    "outcome",
    only="controller",
)
DEPLOY_WRITE_SECONDS: Final = _metric(
    "histogram",
    "deploy_write_seconds",
    "Duration of writes of the objects of proxies, in seconds.",
    "kind",
    only="controller",
)
STATUS_WORKQUEUE_DEPTH: Final = _metric(
    "gauge", "status_workqueue_depth", "Objects in the queue of the status writer.", only="controller"
)
STATUS_WRITES: Final = _metric(
    "counter", "status_writes", "Writes of statuses, by outcome.", "kind", "outcome", only="controller"
)
STATUS_WRITE_SECONDS: Final = _metric(
    "histogram", "status_write_seconds", "Duration of writes of statuses, in seconds.", "kind", only="controller"
)
WATCH_LISTED_OBJECTS: Final = _metric(
    "counter", "watch_listed_objects", "Objects read in lists.", "kind", only="controller"
)
WATCH_WATCHES: Final = _metric("counter", "watch_watches", "Watches opened.", "kind", only="controller")
WATCH_EVENTS: Final = _metric("counter", "watch_events", "Events of watches.", "kind", only="controller")
WATCH_EXPIRED: Final = _metric(
    "counter",
    "watch_expired",
    "Lists read again because a resource version had expired.",
    "kind",
    only="controller",
)
WATCH_FAILURES: Final = _metric(
    "counter", "watch_failures", "Requests to the API server that failed.", "kind", "reason", only="controller"
)
WATCH_MISSING: Final = _metric(
    "counter",
    "watch_missing",
    "Responses of the API server that a kind is not installed.",
    "kind",
    only="controller",
)
WATCH_FETCHED: Final = _metric(
    "counter",
    "watch_fetched",
    "Objects read one by one because they are referenced.",
    "kind",
    only="controller",
)

WAF_INSPECTIONS: Final = _metric(
    "counter",
    "waf_inspections",
    "Requests and responses, by what came of them: passed, reported, refused, too_large, too_slow, overloaded, crashed "
    "or profile.",
    "outcome",
    only="waf",
)
WAF_RULE_MATCHES: Final = _metric(
    "counter", "waf_rule_matches", "Requests and responses that a rule has matched, by its id.", "rule", only="waf"
)
WAF_INSPECTION_SECONDS: Final = _metric(
    "histogram", "waf_inspection_seconds", "Duration of an inspection, in seconds.", only="waf"
)
WAF_PROCESSES: Final = _metric("gauge", "waf_processes", "Processes that inspect.", only="waf")
WAF_PROCESS_RESTARTS: Final = _metric(
    "counter", "waf_process_restarts", "Processes that were replaced: they took too long, or ended.", only="waf"
)

DEFINITIONS: Final = tuple(_ALL)
"""All metrics of Headgate's own."""

PROCESS_CPU_SECONDS: Final = MetricDefinition("process_cpu_seconds", "counter", "CPU time of the process, in seconds.")
PROCESS_RESIDENT_MEMORY: Final = MetricDefinition(
    "process_resident_memory_bytes", "gauge", "Resident memory of the process, in bytes."
)
PROCESS_VIRTUAL_MEMORY: Final = MetricDefinition(
    "process_virtual_memory_bytes", "gauge", "Virtual memory of the process, in bytes."
)
PROCESS_OPEN_FDS: Final = MetricDefinition("process_open_fds", "gauge", "Open file descriptors of the process.")
PROCESS_MAX_FDS: Final = MetricDefinition(
    "process_max_fds", "gauge", "Most file descriptors that the process may open."
)
PROCESS_START_TIME: Final = MetricDefinition(
    "process_start_time_seconds", "gauge", "When the process started, in seconds since 1970."
)
PROCESS: Final = (
    PROCESS_CPU_SECONDS,
    PROCESS_RESIDENT_MEMORY,
    PROCESS_VIRTUAL_MEMORY,
    PROCESS_OPEN_FDS,
    PROCESS_MAX_FDS,
    PROCESS_START_TIME,
)
"""The metrics of the process, which Prometheus' client reads from Linux."""
