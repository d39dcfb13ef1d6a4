"""How endpoints of a backend are chosen, by BackendConfigPolicies (`loadBalancer`)."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp

from tests.live.objects import Manifest, backend_config_policy, endpoints, route, rule, service
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream

NAMES = ("alpha", "beta", "gamma")


def many(upstreams: dict[str, Upstream]) -> list[Manifest]:
    """Return a Service with an endpoint at each of the upstreams, and a route to it."""
    ports = [upstreams[name].port for name in NAMES]
    return [service("many"), *endpoints("many", ports), route(rule("many"))]


async def backends(proxy: Proxy, count: int) -> list[str]:
    """Return the upstreams that answer one request after the other."""
    async with aiohttp.ClientSession() as http:
        return [(await proxy.request(http=http)).backend for _ in range(count)]


async def test_round_robin(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """Each endpoint gets every third request; with an algorithm that picks at random it does not."""
    await proxy.apply(many(upstreams), backend_config_policy("many", loadBalancer={"roundRobin": {}}))
    found = await backends(proxy, 60)
    assert Counter(found) == dict.fromkeys(NAMES, 20)
    assert all({*found[place : place + 3]} == {*NAMES} for place in range(58))
    await proxy.apply(backend_config_policy("many", loadBalancer={"random": {}}))
    found = await backends(proxy, 60)
    assert {*found} == {*NAMES}
    assert not all({*found[place : place + 3]} == {*NAMES} for place in range(58))


async def test_least_requests(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """An endpoint that has not answered a request gets no other, if all endpoints are compared."""
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Seen) -> None:
        waiting.set()
        await go_on.wait()

    await proxy.apply(
        many(upstreams), backend_config_policy("many", loadBalancer={"leastRequest": {"choiceCount": 30}})
    )
    upstreams["alpha"].answer = slow
    held: list[asyncio.Task[list[str]]] = []
    while not waiting.is_set():
        held.append(asyncio.create_task(backends(proxy, 1)))
        await asyncio.wait([held[-1], asyncio.create_task(waiting.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert {*await backends(proxy, 40)} == {"beta", "gamma"}
    go_on.set()
    await asyncio.gather(*held)
