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


async def test_who_was_connected_is_waited_for() -> None:
    """Until the time is over; who comes back before that was never gone for good."""
    told: list[GatewaySyncStatus] = []
    done = asyncio.Event()

    def tell(gateway: Ref, delivery: GatewaySyncStatus) -> None:
        told.append(delivery)
        if delivery == NONE:
            done.set()

    window = ReconnectWindow(tell, seconds=0.05)
    for each in (CONNECTED, NONE, NONE, CONNECTED, NONE):
        window.set_sync_status(WEB, each)
    assert told == [CONNECTED, AWAITED, AWAITED, CONNECTED, AWAITED]
    async with asyncio.timeout(10):
        await done.wait()
    assert told[5:] == [NONE]


async def test_who_was_never_connected_is_not() -> None:
    """Of a Gateway that had no proxies, that is told at once."""
    told: list[GatewaySyncStatus] = []
    ReconnectWindow(lambda _, delivery: told.append(delivery)).set_sync_status(WEB, NONE)
    assert told == [NONE]


ADDRESS = "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: headgate-shop, namespace: web}
spec: {replicas: 1}
"""


def endpoints(ready: str) -> str:
    """Return what is behind the Gateway's Service."""
    return f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: e, namespace: web, labels: {{kubernetes.io/service-name: headgate-shop}}}}
addressType: IPv4
endpoints: [{{addresses: [10.0.0.1], conditions: {{ready: {ready}}}}}]
ports: [{{name: l80, port: 80}}]
"""


def test_proxies_that_serve_are_not_told_to_be_gone() -> None:
    """While they may come back nothing is told anew; once they have not, that there are none."""
    cluster = Cluster(gateway(), service(ADDRESS), DEPLOYMENT, endpoints("true"))
    cluster.deliver()
    assert cluster.condition("Programmed")[0] == "True"
    cluster.translator.set_sync_status(GATEWAY, AWAITED)
    cluster.evaluate()
    assert (cluster.changes.statuses, cluster.condition("Programmed")[0]) == ({}, "True")
    cluster.deliver(clients=0)
    assert cluster.condition("Programmed") == ("False", "Pending", "No proxy is connected.")


def test_proxies_that_do_not_serve_are() -> None:
    """What nobody can reach is not programmed, whoever may come back."""
    cluster = Cluster(gateway(), service(ADDRESS), DEPLOYMENT, endpoints("false"))
    cluster.deliver()
    cluster.translator.set_sync_status(GATEWAY, AWAITED)
    cluster.evaluate()
    assert cluster.condition("Programmed")[:2] == ("False", "Pending")


def test_at_the_start_all_are_awaited() -> None:
    """A translator that has just begun tells nothing of a Gateway whose proxies serve, until they had their time."""
    cluster = Cluster(service(ADDRESS), DEPLOYMENT, endpoints("true"))
    cluster.translator.set_reconnecting(True)
    cluster.apply(gateway())
    assert GATEWAY not in cluster.translator.statuses
    assert cluster.proxies is not None
    assert not cluster.proxies.paused
    cluster.translator.set_reconnecting(False)
    cluster.evaluate()
    assert cluster.condition("Programmed")[:2] == ("False", "Pending")
