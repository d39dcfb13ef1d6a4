"""A release of the Helm chart: installed, upgraded and uninstalled under traffic."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

from tests.deploy.conftest import RESTRICTED
from tests.deploy.release import Failed, Release, address, gone, hello
from tests.e2e.kube import Kube, Object, until
from tests.e2e.objects import GATEWAY, PROXIES
from tests.e2e.traffic import answers, traffic
from watchers.kubernetes.errors import ApiError

pytestmark = pytest.mark.e2e


async def more(seen: Counter[int], requests: int = 50) -> None:
    """Wait for a number of further responses."""
    before = seen.total()

    async def read() -> bool:
        return seen.total() >= before + requests

    await until("answers", read)


async def identity(kube: Kube) -> tuple[str, int]:
    """Return the uid and the generation of the proxies' Deployment."""
    metadata = (await kube.get("Deployment", PROXIES))["metadata"]
    return metadata["uid"], metadata["generation"]


async def restarts(kube: Kube) -> int:
    """Return how often containers of the proxies were started again."""
    pods = await kube.list("Pod", f"gateway.networking.k8s.io/gateway-name={GATEWAY}")
    return sum(each["restartCount"] for pod in pods for each in pod["status"].get("containerStatuses", ()))


async def images(release: Release) -> set[str]:
    """Return the images of Headgate's pods."""
    return {each["spec"]["containers"][0]["image"] for each in await release.pods()}


async def test_pods_need_no_privileges(kube: Kube, release: Release) -> None:
    """Headgate and proxies at port 80 run in a namespace that rejects pods with default security settings."""
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    with pytest.raises(ApiError, match="violates PodSecurity"):
        await kube.apply({**pod, "spec": {"containers": [{"name": "c", "image": "headgate:1"}]}})
    assert "Warning" not in await release.install()
    await kube.apply(*release.site())
    await address(kube)


async def test_an_upgrade_loses_no_request(kube: Kube, release: Release) -> None:
    """During new values, another image and a rollback, no request fails, and changes are served."""
    assert release.name in await release.install()
    await kube.condition("GatewayClass", release.name, "Accepted", "True")
    await kube.apply(*release.site())
    at = await address(kube)
    before = await identity(kube)
    first = await images(release)
    other = {} if "HEADGATE_IMAGE" in os.environ else {"image.tag": "another"}
    async with traffic(at, "example.com") as seen:
        await release.install({**other, "log.level": "debug", "replicas": "2"})
        assert len(await release.pods()) == 2
        assert await images(release) != first or not other
        await kube.apply(*hello("upgraded", "upgraded.example.com"))
        await answers(at, "upgraded.example.com")
        await release.helm("rollback", "--wait")
        assert await images(release) == first
        await kube.apply(*hello("back", "back.example.com"))
        await answers(at, "back.example.com")
        await kube.condition("HTTPRoute", "back", "Accepted", "True")
        await more(seen)
    assert (await identity(kube), await restarts(kube)) == (before, 0)
    assert set(seen) == {200}


async def test_a_new_image_of_envoy_loses_no_request(kube: Kube, release: Release) -> None:
    """An upgrade replaces the proxies by those of its image, and no request fails."""
    await release.install()
    await kube.apply(*release.site())
    at = await address(kube)
    uid, generation = await identity(kube)
    image = (await kube.get("Deployment", PROXIES))["spec"]["template"]["spec"]["containers"][0]["image"]
    async with traffic(at, "example.com") as seen:
        await release.install({"proxy.image": f"docker.io/{image}"})

        async def replaced() -> bool:
            status = (await kube.get("Deployment", PROXIES))["status"]
            pods = await kube.list("Pod", f"gateway.networking.k8s.io/gateway-name={GATEWAY}")
            names = {each["spec"]["containers"][0]["image"] for each in pods}
            return names == {f"docker.io/{image}"} and status["observedGeneration"] > generation

        await until("new proxies", replaced)
        await more(seen)
    assert set(seen) == {200}
    assert (await identity(kube))[0] == uid


