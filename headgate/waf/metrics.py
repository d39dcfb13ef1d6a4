"""The metrics of the web application firewall."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import prometheus_client as prometheus
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headgate.observability import definitions
from headgate.waf.inspection import Verdict

BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
"""Bounds of the histogram of inspections, in seconds."""
MOST_RULES: Final = 2_000
"""The most rules with series of their own: the Core Rule Set has about 700; others are added up."""
OTHERS: Final = "(others)"

# The creation times of series double the size of a scrape, and Prometheus hardly uses them.
prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]


class WafMetrics:
    """Counters and histograms, in a registry of their own.

    Args:
        processes: returns how many processes inspect.
        restarts: returns how many were replaced before their time.
    """

    def __init__(self, processes: Callable[[], int], restarts: Callable[[], int]) -> None:
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        self._requests = definitions.WAF_INSPECTIONS.counter(self.registry)
        self._rules = definitions.WAF_RULE_MATCHES.counter(self.registry)
        self._seconds = definitions.WAF_INSPECTION_SECONDS.histogram(self.registry, BUCKETS)
        self.registry.register(_Processes(processes, restarts))
        self._known: set[int] = set()

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return prometheus.generate_latest(self.registry)

    def inspected(self, verdict: Verdict) -> None:
        """Count an inspection."""
        outcome = "refused" if verdict.status else "reported" if verdict.matches else "passed"
        self._requests.labels(outcome).inc()
        self._seconds.observe(verdict.seconds)
        for rule in {each.rule for each in verdict.matches}:
            if rule in self._known or len(self._known) < MOST_RULES:
                self._known.add(rule)
                self._rules.labels(str(rule)).inc()
            else:
                self._rules.labels(OTHERS).inc()

    def refused_unseen(self, status: int) -> None:
        """Count a request that was refused without an inspection: its body is too long."""
        self._requests.labels("too_large" if status == 413 else "refused").inc()

    def failed(self, reason: str) -> None:
        """Count a request that could not be inspected: it took too long, or there was no process or no profile."""
        self._requests.labels(reason).inc()


class _Processes(Collector):
    def __init__(self, processes: Callable[[], int], restarts: Callable[[], int]) -> None:
        self._processes = processes
        self._restarts = restarts

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        yield definitions.WAF_PROCESSES.sample(self._processes())
        yield definitions.WAF_PROCESS_RESTARTS.sample(self._restarts())
