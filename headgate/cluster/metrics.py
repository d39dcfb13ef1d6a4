"""Prometheus metrics of a controller: requests to the API server, statuses, and proxies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import prometheus_client as prometheus
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headgate.observability.metrics import by_gateway
from translator.objects.gateway_api.gateway import key_of
from watchers.informers.observer import InformerObserver
from watchers.proxies.inventory import Scale


class ClusterMetrics(InformerObserver):
    """Counters of lists, watches, events and failures by kind, and of writes of statuses and manifests.

    Args:
        registry: where the metrics go.
    """

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> prometheus.Counter:
            return prometheus.Counter(f"headgate_{name}", text, ["kind", *labels], registry=registry)

        def seconds(name: str, text: str) -> prometheus.Histogram:
            return prometheus.Histogram(f"headgate_{name}", text, ["kind"], registry=registry)

        self._listed = counter("watch_listed_objects", "Objects read in lists.")
        self._watches = counter("watch_watches", "Watches opened.")
        self._events = counter("watch_events", "Events of watches.")
        self._expired = counter("watch_expired", "Lists read again because a resource version had expired.")
        self._failed = counter("watch_failures", "Requests to the API server that failed.", "reason")
        self._missing = counter("watch_missing", "Responses of the API server that a kind is not installed.")
        self._fetched = counter("watch_fetched", "Objects read one by one because they are referenced.")
        self._written = counter("status_writes", "Writes of statuses, by outcome.", "outcome")
        self._leading = prometheus.Gauge(
            "headgate_leading",
            "Whether this replica is the leader, which deploys proxies and writes statuses.",
            registry=registry,
        )
        self._seconds = prometheus.Histogram(
            "headgate_status_write_seconds", "Duration of writes of statuses.", ["kind"], registry=registry
        )
        self._deployed = counter("deploy_writes", "Writes of the objects of proxies, by outcome.", "outcome")
        self._deploying = prometheus.Histogram(
            "headgate_deploy_write_seconds",
            "Duration of writes of the objects of proxies.",
            ["kind"],
            registry=registry,
        )

    def leads(self, leading: bool) -> None:
        """Note that this replica became the leader, or is no longer."""
        self._leading.set(leading)

    def listed(self, kind: str, objects: int, seconds: float) -> None:
        """Note that a page of a list was read."""
        self._listed.labels(kind).inc(objects)

    def watching(self, kind: str) -> None:
        """Note that a watch was opened."""
        self._watches.labels(kind).inc()

    def events(self, kind: str, count: int) -> None:
        """Note that a watch received events."""
        self._events.labels(kind).inc(count)

    def expired(self, kind: str) -> None:
        """Note that a list is read again."""
        self._expired.labels(kind).inc()

    def failed(self, kind: str, reason: str) -> None:
        """Note that a request failed."""
        self._failed.labels(kind, reason).inc()

    def not_installed(self, kind: str) -> None:
        """Note that a kind is not installed."""
        self._missing.labels(kind).inc()

    def fetched(self, kind: str) -> None:
        """Note that one referenced object was read."""
        self._fetched.labels(kind).inc()

    def status_written(self, kind: str, outcome: str, seconds: float) -> None:
        """Note that a write of a status has ended."""
        self._written.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def deployed(self, kind: str, outcome: str, seconds: float) -> None:
        """Note that a write of an object of a proxy has ended."""
        self._deployed.labels(kind, outcome).inc()
        self._deploying.labels(kind).observe(seconds)


class ClusterGauges(Collector):
    """Gauges of proxies and work queues, read at each scrape.

    Args:
        scales: returns the wanted and ready proxies of each Gateway.
        deployments: returns the depth of the proxy reconciler's queue.
        statuses: returns the depth of the status writer's queue.
    """

    def __init__(
        self, scales: Callable[[], Iterable[Scale]], deployments: Callable[[], int], statuses: Callable[[], int]
    ) -> None:
        self._scales = scales
        self._deployments = deployments
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        yield GaugeMetricFamily(
            "headgate_deploy_workqueue_depth", "Gateways in the queue of the proxy reconciler.", self._deployments()
        )
        yield GaugeMetricFamily(
            "headgate_status_workqueue_depth", "Objects in the queue of the status writer.", self._statuses()
        )
        scales = list(self._scales())
        wanted = ((key_of(each.gateway), each.wanted) for each in scales)
        ready = ((key_of(each.gateway), each.ready) for each in scales)
        yield by_gateway("headgate_proxies_wanted", "Desired proxies of a Gateway.", wanted)
        yield by_gateway("headgate_proxies_ready", "Proxies of a Gateway that are ready.", ready)
