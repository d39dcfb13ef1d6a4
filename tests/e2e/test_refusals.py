"""Requests that the cluster rejects are reported in conditions; the rest goes on."""

from __future__ import annotations

from typing import Any

from tests.e2e.conftest import Site, serving
from tests.e2e.installation import Installation
from tests.e2e.kube import GATEWAY_API, Kube, Object, until
from tests.e2e.objects import GATEWAY, PROXIES, denied, echo, gateway, parameters, route
from tests.e2e.traffic import answers, traffic


async def told(kube: Kube, type_: str, reason: str, *words: str) -> None:
    """Wait until a condition of the Gateway is False for a reason, with these words in its message."""

    async def read() -> bool:
        found = await kube.condition("Gateway", GATEWAY, type_, "False", reason)
        return all(each in found["message"] for each in words)

    await until(f"message with {words}", read)


async def proxies(kube: Kube) -> tuple[Any, ...]:
    """Return what tells whether the proxies were touched: the Deployment and its generation, and the pods."""
    deployment = (await kube.get("Deployment", PROXIES))["metadata"]
    pods = await kube.list("Pod", f"gateway.networking.k8s.io/gateway-name={GATEWAY}")
    return deployment["uid"], deployment["generation"], {each["metadata"]["uid"] for each in pods}


def grant(namespace: str) -> Object:
    """Return a ReferenceGrant that lets the HTTPRoutes of a namespace refer to Services."""
    source = {"group": GATEWAY_API.partition("/")[0], "kind": "HTTPRoute", "namespace": namespace}
    spec = {"from": [source], "to": [{"group": "", "kind": "Service"}]}
    return {"apiVersion": GATEWAY_API, "kind": "ReferenceGrant", "metadata": {"name": "g"}, "spec": spec}


async def allow(kube: Kube, pods: int) -> None:
    """Set a quota of pods, of which the backend uses one."""
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


async def test_proxies_that_end_at_once(kube: Kube, headgate: Installation) -> None:
    """A proxy that does not take its arguments is told of with how it ended; without them all is well."""
    await kube.apply(parameters("p", extraArgs=["--no-such-argument"]), gateway(parameters="p"), route())
    await told(kube, "Programmed", "Pending", "Pod ", "container envoy", "exit code 1")
    await kube.apply(gateway())
    await serving(kube)


async def test_proxies_that_run_and_are_never_ready(kube: Kube, headgate: Installation) -> None:
    """The Gateway waits for one that is ready, however well the proxies are connected."""
    probe = {"httpGet": {"path": "/nowhere", "port": 8082}}
    broken = {"spec": {"containers": [{"name": "envoy", "readinessProbe": probe}]}}
    await kube.apply(parameters("p", podTemplate=broken), gateway(parameters="p"), route())
    await told(kube, "Programmed", "Pending", "No proxy is ready yet")
    await kube.apply(gateway())
    await serving(kube)


async def test_a_quota_denies_more_pods(site: Site) -> None:
    """A Gateway that is served stays programmed, and says why it has no more proxies."""
    kube = site.kube
    await allow(kube, pods=1)
    await kube.apply(parameters("three", replicas=3), gateway(parameters="three"))

    async def read() -> bool:
        found = await kube.condition("Gateway", GATEWAY, "Programmed", "True")
        return "exceeded quota" in found["message"]

    await until("word of the quota", read)
    await answers(site.address, "example.com")


async def test_a_kind_that_may_not_be_read(site: Site, headgate: Installation) -> None:
    """A restarted Headgate says which verb and resource it lacks, serves what it may read, and the rest once it may."""
    kube = site.kube
    other = kube.of(f"{kube.namespace}-other")
    await other.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other.namespace}}, *echo())
    try:
        await other.apply(grant(kube.namespace))
        crossing = route("crossing", ["crossing.example.com"])
        crossing["spec"]["rules"][0]["backendRefs"][0]["namespace"] = other.namespace
        async with headgate.without("referencegrants"):
            await headgate.restart()
            await headgate.logged("may not list referencegrants.gateway.networking.k8s.io", "grant the verbs")
            await kube.apply(route("later", ["later.example.com"]))
            await answers(site.address, "later.example.com")
            await kube.apply(crossing)
        await headgate.logged("Resolved: referencegrants")
        await kube.condition("HTTPRoute", "crossing", "ResolvedRefs", "True")
        await answers(site.address, "crossing.example.com")
    finally:
        await other.delete("Namespace", other.namespace)


async def test_tokens_that_may_not_be_checked(site: Site, headgate: Installation) -> None:
    """Headgate says which right it lacks; proxies that are connected go on, new ones are let in once it has it."""
    kube = site.kube
    (old,) = [each["metadata"]["name"] for each in await running(kube)]
    async with traffic(site.address, "example.com") as seen:
        async with headgate.without("tokenreviews"):
            await kube.apply(parameters("two", replicas=2), gateway(parameters="two"))
            await headgate.logged("may not create tokenreviews.authentication.k8s.io", "grant the verb create")
            await kube.apply(route("later", ["later.example.com"]))
            await answers(site.address, "later.example.com")
            assert [each["metadata"]["name"] for each in await running(kube)] == [old]

        async def both() -> bool:
            return len(await running(kube)) == 2

        await until("two proxies", both)
    assert set(seen) == {200}


async def running(kube: Kube) -> list[Object]:
    """Return the proxies that are ready."""
    pods = await kube.list("Pod", f"gateway.networking.k8s.io/gateway-name={GATEWAY}")
    return [
        pod
        for pod in pods
        if any((each["type"], each["status"]) == ("Ready", "True") for each in pod["status"].get("conditions", ()))
    ]
