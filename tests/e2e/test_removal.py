"""Removal and reinstallation as deploy/README.md describes it; proxies serve meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.conftest import Site
from tests.e2e.installation import NAME, NAMESPACE, Installation
from tests.e2e.kube import Kube, until
from tests.e2e.objects import GATEWAY, PROXIES, parameters, route
from tests.e2e.traffic import answers, traffic

ROOT: Final = Path(__file__).parents[2]
INSTALLED: Final = ROOT / ".e2e" / "install"
"""What `tests/e2e/cluster ready` has applied: the base of deploy/, with an image of its own if it was told of one."""
KEEPING: Final = ("-f", str(ROOT / "deploy" / "kustomize" / "base" / "headgate.yaml"))
EVERYTHING: Final = ("-k", str(INSTALLED))


async def kubectl(*words: str) -> None:
    """Run kubectl, which must succeed."""
    process = await asyncio.create_subprocess_exec(
        "kubectl", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


@asynccontextmanager
async def removed(headgate: Installation, *what: str) -> AsyncIterator[None]:
    """Has Headgate deleted while it goes on, and installed again after, whatever happens."""
    try:
        await kubectl("delete", "--timeout=120s", *what)

        async def gone() -> bool:
            return not await headgate.kube.list("Pod") and await headgate.kube.find("GatewayClass", NAME) is None

        await until("end of Headgate's pods", gone)
        yield
    finally:
        await kubectl("apply", "--server-side", "--force-conflicts", *EVERYTHING)
        await kubectl("rollout", "status", "deployment", NAME, "-n", NAMESPACE, "--timeout=120s")


async def identity(kube: Kube) -> tuple[str, int]:
    """Which Deployment of proxies there is, and how often it was changed."""
    metadata = (await kube.get("Deployment", PROXIES))["metadata"]
    return metadata["uid"], metadata["generation"]


@pytest.mark.parametrize("what", [KEEPING, EVERYTHING], ids=["keeping definitions", "everything"])
async def test_proxies_outlive_headgate(site: Site, headgate: Installation, what: tuple[str, str]) -> None:
    """No request fails, and what was applied meanwhile is served once Headgate is back.

    No proxy is replaced, unless Headgate's Secret is lost: then once, for the new key of their drain paths. What is
    written in Headgate's own kinds stays if their definitions do.
    """
    kube = site.kube
    await kube.apply(parameters("mine"))
    before = await identity(kube)
    async with traffic(site.address, "example.com") as seen:
        async with removed(headgate, *what):
            assert bool(await headgate.kube.find("Namespace", NAMESPACE)) == (what == KEEPING)
            await kube.apply(route("later", ["later.example.com"]))
            await answers(site.address, "later.example.com", 404)
        await answers(site.address, "later.example.com")
        await kube.condition("HTTPRoute", "later", "Accepted", "True")
        await kube.condition("Gateway", GATEWAY, "Programmed", "True")
    assert set(seen) == {200}
    uid, generation = before
    assert await identity(kube) == (uid, generation if what == KEEPING else generation + 1)
    assert bool(await kube.find("GatewayParameters", "mine")) == (what == KEEPING)
