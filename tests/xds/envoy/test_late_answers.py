"""A real Envoy that answers late, while a cluster warms: no NACK is lost."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.endpoint.v3 import endpoint_pb2
from tests.xds.envoy_process import running_envoy
from tests.xds.sample_resources import cluster, endpoints, invalid_cluster
from tests.xds.status_recorder import StatusRecorder
from xds.protocol.session import Response
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER
from xds.server.observer import Client, Observer
from xds.server.server import Server, SyncStatus, Timeouts


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
async def test_a_cluster_rejected_while_another_warms(envoy_path: Path, delta: bool) -> None:
    """Envoy delays the NACK of a bad cluster while another one warms; a later good cluster does not hide it."""
    news, sent = StatusRecorder(), Sent()
    timeouts = Timeouts(ack_deadline=0.3, removal_delay=0.1)
    async with contextlib.AsyncExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server = await stack.enter_async_context(
            Server(lambda node: node.cluster, on_sync_status=news, timeouts=timeouts, observer=sent)
        )
        base = [cluster("a"), endpoints("a", 1)]
        server.publish("gateway", first := Snapshot.of(base))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await news.until(lambda each: each.snapshot is first and each.synced == 1)
            warming = [*base, slow("warming", silent.getsockname()[1])]
            server.publish("gateway", Snapshot.of(warming))
            await sent.includes("warming")
            server.publish("gateway", Snapshot.of([*warming, invalid_cluster("bad")]))
            await sent.includes("bad")
            last = Snapshot.of([*warming, invalid_cluster("bad"), cluster("good", eds=False)])
            server.publish("gateway", last)
            await sent.includes("good")

            def is_judged(sync_status: SyncStatus) -> bool:
                return sync_status.snapshot is last and sync_status.acked == 1

            sync_status = await news.until(is_judged)
            assert [(each.type_url, each.name) for each, _ in sync_status.nacks] == [(CLUSTER, "bad")]
            assert sync_status.synced == 0
            names = {line.partition("::")[0] for line in (await envoy.admin("/clusters")).splitlines()}
            assert names == {"xds", "a", "warming", "good"}


def slow(name: str, port: int) -> Resource:
    """Return a cluster that warms until its first health check fails: its port accepts connections and is silent."""
    made = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.STATIC)
    made.load_assignment.CopyFrom(endpoint_pb2.ClusterLoadAssignment.FromString(endpoints(name, port).body))
    check = made.health_checks.add()
    check.timeout.seconds, check.interval.seconds = 2, 60
    check.healthy_threshold.value = check.unhealthy_threshold.value = 1
    check.tcp_health_check.receive.add().text = "00"
    return Resource.pack(made)


class Sent(Observer):
    """Records the clusters that were sent."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def responded(self, client: Client, response: Response) -> None:
        """Record a response."""
        if response.type_url == CLUSTER:
            self.names |= set(response.changed)

    async def includes(self, name: str) -> None:
        """Wait until a cluster was sent."""
        async with asyncio.timeout(10):
            while True:
                if name in self.names:
                    return
                await asyncio.sleep(0.01)
