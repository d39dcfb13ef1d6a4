"""Admission webhooks that deny Headgate's requests: reported, contained, and recovered from."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Site, serving
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, until
from tests.e2e.objects import GATEWAY, PROXIES, gateway, route
from tests.e2e.testcluster import TestCluster
from tests.e2e.traffic import answers
from tests.e2e.webhook import NAME, WORDS, webhook

DEPLOYMENTS = "deployments.apps"
STATUSES = "httproutes.gateway.networking.k8s.io/status"


async def told(kube: Kube, *words: str) -> None:
    """Wait until the Gateway is not programmed, with these words in its message."""

    async def read() -> bool:
        found = await kube.condition("Gateway", GATEWAY, "Programmed", "False", "Pending")
        return all(each in found["message"] for each in words)

    await until(f"message with {words}", read)


async def elsewhere(kube: Kube) -> None:
    """Has a Gateway of another namespace deployed, from its beginning to its end."""
    other = kube.of(f"{kube.namespace}-other")
    await other.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other.namespace}})
    try:
        await other.apply(gateway(), route())
        await other.condition("Gateway", GATEWAY, "Programmed", "True")
    finally:
        await other.delete("Namespace", other.namespace)


async def test_it_denies_proxies(kube: Kube, headgate: Installation, testcluster: TestCluster, tmp_path: Path) -> None:
    """The Gateway says which webhook denies its Deployment and with which words; others are deployed meanwhile."""
    async with webhook(kube, tmp_path, DEPLOYMENTS, PROXIES, "Deployment/echo") as seen:
        await kube.apply(gateway(), route())
        await told(
            kube, f'admission webhook "{NAME}" denied the request', WORDS, f"Deployment {kube.namespace}/{PROXIES}"
        )
        await kube.condition("HTTPRoute", "r", "Accepted", "True")
        await elsewhere(kube)
        assert seen.asked[PROXIES] > 0
        assert await kube.find("Deployment", PROXIES) is None
    await serving(kube)


async def test_it_gives_no_answer(kube: Kube, headgate: Installation, testcluster: TestCluster, tmp_path: Path) -> None:
    """Nor is there one before the API server gives up: the Gateway says of which webhook; others are deployed."""
    async with webhook(kube, tmp_path, DEPLOYMENTS, PROXIES, "Deployment/echo", silent=True, seconds=16) as seen:
        await kube.apply(gateway(), route())
        await until("question to the webhook", lambda: _true(seen.asked[PROXIES] > 0))
        await elsewhere(kube)
        await told(kube, f'failed calling webhook "{NAME}"', f"Deployment {kube.namespace}/{PROXIES}")
        await kube.condition("HTTPRoute", "r", "Accepted", "True")
    await serving(kube)


async def test_it_is_not_there(kube: Kube, headgate: Installation, testcluster: TestCluster, tmp_path: Path) -> None:
    """A webhook whose server refuses connections is told of likewise."""
    async with webhook(kube, tmp_path, DEPLOYMENTS, PROXIES, "Deployment/echo") as seen:
        await seen.stop()
        await kube.apply(gateway(), route())
        await told(kube, f'failed calling webhook "{NAME}"', "connection refused")
    await serving(kube)


async def test_it_denies_a_status(site: Site, headgate: Installation, testcluster: TestCluster, tmp_path: Path) -> None:
    """Headgate's log says which webhook denies it and with which words; traffic, and other routes' statuses, go on."""
    kube = site.kube
    async with webhook(kube, tmp_path, STATUSES, "r", "HTTPRoute/r/status") as seen:
        await kube.apply(route(hostnames=["moved.example.com"]), route("other", ["other.example.com"]))
        await answers(site.address, "moved.example.com")
        await kube.condition("HTTPRoute", "other", "Accepted", "True")
        before = seen.asked["r"]
        await headgate.logged(f"HTTPRoute {kube.namespace}/r", NAME, WORDS)
        await until("another try", lambda: _true(seen.asked["r"] > before))
        assert (await kube.get("HTTPRoute", "r"))["status"]["parents"][0]["conditions"][0]["observedGeneration"] == 1
    await kube.condition("HTTPRoute", "r", "Accepted", "True")


async def test_it_holds_a_status_up(
    site: Site, headgate: Installation, testcluster: TestCluster, tmp_path: Path
) -> None:
    """Other routes' statuses are written while one waits for a webhook's answer that never comes; it is in the end."""
    kube = site.kube
    await kube.apply(route("other", ["other.example.com"]))
    async with webhook(kube, tmp_path, STATUSES, "r", "HTTPRoute/other/status", silent=True, seconds=16) as seen:
        await kube.apply(route(hostnames=["moved.example.com"]))
        await until("question to the webhook", lambda: _true(seen.asked["r"] > 0))
        for number in range(3):
            await kube.apply(route(f"other-{number}", [f"{number}.example.com"]))
            await kube.condition("HTTPRoute", f"other-{number}", "Accepted", "True")
        await answers(site.address, "moved.example.com")
    await kube.condition("HTTPRoute", "r", "Accepted", "True")


async def _true(value: bool) -> bool:
    return value
