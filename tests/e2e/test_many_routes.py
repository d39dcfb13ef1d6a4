"""3,000 HTTPRoutes at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Final

from tests.e2e.conftest import attached, serving
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, path, until
from tests.e2e.objects import gateway, route
from tests.e2e.traffic import answers
from watchers.kubernetes.errors import ClusterError

ROUTES: Final = 3000
AT_ONCE: Final = 16


async def create(kube: Kube, count: int) -> None:
    """Create routes, many at once."""
    numbers = iter(range(count))

    async def some() -> None:
        for each in numbers:
            body = route(f"r{each}", [f"r{each}.example.com"])
            await kube.client.request("POST", path("HTTPRoute", "", kube.namespace), body=body)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def writes(kube: Kube, kind: str, version: str, counted: Counter[str], times: list[float]) -> None:
    """Count the changes of each object of a kind since a version, and when each was told of."""
    clock = asyncio.get_running_loop()
    while True:  # The API server ends the watches of those who are slow.
        async for event in kube.watch(kind, version, seconds=600):
            assert event["type"] != "ERROR", event
            metadata = event["object"]["metadata"]
            version = metadata["resourceVersion"]
            if event["type"] == "MODIFIED":
                counted[metadata["name"]] += 1
                times.append(clock.time())


async def test_three_thousand_routes_at_once(kube: Kube, headgate: Installation) -> None:
    """The Gateway counts all of them in the end; each is written to once, the Gateway thrice a second at most."""
    await kube.apply(gateway(), route())
    site = await serving(kube)
    version = (await kube.client.get(path("Gateway", "", kube.namespace)))["metadata"]["resourceVersion"]
    routes: Counter[str] = Counter()
    gateways: Counter[str] = Counter()
    times: list[float] = []
    watches = [
        asyncio.create_task(writes(kube, "HTTPRoute", version, routes, [])),
        asyncio.create_task(writes(kube, "Gateway", version, gateways, times)),
    ]
    try:
        await create(kube, ROUTES)
        await answers(site.address, f"r{ROUTES - 1}.example.com")

        async def told() -> bool:
            assert not any(each.done() for each in watches)
            return len(routes) >= ROUTES

        await attached(kube, ROUTES + 1)
        await until("statuses", told)
        print(f"{sum(routes.values())} writes to {len(routes)} routes, {len(times)} to the Gateway")
        await asyncio.sleep(2)  # Whether anything is written once more.
        assert not any(each.done() for each in watches)
    finally:
        for each in watches:
            each.cancel()
        with suppress(asyncio.CancelledError, ClusterError):
            await asyncio.gather(*watches)
    assert {name: count for name, count in routes.items() if count > 1} == {}
    # Over all of it: two that follow each other may be told of at once, where there is much to tell.
    assert len(times) <= 3 * (times[-1] - times[0]) + 2
