"""The quickstart manifests of `make kind`, applied to the test cluster."""

from __future__ import annotations

import aiohttp
import pytest

from tests.deploy.release import run
from tests.deploy.tools import ROOT
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, until

pytestmark = pytest.mark.e2e

QUICKSTART = str(ROOT / "deploy" / "kind" / "quickstart.yaml")


async def test_the_quickstart_serves(cluster: Kube, headgate: Installation) -> None:
    """The Gateway with node ports is programmed, and its proxies respond as in the script of `make kind`."""
    kube = cluster.of("quickstart")
    try:
        await run("kubectl", "apply", "-f", QUICKSTART)
        await kube.condition("Gateway", "web", "Programmed", "True")
        await run("kubectl", "--namespace", "quickstart", "rollout", "status", "--timeout=180s", "deployment/echo")
        service = (await kube.get("Service", "headgate-web"))["spec"]
        assert [each["nodePort"] for each in service["ports"]] == [30080]

        async def responses() -> list[tuple[int, str]]:
            async with aiohttp.ClientSession() as session:
                found = []
                for path in ("/", "/teapot"):
                    async with session.get(f"http://{service['clusterIP']}{path}") as response:
                        found.append((response.status, await response.text()))
                return found

        async def served() -> bool:
            (echo, _), teapot = await responses()
            return echo == 200 and teapot == (418, "I am a teapot.\n")

        await until("answers", served, told=responses)
    finally:
        await kube.delete("Namespace", "quickstart")
