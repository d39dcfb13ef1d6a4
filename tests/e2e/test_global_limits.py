"""Limits of all proxies together: the rate limit service and its Redis are deployed where policies need them."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.e2e.conftest import Site, serving
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, Object, until
from tests.e2e.objects import GATEWAY, PROXIES, gateway, parameters, policy, route
from tests.e2e.traffic import answers, status

HOST = "example.com"
SERVICE = f"ratelimit-{PROXIES}"
DEPLOYED = ("ConfigMap", "Service", "Deployment")
REQUESTS = 40
LIMIT = 15


def limit(requests: int = LIMIT, unit: str = "Year") -> Object:
    """Return a policy that limits each user at the route."""
    selector = {"headers": [{"name": "X-User", "type": "Distinct"}]}
    rule = {"name": "users", "clientSelectors": [selector], "limit": {"requests": requests, "unit": unit}}
    return policy("limits", rateLimit={"global": {"rules": [rule]}})


async def available(kube: Kube, name: str, replicas: int = 1) -> Object:
    """Wait until a Deployment has so many pods that are ready, and no others; gives it."""

    async def read() -> Object | None:
        found = await kube.find("Deployment", name)
        now = (found or {}).get("status", {})
        counts = (now.get("replicas"), now.get("availableReplicas"), now.get("updatedReplicas"))
        return found if counts == (replicas,) * 3 else None

    return await until(f"Deployment {name} with {replicas} pods", read)


async def gone(kube: Kube) -> None:
    """Wait until nothing of the rate limit service is there."""

    async def read() -> bool:
        return not any([await kube.find(each, SERVICE) for each in DEPLOYED])

    await until("removal of the rate limit service", read)


async def counted(site: Site, user: str) -> Counter[int]:
    """Send requests of a user, each on a connection of its own; gives the statuses of the answers."""
    return Counter([await status(site.address, HOST, headers={"X-User": user}) for _ in range(REQUESTS)])


async def test_the_service_comes_and_goes_with_the_limits(kube: Kube, headgate: Installation) -> None:
    """Two proxies let exactly so many requests pass together; without limits, nothing of the service is left."""
    await kube.apply(parameters("two", replicas=2), gateway(parameters="two"), route(), limit())
    site = await serving(kube)
    await available(kube, PROXIES, 2)
    deployed = await available(kube, SERVICE)
    assert [each["kind"] for each in deployed["metadata"]["ownerReferences"]] == ["Gateway"]
    await kube.condition("TrafficPolicy", "limits", "Programmed", "True")
    await _asked(site)
    assert await counted(site, "ann") == {200: LIMIT, 429: REQUESTS - LIMIT}
    assert await counted(site, "bob") == {200: LIMIT, 429: REQUESTS - LIMIT}

    await kube.apply(limit(1000))
    await until("the new limit", lambda: _passes(site, "ann"))
    await kube.delete("Service", SERVICE)
    await until("Service of the rate limits", lambda: kube.find("Service", SERVICE))

    await kube.delete("TrafficPolicy", "limits")
    await gone(kube)
    assert await counted(site, "ann") == {200: REQUESTS}


async def test_a_service_that_does_not_run_is_told(site: Site) -> None:
    """Its image cannot be had: the Gateway says so, and requests are served meanwhile, as failOpen has it."""
    kube = site.kube
    await kube.apply(parameters("broken", rateLimitService={"image": "example.com/none:1"}))
    await kube.apply(gateway(parameters="broken"), limit())
    await until("word of the service in the Gateway's status", lambda: _told(kube))
    assert await counted(site, "ann") == {200: REQUESTS}
    await kube.delete("TrafficPolicy", "limits")
    await gone(kube)
    await until("no word of the service in the Gateway's status", lambda: _told(kube, False))
    await answers(site.address, HOST)


async def _told(kube: Kube, expected: bool = True) -> bool:
    """Whether the Gateway is programmed, and tells of a pod of the rate limit service or not, as it is expected."""
    found = await kube.condition("Gateway", GATEWAY, "Programmed", "True")
    return (f"Pod {SERVICE}-" in found["message"]) is expected


async def _asked(site: Site) -> None:
    """Wait until both proxies ask the service: nothing passes of what a limit of its own has used up."""
    first = [f"first-{each}" for each in range(200)]

    async def limited() -> bool:
        user = first.pop()
        found = await asyncio.gather(*(status(site.address, HOST, headers={"X-User": user}) for _ in range(REQUESTS)))
        return Counter(found) == {200: LIMIT, 429: REQUESTS - LIMIT}

    await until("proxies that ask the service", limited)


async def _passes(site: Site, user: str) -> bool:
    return await status(site.address, HOST, headers={"X-User": user}) == 200
