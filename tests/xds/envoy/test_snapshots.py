"""A real Envoy is served by both variants, through changes, restarts and mistakes."""

from __future__ import annotations

import contextlib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headgate_proto.envoy.config.core.v3.config_source_pb2 import ApiConfigSource
from tests.headgate.waiting import eventually
from tests.xds.envoy_process import free_port, running_envoy, upstream
from tests.xds.sample_resources import cluster, endpoints, invalid_cluster, listener, routes, source
from tests.xds.status_recorder import StatusRecorder
from xds.protocol.session import Ack, Response
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE
from xds.server.observer import Client, Observer
from xds.server.server import Server, Timeouts

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])

QUICK = Timeouts(ack_deadline=1.0, removal_delay=0.2)


class Counting(Observer):
    """Counts the resources sent by type, and records the NACKs."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.streams = 0
        self.errors: list[str] = []

    def opened(self, client: Client) -> None:
        """Count a stream."""
        self.streams += 1

    def responded(self, client: Client, response: Response) -> None:
        """Count the resources of a response."""
        self.sent[response.type_url] += response.resources

    def acked(self, client: Client, answer: Ack) -> None:
        """Record the error text of a NACK."""
        if answer.error is not None:
            self.errors.append(answer.error)


def one_path(
    port: int, *ports: int, to: str = "a", timeout: int = 1, method: ApiConfigSource.ApiType | None = None
) -> list[Resource]:
    """Return a listener with one route to a cluster with endpoints on some ports."""
    where = source(method)
    leads = [cluster(to, timeout=timeout, source=where), endpoints(to, *ports), routes("r", {"/": to})]
    return [*leads, listener("l", port, "r", source=where)]


@both
@pytest.mark.parametrize("aggregated", [True, False], ids=["ads", "by-type"])
async def test_an_envoy_answers_requests_and_follows_changes(envoy_path: Path, delta: bool, aggregated: bool) -> None:
    """An Envoy gets a listener, its route, cluster and endpoints, answers with them, and follows a change of each."""
    port, seen = free_port(), Counting()
    method = None if aggregated else ApiConfigSource.DELTA_GRPC if delta else ApiConfigSource.GRPC
    path = partial(one_path, port, method=method)
    async with upstream("one") as one, upstream("two") as two, serving(seen) as server:
        server.publish("gateway", Snapshot.of(path(one)))
        async with running_envoy(envoy_path, server.port, delta=delta, aggregated=aggregated) as envoy:
            await envoy.answers(port, "/", (200, "one"))
            server.publish("gateway", Snapshot.of(path(two)))
            await envoy.answers(port, "/", (200, "two"))
            server.publish("gateway", Snapshot.of(path(one, to="b")))
            await envoy.answers(port, "/", (200, "one"))
            server.publish("gateway", Snapshot.of(path(two, to="b", timeout=9)))
            await envoy.answers(port, "/", (200, "two"))
            assert not seen.errors


def serving(observer: Observer | None = None, port: int = 0, **kwargs: Any) -> Server:
    """Return a server that gives each node the snapshot of its cluster."""
    return Server(lambda node: node.cluster, address=f"127.0.0.1:{port}", observer=observer, timeouts=QUICK, **kwargs)


async def test_no_resource_is_sent_again_after_a_restart(envoy_path: Path) -> None:
    """A new server sends an up-to-date delta client nothing, and then only changes."""
    port, xds = free_port(), free_port()
    async with upstream("one") as one, upstream("two") as two:
        snapshot = Snapshot.of(one_path(port, one))
        async with contextlib.AsyncExitStack() as stack:
            async with serving(port=xds) as server:
                server.publish("gateway", snapshot)
                envoy = await stack.enter_async_context(running_envoy(envoy_path, xds, delta=True))
                await envoy.answers(port, "/", (200, "one"))
            after, news = Counting(), StatusRecorder()
            async with serving(after, port=xds, on_sync_status=news) as server:
                server.publish("gateway", snapshot)
                await news.until(lambda each: each.synced == 1)
                assert await envoy.get(port) == (200, "one")
                assert not after.sent
                server.publish("gateway", snapshot.replace([endpoints("a", two)]))
                await envoy.answers(port, "/", (200, "two"))
                await eventually(lambda: after.sent == {ENDPOINT: 1})  # Counted once it is sent.


async def test_a_restart_does_not_interrupt_a_sotw_client(envoy_path: Path) -> None:
    """A state-of-the-world client keeps answering when another server takes over, and gets each resource once."""
    port, xds = free_port(), free_port()
    async with upstream("one") as one, contextlib.AsyncExitStack() as stack:
        snapshot = Snapshot.of(one_path(port, one))
        async with serving(port=xds) as server:
            server.publish("gateway", snapshot)
            envoy = await stack.enter_async_context(running_envoy(envoy_path, xds, delta=False))
            await envoy.answers(port, "/", (200, "one"))
        after, news = Counting(), StatusRecorder()
        async with serving(after, port=xds, on_sync_status=news) as server:
            server.publish("gateway", snapshot)
            await news.until(lambda each: each.synced == 1)
            assert await envoy.get(port) == (200, "one")
            assert after.sent == {CLUSTER: 1, ENDPOINT: 1, LISTENER: 1, ROUTE: 1}


@both
async def test_a_listener_takes_over_the_port_of_a_removed_one(envoy_path: Path, delta: bool) -> None:
    """A renamed listener keeps its port, and one that moves to another port gives up the old one."""
    port, other, seen, news = free_port(), free_port(), Counting(), StatusRecorder()
    async with upstream("one") as one, serving(seen, on_sync_status=news) as server:
        shared = [cluster("a"), endpoints("a", one), routes("r", {"/": "a"})]
        server.publish("gateway", Snapshot.of([*shared, listener("x", port, "r")]))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await envoy.answers(port, "/", (200, "one"))
            server.publish("gateway", renamed := Snapshot.of([*shared, listener("y", port, "r")]))
            await news.until(lambda each: each.snapshot is renamed and each.synced == 1)
            await envoy.answers(port, "/", (200, "one"))
            server.publish("gateway", Snapshot.of([*shared, listener("y", other, "r")]))
            await envoy.answers(other, "/", (200, "one"))
            await envoy.answers(port, "/", (0, ""))
            assert not seen.errors


@both
async def test_bad_resources_are_identified_and_the_others_applied(envoy_path: Path, delta: bool) -> None:
    """Envoy's NACKs of some among many new clusters and listeners are reported verbatim; all others are used."""
    port, news = free_port(), StatusRecorder()
    async with upstream("one") as one, serving(on_sync_status=news) as server:
        good = [*one_path(port, one), *(cluster(f"c{n}", eds=False) for n in range(20))]
        server.publish("gateway", Snapshot.of([*good, invalid_cluster("bad"), listener("twin", port, "r")]))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await envoy.answers(port, "/", (200, "one"))
            sync_status = await news.until(lambda each: len(each.nack_groups) == 2)
            first, second = sorted(sync_status.nack_groups)
            assert first[:2] == (CLUSTER, ("bad",))
            assert "cluster provided LB specified" in first.message
            assert second[:2] == (LISTENER, ("twin",))
            assert "duplicate address" in second.message
            assert "c19::" in await envoy.admin("/clusters")
            assert sync_status.synced == 0
            server.publish("gateway", Snapshot.of(good))
            await news.until(lambda each: each.synced == 1 and not each.nack_groups)


