"""Prometheus metrics of the xDS server, evaluations and Envoys."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headgate import __version__
from headgate.observability.encoding import to_text
from xds import TYPES, Ack, Client, FaultLog, Observer, Response

# The time of creation of each series doubles what is scraped, and Prometheus makes little use of it.
prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]

#: Bounds of the histograms of durations, in seconds.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

#: So many Gateways have series of their own, the first ones by name; the others are added up under `OTHERS`.
MOST_GATEWAYS = 1000
OTHERS = "(others)"


def by_gateway(
    name: str,
    text: str,
    counts: Iterable[tuple[str, float]],
    family: type[GaugeMetricFamily] | type[CounterMetricFamily] = GaugeMetricFamily,
) -> Metric:
    """Make a metric of counts by Gateway, so that no number of Gateways is too many for a Prometheus.

    Args:
        name: the metric's.
        text: what it says.
        counts: Gateways as "namespace/name" with what is counted; those of the same Gateway are added up.
        family: what it is.
    """
    sums: dict[str, float] = {}
    for gateway, count in counts:
        sums[gateway] = sums.get(gateway, 0) + count
    made = family(name, text, labels=["gateway"])
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
    """Return the label of a resource type: clients may ask for types that do not exist, and these share one."""
    return short(type_url) if type_url in TYPES else OTHERS


class Guarded(Collector):
    """A collector that wraps another one, so that its failure leaves all other metrics in place."""

    def __init__(self, collector: Collector, failed: prometheus.Counter) -> None:
        self._collector = collector
        self._failures = failed.labels(type(collector).__name__)
        self._faults = FaultLog()

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is is known at the time of a scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        try:
            yield from list(self._collector.collect())
        except Exception as error:
            self._failures.inc()
            self._faults.tell(f"The metrics of {type(self._collector).__name__}", error)


class Metrics(Observer):
    """Counters and histograms of the xDS server and the control plane, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        # Memory, CPU, file descriptors and the time of the start, as every Prometheus client tells them.
        prometheus.ProcessCollector(registry=self.registry)
        self._requests = self._counter("requests", "Requests of xDS clients.")
        self._responses = self._counter("responses", "Responses to xDS clients.")
        self._bytes = self._counter("response_bytes", "Bytes of responses to xDS clients.")
        self._acks = self._counter("acks", "Responses that xDS clients accepted.")
        self._nacks = self._counter("nacks", "Responses that xDS clients rejected.")
        self._throttled = self._counter(
            "slowed", "Requests of xDS clients after which nothing was read for a while.", []
        )
        self._failed = prometheus.Counter(
            "headgate_collector_failures",
            "Scrapes without some metrics because of a bug.",
            ["collector"],
            registry=self.registry,
        )
        self._streams = self._counter("streams", "Streams of xDS clients.", [])
        self._changes = self._histogram(
            "xds_change_seconds", "From an edit to its ACK or NACK, by one client.", ["type"]
        )
        self._answers = self._histogram("xds_answer_seconds", "From a response to its ACK or NACK.", ["type"])
        self._evaluations = self._histogram("evaluation_seconds", "From a change of objects to its publication.", [])
        prometheus.Info("headgate_build", "The version of Headgate.", registry=self.registry).info(
            {"version": __version__}
        )

    def _counter(self, name: str, text: str, labels: Sequence[str] = ("type",)) -> prometheus.Counter:
        return prometheus.Counter(f"headgate_xds_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: list[str]) -> prometheus.Histogram:
        return prometheus.Histogram(f"headgate_{name}", text, labels, registry=self.registry, buckets=BUCKETS)

    def collect(self, collector: Collector) -> None:
        """Show the metrics of a collector too."""
        self.registry.register(Guarded(collector, self._failed))

    def evaluated(self, seconds: float) -> None:
        """Note that an evaluation is done."""
        self._evaluations.observe(seconds)

    def opened(self, client: Client) -> None:
        """Note that a client is served."""
        self._streams.inc()

    def throttled(self, client: Client, seconds: float) -> None:
        """Note that a client asks too fast."""
        self._throttled.inc()

    def requested(self, client: Client, type_url: str) -> None:
        """Note that a request arrived."""
        self._requests.labels(type_label(type_url)).inc()

    def responded(self, client: Client, response: Response) -> None:
        """Note that a response was written."""
        self._responses.labels(type_label(response.type_url)).inc()
        self._bytes.labels(type_label(response.type_url)).inc(len(response.data))

    def acked(self, client: Client, ack: Ack) -> None:
        """Note that a client accepted (ACK) or rejected (NACK) a response."""
        counter = self._acks if ack.error is None else self._nacks
        counter.labels(type_label(ack.type_url)).inc()
        self._answers.labels(type_label(ack.type_url)).observe(ack.seconds)
        if ack.age is not None:
            self._changes.labels(type_label(ack.type_url)).observe(ack.age)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return prometheus.generate_latest(self.registry)


class RunningProcess(Protocol):
    """A process that runs."""

    @property
    def started(self) -> float:
        """When it was started, in seconds since the epoch."""
        ...


class SupervisedProcess(Protocol):
    """A process that is started again whenever it ends by itself."""

    @property
    def process(self) -> RunningProcess | None:
        """The process; None while none runs."""
        ...

    @property
    def restarts(self) -> int:
        """How often it ended by itself."""
        ...


class XdsGauges(Collector):
    """Gauges of xDS clients, Envoys and diagnostics, read at each scrape.

    Args:
        clients: gives the streams of the xDS server.
        supervisors: gives the supervisors of Envoys, by Gateway.
        problems: gives the severity of each diagnostic.
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
        yield by_gateway("headgate_xds_clients", "Streams of xDS clients, by Gateway.", every)
        yield by_gateway("headgate_xds_clients_synced", "Streams of xDS clients that have accepted all.", synced)
        yield from self._envoys()
        problems = GaugeMetricFamily(
            "headgate_diagnostics", "Problems in the files or the cluster.", labels=["severity"]
        )
        for severity, count in Counter(self._problems()).items():
            problems.add_metric([severity], count)
        yield problems

    def _envoys(self) -> Iterator[Metric]:
        supervisors = sorted(self._supervisors().items())
        up = ((gateway, each.process is not None) for gateway, each in supervisors)
        restarts = ((gateway, each.restarts) for gateway, each in supervisors)
        yield by_gateway("headgate_envoy_up", "Whether the Envoy of a Gateway runs.", up)
        yield by_gateway("headgate_envoy_restarts", "How often Envoy ended by itself.", restarts, CounterMetricFamily)
        uptime = GaugeMetricFamily("headgate_envoy_uptime_seconds", "How long an Envoy has run.", labels=["gateway"])
        # Times of several Envoys do not add up.
        for gateway, supervisor in supervisors[:MOST_GATEWAYS]:
            if supervisor.process is not None:
                uptime.add_metric([to_text(gateway).decode()], time.time() - supervisor.process.started)
        yield uptime
