"""Endpoints whose requests fail, by BackendConfigPolicies (`outlierDetection`)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.live.objects import Manifest, backend_config_policy, endpoints, route, rule, service
from tests.live.proxy import WITHIN, Proxy
from tests.live.upstream import Seen, Upstream
from xds import CLUSTER

NAMES = ("alpha", "beta", "gamma")
ALL = {"maxEjectionPercent": 100}


def many(upstreams: dict[str, Upstream], *others: int, **detection: Any) -> list[Manifest]:
    """Return a Service with an endpoint at each upstream and at other ports, a route to it, and a policy."""
    ports = [*(upstreams[name].port for name in NAMES), *others]
    balancer = {"roundRobin": {}, "healthyPanicThreshold": 0}
    policy = backend_config_policy("many", loadBalancer=balancer, outlierDetection=detection)
    return [service("many"), *endpoints("many", ports), route(rule("many")), policy]


def failing(status: int, share: int = 1) -> Callable[[Seen], Awaitable[web.StreamResponse | None]]:
    """Return an answer with a status to one of so many requests; the others get the echo."""
    seen = [0]

    async def answer(_: Seen) -> web.StreamResponse | None:
        seen[0] += 1
        return web.Response(status=status) if seen[0] % share == 0 else None

    return answer


async def answers(proxy: Proxy, count: int) -> Counter[str]:
    """Return how often each upstream or status answers."""
    async with aiohttp.ClientSession() as http:
        found = [await proxy.request(http=http) for _ in range(count)]
    return Counter(each.backend if each.status == 200 else str(each.status) for each in found)


async def ejections(proxy: Proxy, name: str) -> int:
    """Return a count of ejections of the backend's cluster."""
    (cluster,) = (each for each in proxy.snapshot.resources(CLUSTER) if each.startswith("default/many:"))
    prefix = f"cluster.{cluster.replace(':', '_')}.outlier_detection."
    found = json.loads(await proxy.admin(f"/stats?format=json&filter={name}$"))["stats"]
    return sum(each["value"] for each in found if each.get("name", "") == f"{prefix}{name}")


async def test_failures_in_a_row(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """An endpoint is ejected with its third failure in a row; what fails now and then is not."""
    upstreams["alpha"].answer, upstreams["beta"].answer = failing(500), failing(503, share=2)
    await proxy.apply(many(upstreams, consecutive5xx=3, enforcingConsecutive5xx=100, **ALL))
    found = await answers(proxy, 90)
    assert found["500"] == 3
    assert found["503"] > 10
    assert "alpha" not in found


@pytest.mark.parametrize("status", [500, 503])
async def test_gateway_errors(proxy: Proxy, upstreams: dict[str, Upstream], status: int) -> None:
    """Statuses that a gateway in front of the endpoint would give may count alone; with 0 other failures never do."""
    upstreams["alpha"].answer = failing(status)
    some = {"consecutive5xx": 0, "consecutiveGatewayErrors": 4, "enforcingConsecutiveGatewayErrors": 100}
    await proxy.apply(many(upstreams, **some, **ALL))
    assert (await answers(proxy, 60))[str(status)] == (4 if status == 503 else 20)


async def test_connections_that_fail(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """Failures of connections count apart: an endpoint that nobody listens at is ejected, one that answers 500 not."""
    upstreams["alpha"].answer = failing(500)
    apart = {
        "splitExternalLocalOriginErrors": True,
        "consecutiveLocalOriginFailure": 2,
        "enforcingConsecutiveLocalOriginFailure": 100,
        "consecutive5xx": 1000,
    }
    await proxy.apply(many(upstreams, 1, **apart, **ALL))
    found = await answers(proxy, 80)
    assert await ejections(proxy, "ejections_enforced_consecutive_local_origin_failure") == 1
    assert await ejections(proxy, "ejections_active") == 1
    assert found["500"] > 20


async def test_shares_of_failures(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """An endpoint half of whose requests fail is ejected at the end of an interval, if enough have had requests."""
    upstreams["alpha"].answer = failing(500, share=2)
    share = {
        "failurePercentageThreshold": 40,
        "failurePercentageMinimumHosts": 3,
        "failurePercentageRequestVolume": 5,
        "enforcingFailurePercentage": 100,
        "interval": "500ms",
    }
    await proxy.apply(many(upstreams, **share, **ALL))
    async with asyncio.timeout(WITHIN):
        while (await answers(proxy, 30))["500"]:
            pass
    assert await ejections(proxy, "ejections_enforced_failure_percentage") == 1


async def test_counted_only(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """What is not enforced is counted, and the endpoint gets its requests."""
    upstreams["alpha"].answer = failing(500)
    await proxy.apply(many(upstreams, consecutive5xx=3, enforcingConsecutive5xx=0, **ALL))
    assert (await answers(proxy, 60))["500"] == 20
    assert await ejections(proxy, "ejections_detected_consecutive_5xx") > 0
    assert await ejections(proxy, "ejections_enforced_consecutive_5xx") == 0


async def test_the_way_back(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """An endpoint gets requests again when the time of its ejection is over."""
    upstreams["alpha"].answer = failing(500)
    times = {"interval": "200ms", "baseEjectionTime": "1s", "maxEjectionTime": "2s"}
    await proxy.apply(many(upstreams, consecutive5xx=2, **times, **ALL))
    await answers(proxy, 30)
    assert await ejections(proxy, "ejections_enforced_consecutive_5xx") > 0
    upstreams["alpha"].answer = None
    async with asyncio.timeout(WITHIN):
        while (await answers(proxy, 30))["alpha"] != 10:
            pass


@pytest.mark.parametrize(
    ("most", "always", "ejected"),
    [(0, None, 1), (0, False, 0), (10, False, 0), (34, False, 1), (10, True, 1), (67, None, 2)],
)
async def test_the_most_that_are_ejected(
    proxy: Proxy, upstreams: dict[str, Upstream], most: int, always: bool | None, ejected: int
) -> None:
    """No more endpoints are ejected than the share allows, but one in any case, unless the policy forbids it."""
    for name in ("alpha", "beta"):
        upstreams[name].answer = failing(500)
    bounds = {"maxEjectionPercent": most} | ({} if always is None else {"alwaysEjectOneEndpoint": always})
    await proxy.apply(many(upstreams, consecutive5xx=2, **bounds))
    await answers(proxy, 60)
    assert await ejections(proxy, "ejections_active") == ejected
