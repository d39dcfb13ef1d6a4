"""Prometheus metrics of the xDS server, evaluations and Envoys."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import prometheus_client as prometheus
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headgate import __version__
from headgate.observability import definitions
from headgate.observability.definitions import MetricDefinition
from headgate.observability.encoding import to_text
from xds import TYPES, Ack, Client, FaultLog, Observer, Response

# The creation times of series double the size of a scrape, and Prometheus hardly uses them.
prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]

#: Bounds of the histograms of durations, in seconds.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

#: Most Gateways with their own series, the first ones by name; the others are added up under `OTHERS`.
MOST_GATEWAYS = 1000
OTHERS = "(others)"


def by_gateway(definition: MetricDefinition, counts: Iterable[tuple[str, float]]) -> Metric:
    """Return a metric of counts by Gateway, with a bounded number of series.

    Args:
        definition: the metric.
        counts: Gateways as "namespace/name" with their counts; those of the same Gateway are added up.
    """
    sums: dict[str, float] = {}
    for gateway, count in counts:
        sums[gateway] = sums.get(gateway, 0) + count
    made = definition.family()
    gateways = sorted(sums)
    for gateway in gateways[:MOST_GATEWAYS]:
        made.add_metric([to_text(gateway).decode()], sums[gateway])
    if len(gateways) > MOST_GATEWAYS:
        made.add_metric([OTHERS], sum(sums[each] for each in gateways[MOST_GATEWAYS:]))
    return made


def short(type_url: str) -> str:
    """Return a type URL's last word: "Listener"."""
    return type_url.rpartition(".")[2]


def type_label(type_url: str) -> str:
    """Return the label of a resource type; unknown types, which clients may request, share one."""
    return short(type_url) if type_url in TYPES else OTHERS


class Guarded(Collector):
    """A collector that wraps another one, so that its failure does not affect other metrics."""

    def __init__(self, collector: Collector, failed: prometheus.Counter) -> None:
        self._collector = collector
        self._failures = failed.labels(type(collector).__name__)
        self._faults = FaultLog()

    def describe(self) -> Iterable[Metric]:
        """Return nothing, as the metrics are known only at a scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        try:
            yield from list(self._collector.collect())
        except Exception as error:
            self._failures.inc()
            self._faults.tell(f"The metrics of {type(self._collector).__name__}", error)


class _ByType(dict[str, Any]):
    """The series of a metric by type URL: the label of each known type is made once.

    Args:
        metric: the metric, whose only label is the type.
    """

    def __init__(self, metric: Any) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, type_url: str) -> Any:
        found = self._metric.labels(type_label(type_url))
        if type_url in TYPES:
            self[type_url] = found
        return found


class Metrics(Observer):
    """Counters and histograms of the xDS server and the control plane, in a separate registry."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        # Memory, CPU, file descriptors and the start time, as in all Prometheus clients.
        prometheus.ProcessCollector(registry=self.registry)
        self._requests = _ByType(definitions.XDS_REQUESTS.counter(self.registry))
        self._responses = _ByType(definitions.XDS_RESPONSES.counter(self.registry))
        self._bytes = _ByType(definitions.XDS_RESPONSE_BYTES.counter(self.registry))
        self._acks = _ByType(definitions.XDS_ACKS.counter(self.registry))
        self._nacks = _ByType(definitions.XDS_NACKS.counter(self.registry))
        self._throttled = definitions.XDS_SLOWED.counter(self.registry)
        self._failed = definitions.COLLECTOR_FAILURES.counter(self.registry)
        self._streams = definitions.XDS_STREAMS.counter(self.registry)
        self._pushes = _ByType(definitions.XDS_PUSH_SECONDS.histogram(self.registry, BUCKETS))
        self._changes = _ByType(definitions.XDS_CHANGE_SECONDS.histogram(self.registry, BUCKETS))
        self._answers = _ByType(definitions.XDS_ANSWER_SECONDS.histogram(self.registry, BUCKETS))
        self._evaluations = definitions.EVALUATION_SECONDS.histogram(self.registry, BUCKETS)
        build = definitions.BUILD
        prometheus.Info(build.name, build.text, registry=self.registry).info({"version": __version__})

    def collect(self, collector: Collector) -> None:
        """Add the metrics of a collector."""
        self.registry.register(Guarded(collector, self._failed))

    def evaluated(self, seconds: float) -> None:
        """Record an evaluation."""
        self._evaluations.observe(seconds)

    def opened(self, client: Client) -> None:
        """Record a new stream."""
        self._streams.inc()

    def throttled(self, client: Client, seconds: float) -> None:
        """Record a throttled client."""
        self._throttled.inc()

    def requested(self, client: Client, type_url: str) -> None:
        """Record a request."""
        self._requests[type_url].inc()

    def responded(self, client: Client, response: Response) -> None:
        """Record a response."""
        self._responses[response.type_url].inc()
        self._bytes[response.type_url].inc(len(response.data))
        if response.age is not None:
            self._pushes[response.type_url].observe(response.age)

    def acked(self, client: Client, ack: Ack) -> None:
        """Record an ACK or NACK."""
        counter = self._acks if ack.error is None else self._nacks
        counter[ack.type_url].inc()
        self._answers[ack.type_url].observe(ack.seconds)
        if ack.age is not None:
            self._changes[ack.type_url].observe(ack.age)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return prometheus.generate_latest(self.registry)


