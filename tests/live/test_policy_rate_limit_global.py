"""Limits that all proxies hold together, by TrafficPolicies: `rateLimit.global`, with a real rate limit service."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
from google.protobuf.struct_pb2 import Struct

from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from tests.live.objects import Manifest, endpoints, exact, prefix, route, rule, service, traffic_policy
from tests.live.processor import answer, processor
from tests.live.proxy import Proxy
from tests.live.rate_limit_service import RateLimitService
from tests.live.rate_limits import extension, limits, statuses, year

PASSED, REFUSED = 200, 429


async def test_exactly_as_many_requests(proxies: list[Proxy]) -> None:
    """Of 1,000 requests to two proxies, at once, exactly the 100 pass that a limit allows for both together."""
    for each in proxies:
        rules = [{"name": "all", "limit": {"requests": 100, "unit": "Year"}}]
        await each.apply(traffic_policy("gateway", rateLimit={"global": {"rules": rules}}), route(rule("alpha")))
    found = await asyncio.gather(*(statuses(each, 50) for each in proxies for _ in range(10)))
    assert Counter(status for each in found for status in each) == {PASSED: 100, REFUSED: 900}


async def test_each_time_has_its_limit(proxies: list[Proxy]) -> None:
    """In each second of the clock as many requests pass as the limit allows; those on the edge are of either."""
    proxy, allowed, seconds = proxies[0], 20, 3
    await proxy.apply(limits({"name": "all", "limit": {"requests": allowed, "unit": "Second"}}), route(rule("alpha")))
    passed: Counter[int] = Counter()
    edges = 0
    first = int(time.time()) + 1

    async def ask() -> None:
        nonlocal edges
        while (before := int(time.time())) < first + seconds:
            status, after = (await proxy.request()).status, int(time.time())
            if before != after:
                edges += 1
            elif status == PASSED:
                passed[before] += 1

    await asyncio.gather(*(ask() for _ in range(4)))
    found = sum(passed[first + each] for each in range(seconds))
    assert allowed * seconds - edges <= found <= allowed * seconds
    assert all(passed[first + each] <= allowed for each in range(seconds))


async def test_each_value_of_a_header_has_its_limit(proxies: list[Proxy]) -> None:
    """Each value of a Distinct header has a limit of its own, at both proxies; requests without it have none."""
    by_user: Manifest = {"clientSelectors": [{"headers": [{"name": "x-user", "type": "Distinct"}]}]}
    for each in proxies:
        await each.apply(limits(year(3, **by_user)), route(rule("alpha")))
    for user in ("joe", "ann", ""):
        found = [await statuses(each, 2, headers={"x-user": user}) for each in proxies]
        assert found == [[PASSED, PASSED], [PASSED, REFUSED]], user
    assert await statuses(proxies[0], 5) == [PASSED] * 5


SELECTED: list[tuple[Manifest, str, dict[str, object], dict[str, object]]] = [
    ({"headers": [{"name": "x-a", "exact": "1"}]}, "/", {"headers": {"x-a": "1"}}, {"headers": {"x-a": "2"}}),
    ({"headers": [{"name": "x-a", "regex": "[ab]+"}]}, "/", {"headers": {"x-a": "ab"}}, {"headers": {"x-a": "abc"}}),
    ({"headers": [{"name": "x-a", "exact": "1", "invert": True}]}, "/", {}, {"headers": {"x-a": "1"}}),
    ({"headers": [{"name": "x-a", "prefix": "ab"}]}, "/", {"headers": {"x-a": "abc"}}, {"headers": {"x-a": "bab"}}),
    ({"headers": [{"name": "x-a", "suffix": "AB", "ignoreCase": True}]}, "/", {"headers": {"x-a": "cab"}}, {}),
    ({"headers": [{"name": "x-a", "contains": "b"}]}, "/", {"headers": {"x-a": "abc"}}, {"headers": {"x-a": "ac"}}),
    ({"methods": ["POST", "PUT"]}, "/", {"method": "PUT"}, {"method": "GET"}),
    ({"path": {"prefix": "/a"}}, "", {"path": "/ab?x=1"}, {"path": "/b/a"}),
    ({"path": {"exact": "/a"}}, "", {"path": "/a?x=/b"}, {"path": "/a/"}),
    ({"path": {"exact": "/a", "ignoreCase": True}}, "", {"path": "/A"}, {"path": "/Ab"}),
    ({"queryParams": [{"name": "q", "exact": "1"}]}, "", {"path": "/?q=1"}, {"path": "/?q=2"}),
    ({"queryParams": [{"name": "q", "type": "Distinct"}]}, "", {"path": "/?q=1"}, {"path": "/"}),
    ({"sourceCIDR": {"value": "127.0.0.0/8"}}, "/", {}, {}),
    ({"sourceCIDR": {"value": "10.0.0.0/8", "invert": True}}, "/", {}, {}),
    ({"sourceCIDR": {"type": "Distinct"}}, "/", {}, {}),
]


@pytest.mark.parametrize(("selector", "path", "of", "other"), SELECTED, ids=[str(each[0]) for each in SELECTED])
async def test_selectors(
    proxies: list[Proxy], selector: Manifest, path: str, of: dict[str, str], other: dict[str, str]
) -> None:
    """A limit is of the requests that its selectors select, and of no others."""
    proxy = proxies[0]
    await proxy.apply(limits(year(1, clientSelectors=[selector])), route(rule("alpha")))
    asked = {"path": path} if path else {}
    assert await statuses(proxy, 2, **asked | of) == [PASSED, REFUSED]
    if other:
        assert await statuses(proxy, 3, **asked | other) == [PASSED] * 3


async def test_networks_that_others_are_of(proxies: list[Proxy]) -> None:
    """A limit of a network is of none of the clients outside; one of all but a network, of none inside."""
    for source in ({"value": "10.0.0.0/8"}, {"value": "127.0.0.1", "invert": True}):
        await proxies[0].apply(limits(year(0, clientSelectors=[{"sourceCIDR": source}])), route(rule("alpha")))
        assert await statuses(proxies[0], 2) == [PASSED] * 2


async def test_all_selectors_of_a_rule_select(proxies: list[Proxy]) -> None:
    """A request is counted where all selectors select it; one header and another tell clients apart together."""
    proxy = proxies[0]
    selectors = [{"methods": ["POST"]}, {"headers": [{"name": name, "type": "Distinct"} for name in ("x-a", "x-b")]}]
    await proxy.apply(limits(year(1, clientSelectors=selectors)), route(rule("alpha")))
    for values in ({"x-a": "1", "x-b": "1"}, {"x-a": "1", "x-b": "2"}, {"x-a": "2", "x-b": "1"}):
        assert await statuses(proxy, 2, method="GET", headers=values) == [PASSED] * 2
        assert await statuses(proxy, 2, method="POST", headers=values) == [PASSED, REFUSED]
    assert await statuses(proxy, 2, method="POST", headers={"x-a": "1"}) == [PASSED] * 2


async def test_several_rules(proxies: list[Proxy]) -> None:
    """A request has to meet the limits of all rules that select it; one with 0 forbids."""
    proxy = proxies[0]
    of_posts: Manifest = {"clientSelectors": [{"methods": ["POST"]}]}
    rules = (year(3), year(1, "posts", **of_posts), year(0, "no", clientSelectors=[{"path": {"prefix": "/no"}}]))
    await proxy.apply(limits(*rules), route(rule("alpha")))
    assert await statuses(proxy, 2, method="POST") == [PASSED, REFUSED]
    assert await statuses(proxy, 2) == [PASSED, REFUSED]
    await proxy.apply(limits(rules[2]))
    assert await statuses(proxy, 2, "/no") == [REFUSED] * 2
    assert await statuses(proxy, 2, "/yes") == [PASSED] * 2


async def test_each_route_has_its_limit(proxies: list[Proxy]) -> None:
    """Each route that a policy concerns has the limit for itself, of all of its rules; a shared one they share."""
    proxy = proxies[0]
    one = route(rule("alpha", matches=[prefix("/a")]), rule("beta", matches=[prefix("/b")]))
    other = route(rule("gamma", matches=[prefix("/c")]), name="other")
    await proxy.apply(limits(year(3)), one, other)
    assert await statuses(proxy, 2, "/a") == [PASSED] * 2
    assert await statuses(proxy, 2, "/b") == [PASSED, REFUSED]
    assert await statuses(proxy, 4, "/c") == [PASSED] * 3 + [REFUSED]
    await proxy.apply(limits(year(3, "together", shared=True)))
    assert [(await statuses(proxy, 1, path))[0] for path in ("/a", "/b", "/c", "/c")] == [PASSED] * 3 + [REFUSED]


async def test_policies_do_not_share_counts(proxies: list[Proxy]) -> None:
    """Rules of one name in two policies have counts of their own, of one route too."""
    proxy = proxies[0]
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(limits(year(2)), limits(year(2), level="rule", name="own"), route(named, rule("alpha")))
    assert await statuses(proxy, 3, "/own") == [PASSED, PASSED, REFUSED]
    assert await statuses(proxy, 3) == [PASSED, PASSED, REFUSED]


async def test_policies_are_merged(proxies: list[Proxy]) -> None:
    """A rule of a more specific policy replaces the one of its name, beside the others; `disable` ends all of them."""
    proxy = proxies[0]
    named = rule("alpha", name="named", matches=[exact("/own")])
    posts = year(1, "posts", clientSelectors=[{"methods": ["POST"]}])
    await proxy.apply(limits(year(1), posts), limits(year(3), level="rule", name="own"), route(named, rule("alpha")))
    assert await statuses(proxy, 2) == [PASSED, REFUSED]
    assert await statuses(proxy, 2, "/own", method="POST") == [PASSED, REFUSED]
    assert await statuses(proxy, 2, "/own") == [PASSED, REFUSED]
    off = limits(level="rule", name="own")
    off["spec"]["rateLimit"] = {"global": {"disable": {}}}
    await proxy.apply(off)
    assert await statuses(proxy, 3, "/own", method="POST") == [PASSED] * 3
    assert await statuses(proxy, 1) == [REFUSED]


async def test_counts_outlive_edits(proxies: list[Proxy]) -> None:
    """What was counted stays where routes and limits are edited: it is the service that counts."""
    proxy = proxies[0]
    await proxy.apply(limits(year(3)), route(rule("alpha")))
    assert await statuses(proxy, 2) == [PASSED] * 2
    await proxy.apply(route(rule("beta")))
    assert await statuses(proxy, 2) == [PASSED, REFUSED]
    await proxy.apply(limits(year(6)))
    assert await statuses(proxy, 3) == [PASSED, PASSED, REFUSED]


async def test_costs(proxies: list[Proxy], limiter: RateLimitService) -> None:
    """A request takes as much of the limit as it costs, and after its response what that costs; 0 only looks.

    Those that are refused are counted too.
    """
    proxy = proxies[0]
    await proxy.apply(limits(year(10, "four", cost={"request": {"number": 4}})), route(rule("alpha")))
    assert await statuses(proxy, 3) == [PASSED, PASSED, REFUSED]
    await proxy.apply(limits(year(10, "after", cost={"response": {"number": 10}})))
    await limiter.redis.flush()
    assert await statuses(proxy, 1) == [PASSED]
    await limiter.redis.counted(11)
    assert await statuses(proxy, 1) == [REFUSED]
    await limiter.redis.counted(22)
    await limiter.redis.flush()
    costs = {"request": {"number": 0}, "response": {"number": 6}}
    await proxy.apply(limits(year(10, "looks", cost=costs)))
    for count in (6, 12):
        assert await statuses(proxy, 1) == [PASSED]
        await limiter.redis.counted(count)
    assert await statuses(proxy, 2) == [REFUSED] * 2
    await limiter.redis.counted(24)


PLANS = "com.example.plans"


async def test_limits_and_costs_in_metadata(proxies: list[Proxy], limiter: RateLimitService) -> None:
    """A filter before may say what the limit of a request is, and what it costs; without it the rule has no effect."""
    proxy, said = proxies[0], Struct()

    async def decide(phase: str, _: ProcessingRequest) -> ProcessingResponse:
        metadata = Struct()
        metadata.update({PLANS: said} if len(said) else {})
        return answer(phase, metadata=metadata)

    async with processor() as found:
        found.decide = decide
        asked = traffic_policy(
            "gateway",
            "asks",
            extProc=[
                {
                    "name": "plans",
                    "extensionRef": {"name": "plans"},
                    "filterStage": {"stage": "RateLimit", "predicate": "Before"},
                    "metadataOptions": {"receiving": {"untyped": [PLANS]}},
                }
            ],
        )
        service_ = {"backendRef": {"name": "plans", "port": 80}}
        objects = (service("plans", app_protocol="grpc"), *endpoints("plans", [found.port]))
        await proxy.apply(*objects, extension("plans", extProc={"grpcService": service_}), asked, route(rule("alpha")))
        by_plan = {"name": "plan", "fromMetadata": {"namespace": PLANS, "key": "limit"}}
        await proxy.apply(limits(by_plan))
        assert await statuses(proxy, 3) == [PASSED] * 3
        said.update({"limit": {"requests_per_unit": 2, "unit": "YEAR"}})
        assert await statuses(proxy, 3) == [PASSED, PASSED, REFUSED]
        said.update({"limit": {"requests_per_unit": 5, "unit": "YEAR"}})
        assert await statuses(proxy, 3) == [PASSED, PASSED, REFUSED]
        cost = {"metadata": {"namespace": PLANS, "key": "cost"}}
        await proxy.apply(limits(year(10, "costly", cost={"request": cost})))
        assert await statuses(proxy, 3) == [PASSED] * 3
        said.update({"cost": 5})
        assert await statuses(proxy, 3) == [PASSED, PASSED, REFUSED]
        await limiter.redis.flush()
        await proxy.apply(limits(year(10, "after", cost={"request": {"number": 1}, "response": cost})))
        for count in (6, 12):
            assert await statuses(proxy, 1) == [PASSED]
            await limiter.redis.counted(count)
        assert await statuses(proxy, 1) == [REFUSED]
        await limiter.redis.counted(18)
