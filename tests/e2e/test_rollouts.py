"""Rollouts and scale-down of proxies under traffic: no request fails, on old connections or new ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from tests.e2e.conftest import serving
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, until
from tests.e2e.objects import GATEWAY, PROXIES, gateway, parameters, route
from tests.e2e.traffic import TIMEOUT, status

DRAIN: Final = 3
"""For how long proxies drain, in seconds: the test cluster gives a pod five to stop."""
REPLICAS: Final = 3
MOST_REQUESTS: Final = 10_000
PAUSE: Final = 0.02
"""Between two requests of one client, in seconds."""
KEPT, NEW = "a connection that is kept", "a new connection"


@asynccontextmanager
async def posts(address: str, host: str) -> AsyncIterator[Counter[tuple[str, str]]]:
    """Send requests all the time, by eight clients that keep their connection and two that never do.

    They are of a method that no client may send again by itself, so every lost one is seen.

    Args:
        address: where they are sent to.
        host: their host name.

    Yields:
        How many there were, by the kind of connection and what became of them.
    """
    seen: Counter[tuple[str, str]] = Counter()

    async def send(kind: str) -> None:
        connector = aiohttp.TCPConnector(limit=1, force_close=kind == NEW)
        async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
            while seen.total() < MOST_REQUESTS:
                seen[kind, await _post(session, address, host)] += 1
                await asyncio.sleep(PAUSE)

    tasks = [asyncio.create_task(send(kind)) for kind in (*[KEPT] * 8, *[NEW] * 2)]
    try:
        yield seen
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _post(session: aiohttp.ClientSession, address: str, host: str) -> str:
    try:
        async with session.post(f"http://{address}/", headers={"Host": host}, data=b"x" * 100) as response:
            said = await response.text()
            return str(response.status) if response.status == 200 else f"{response.status} {said}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return repr(error)


async def pods(kube: Kube) -> set[str]:
    """Return the names of the proxies' pods, those that are about to go among them."""
    found = await kube.list("Pod", f"gateway.networking.k8s.io/gateway-name={GATEWAY}")
    return {each["metadata"]["name"] for each in found}


async def replaced(kube: Kube) -> None:
    """Replace all proxies by ones with another pod template."""
    old = await pods(kube)
    changed = {"metadata": {"annotations": {"rolled": "yes"}}}
    await kube.apply(parameters("p", replicas=REPLICAS, drainSeconds=DRAIN, podTemplate=changed))

    async def read() -> bool:
        now = await pods(kube)
        return len(now) == REPLICAS and not now & old

    await until("new proxies", read)


async def scaled_down(kube: Kube) -> None:
    """Scale the proxies down to one."""
    await kube.apply(parameters("p", replicas=1, drainSeconds=DRAIN))

    async def read() -> bool:
        return len(await pods(kube)) == 1

    await until("one proxy", read)


async def all_ready(kube: Kube, replicas: int, address: str) -> None:
    """Wait until all proxies are there and answer, each as soon as its replica of Headgate knows the route."""

    async def read() -> bool:
        deployment = await kube.get("Deployment", PROXIES)
        return bool(deployment.get("status", {}).get("readyReplicas") == replicas)

    async def all_answer() -> bool:
        return {await status(address, "example.com") for _ in range(20 * replicas)} == {200}

    await until(f"{replicas} ready proxies", read)
    await until("answers of all proxies", all_answer)


async def test_no_request_is_lost(kube: Kube, headgate: Installation) -> None:
    """Proxies are replaced, and then taken away but for one: all requests are answered, before, meanwhile and after."""
    await kube.apply(parameters("p", replicas=REPLICAS, drainSeconds=DRAIN), gateway(parameters="p"), route())
    site = await serving(kube)
    await all_ready(kube, REPLICAS, site.address)
    async with posts(site.address, "example.com") as seen:
        for disturb in (replaced, scaled_down):
            before = seen.total()
            await disturb(kube)
            print(f"{disturb.__name__}: {seen.total() - before} requests")
        after = seen.total()

        async def afterwards() -> bool:
            return seen.total() >= min(after + 200, MOST_REQUESTS)

        await until("requests afterwards", afterwards)
    assert {result for _, result in seen} == {"200"}, seen
    assert seen[KEPT, "200"] > 1000
    assert seen[NEW, "200"] > 250


async def test_a_broken_proxy_replaces_none(kube: Kube, headgate: Installation) -> None:
    """New proxies that end at once are told of, and the old ones serve on; what is corrected takes their place."""
    await kube.apply(parameters("p", replicas=2, drainSeconds=DRAIN), gateway(parameters="p"), route())
    site = await serving(kube)
    await all_ready(kube, 2, site.address)
    before = await pods(kube)
    async with posts(site.address, "example.com") as seen:
        await kube.apply(parameters("p", replicas=2, drainSeconds=DRAIN, extraArgs=["--no-such-flag"]))

        async def told() -> bool:
            found = await kube.condition("Gateway", GATEWAY, "Programmed", "True")
            return "container envoy ended with exit code 1" in found["message"]

        await until("word of what ails the new proxies", told)
        assert before < await pods(kube)
        assert (await kube.get("Deployment", PROXIES))["status"]["readyReplicas"] == 2
        await kube.apply(parameters("p", replicas=2, drainSeconds=DRAIN, logLevel="info"))

        async def corrected() -> bool:
            return len(await pods(kube)) == 2 and not before & await pods(kube)

        await until("proxies that are corrected", corrected)
    assert {result for _, result in seen} == {"200"}, seen