class PolicyGauges(Collector):
    """The gauge of missing targets of policies, read at each scrape.

    Args:
        missing: returns how many targets do not exist.
    """

    def __init__(self, missing: Callable[[], int]) -> None:
        self._missing = missing

    def collect(self) -> Iterator[Metric]:
        """Yield the number of this moment."""
        yield definitions.POLICY_TARGETS_MISSING.sample(self._missing())


class RunningProcess(Protocol):
    """A running process."""

    @property
    def started(self) -> float:
        """The time of its start, in seconds since the epoch."""
        ...


class SupervisedProcess(Protocol):
    """A process that is restarted when it ends."""

    @property
    def process(self) -> RunningProcess | None:
        """The process; None while none runs."""
        ...

    @property
    def restarts(self) -> int:
        """The number of restarts."""
        ...


class XdsGauges(Collector):
    """Gauges of xDS clients, Envoys and diagnostics, read at each scrape.

    Args:
        clients: returns the streams of the xDS server.
        supervisors: returns the supervisors of Envoys, by Gateway.
        problems: returns the severity of each diagnostic.
    """

    def __init__(
        self,
        clients: Callable[[], Iterable[Client]],
        supervisors: Callable[[], Mapping[str, SupervisedProcess]],
        problems: Callable[[], Iterable[str]],
    ) -> None:
        self._clients = clients
        self._supervisors = supervisors
        self._problems = problems

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        clients = list(self._clients())
        every, synced = ((each.key, 1) for each in clients), ((each.key, each.synced) for each in clients)
        yield by_gateway(definitions.XDS_CLIENTS, every)
        yield by_gateway(definitions.XDS_CLIENTS_SYNCED, synced)
        yield from self._envoys()
        problems = definitions.DIAGNOSTICS.family()
        for severity, count in Counter(self._problems()).items():
            problems.add_metric([severity], count)
        yield problems

    def _envoys(self) -> Iterator[Metric]:
        supervisors = sorted(self._supervisors().items())
        up = ((gateway, each.process is not None) for gateway, each in supervisors)
        restarts = ((gateway, each.restarts) for gateway, each in supervisors)
        yield by_gateway(definitions.ENVOY_UP, up)
        yield by_gateway(definitions.ENVOY_RESTARTS, restarts)
        uptime = definitions.ENVOY_UPTIME_SECONDS.family()
        # Without a series of the other Gateways, as times cannot be added up.
        for gateway, supervisor in supervisors[:MOST_GATEWAYS]:
            if supervisor.process is not None:
                uptime.add_metric([to_text(gateway).decode()], time.time() - supervisor.process.started)
        yield uptime
