"""Pods that are selected by their labels: which are watched, and what is told of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.watchers.cluster_api import ClusterApi, Request
from tests.watchers.informers.following import Followed
from translator.objects.kubernetes.workloads import Pod, PodSelection
from translator.refs import Ref
from watchers.informers.cluster import ClusterSource, WatchConfig
from watchers.kubernetes.errors import ApiError

A = PodSelection.of("shop", {"app": "a"})
BLUE = PodSelection.of("shop", {"colour": "blue"})


def pod(name: str, namespace: str = "shop", **labels: str) -> dict[str, Any]:
    """Return a pod with labels."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels}}


def known(followed: Followed, *selections: Ref) -> bool:
    """Return whether all pods of these selections, and of no others, are known."""
    return {each for each in followed.objects if each.kind == PodSelection.kind} == set(selections)


def pods(followed: Followed) -> set[str]:
    """Return the names of the pods that are known."""
    return followed.names(Pod.kind, "shop")


def watched(api: ClusterApi) -> int:
    """Return how often pods of the namespace were watched."""
    return api.requests.count(Request("watch", "pods", "shop", ""))


def source(api: ClusterApi) -> ClusterSource:
    """Return the source of pods only; those of the proxies are selected by a label."""
    return ClusterSource(api, WatchConfig(kinds=(Pod,), labels={Pod.kind: "app.kubernetes.io/managed-by=headgate"}))


async def test_nothing_is_watched_without_selections() -> None:
    """As long as nobody selects pods, only the proxies' are read."""
    api = ClusterApi()
    api.put(pod("one", app="a"))
    async with Followed(*source(api).sources) as followed:
        await followed.until(lambda: followed.first is not None)
        assert followed.objects == {}
    assert {each.namespace for each in api.requests} == {""}


async def test_selected_pods_are_known_before_their_selection() -> None:
    """A selection is told once all of its pods are; then their changes are, and pods that come and go."""
    api = ClusterApi()
    for name in ("one", "two"):
        api.put(pod(name, app="a"))
    api.put(pod("other", app="b"))
    api.put(pod("elsewhere", "far", app="a"))
    cluster = source(api)
    async with Followed(*cluster.sources) as followed:
        cluster.set_pod_selections([A])
        await followed.until(lambda: known(followed, A))
        assert pods(followed) == {"one", "two"}
        assert followed.edits[-1].ref == A
        api.put(pod("three", app="a"))
        api.remove("Pod", "shop", "one")
        await followed.until(lambda: pods(followed) == {"two", "three"})
        api.put(pod("two", app="b"))
        await followed.until(lambda: pods(followed) == {"three"})
    assert watched(api) == 1


async def test_a_pod_of_two_selections() -> None:
    """A pod that two selections have stays known until neither has it."""
    api = ClusterApi()
    api.put(pod("both", app="a", colour="blue"))
    cluster = source(api)
    async with Followed(*cluster.sources) as followed:
        cluster.set_pod_selections([A, BLUE])
        await followed.until(lambda: known(followed, A, BLUE))
        api.put(pod("both", app="b", colour="blue"))
        await followed.until(lambda: len(followed.edits) > 3)
        assert pods(followed) == {"both"}
        cluster.set_pod_selections([A])
        await followed.until(lambda: known(followed, A))
        await followed.until(lambda: pods(followed) == set())


async def test_a_selection_that_nobody_asks_for() -> None:
    """Its pods are not known any more and its watch ends; asked for again, they are read again."""
    api = ClusterApi()
    api.put(pod("one", app="a"))
    cluster = source(api)
    async with Followed(*cluster.sources) as followed:
        for _ in range(2):
            cluster.set_pod_selections([A])
            await followed.until(lambda: known(followed, A))
            assert pods(followed) == {"one"}
            cluster.set_pod_selections([])
            await followed.until(lambda: not followed.objects)
        before = len(followed.edits)
        api.put(pod("one", app="a", more="x"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(followed.edits) == before


async def test_proxies_are_left_out() -> None:
    """Pods of proxies are known by the informer of these, whatever is selected."""
    api = ClusterApi()
    labels = {"app.kubernetes.io/managed-by": "headgate", "app": "a"}
    api.put(pod("proxy", **labels))
    cluster = source(api)
    async with Followed(*cluster.sources) as followed:
        cluster.set_pod_selections([A])
        await followed.until(lambda: known(followed, A))
        cluster.set_pod_selections([])
        await followed.until(lambda: known(followed))
        assert pods(followed) == {"proxy"}


async def test_a_selection_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the API server denies its pods, a selection is not known, and a diagnostic tells the permission."""
    denied = True

    async def fault(request: Request) -> None:
        if denied and request.namespace == "shop":
            raise ApiError("GET pods", 403, "Forbidden", "pods is forbidden")

    monkeypatch.setattr("watchers.informers.reflector.MAX_DENIALS", 1)
    monkeypatch.setattr("watchers.informers.reflector.LONGEST_PAUSE", 0.01)
    api = ClusterApi(fault)
    api.put(pod("one", app="a"))
    cluster = source(api)
    async with Followed(*cluster.sources) as followed:
        cluster.set_pod_selections([A])
        await followed.until(lambda: cluster.diagnostics)
        assert "list" in str(cluster.diagnostics[0])
        assert "in the namespace shop" in str(cluster.diagnostics[0])
        assert known(followed)
        denied = False
        await followed.until(lambda: known(followed, A))
        assert cluster.diagnostics == ()
