"""Stalls of the API server, etcd or a network: one replica leads in the end, and traffic goes on."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Site
from tests.e2e.installation import NAMESPACE, Installation
from tests.e2e.kube import Kube, Object, until
from tests.e2e.objects import GATEWAY, PROXIES, gateway, parameters, route
from tests.e2e.test_outages import some
from tests.e2e.testcluster import DISRUPTIVE, TestCluster
from tests.e2e.traffic import answers, traffic

pytestmark = DISRUPTIVE

LEADING, NO_LONGER = '"Leading"', "No longer leading"


def terms(testcluster: TestCluster, pods: list[str]) -> list[tuple[str, str, bool]]:
    """When which pod began to lead, or stopped, in order of time, as they logged it."""
    lines = [(pod, line) for pod in pods for line in testcluster.log(NAMESPACE, pod).splitlines()]
    return sorted(
        (line.partition(" ")[0], pod, LEADING in line) for pod, line in lines if LEADING in line or NO_LONGER in line
    )


async def said(testcluster: TestCluster, pod: str, words: str, times: int) -> None:
    """Wait until a pod has logged words so often."""

    async def read() -> bool:
        return testcluster.log(NAMESPACE, pod).count(words) >= times

    await until(f"{words} in the log of {pod}", read)


async def versions(kube: Kube) -> dict[str, str]:
    """Return the versions of all that Headgate writes to of the Gateway, but for what others write to all the time."""
    names = [("Gateway", GATEWAY), ("HTTPRoute", "r"), ("ConfigMap", PROXIES)]
    found = {kind: (await kube.get(kind, name))["metadata"]["resourceVersion"] for kind, name in names}
    deployment = (await kube.get("Deployment", PROXIES))["metadata"]
    return {**found, "Deployment": f"{deployment['uid']} {deployment['generation']}"}


async def works(site: Site, host: str) -> None:
    """Hold that what is applied now is served, deployed and told of."""
    kube = site.kube
    await kube.apply(route("later", [host]), parameters("two", replicas=2), gateway(parameters="two"))
    await answers(site.address, host, seconds=120)
    await kube.condition("HTTPRoute", "later", "Accepted", "True")

    async def deployed() -> bool:
        found: Object = await kube.get("Deployment", PROXIES)
        return bool(found["spec"]["replicas"] == 2)

    await until("two proxies", deployed)
    await kube.condition("Gateway", GATEWAY, "Programmed", "True")


@pytest.mark.parametrize("part", ["apiserver", "etcd"])
async def test_a_part_of_the_cluster_stands_still(
    site: Site, headgate: Installation, testcluster: TestCluster, part: str
) -> None:
    """The leader steps down; nobody restarts, nothing is written that was written before, and then one leads again."""
    pods = await headgate.scale(2)
    leader = await headgate.leader()
    before, started = await versions(site.kube), await headgate.restarts()
    times = testcluster.log(NAMESPACE, leader).count(NO_LONGER)
    async with traffic(site.address, "example.com") as seen:
        async with testcluster.standing_still(part):
            await said(testcluster, leader, NO_LONGER, times + 1)
            await some(seen, 300)
        await testcluster.back(site.kube)
        await until("leader", lambda: _leads(testcluster, pods))
        assert await versions(site.kube) == before
        await works(site, "later.example.com")
    assert set(seen) == {200}
    assert await headgate.restarts() == started
    assert sorted(started) == sorted(pods)


async def _leads(testcluster: TestCluster, pods: list[str]) -> bool:
    return terms(testcluster, pods)[-1][2]


async def test_the_leader_is_cut_off(site: Site, headgate: Installation, testcluster: TestCluster) -> None:
    """It steps down before another leads; the other serves all proxies; back, it follows, and no one has restarted."""
    pods = await headgate.scale(2)
    leader = await headgate.leader()
    (other,) = set(pods) - {leader}
    address = next(each["status"]["podIP"] for each in await headgate.pods() if each["metadata"]["name"] == leader)
    before, started = await versions(site.kube), await headgate.restarts()
    led = testcluster.log(NAMESPACE, other).count(LEADING)
    async with traffic(site.address, "example.com") as seen:
        async with testcluster.cut_off(address):
            await said(testcluster, other, LEADING, led + 1)
            (_, former, begun), (_, latter, leads) = terms(testcluster, pods)[-2:]
            assert (former, begun, latter, leads) == (leader, False, other, True)
            assert await versions(site.kube) == before
            await works(site, "later.example.com")
        await follows(site, headgate, other)
    assert set(seen) == {200}
    assert await headgate.restarts() == started


async def test_the_leader_stands_still(site: Site, headgate: Installation, testcluster: TestCluster) -> None:
    """Another leads in its place; when it wakes up it knows at once that it does not lead, and writes nothing."""
    pods = await headgate.scale(2)
    leader = await headgate.leader()
    (other,) = set(pods) - {leader}
    led, stopped = testcluster.log(NAMESPACE, other).count(LEADING), testcluster.log(NAMESPACE, leader).count(NO_LONGER)
    async with traffic(site.address, "example.com") as seen:
        with headgate.standing_still(leader):
            await said(testcluster, other, LEADING, led + 1)
            await works(site, "later.example.com")
        await said(testcluster, leader, NO_LONGER, stopped + 1)
        await follows(site, headgate, other)
    assert set(seen) == {200}


async def follows(site: Site, headgate: Installation, leader: str) -> None:
    """Hold that the replica that was away takes part again, and that nothing was undone by it."""
    kube = site.kube
    before = await versions(kube)
    await headgate.ready(2)
    await kube.apply(route("last", ["last.example.com"]))
    await answers(site.address, "last.example.com")
    await kube.condition("HTTPRoute", "last", "Accepted", "True")
    assert await headgate.leader() == leader
    after = await versions(kube)
    assert {**after, "Gateway": ""} == {**before, "Gateway": ""}  # which counts its routes
