"""Errors of an API server: requests are paced, diagnostics appear, and the process continues."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests import virtual_time
from tests.watchers.cluster_api import ClusterApi, Request
from tests.watchers.informers.following import Followed
from translator.objects.kubernetes.core import ConfigMap
from translator.objects.kubernetes.service import Service
from translator.refs import Ref
from watchers.informers.cluster import ClusterSource, WatchConfig
from watchers.informers.list_watch import ObjectChange
from watchers.kubernetes.errors import ApiError
from watchers.peers.exchange import FORMER_SHARD_ANNOTATION, FORMER_SYNC_ANNOTATION, SHUTDOWN_SECONDS, Lease, Peers
from watchers.peers.shards import ShardedRecords

OBJECT = {"kind": "ConfigMap", "metadata": {"name": "one", "namespace": "shop"}, "data": {}}


def failing(status: int, *verbs: str, plural: str = "configmaps") -> Callable[[Request], Awaitable[None]]:
    """Return a fault: an error for requests with these verbs."""

    async def fault(request: Request) -> None:
        if request.verb in verbs and request.plural == plural:
            raise ApiError(request.verb, status)

    return fault


def test_watches_that_expire_at_once_are_paced_and_reported() -> None:
    """If each watch is answered with 410, lists become less frequent, and a diagnostic appears."""

    async def scenario() -> None:
        api = ClusterApi(failing(410, "watch", plural="services"))
        cluster = ClusterSource(api, WatchConfig(kinds=(Service,)))
        async with Followed(*cluster.sources) as found:
            await found.until(lambda: found.first is not None)
            await asyncio.sleep(600)
            assert 30 < sum(each.verb == "list" for each in api.requests) < 200
            (told,) = cluster.diagnostics
            assert "cannot watch services" in told.message
            api.fault = None
            await found.until(lambda: not cluster.diagnostics)

    virtual_time.run(scenario())


def test_a_404_of_a_served_kind_removes_nothing() -> None:
    """A 404 for a kind that discovery lists changes nothing: known objects stay, and are read on demand."""

    async def scenario() -> None:
        api = ClusterApi()
        api.put(OBJECT)
        ref = Ref("ConfigMap", "shop", "one")
        cluster = ClusterSource(api, WatchConfig(kinds=(ConfigMap,)))
        async with Followed(*cluster.sources) as found:
            await found.until(lambda: found.first is not None)
            api.fault = failing(404, "list")
            api.moved()
            assert cluster.set_referenced(ConfigMap, {ref}) == frozenset()
            await found.until(lambda: ref in found.objects)
            await asyncio.sleep(600)
            assert (ref in found.objects, cluster.not_installed) == (True, ())
            assert cluster.set_referenced(ConfigMap, {ref}) == frozenset()
        async with Followed(*ClusterSource(api, WatchConfig(kinds=(ConfigMap,))).sources) as found:
            await asyncio.sleep(600)
            assert found.first is None

    virtual_time.run(scenario())


def test_deleted_leases_are_written_again() -> None:
    """A replica whose Leases were deleted, as after a partition, writes all of them again, once."""

    async def scenario() -> None:
        api = ClusterApi()
        clock = asyncio.get_running_loop().time
        peers = Peers(api, "headgate-system", "one", clock=clock, records=ShardedRecords(200, 16))
        for number in range(50):
            peers.publish(f"shop/gateway-{number}", [number])
        running = asyncio.ensure_future(peers.run())
        await asyncio.sleep(20)
        said = {key for key in api.objects if key[0] == Lease.plural}
        assert len(said) == 8
        before = len(api.requests)
        await asyncio.sleep(100)
        assert sum(each.verb == "patch" for each in api.requests[before:]) <= 11
        for _, _, name in sorted(said)[3:6]:
            api.remove_key(Lease.plural, "headgate-system", name)
        await asyncio.sleep(5)
        assert {key for key in api.objects if key[0] == Lease.plural} == said
        api.fault = failing(503, "patch", "list", "watch", plural=Lease.plural)
        await asyncio.sleep(60)
        for _, _, name in said:
            api.remove_key(Lease.plural, "headgate-system", name)
        api.fault = None
        await asyncio.sleep(30)
        assert {key for key in api.objects if key[0] == Lease.plural} == said
        running.cancel()
        await asyncio.wait({running})

    virtual_time.run(scenario())


def test_a_replica_stops_although_its_leases_cannot_be_deleted() -> None:
    """If the API server does not answer, the deletion of the Leases ends after a timeout."""

    async def hangs(request: Request) -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        api = ClusterApi()
        clock = asyncio.get_running_loop().time
        peers = Peers(api, "headgate-system", "one", clock=clock)
        running = asyncio.ensure_future(peers.run())
        await asyncio.sleep(20)
        api.fault = hangs
        begun = clock()
        running.cancel()
        await asyncio.wait({running})
        assert round(clock() - begun, 3) == SHUTDOWN_SECONDS
        assert [key for key in api.objects if key[0] == Lease.plural] != []

    virtual_time.run(scenario())


def test_an_invalid_shard_annotation_is_ignored() -> None:
    """A Lease with an absurd number of shards counts as the only one."""
    peers = Peers(ClusterApi(), "headgate-system", "one")
    for part in ("9" * 5000 + "/" + "9" * 5000, "1/0", "-1/2", "x"):
        metadata = {"resourceVersion": "1", "annotations": {"gateway.headgate.dev/shard": part}}
        assert peers.receive([ObjectChange(Ref("Lease", "headgate-system", "other"), {"metadata": metadata})]) == set()


def test_the_annotations_of_an_earlier_version_are_read() -> None:
    """The records of a replica of an earlier version count during a rolling update."""
    peers = Peers(ClusterApi(), "headgate-system", "one")
    annotations = {FORMER_SYNC_ANNOTATION: '{"a":1}', FORMER_SHARD_ANNOTATION: "0/1"}
    metadata = {"resourceVersion": "1", "annotations": annotations}
    assert peers.receive([ObjectChange(Ref("Lease", "headgate-system", "other"), {"metadata": metadata})]) == {"a"}
    assert list(peers.records("a")) == [1]
