"""Prometheus metrics of a controller: requests to the API server, statuses, and proxies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import prometheus_client as prometheus
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headgate.observability import definitions
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
        self._listed = definitions.WATCH_LISTED_OBJECTS.counter(registry)
        self._watches = definitions.WATCH_WATCHES.counter(registry)
        self._events = definitions.WATCH_EVENTS.counter(registry)
        self._expired = definitions.WATCH_EXPIRED.counter(registry)
        self._failed = definitions.WATCH_FAILURES.counter(registry)
        self._missing = definitions.WATCH_MISSING.counter(registry)
        self._fetched = definitions.WATCH_FETCHED.counter(registry)
        self._written = definitions.STATUS_WRITES.counter(registry)
        self._leading = definitions.LEADING.gauge(registry)
        self._seconds = definitions.STATUS_WRITE_SECONDS.histogram(registry)
        self._deployed = definitions.DEPLOY_WRITES.counter(registry)
        self._deploying = definitions.DEPLOY_WRITE_SECONDS.histogram(registry)

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
        yield definitions.DEPLOY_WORKQUEUE_DEPTH.sample(self._deployments())
        yield definitions.STATUS_WORKQUEUE_DEPTH.sample(self._statuses())
        scales = list(self._scales())
        wanted = ((key_of(each.gateway), each.wanted) for each in scales)
        ready = ((key_of(each.gateway), each.ready) for each in scales)
        yield by_gateway(definitions.PROXIES_WANTED, wanted)
        yield by_gateway(definitions.PROXIES_READY, ready)