@both
async def test_a_changed_cluster_gets_its_unchanged_endpoints_again(envoy_path: Path, delta: bool) -> None:
    """A cluster replaced under its name warms at once, as its unchanged assignment is resent."""
    port, news = free_port(), StatusRecorder()
    async with upstream("one") as one, serving(on_sync_status=news) as server:
        server.publish("gateway", Snapshot.of(one_path(port, one)))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await envoy.answers(port, "/", (200, "one"))
            server.publish("gateway", last := Snapshot.of(one_path(port, one, timeout=7)))
            await news.until(lambda each: each.snapshot is last and each.synced == 1)
            assert await envoy.get(port) == (200, "one")


@both
async def test_a_cluster_that_cannot_warm_blocks_no_other(envoy_path: Path, delta: bool) -> None:
    """Clusters and routes that follow a cluster whose CA never arrives are served."""
    port = free_port()
    async with upstream("one") as one, upstream("two") as two, serving() as server:
        server.publish("gateway", Snapshot.of(one_path(port, one)))
        async with running_envoy(envoy_path, server.port, delta=delta) as envoy:
            await envoy.answers(port, "/", (200, "one"))
            stuck = [cluster("stuck", secret="never"), endpoints("stuck", one), *one_path(port, one)]
            server.publish("gateway", Snapshot.of(stuck))
            later = [*stuck[:2], cluster("b"), endpoints("b", two), cluster("a"), endpoints("a", one)]
            later += [routes("r", {"/": "a", "/b": "b"}), listener("l", port, "r")]
            server.publish("gateway", Snapshot.of(later))
            await envoy.answers(port, "/b", (200, "two"))
            await envoy.answers(port, "/", (200, "one"))
