"""Missing RBAC at the start: nothing is deleted that cannot be read."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Site
from tests.e2e.installation import Installation
from tests.e2e.kube import until
from tests.e2e.objects import GATEWAY, PROXIES, route
from tests.e2e.testcluster import DISRUPTIVE
from tests.e2e.traffic import answers, traffic

pytestmark = DISRUPTIVE

RESOURCES = ["gatewayclasses", "gateways", "httproutes", "services", "endpointslices"]
"""What a Gateway with routes cannot be served without; some of what is deployed is among it."""
DECISIVE = RESOURCES[:3]
"""What no Gateway can be served without, so that Headgate has nothing to be ready for; others may have no backends."""
ANSWERS = 300
"""So many answers, of about 50 a second, are looked at."""


@pytest.mark.parametrize("resource", RESOURCES)
async def test_nothing_is_taken_away(site: Site, headgate: Installation, resource: str) -> None:
    """No request fails, no proxy goes, no status changes, and why is said; once it may read, all goes on."""
    before = await _seen(site)
    async with traffic(site.address, "example.com") as seen:
        async with headgate.without(resource):
            old = {each["metadata"]["name"] for each in await headgate.pods()}
            for each in old:
                await headgate.kube.delete("Pod", each, gracePeriodSeconds=0)
            await headgate.logged("may not list", resource)
            enough = seen[200] + ANSWERS

            async def read() -> bool:
                return seen[200] >= enough or set(seen) > {200}

            await until("answers", read)
            pods = await headgate.pods()
            assert not old & {each["metadata"]["name"] for each in pods}
            if resource in DECISIVE:
                ready = [each for pod in pods for each in pod["status"]["conditions"] if each["type"] == "Ready"]
                assert {each["status"] for each in ready} == {"False"}
            assert await _seen(site) == before
        await headgate.ready()
        await site.kube.apply(route("later", ["later.example.com"]))
        await answers(site.address, "later.example.com")
    assert set(seen) == {200}


async def _seen(site: Site) -> list[object]:
    """Which objects are deployed for the Gateway, and what it and its route say."""
    deployed = [await site.kube.get(kind, PROXIES) for kind in ("Deployment", "Service")]
    told = [await site.kube.get(*each) for each in (("Gateway", GATEWAY), ("HTTPRoute", "r"))]
    return [*(each["metadata"]["uid"] for each in deployed), *(each["status"] for each in told)]


async def test_the_rest_goes_on(site: Site, headgate: Installation) -> None:
    """Without the right to a kind that a Gateway does not use, the Gateway is served as ever."""
    async with headgate.without("directresponses"):
        await headgate.restart()
        await headgate.logged("may not list", "directresponses")
        await site.kube.apply(route("later", ["later.example.com"]))
        await answers(site.address, "later.example.com")
    await headgate.ready()
