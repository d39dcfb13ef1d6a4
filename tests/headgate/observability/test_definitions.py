"""The definitions of metrics are those that are exposed."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from headgate.cluster.metrics import ClusterGauges, ClusterMetrics
from headgate.observability.definitions import DEFINITIONS, PROCESS
from headgate.observability.metrics import Metrics, PolicyGauges, XdsGauges
from headgate.waf.inspection import Match, Verdict
from headgate.waf.metrics import WafMetrics
from translator.refs import Ref
from watchers.proxies.inventory import Scale


class Running:
    """A supervisor of a process that runs."""

    restarts = 1

    class Process:
        """The process."""

        started = 1.0

    process = Process()


def exposed() -> str:
    """Return all metrics that some command has."""
    metrics = Metrics()
    ClusterMetrics(metrics.registry)
    scale = Scale(Ref("Gateway", "web", "shop"), 2, 1)
    metrics.collect(ClusterGauges(lambda: [scale], lambda: 0, lambda: 0))
    metrics.collect(XdsGauges(list, lambda: {"web/shop": Running()}, lambda: ["error"]))
    metrics.collect(PolicyGauges(lambda: 0))
    waf = WafMetrics(lambda: 1, lambda: 0)
    waf.inspected(Verdict(403, (Match(1, 2, "", ""),)))
    own = (line for line in waf.text().decode().splitlines(True) if "headgate_waf" in line)
    return metrics.text().decode() + "".join(own)


def test_what_is_defined_is_exposed() -> None:
    """Every metric of a scrape has a definition with its type and description, and every definition is in a scrape."""
    found = {each.name: each for each in text_string_to_metric_families(exposed())}
    defined = {each.name: each for each in (*DEFINITIONS, *PROCESS)}
    # Of an info metric, the text format has a gauge.
    names = {f"{name}_info" if each.type == "info" else name for name, each in defined.items()}
    assert set(found) == names
    for each in DEFINITIONS:
        if each.type != "info":
            assert (found[each.name].type, found[each.name].documentation) == (each.type, each.text)


def test_labels_are_defined() -> None:
    """The labels of every sample, but for the bounds of histograms, are those of its definition."""
    defined = {name: each.labels for each in (*DEFINITIONS, *PROCESS) for name in each.series}
    for family in text_string_to_metric_families(exposed()):
        for sample in family.samples:
            assert tuple(each for each in sample.labels if each != "le") == defined[sample.name], sample.name
