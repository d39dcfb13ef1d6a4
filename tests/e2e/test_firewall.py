"""Inspected requests: the web application firewall is deployed where policies need it, by Headgate's own image."""

from __future__ import annotations

from collections import Counter

from tests.e2e.conftest import Site, serving
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, until
from tests.e2e.objects import GATEWAY, PROXIES, gateway, parameters, policy, route
from tests.e2e.test_global_limits import available
from tests.e2e.traffic import status

HOST = "example.com"
SERVICE = f"waf-{PROXIES}"
ATTACK = "/?id=1%27%20or%201=1--"


async def refused(site: Site) -> bool:
    """Tell whether an attack is refused, and a plain request served."""
    return (await status(site.address, HOST, path=ATTACK), await status(site.address, HOST)) == (403, 200)


async def gone(kube: Kube) -> None:
    """Wait until nothing of the firewall is there."""

    async def read() -> bool:
        return not any([await kube.find(each, SERVICE) for each in ("Service", "Deployment")])

    await until("removal of the firewall", read)


async def test_the_firewall_comes_and_goes_with_the_policy(kube: Kube, headgate: Installation) -> None:
    """An attack is refused as long as a policy asks for that; a new mode is in effect without a new pod."""
    await kube.apply(gateway(), route())
    site = await serving(kube)
    assert await status(site.address, HOST, path=ATTACK) == 200
    await kube.apply(policy("inspected", waf={}))
    deployed = await available(kube, SERVICE)
    assert [each["kind"] for each in deployed["metadata"]["ownerReferences"]] == ["Gateway"]
    await kube.condition("TrafficPolicy", "inspected", "Programmed", "True")
    await until("an attack that is refused", lambda: refused(site))

    await kube.apply(policy("inspected", waf={"mode": "DetectOnly"}))
    await until("an attack that is served", lambda: _served(site))
    unchanged = await kube.get("Deployment", SERVICE)
    assert unchanged["metadata"]["generation"] == deployed["metadata"]["generation"]

    await kube.delete("TrafficPolicy", "inspected")
    await gone(kube)
    found = Counter([await status(site.address, HOST, path=each) for each in (ATTACK, "/") * 10])
    assert found == {200: 20}


async def test_a_firewall_that_does_not_run_is_told(site: Site) -> None:
    """Its image cannot be had: no request passes without it, and the Gateway says why."""
    kube = site.kube
    await kube.apply(parameters("broken", wafService={"image": "example.com/none:1"}))
    await kube.apply(gateway(parameters="broken"), policy("inspected", waf={}))

    async def told() -> bool:
        found = await kube.condition("Gateway", GATEWAY, "Programmed", "True")
        return f"Pod {SERVICE}-" in found["message"]

    await until("word of the firewall in the Gateway's status", told)
    assert Counter([await status(site.address, HOST) for _ in range(10)]) == {500: 10}
    await kube.delete("TrafficPolicy", "inspected")
    await gone(kube)
    await until("requests that are served", lambda: _served(site))


async def _served(site: Site) -> bool:
    return await status(site.address, HOST, path=ATTACK) == 200
