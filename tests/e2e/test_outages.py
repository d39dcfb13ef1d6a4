"""Outages: the API server, etcd or the leader is killed and comes back, without effect on traffic."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

from tests.e2e.conftest import Site
from tests.e2e.installation import NAME, Installation
from tests.e2e.kube import until
from tests.e2e.objects import GATEWAY, PROXIES, denied, gateway, parameters, route
from tests.e2e.testcluster import DISRUPTIVE, TestCluster
from tests.e2e.traffic import answers, traffic
from tests.watchers.cluster_actions import forget

pytestmark = DISRUPTIVE

EXPIRED: Final = "headgate_watch_expired_total"


async def some(seen: Counter[int], more: int = 20) -> None:
    """Wait for so many more answers."""
    before = seen.total()

    async def read() -> bool:
        return seen.total() >= before + more

    await until("answers", read)


@pytest.mark.parametrize("part", ["apiserver", "etcd"])
async def test_a_part_of_the_cluster_dies(site: Site, testcluster: TestCluster, part: str) -> None:
    """While it is away and after, every request is answered with 200; what is applied then is served and told of."""
    async with traffic(site.address, "example.com") as seen:
        await testcluster.kill(part)
        await some(seen)
        await testcluster.back(site.kube)
        await site.kube.apply(route("later", ["later.example.com"]))
        await answers(site.address, "later.example.com")
        await site.kube.condition("HTTPRoute", "later", "Accepted", "True")
        await some(seen)
    assert set(seen) == {200}


async def test_etcd_forgets_what_was(site: Site, headgate: Installation, testcluster: TestCluster) -> None:
    """Watches that cannot go on where they were (410) begin anew: nothing is lost, and nothing that was is repeated."""
    kube = site.kube
    before, expired = await kube.get("HTTPRoute", "r"), await headgate.metric(EXPIRED)
    async with traffic(site.address, "example.com") as seen:
        await forget(kube.client, kube.namespace)
        await kube.apply(route("later", ["later.example.com"]))
        await answers(site.address, "later.example.com")
        await kube.condition("HTTPRoute", "later", "Accepted", "True")
        await some(seen)
    assert set(seen) == {200}
    assert await kube.get("HTTPRoute", "r") == before
    assert await headgate.metric(EXPIRED) > expired


async def test_the_leader_dies(site: Site, headgate: Installation) -> None:
    """The other replica serves on at once, and leads within the lease's time; nothing is deployed a second time."""
    await headgate.scale(2)
    before = await site.kube.get("Deployment", PROXIES)
    leader = await headgate.leader()
    async with traffic(site.address, "example.com") as seen:
        await headgate.kill(leader)
        await site.kube.apply(route("later", ["later.example.com"]))
        await answers(site.address, "later.example.com", seconds=20)
        await site.kube.condition("HTTPRoute", "later", "Accepted", "True")
        await some(seen)
    assert set(seen) == {200}
    after = await site.kube.get("Deployment", PROXIES)
    assert (before["metadata"]["uid"], before["metadata"]["generation"]) == (
        after["metadata"]["uid"],
        after["metadata"]["generation"],
    )


async def test_the_lease_is_taken_away(site: Site, headgate: Installation) -> None:
    """A leader whose Lease somebody else holds steps down without a restart, and leads again when that one is gone."""
    (pod,) = await headgate.scale(1)
    await headgate.leader()
    before = await headgate.restarts()
    taken = {"holderIdentity": "somebody-else", "leaseDurationSeconds": 5}
    await headgate.kube.patch("Lease", NAME, {"spec": taken})

    async def noticed() -> bool:
        return "No longer leading" in await headgate.log()

    await until("word that it leads no more", noticed)
    assert await headgate.leader() == pod
    await site.kube.apply(route("later", ["later.example.com"]))
    await site.kube.condition("HTTPRoute", "later", "Accepted", "True")
    assert await headgate.restarts() == before
    await headgate.scale(2)


async def test_headgate_dies_between_deploying_and_writing(site: Site, headgate: Installation) -> None:
    """What was deployed and not yet told of is taken over, not deployed again, and told of."""
    kube = site.kube
    async with denied(kube, "gateway.networking.k8s.io", "gateways/status", at=f"Gateway/{GATEWAY}/status"):
        await kube.apply(parameters("three", replicas=3), gateway(parameters="three"))

        async def deployed() -> bool:
            return bool((await kube.get("Deployment", PROXIES))["spec"].get("replicas") == 3)

        await until("three proxies", deployed)
        for each in await headgate.pods():
            await headgate.kill(each["metadata"]["name"])
    await headgate.ready()
    await kube.condition("Gateway", GATEWAY, "Programmed", "True")
    deployments = await kube.list("Deployment", f"gateway.networking.k8s.io/gateway-name={GATEWAY}")
    assert [each["spec"]["replicas"] for each in deployments] == [3]
