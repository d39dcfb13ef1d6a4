"""Shares of limits that a service assigns, by TrafficPolicies: `rateLimit.quota`, with a real service of RLQS."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.live.objects import Manifest, endpoints, exact, route, rule, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.quota_service import QuotaService, quota_service
from tests.live.rate_limits import extension, statuses

PASSED, REFUSED, FAILED = 200, 429, 500
BY_USER = [{"key": "app", "literal": "shop"}, {"key": "user", "header": "X-User"}]
ASSIGNED = {"joe": 3, "gold": None, "bad": 0, "last": 0}


def assigned(bucket: dict[str, str]) -> int | None:
    """Return the quota of a bucket."""
    return ASSIGNED.get(bucket.get("user", ""), 2)


def quota(level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with a quota by users."""
    value = {"extensionRef": {"name": "quotas"}, "buckets": BY_USER, **fields}
    return traffic_policy(level, name, rateLimit={"quota": value})


def behind(found: QuotaService, domain: str) -> list[Manifest]:
    """Return the service and the extension; what Envoy knows of buckets is by the domain."""
    member = {"grpcService": {"backendRef": {"name": "quotas", "port": 80}}, "domain": domain}
    return [
        service("quotas", app_protocol="grpc"),
        *endpoints("quotas", [found.port]),
        extension("quotas", rateLimitQuota=member),
    ]


async def assigned_by(found: QuotaService, proxy: Proxy, *users: str) -> None:
    """Send the first request of each bucket, and wait until all quotas are in effect, which come in order."""
    for each in (*users, "last"):
        known = len(found.seen)
        await proxy.request(headers={"x-user": each})
        await found.knows(known + 1)
    async with asyncio.timeout(15):
        while (await proxy.request(headers={"x-user": "last"})).status != REFUSED:
            pass


async def test_what_a_service_assigns(proxy: Proxy) -> None:
    """A bucket has the quota that the service assigns to it; until then its requests pass."""
    async with quota_service(assigned) as found:
        await proxy.apply(behind(found, "assigned"), quota(), route(rule("alpha")))
        await assigned_by(found, proxy, "joe", "gold", "bad")
        assert Counter(await statuses(proxy, 10, headers={"x-user": "joe"})) == {PASSED: 3, REFUSED: 7}
        assert await statuses(proxy, 5, headers={"x-user": "gold"}) == [PASSED] * 5
        assert await statuses(proxy, 3, headers={"x-user": "bad"}) == [REFUSED] * 3
        assert found.domains == {"assigned"}
        assert {"app": "shop", "user": "joe"} in [dict(each) for each in found.seen]


async def test_what_is_assigned_outlives_edits(proxy: Proxy) -> None:
    """An edit of the route takes nothing of what is assigned, and gives nothing again that was used."""
    async with quota_service(assigned) as found:
        await proxy.apply(behind(found, "edits"), quota(), route(rule("alpha")))
        await assigned_by(found, proxy, "joe")
        assert await statuses(proxy, 2, headers={"x-user": "joe"}) == [PASSED] * 2
        await proxy.apply(route(rule("beta")))
        assert await statuses(proxy, 2, headers={"x-user": "joe"}) == [PASSED, REFUSED]


async def test_requests_without_a_header_have_a_bucket(proxy: Proxy) -> None:
    """Requests that lack the header have a bucket together: they do not pass by the limit."""
    async with quota_service(lambda bucket: 0 if bucket["user"] == "-" else None) as found:
        await proxy.apply(behind(found, "lacking"), quota(noAssignment="Deny"), route(rule("alpha")))
        assert await statuses(proxy, 1) == [REFUSED]
        await found.knows(1)
        assert [dict(each) for each in found.seen] == [{"app": "shop", "user": "-"}]
        assert await statuses(proxy, 1, headers={"x-user": "joe"}) == [REFUSED]
        await found.knows(2)
        assert await statuses(proxy, 3) == [REFUSED] * 3


@pytest.mark.parametrize(("no_assignment", "status"), [("Allow", PASSED), ("Deny", REFUSED)])
async def test_a_service_that_is_down(proxy: Proxy, no_assignment: str, status: int) -> None:
    """Without the service, requests pass or are refused as it is said of buckets without an assignment."""
    async with quota_service(assigned) as found:
        objects = behind(found, no_assignment)
    await proxy.apply(objects, quota(noAssignment=no_assignment), route(rule("alpha")))
    assert await statuses(proxy, 3, headers={"x-user": "joe"}) == [status] * 3


async def test_a_provider_that_is_missing(proxy: Proxy) -> None:
    """Without the extension requests get 500 where buckets without an assignment are refused; otherwise they pass."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    off = quota("rule", "own")
    off["spec"]["rateLimit"] = {"quota": {"disable": {}}}
    await proxy.apply(quota(noAssignment="Deny"), off, route(named, rule("alpha")))
    assert await statuses(proxy, 1) == [FAILED]
    assert await statuses(proxy, 1, "/own") == [PASSED]
    elsewhere = {"name": "quotas", "namespace": "infra"}
    await proxy.apply(quota(noAssignment="Deny", extensionRef=elsewhere))
    assert await statuses(proxy, 1) == [FAILED]
    conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    assert "RefNotPermitted" in {each["reason"] for each in conditions}
    await proxy.apply(quota())
    assert await statuses(proxy, 1) == [PASSED]
