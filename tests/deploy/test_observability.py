"""Dashboards and alerts of the chart: valid PromQL over metrics that are there."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pytest

from deploy.observability.alerts import CONTROL_PLANE, PROXIES, rule_groups
from deploy.observability.dashboards import dashboards
from deploy.observability.envoy import CLUSTER, CODE_CLASS, ENVOY, MODELS
from deploy.observability.promql import TARGET_LABELS, series
from deploy.observability.reference import reference
from headgate.observability.definitions import DEFINITIONS, PROCESS, XDS_NACKS
from tests.deploy.promql_selectors import selectors
from tests.deploy.tools import render

LABELS: Final = {name: set(each.labels) for each in (*DEFINITIONS, *PROCESS, *ENVOY, *MODELS) for name in each.series}
MADE: Final = {*TARGET_LABELS, "backend", "le", CLUSTER, CODE_CLASS}
"""The labels that series have from Prometheus, or that expressions make."""


def panels() -> Iterator[dict[str, Any]]:
    """Yield all panels of all dashboards."""
    for found in dashboards().values():
        yield from (each for each in found["panels"] if each["type"] != "row")


def expressions() -> Iterator[str]:
    """Yield all expressions of dashboards and alerts, as Grafana sends them."""
    for panel in panels():
        yield from (each["expr"].replace("$__rate_interval", "5m") for each in panel["targets"])
    for group in rule_groups():
        yield from (each["expr"] for each in group["rules"])


def test_expressions_select_metrics_that_are_there() -> None:
    """Every expression is valid, and each of its selectors names a metric and labels that are defined."""
    for expression in set(expressions()):
        found = selectors(expression)
        assert found, expression
        for each in found:
            assert each.name in LABELS, expression
            for matcher in each.matchers.matchers:
                assert matcher.name in LABELS[each.name] | set(TARGET_LABELS), expression


def test_an_unknown_label_is_an_error() -> None:
    """An expression cannot be built with a label that the metric does not have."""
    with pytest.raises(AssertionError, match="headgate_xds_nacks has no label"):
        series(XDS_NACKS, kind='="a"')


def test_legends_and_summaries_name_labels_that_remain() -> None:
    """A label in a legend or a summary is one that the expression aggregates by, or that every series has."""
    cases = [(target["legendFormat"], target["expr"]) for panel in panels() for target in panel["targets"]]
    cases += [(each.summary.replace("$labels.", ""), each.expression) for each in (*CONTROL_PLANE, *PROXIES)]
    for text, expression in cases:
        for label in re.findall(r"{{ ?(\w+) ?}}", text):
            grouped = re.search(rf"by \([^)]*\b{label}\b", expression)
            assert grouped or " by " not in f" {expression}", (text, expression)
            assert label in MADE or any(label in names for names in LABELS.values()), label


def test_dashboards_are_complete() -> None:
    """Every panel has a title, a description and a place of its own, and dashboards have different identities."""
    found = dashboards()
    assert len({each["uid"] for each in found.values()}) == len(found)
    for each in found.values():
        assert max(Counter(panel["id"] for panel in each["panels"]).values()) == 1
        cells = [
            (x, y)
            for panel in each["panels"]
            for place in [panel["gridPos"]]
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(cells) == len(set(cells))
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")


def test_alerts_say_what_to_do() -> None:
    """Alerts have different names, and say what is wrong and what to do, in sentences."""
    found = (*CONTROL_PLANE, *PROXIES)
    assert len({each.name for each in found}) == len(found)
    for each in found:
        assert each.summary.endswith(".")
        assert each.action.endswith(".")
        assert each.name in reference()


def test_every_metric_is_in_the_reference() -> None:
    """The reference has a row for each metric."""
    for each in (*DEFINITIONS, *PROCESS, *ENVOY, *MODELS):
        assert f"| `{each.name}" in reference()


@pytest.mark.slow
def test_the_chart_installs_them() -> None:
    """With the values for monitoring, the chart has PodMonitors, alerts and dashboards as they are generated."""
    values = ("podMonitors.enabled=true", "prometheusRule.enabled=true", "dashboards.enabled=true", "labels.release=p")
    found = render("--set", ",".join(f"monitoring.{each}" for each in values))
    (rule,) = (each for each in found if each["kind"] == "PrometheusRule")
    assert rule["spec"] == {"groups": rule_groups()}
    maps = [each for each in found if each["kind"] == "ConfigMap"]
    assert {name: json.loads(text) for each in maps for name, text in each["data"].items()} == {
        f"{name}.json": made for name, made in dashboards().items()
    }
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in maps)
    monitors = [each for each in found if each["kind"] == "PodMonitor"]
    assert len(monitors) == 2
    for each in (*monitors, rule):
        assert each["metadata"]["labels"]["release"] == "p"


@pytest.mark.slow
def test_pod_monitors_select_the_pods() -> None:
    """PodMonitors name the ports and paths, and select the labels, of Headgate's pods and of proxies'."""
    from tests.translator.infrastructure.gateways import Cluster, gateway

    found = render("--set", "monitoring.podMonitors.enabled=true")
    own, proxies = (each["spec"] for each in found if each["kind"] == "PodMonitor")
    (headgate,) = (each["spec"]["template"] for each in found if each["kind"] == "Deployment")
    proxy = Cluster(gateway()).body("Deployment")["spec"]["template"]
    for monitor, pod in ((own, headgate), (proxies, proxy)):
        (endpoint,) = monitor["podMetricsEndpoints"]
        assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        (container,) = pod["spec"]["containers"]
        assert endpoint["port"] in [each["name"] for each in container["ports"]]
        assert endpoint["path"] == pod["metadata"]["annotations"]["prometheus.io/path"]
    assert proxies["namespaceSelector"] == {"any": True}
    (relabeling,) = proxies["podMetricsEndpoints"][0]["relabelings"]
    (label,) = (each for each in relabeling["sourceLabels"] if each.startswith("__meta_kubernetes_pod_label_"))
    names = {re.sub("[^a-zA-Z0-9]", "_", each) for each in proxy["metadata"]["labels"]}
    assert label.removeprefix("__meta_kubernetes_pod_label_") in names
    watched = render("--set", "monitoring.podMonitors.enabled=true,watch.namespaces={a,b}")
    (_, proxies) = (each["spec"] for each in watched if each["kind"] == "PodMonitor")
    assert proxies["namespaceSelector"] == {"matchNames": ["a", "b"]}
