"""Restarts of Headgate leave the status of Gateways in place."""

from __future__ import annotations

from tests.e2e.conftest import Site, attached
from tests.e2e.installation import Installation
from tests.e2e.kube import Object
from tests.e2e.objects import GATEWAY, route
from tests.e2e.traffic import answers, traffic


async def test_a_restart_is_no_news(site: Site, headgate: Installation) -> None:
    """All replicas are replaced at once: no request fails, and the Gateway stays programmed, since when it was."""
    kube = site.kube
    before = await _programmed(site)
    async with traffic(site.address, "example.com") as seen:
        for round_ in range(2):
            await headgate.restart()
            name = f"later-{round_}"
            await kube.apply(route(name, [f"{name}.example.com"]))
            await answers(site.address, f"{name}.example.com")
            await attached(kube, round_ + 2)
            assert await _programmed(site) == before
    assert set(seen) == {200}


async def _programmed(site: Site) -> list[Object]:
    """Return the conditions Programmed of the Gateway and its listener."""
    status = (await site.kube.get("Gateway", GATEWAY))["status"]
    each = [*status["conditions"], *(one for listener in status["listeners"] for one in listener["conditions"])]
    return [one for one in each if one["type"] == "Programmed"]
