"""How much there is at once with a backend, by BackendConfigPolicies (`circuitBreakers`)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from tests.live.clusters import counted, counts_to
from tests.live.objects import Manifest, backend_config_policy, endpoints, route, rule, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream


def limited(*services: str, **limits: Any) -> Manifest:
    """Return a policy with circuit breakers."""
    return backend_config_policy(*services, circuitBreakers=limits)


class Held:
    """Holds requests to an upstream until `go_on` is set."""

    def __init__(self, upstream: Upstream) -> None:
        self.go_on = asyncio.Event()
        upstream.answer = self._answer

    async def _answer(self, _: Seen) -> None:
        await self.go_on.wait()


async def overflowing(proxy: Proxy, held: Held, count: int, refused: int) -> Counter[int]:
    """Send requests at once; let the upstream answer once so many of them were refused; return all statuses."""
    requests = [asyncio.create_task(proxy.request()) for _ in range(count)]
    for place, each in enumerate(asyncio.as_completed(requests), 1):
        assert (await each).status == 503
        if place == refused:
            break
    held.go_on.set()
    return Counter([(await each).status for each in requests])


async def test_connections_and_waiting_requests(proxy: Proxy, alpha: Upstream) -> None:
    """Of five requests at once one has the only connection, two wait for it, and the others are refused."""
    held = Held(alpha)
    await proxy.apply(route(rule("alpha")), limited("alpha", maxConnections=1, maxPendingRequests=2))
    first = asyncio.create_task(proxy.request())
    await alpha.saw(1)
    assert await overflowing(proxy, held, 4, 2) == {503: 2, 200: 2}
    assert (await first).status == 200
    assert len(alpha.seen) == 3


async def test_requests(proxy: Proxy, alpha: Upstream) -> None:
    """With two requests in progress a third one is refused at once; Envoy counts how many may come yet."""
    held = Held(alpha)
    await proxy.apply(route(rule("alpha")), limited("alpha", maxRequests=2, trackRemaining=True))
    two = [asyncio.create_task(proxy.request()) for _ in range(2)]
    await alpha.saw(2)
    assert (await proxy.request()).status == 503
    found = json.loads(await proxy.admin("/stats?format=json&filter=alpha.*circuit_breakers.default.remaining_rq$"))
    assert [each["value"] for each in found["stats"]] == [0]
    held.go_on.set()
    assert [(await each).status for each in two] == [200, 200]


async def test_connections_to_each_endpoint(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Each endpoint has so many connections, and the others have others."""
    objects = [service("both"), *endpoints("both", [alpha.port, beta.port]), route(rule("both"))]
    turns: Manifest = {"roundRobin": {}}
    breakers = {"perEndpoint": {"maxConnections": 1}}
    await proxy.apply(objects, backend_config_policy("both", circuitBreakers=breakers, loadBalancer=turns))
    one, two = Held(alpha), Held(beta)
    requests = [asyncio.create_task(proxy.request()) for _ in range(8)]
    await alpha.saw(1)
    await beta.saw(1)
    await counts_to(proxy, "both", "upstream_cx_overflow", 1)
    assert await counted(proxy, "both", "upstream_cx_active") == 2
    one.go_on.set()
    two.go_on.set()
    assert {(await each).status for each in requests} <= {200, 503}


RETRY = {"attempts": 1, "statusCodes": [500], "backoffBaseInterval": "1ms"}


@pytest.mark.parametrize(
    ("limits", "budget", "attempts"),
    [
        ({}, None, 2),
        ({"maxRetries": 0}, None, 1),
        ({"maxRetries": 0}, {"percent": 100, "minConcurrency": 100}, 1),
        ({"retryBudget": {"percent": 0, "minConcurrency": 0}}, {"percent": 100, "minConcurrency": 100}, 1),
        ({"retryBudget": {"percent": 0, "minConcurrency": 3}}, None, 2),
        ({}, {"percent": 0, "minConcurrency": 0}, 1),
    ],
)
async def test_retries(proxy: Proxy, alpha: Upstream, limits: Manifest, budget: Manifest | None, attempts: int) -> None:
    """Retries are limited by the backend's policy where that says it, and otherwise by the budget of the route's."""

    async def fail(_: Seen) -> web.StreamResponse:
        return web.Response(status=500)

    alpha.answer = fail
    retry = {**RETRY, **({"budget": budget} if budget is not None else {})}
    await proxy.apply(route(rule("alpha")), traffic_policy("route", retry=retry), limited("alpha", **limits))
    assert (await proxy.request()).status == 500
    assert len(alpha.seen) == attempts
