"""What the cluster refuses, or a user asks for in vain, is told of where the user looks; the rest goes on."""

from __future__ import annotations

from typing import Any

from tests.e2e.conftest import Site, serving
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, until
from tests.e2e.objects import GATEWAY, PROXIES, denied, gateway, parameters, route
from tests.e2e.traffic import answers, traffic


async def told(kube: Kube, type_: str, reason: str, *words: str) -> None:
    """Waits until a condition of the Gateway is False for a reason, with these words in its message."""

    async def read() -> bool:
        found = await kube.condition("Gateway", GATEWAY, type_, "False", reason)
        return all(each in found["message"] for each in words)

    await until(f"message with {words}", read)


async def proxies(kube: Kube) -> tuple[Any, ...]:
    """What tells whether the proxies were touched: the Deployment's generation and the pods."""
    deployment = await kube.get("Deployment", PROXIES)
    pods = await kube.list("Pod", f"gateway.networking.k8s.io/gateway-name={GATEWAY}")
    return deployment["metadata"]["generation"], {each["metadata"]["uid"] for each in pods}


async def allow(kube: Kube, pods: int) -> None:
    """Sets a quota of pods, of which the backend uses one."""
    hard = {"hard": {"pods": str(pods)}}
    await kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": hard})
    # The API server goes by the status, which the test cluster has no controller for.
    await kube.patch("ResourceQuota", "few/status", {"status": {**hard, "used": {"pods": "1"}}})


async def test_deployments_are_denied(kube: Kube, headgate: Installation) -> None:
    """The Gateway says who denies its proxies and what was said; once that is over they are deployed."""
    async with denied(kube, "apps", "deployments", at="Deployment/echo"):
        await kube.apply(gateway(), route())
        await told(kube, "Programmed", "Pending", "not on my watch")
        await kube.condition("HTTPRoute", "r", "Accepted", "True")
    await kube.patch("Gateway", GATEWAY, {"spec": {"infrastructure": {"labels": {"a": "b"}}}})
    await serving(kube)


async def test_statuses_are_denied(site: Site) -> None:
    """A status that may not be written holds nothing up: traffic follows; once it is over the status is right."""
    kube = site.kube
    async with denied(kube, "gateway.networking.k8s.io", "httproutes/status", at="HTTPRoute/r/status"):
        await kube.apply(route(hostnames=["moved.example.com"]))
        await answers(site.address, "moved.example.com")
        assert (await kube.get("HTTPRoute", "r"))["status"]["parents"][0]["conditions"][0]["observedGeneration"] == 1
    await kube.condition("HTTPRoute", "r", "Accepted", "True")


async def test_a_quota_denies_pods(kube: Kube, headgate: Installation) -> None:
    """The Gateway says that a quota is in the way; with more of it the proxies come up."""
    await allow(kube, pods=1)
    await kube.apply(gateway(), route())
    await told(kube, "Programmed", "NoResources", "exceeded quota")
    await allow(kube, pods=10)
    await serving(kube)


async def test_invalid_parameters_leave_the_proxies_alone(site: Site) -> None:
    """The Gateway is no longer accepted and says why; its proxies run on, untouched, until the parameters are valid."""
    kube = site.kube
    before = await proxies(kube)
    async with traffic(site.address, "example.com") as seen:
        broken = {"spec": {"containers": [{"name": "envoy", "ports": [{"containerPort": 100_000}]}]}}
        await kube.apply(parameters("p", podTemplate=broken), gateway(parameters="p"))
        await told(kube, "Accepted", "InvalidParameters", "containerPort")
        await kube.apply(gateway(parameters="nowhere"))
        await told(kube, "Accepted", "InvalidParameters", "nowhere")
        assert await proxies(kube) == before
        await kube.apply(gateway())
        await kube.condition("Gateway", GATEWAY, "Accepted", "True")
    assert set(seen) == {200}


async def test_proxies_that_never_become_ready(kube: Kube, headgate: Installation) -> None:
    """What keeps a pod from running is in the Gateway's condition; with another image all is well."""
    await kube.apply(parameters("p", image="nowhere.invalid/nothing:1"), gateway(parameters="p"), route())
    await told(kube, "Programmed", "Pending", "Pod ", "container envoy")
    await kube.apply(gateway())
    await serving(kube)


async def test_a_kind_that_may_not_be_read(site: Site, headgate: Installation) -> None:
    """A restarted Headgate says which verb and resource it lacks, serves what it may read, and the rest once it may."""
    cluster, kube = headgate.kube, site.kube
    rules = (await cluster.get("ClusterRole", "headgate"))["rules"]
    less = [{**each, "resources": [name for name in each["resources"] if name != "referencegrants"]} for each in rules]
    try:
        await cluster.patch("ClusterRole", "headgate", {"rules": less})
        await headgate.restart()
        log = await headgate.log()
        assert "list referencegrants.gateway.networking.k8s.io" in log
        await kube.apply(route("later", ["later.example.com"]))
        await answers(site.address, "later.example.com")
    finally:
        await cluster.patch("ClusterRole", "headgate", {"rules": rules})

    async def mended() -> bool:
        return "Mended: referencegrants" in await headgate.log()

    await until("word that it is mended", mended)
