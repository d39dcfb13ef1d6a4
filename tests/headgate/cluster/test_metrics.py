"""Prometheus metrics of a controller."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from headgate.cluster.metrics import ClusterGauges, ClusterMetrics
from headgate.observability.metrics import MOST_GATEWAYS, OTHERS, Metrics, PolicyGauges, XdsGauges
from translator.refs import Ref
from watchers.informers.list_watch import ObjectChange
from watchers.proxies.inventory import Inventory, Scale

LABELS = {"gateway.networking.k8s.io/gateway-name": "shop"}
SHOP = Ref("Gateway", "web", "shop")


def workload(kind: str, **fields: object) -> ObjectChange:
    """Return a Deployment or DaemonSet of the Gateway."""
    metadata = {"name": "headgate-shop", "resourceVersion": "1", "uid": "u", "labels": LABELS}
    return ObjectChange(Ref(kind, "web", "headgate-shop"), {"metadata": metadata, **fields})


def exposed(*scales: Scale) -> str:
    """Return the metrics of a controller after one event of each type."""
    metrics = Metrics()
    cluster = ClusterMetrics(metrics.registry)
    metrics.registry.register(ClusterGauges(lambda: scales, lambda: 3, lambda: 4))
    metrics.registry.register(XdsGauges(list, dict, list))
    metrics.registry.register(PolicyGauges(lambda: 5))
    cluster.deployed("Service", "repaired", 0.01)
    cluster.status_written("Gateway", "written", 0.01)
    return metrics.text().decode()


def test_writes_and_proxies_are_counted() -> None:
    """Writes are counted by kind and outcome; gauges have the depths of queues, and the desired and ready proxies."""
    text = exposed(Scale(SHOP, wanted=3, ready=2))
    for line in (
        'headgate_deploy_writes_total{kind="Service",outcome="repaired"} 1.0',
        'headgate_deploy_write_seconds_count{kind="Service"} 1.0',
        'headgate_status_writes_total{kind="Gateway",outcome="written"} 1.0',
        "headgate_deploy_workqueue_depth 3.0",
        "headgate_status_workqueue_depth 4.0",
        'headgate_proxies_wanted{gateway="web/shop"} 3.0',
        'headgate_proxies_ready{gateway="web/shop"} 2.0',
    ):
        assert line in text.splitlines(), line


def test_names_follow_the_rules_of_prometheus() -> None:
    """Names begin with the application's name, metrics have a description, and durations are in seconds."""
    found = text_string_to_metric_families(exposed(Scale(SHOP, 1, 1)))
    # Metrics of the process have the standard names of Prometheus clients.
    families = [each for each in found if not each.name.startswith("process_")]
    assert len(families) > 10
    for family in families:
        assert re.fullmatch("headgate(_[a-z]+)+", family.name), family.name
        assert family.documentation.endswith("."), family.name
        assert family.type != "histogram" or family.name.endswith("_seconds"), family.name
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), family.name


def test_series_of_gateways_are_bounded() -> None:
    """Above a number of Gateways, the others are added up."""
    count = MOST_GATEWAYS + 5
    scales = [Scale(Ref("Gateway", "web", f"g{number:05}"), wanted=2, ready=1) for number in range(count)]
    text = exposed(*scales)
    assert text.count("\nheadgate_proxies_wanted{") == MOST_GATEWAYS + 1
    assert f'headgate_proxies_wanted{{gateway="{OTHERS}"}} 10.0' in text
    assert f'headgate_proxies_ready{{gateway="{OTHERS}"}} 5.0' in text


def test_desired_and_ready_proxies() -> None:
    """The desired proxies are a Deployment's replicas or a DaemonSet's nodes; a new workload has none ready."""
    inventory = Inventory()
    inventory.observe([workload("Deployment", spec={"replicas": 3}, status={"readyReplicas": 2})])
    assert list(inventory.scales()) == [Scale(SHOP, 3, 2)]
    inventory.observe([workload("Deployment", spec={"replicas": 3})])
    assert list(inventory.scales()) == [Scale(SHOP, 3, 0)]
    daemons = {"desiredNumberScheduled": 5, "numberReady": 4}
    inventory.observe(
        [ObjectChange(Ref("Deployment", "web", "headgate-shop"), None), workload("DaemonSet", status=daemons)]
    )
    assert list(inventory.scales()) == [Scale(SHOP, 5, 4)]
