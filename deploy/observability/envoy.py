"""The metrics of Envoy that dashboards and alerts use; `tests/live/test_envoy_metrics.py` finds them in a real one.

Envoy has hundreds, whose names follow from its statistics: https://www.envoyproxy.io/docs/envoy/latest/configuration
"""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

from headgate.observability.definitions import MetricDefinition

MANAGER: Final = "envoy_http_conn_manager_prefix"
"""The label of the listeners' port, as in `http-80`."""
CLUSTER: Final = "envoy_cluster_name"
CODE_CLASS: Final = "envoy_response_code_class"


class EnvoyMetric(MetricDefinition):
    """A metric of Envoy, whose counters have no suffix."""

    __slots__ = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series, as Prometheus stores them."""
        return (self.name,) if self.type == "counter" else super().series


_ALL: Final[list[EnvoyMetric]] = []


def _metric(kind: Literal["counter", "gauge", "histogram"], name: str, text: str, *labels: str) -> EnvoyMetric:
    found = EnvoyMetric(f"envoy_{name}", kind, text, labels)
    _ALL.append(found)
    return found


_counter, _gauge, _histogram = partial(_metric, "counter"), partial(_metric, "gauge"), partial(_metric, "histogram")

REQUESTS: Final = _counter("http_downstream_rq_xx", "Responses to clients, by class of status.", MANAGER, CODE_CLASS)
REQUEST_TIME: Final = _histogram(
    "http_downstream_rq_time", "From a request to the end of its response, in milliseconds.", MANAGER
)
ACTIVE_REQUESTS: Final = _gauge("http_downstream_rq_active", "Requests that are being served.", MANAGER)
CONNECTIONS: Final = _gauge("http_downstream_cx_active", "Connections of HTTP clients.", MANAGER)
RECEIVED: Final = _counter("http_downstream_cx_rx_bytes_total", "Bytes from HTTP clients.", MANAGER)
SENT: Final = _counter("http_downstream_cx_tx_bytes_total", "Bytes to HTTP clients.", MANAGER)
UPSTREAM_REQUESTS: Final = _counter(
    "cluster_upstream_rq_xx", "Responses of backends, by class of status.", CLUSTER, CODE_CLASS
)
UPSTREAM_TIME: Final = _histogram(
    "cluster_upstream_rq_time", "From a request to a backend to the end of its response, in milliseconds.", CLUSTER
)
UPSTREAM_CONNECT_FAILURES: Final = _counter(
    "cluster_upstream_cx_connect_fail", "Connections to backends that failed.", CLUSTER
)
UPSTREAM_TIMEOUTS: Final = _counter("cluster_upstream_rq_timeout", "Requests to backends that timed out.", CLUSTER)
UPSTREAM_RETRIES: Final = _counter("cluster_upstream_rq_retry", "Retries of requests to backends.", CLUSTER)
UPSTREAM_OVERFLOW: Final = _counter(
    "cluster_upstream_rq_pending_overflow", "Requests that a circuit breaker of a backend refused.", CLUSTER
)
HEALTHY: Final = _gauge("cluster_membership_healthy", "Endpoints of a backend that are healthy.", CLUSTER)
MEMBERS: Final = _gauge("cluster_membership_total", "Endpoints of a backend.", CLUSTER)
LIVE: Final = _gauge("server_live", "Whether the proxy accepts connections; 0 while it drains.")
UPTIME: Final = _gauge("server_uptime", "How long the proxy has run, in seconds.")
MEMORY: Final = _gauge("server_memory_allocated", "Memory that the proxy uses, in bytes.")
MEMORY_PHYSICAL: Final = _gauge("server_memory_physical_size", "Memory that the proxy has from the system, in bytes.")
CERTIFICATE_DAYS: Final = _gauge("server_days_until_first_cert_expiring", "Days until the first certificate expires.")
CONNECTED: Final = _gauge("control_plane_connected_state", "Whether the proxy is connected to Headgate.")
REJECTED_LISTENERS: Final = _counter(
    "listener_manager_lds_update_rejected", "Configurations of listeners that the proxy rejected."
)
SHEDDING: Final = _gauge(
    "overload_envoy_overload_actions_stop_accepting_requests_active",
    "Whether the proxy refuses requests, since its memory is at its limit.",
)
CONNECTIONS_PRESSURE: Final = _gauge(
    "overload_envoy_resource_monitors_global_downstream_max_connections_pressure",
    "Connections of clients, in percent of the most that the proxy takes.",
)
HEAP_PRESSURE: Final = _gauge(
    "overload_envoy_resource_monitors_fixed_heap_pressure", "Memory in use, in percent of the limit of the container."
)

ENVOY: Final = tuple(_ALL)

_LABELS: Final = ("model", "provider", "route")
TOKENS: Final = EnvoyMetric(
    "envoy_gen_ai_tokens",
    "counter",
    "Tokens that models have used: of the type input, output, or cached, which is part of the input.",
    ("type", *_LABELS),
)
COST: Final = EnvoyMetric(
    "envoy_gen_ai_cost_micro_usd",
    "counter",
    "What that has cost, in millionths of a USD, where there is a price.",
    _LABELS,
)
ANSWER_TIME: Final = EnvoyMetric(
    "envoy_gen_ai_operation_duration",
    "histogram",
    "From a request to a model to the end of its answer, in milliseconds.",
    ("operation", *_LABELS),
)
FIRST_BYTE_TIME: Final = EnvoyMetric(
    "envoy_gen_ai_time_to_first_byte",
    "histogram",
    "From a request to a model to the first byte of its answer, in milliseconds.",
    ("operation", *_LABELS),
)
MODELS: Final = (TOKENS, COST, ANSWER_TIME, FIRST_BYTE_TIME)
"""The metrics of AI traffic, which only proxies have whose routes go to models (`translator.envoy.ai.metrics`)."""