async def test_proxies_outlive_a_release(kube: Kube, release: Release) -> None:
    """Proxies serve after an uninstallation; a new installation adopts them, even with a new authority.

    The new authority has a new drain key, so they are replaced once, without a failed request.
    """
    await release.install()
    await kube.apply(*release.site())
    at = await address(kube)
    before = await identity(kube)

    async def only_its_own() -> bool:
        # Leases of replicas stay: their permission to delete them is removed before the pods stop.
        return {each for each in await left(kube, release) if each[0] != "Lease"} == {("Secret", "headgate-authority")}

    async with traffic(at, "example.com") as seen:
        await release.uninstall()

        await until("end of all but Leases and the authority", only_its_own, told=lambda: left(kube, release))
        await kube.apply(*hello("later", "later.example.com"))
        await more(seen)
        # As after a deletion of the namespace, with the authority's Secret.
        await kube.delete("Secret", "headgate-authority")
        await release.install()
        await answers(at, "later.example.com", seconds=120)
        await kube.condition("HTTPRoute", "later", "Accepted", "True")
        await kube.condition("Gateway", GATEWAY, "Programmed", "True")
        await more(seen)
    assert set(seen) == {200}
    uid, generation = before
    assert await identity(kube) == (uid, generation + 1)
    await release.uninstall()
    await kube.delete("Gateway", GATEWAY)
    await gone(kube, "Deployment", PROXIES)


async def left(kube: Kube, release: Release) -> set[tuple[str, str]]:
    """Return the objects of a release, without its proxies."""
    found = {
        (kind, each["metadata"]["name"])
        for kind in ("Deployment", "Service", "ConfigMap", "Secret", "Lease", "Pod")
        for each in await kube.list(kind)
        if not each["metadata"]["name"].startswith((PROXIES, "kube-root-ca.crt"))
    }
    everywhere = [("GatewayClass", release.name), ("ClusterRole", release.deployment)]
    everywhere += [("ClusterRole", f"{release.deployment}-cluster")]
    everywhere += [("ClusterRoleBinding", f"{release.deployment}-cluster")]
    return found | {each for each in everywhere if await kube.find(*each)}


async def test_two_installations_serve_their_own_gateways(kube: Kube, release: Release, headgate: Any) -> None:
    """Two installations serve their own Gateways each, also with a route that names both."""
    await release.install()
    theirs = {**release.gateway("theirs"), "metadata": {"name": "theirs"}}
    theirs["spec"] = {**theirs["spec"], "gatewayClassName": "headgate"}
    await kube.apply(release.gateway("ours"), theirs, *hello("hello", "example.com", "ours", "theirs"))
    for each in ("ours", "theirs"):
        await address(kube, each)
    parents = (await kube.get("HTTPRoute", "hello"))["status"]["parents"]
    controllers = {each["parentRef"]["name"]: each["controllerName"] for each in parents}
    assert controllers == {"ours": f"example.com/{release.name}", "theirs": "gateway.headgate.dev/controller"}
    hosts = {
        name: str((await kube.get("ConfigMap", f"headgate-{name}"))["data"]).partition(".svc")[0].split('"')[-1]
        for name in controllers
    }
    assert hosts == {"ours": f"{release.deployment}.{kube.namespace}", "theirs": "headgate.headgate-system"}
    await release.uninstall()
    await address(kube, "theirs")


async def test_conflicting_installations_are_rejected(kube: Kube, release: Release) -> None:
    """A second installation in a namespace, or with the same controller name or GatewayClass, is rejected."""
    await release.install({"replicas": "0"})
    second = Release(kube, "second")
    with pytest.raises(Failed, match=f"Headgate is there already, as release {release.name}"):
        await second.install()
    elsewhere = kube.of(f"{kube.namespace}-other")
    metadata = {"name": elsewhere.namespace, "labels": RESTRICTED}
    await kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        third = Release(elsewhere, "third")
        with pytest.raises(Failed, match=f"that of the installation that made the GatewayClass {release.name}"):
            await third.install({"controllerName": f"example.com/{release.name}"})
        with pytest.raises(Failed, match=f'GatewayClass "{release.name}".*cannot be imported'):
            await third.install({"gatewayClass.name": release.name})
        assert not await left(elsewhere, third)
    finally:
        await kube.delete("Namespace", elsewhere.namespace)
