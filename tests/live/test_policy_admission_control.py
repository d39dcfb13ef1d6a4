"""Requests that are refused while their backend fails: `admissionControl` of TrafficPolicies."""

from __future__ import annotations

from collections import Counter
from typing import Any

import aiohttp
from aiohttp import web

from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream

REFUSED = 503


def admission(level: str = "route", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with admission control."""
    return traffic_policy(level, name, admissionControl=fields)


async def failing(_: Seen) -> web.Response:
    """Fail."""
    return web.Response(status=500)


async def statuses(proxy: Proxy, count: int, path: str = "/", **options: Any) -> Counter[int]:
    """Return how often there was each status."""
    async with aiohttp.ClientSession() as http:
        return Counter([(await proxy.request(path, http=http, **options)).status for _ in range(count)])


async def test_a_backend_that_fails_is_spared(proxy: Proxy, alpha: Upstream) -> None:
    """While it succeeds all requests pass; once it fails a share is refused, up to the greatest."""
    await proxy.apply(route(rule("alpha")), admission(samplingWindow="60s"))
    assert await statuses(proxy, 50) == {200: 50}
    await proxy.apply(admission(samplingWindow="60s", maxRejectionPercent=50, rejectionAggression=10))
    alpha.answer = failing
    seen = len(alpha.seen)
    found = await statuses(proxy, 400)
    assert found.keys() == {500, REFUSED}
    assert 120 <= found[REFUSED] <= 260
    assert len(alpha.seen) - seen == found[500]


async def test_counts_stay_while_others_change(proxy: Proxy, alpha: Upstream) -> None:
    """A change of routes, or of another policy, forgets nothing; one of the control begins anew."""
    await proxy.apply(route(rule("alpha")), admission())
    alpha.answer = failing
    assert (await statuses(proxy, 100))[REFUSED] > 0
    await proxy.apply(route(rule("alpha"), rule("beta", matches=[exact("/beta")])))
    await proxy.apply(traffic_policy("gateway", "gateway", csrf={}))
    # As good as all requests of which anything is known fail: four of five are refused at once.
    assert (await statuses(proxy, 20))[REFUSED] >= 5
    await proxy.apply(admission(samplingWindow="31s"))
    assert await statuses(proxy, 1) == {500: 1}


async def test_when_nothing_is_refused(proxy: Proxy, alpha: Upstream) -> None:
    """With few requests, or while responses count as a success, none is refused."""
    alpha.answer = failing
    await proxy.apply(route(rule("alpha")))
    success = {"http": {"statusCodes": [{"value": 500}, {"range": {"start": 200, "end": 299}}]}}
    unaffected: list[Manifest] = [{"minRequestRate": 10_000}, {"successCriteria": success}, {"disable": {}}]
    for fields in unaffected:
        await proxy.apply(admission(**fields))
        assert await statuses(proxy, 100) == {500: 100}


async def test_statuses_of_grpc(proxy: Proxy, alpha: Upstream) -> None:
    """Responses of gRPC fail by their own status, which a policy may count as a success."""

    async def unavailable(_: Seen) -> web.Response:
        return web.Response(headers={"Content-Type": "application/grpc", "grpc-status": "14"})

    async def refused() -> int:
        headers = {"Content-Type": "application/grpc", "TE": "trailers"}
        async with aiohttp.ClientSession() as http:
            found = [await proxy.request("/a.B/C", method="POST", headers=headers, http=http) for _ in range(100)]
        return len(found) - len(alpha.seen)

    alpha.answer = unavailable
    await proxy.apply(route(rule("alpha")), admission(minSuccessRate=90))
    assert await refused() > 0
    alpha.seen.clear()
    await proxy.apply(admission(successCriteria={"grpc": {"statusCodes": [0, 14]}}))
    assert await refused() == 0


async def test_targets_count_by_themselves(proxy: Proxy, alpha: Upstream) -> None:
    """What fails at one target of a policy is not held against another; at a Gateway all routes count together."""
    alpha.answer = failing
    failing_route = route(rule("alpha", matches=[prefix("/failing")]), name="other")
    policy = admission()
    policy["spec"]["targetRefs"].append({**policy["spec"]["targetRefs"][0], "name": "other"})
    await proxy.apply(route(rule("beta")), failing_route, policy)
    assert (await statuses(proxy, 100, "/failing"))[REFUSED] > 0
    assert await statuses(proxy, 50) == {200: 50}
    policy["spec"]["targetRefs"] = admission("gateway")["spec"]["targetRefs"]
    await proxy.apply(policy)
    assert (await statuses(proxy, 100, "/failing"))[REFUSED] > 0
    assert (await statuses(proxy, 20))[REFUSED] > 0
