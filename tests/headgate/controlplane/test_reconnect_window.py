"""The reconnect window: the status of a Gateway whose proxies are disconnected."""

from __future__ import annotations

import asyncio

from headgate.controlplane.reconnect_window import ReconnectWindow
from tests.translator.infrastructure.gateways import GATEWAY, Cluster, gateway, service
from translator.inputs import GatewaySyncStatus
from translator.refs import Ref

WEB = Ref("Gateway", "shop", "web")
CONNECTED, NONE, AWAITED = (
    GatewaySyncStatus(1, all_acked=True),
    GatewaySyncStatus(),
    GatewaySyncStatus(reconnecting=True),
)


async def test_disconnected_proxies_have_a_window() -> None:
    """A Gateway is reconnecting until its proxies reconnect or the window ends."""
    reported: list[GatewaySyncStatus] = []
    done = asyncio.Event()

    def report(gateway: Ref, status: GatewaySyncStatus) -> None:
        reported.append(status)
        if status == NONE:
            done.set()

    window = ReconnectWindow(report, seconds=0.05)
    for each in (CONNECTED, NONE, NONE, CONNECTED, NONE):
        window.set_sync_status(WEB, each)
    assert reported == [CONNECTED, AWAITED, AWAITED, CONNECTED, AWAITED]
    async with asyncio.timeout(10):
        await done.wait()
    assert reported[5:] == [NONE]


async def test_a_gateway_without_proxies_has_no_window() -> None:
    """A Gateway that never had proxies is reported as such at once."""
    reported: list[GatewaySyncStatus] = []
    ReconnectWindow(lambda _, status: reported.append(status)).set_sync_status(WEB, NONE)
    assert reported == [NONE]


ADDRESS = "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: headgate-shop, namespace: web}
spec: {replicas: 1}
"""


def endpoints(ready: str) -> str:
    """Return the endpoints of the Gateway's Service."""
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: e, namespace: web, labels: {{kubernetes.io/service-name: headgate-shop}}}}
addressType: IPv4
endpoints: [{{addresses: [10.0.0.1], conditions: {{ready: {ready}}}}}]
ports: [{{name: l80, port: 80}}]
"""


def test_a_gateway_with_ready_proxies_keeps_its_status() -> None:
    """The status of a Gateway with ready proxies stays during the window, and says afterwards that there are none."""
    cluster = Cluster(gateway(), service(ADDRESS), DEPLOYMENT, endpoints("true"))
    cluster.deliver()
    assert cluster.condition("Programmed")[0] == "True"
    cluster.translator.set_sync_status(GATEWAY, AWAITED)
    cluster.evaluate()
    assert (cluster.changes.statuses, cluster.condition("Programmed")[0]) == ({}, "True")
    cluster.deliver(clients=0)
    assert cluster.condition("Programmed") == ("False", "Pending", "No proxy is connected.")


def test_a_gateway_without_ready_proxies_is_not_programmed() -> None:
    """A Gateway without a ready proxy is not programmed, even during the window."""
    cluster = Cluster(gateway(), service(ADDRESS), DEPLOYMENT, endpoints("false"))
    cluster.deliver()
    cluster.translator.set_sync_status(GATEWAY, AWAITED)
    cluster.evaluate()
    assert cluster.condition("Programmed")[:2] == ("False", "Pending")


def test_a_new_translator_waits_for_proxies() -> None:
    """A new translator writes no status of a Gateway with ready proxies until the window ends."""
    cluster = Cluster(service(ADDRESS), DEPLOYMENT, endpoints("true"))
    cluster.translator.set_reconnecting(True)
    cluster.apply(gateway())
    assert GATEWAY not in cluster.translator.statuses
    assert cluster.proxies is not None
    assert not cluster.proxies.paused
    cluster.translator.set_reconnecting(False)
    cluster.evaluate()
    assert cluster.condition("Programmed")[:2] == ("False", "Pending")
