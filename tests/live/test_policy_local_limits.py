"""Limits that proxies hold by themselves: `rateLimit.local` of TrafficPolicies."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from tests.live.objects import Manifest, exact, gateway, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy, free_port
from translator.extensions.local_rate_limit import MOST_VALUES

HOUR = "1h"
SECOND_ROUTE = "other"


def limited(level: str = "route", name: str = "policy", **local: Any) -> Manifest:
    """Return a policy with a limit; without other fields, of two requests an hour."""
    return traffic_policy(level, name, rateLimit={"local": local or {"tokenBucket": bucket(2)}})


def bucket(tokens: int, interval: str = HOUR, fill: int | None = None) -> Manifest:
    """Return a bucket of so many tokens, which come in an interval too unless it says otherwise."""
    return {"maxTokens": tokens, "tokensPerFill": fill or tokens, "fillInterval": interval}


def an_hour(requests: int, *selectors: Manifest, name: str = "one", **fields: Any) -> Manifest:
    """Return a rule with a limit by the hour."""
    limit = {"requests": requests, "unit": "Hour"}
    return {"name": name, "limit": limit, "clientSelectors": list(selectors), **fields}


async def passed(proxy: Proxy, count: int, path: str = "/", **options: Any) -> int:
    """Return how many of so many requests pass; the others get 429."""
    found = [(await proxy.request(path, **options)).status for _ in range(count)]
    assert set(found) <= {200, 429}
    return found.count(200)


async def test_so_many_an_hour_pass_exactly(proxy: Proxy) -> None:
    """Of a thousand requests, exactly so many pass as there are tokens, wherever the policy is attached."""
    own = rule("alpha", name="named")
    await proxy.apply(route(own))
    for level in ("gateway", "listener", "route", "rule"):
        await proxy.apply(limited(level, level, tokenBucket=bucket(100)))
        async with aiohttp.ClientSession() as http:
            assert await passed(proxy, 1000 if level == "route" else 200, http=http) == 100, level


async def test_over_many_windows(proxy: Proxy) -> None:
    """While tokens come, as many requests pass as there were at first, and as many as have come: within one."""
    await proxy.apply(route(rule("alpha")), limited(tokenBucket=bucket(50, "500ms")))
    count, first, last = 0, 0.0, 0.0
    async with aiohttp.ClientSession() as http:
        while last < first + 2:
            before = time.monotonic()
            if await passed(proxy, 1, http=http):
                count, last = count + 1, time.monotonic()
                first = first or before
    # Each request was counted at some time between those that were taken here.
    assert 50 + 100 * (last - first) - 10 <= count <= 50 + 100 * (last - first) + 1


async def test_what_no_rule_selects(proxy: Proxy) -> None:
    """A rule counts what it selects; what none selects has the bucket of all others, or no limit."""
    selector = {"headers": [{"name": "X-Plan", "exact": "free"}], "methods": ["GET", "POST"]}
    await proxy.apply(route(rule("alpha")), limited(rules=[an_hour(3, selector)]))
    free = {"X-Plan": "free"}
    assert await passed(proxy, 6, headers=free) == 3
    assert await passed(proxy, 6) == 6
    assert await passed(proxy, 6, headers=free, method="PUT") == 6
    await proxy.apply(limited(rules=[an_hour(3, selector)], tokenBucket=bucket(4)))
    assert await passed(proxy, 6, headers=free, method="POST") == 3
    assert await passed(proxy, 6) == 4
    assert await passed(proxy, 2, headers=free) == 0


SELECTORS: list[tuple[Manifest, dict[str, Any], dict[str, Any]]] = [
    ({"headers": [{"name": "x", "prefix": "a"}]}, {"headers": {"x": "abc"}}, {"headers": {"x": "b"}}),
    ({"headers": [{"name": "x", "exact": "a", "invert": True}]}, {}, {"headers": {"x": "a"}}),
    ({"headers": [{"name": "x", "regex": "[0-9]+"}]}, {"headers": {"x": "12"}}, {"headers": {"x": "12a"}}),
    ({"methods": ["PUT", "DELETE"]}, {"method": "PUT"}, {"method": "GET"}),
    ({"path": {"exact": "/a"}}, {"path": "/a?b=c"}, {"path": "/a/b"}),
    ({"path": {"prefix": "/a/"}}, {"path": "/x/../a/b"}, {"path": "/a"}),
    ({"path": {"suffix": ".PNG", "ignoreCase": True}}, {"path": "/a.png?x"}, {"path": "/a.jpg?b=.png"}),
    ({"path": {"regex": "/[a-c]"}}, {"path": "/b"}, {"path": "/bb"}),
    ({"path": {"contains": "x'y"}}, {"path": "/ax'yz"}, {"path": "/ax"}),
    ({"queryParams": [{"name": "q", "exact": "1"}]}, {"path": "/?q=1"}, {"path": "/?q=2"}),
    ({"queryParams": [{"name": "q", "exact": "1", "invert": True}]}, {"path": "/"}, {"path": "/?q=1"}),
    ({"sourceCIDR": {"value": "127.0.0.0/8"}}, {}, {}),
    ({"sourceCIDR": {"value": "10.0.0.1", "invert": True}}, {}, {}),
]


@pytest.mark.parametrize(("selector", "selected", "other"), SELECTORS)
async def test_selectors(proxy: Proxy, selector: Manifest, selected: dict[str, Any], other: dict[str, Any]) -> None:
    """A selector selects what is as it says, and nothing else."""
    await proxy.apply(route(rule("alpha")), limited(rules=[an_hour(1, selector)]))
    if other != selected:
        assert await passed(proxy, 3, **other) == 3
    assert await passed(proxy, 3, **selected) == 1


async def test_each_value_has_a_limit_of_its_own(proxy: Proxy) -> None:
    """Values of a header, a parameter or an address have a bucket each; what has none is not limited."""
    distinct: Manifest = {"name": "x-user", "type": "Distinct"}
    await proxy.apply(route(rule("alpha")), limited(rules=[an_hour(2, {"headers": [distinct]})]))
    for user in ("a", "b", "c"):
        assert await passed(proxy, 4, headers={"X-User": user}) == 2
    assert await passed(proxy, 4) == 4
    users = [await passed(proxy, 1, headers={"X-User": f"user-{number}"}) for number in range(300)]
    assert users == [1] * 300
    assert await passed(proxy, 1, headers={"X-User": "a"}) == 0
    selector = {"queryParams": [{"name": "q", "type": "Distinct"}], "sourceCIDR": {"type": "Distinct"}}
    await proxy.apply(limited(rules=[an_hour(2, selector)]))
    assert [await passed(proxy, 4, path) for path in ("/?q=1", "/?q=2", "/")] == [2, 2, 4]


@pytest.mark.slow
async def test_the_values_that_were_used_last_are_kept(proxy: Proxy) -> None:
    """A value has a new bucket once as many others came after it as are kept."""
    distinct: Manifest = {"name": "x-user", "type": "Distinct"}
    await proxy.apply(route(rule("alpha")), limited(rules=[an_hour(1, {"headers": [distinct]})]))

    async def others(start: int, end: int) -> None:
        async with aiohttp.ClientSession() as http:
            for number in range(start, end):
                assert await passed(proxy, 1, headers={"X-User": f"user-{number}"}, http=http) == 1

    assert await passed(proxy, 2, headers={"X-User": "first"}) == 1
    await others(0, MOST_VALUES - 1)
    assert await passed(proxy, 1, headers={"X-User": "first"}) == 0
    await others(MOST_VALUES, 2 * MOST_VALUES + 1)
    assert await passed(proxy, 2, headers={"X-User": "first"}) == 1


async def test_a_rule_in_the_shadow(proxy: Proxy) -> None:
    """What a rule in the shadow would refuse passes, and is counted; so does what is enforced for a share only."""
    await proxy.apply(route(rule("alpha")), limited(rules=[an_hour(1, shadow=True), an_hour(3, name="two")]))
    assert await passed(proxy, 6) == 3
    assert "shadow_mode: 2" in await proxy.admin("/stats?filter=local_rate_limit.*shadow_mode")
    await proxy.apply(limited(tokenBucket=bucket(1), percentEnforced=0))
    assert await passed(proxy, 5) == 5
    await proxy.apply(limited(tokenBucket=bucket(1), percentEnabled="50%"))
    assert 20 <= await passed(proxy, 100) <= 80


async def test_responses_to_what_is_refused(proxy: Proxy) -> None:
    """A refused request gets the status and headers of the policy; the limit may be told to all."""
    headers = [{"name": "X-Limited", "value": "100%"}]
    fields: Manifest = {"statusCode": 503, "responseHeaders": headers, "xRateLimitHeaders": "DraftVersion03"}
    await proxy.apply(route(rule("alpha")), limited(tokenBucket=bucket(1), **fields))
    first, second = [await proxy.request() for _ in range(2)]
    assert (first.status, first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == (200, "1", "0")
    assert "X-Limited" not in first.headers
    assert (second.status, second.headers["X-Limited"]) == (503, "100%")
    assert (second.headers["X-RateLimit-Remaining"], second.headers["X-RateLimit-Reset"]) == ("0", "3600")
    third = await proxy.request("/a.B/C", method="POST", headers={"Content-Type": "application/grpc"})
    assert third.headers["grpc-status"] == "8"  # RESOURCE_EXHAUSTED


async def test_each_connection_has_a_limit_of_its_own(proxy: Proxy) -> None:
    """With perConnection, so many requests pass on each connection."""
    await proxy.apply(route(rule("alpha")), limited(tokenBucket=bucket(2), perConnection=True))
    for _ in range(3):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
            assert await passed(proxy, 4, http=http) == 2


async def test_buckets_stay_while_others_change(proxy: Proxy) -> None:
    """A change of routes, or of a policy's other fields, refills no bucket; one of the limit does."""
    first = limited(tokenBucket=bucket(2))
    await proxy.apply(route(rule("alpha")), first)
    assert await passed(proxy, 3) == 2
    await proxy.apply(route(rule("alpha"), rule("beta", matches=[exact("/beta")])))
    await proxy.apply({**first, "spec": {**first["spec"], "buffer": {"maxRequestSize": "1Mi"}}})
    await proxy.apply(traffic_policy("gateway", "gateway", csrf={}))
    await proxy.apply(route(rule("alpha", matches=[prefix("/third")]), name="third"))
    assert await passed(proxy, 3) == 0
    await proxy.apply(limited(tokenBucket=bucket(3)))
    assert await passed(proxy, 5) == 3


async def test_what_shares_a_bucket(proxy: Proxy) -> None:
    """A target of a policy has a bucket, or each route of it has one; at each port it is another."""
    second = free_port()
    listeners = [
        {"name": name, "protocol": "HTTP", "port": port} for name, port in (("http", proxy.port), ("b", second))
    ]
    other = route(rule("alpha", matches=[prefix("/other")]), name=SECOND_ROUTE)
    await proxy.apply(gateway(*listeners), route(rule("alpha")), other, limited("gateway", tokenBucket=bucket(4)))
    assert [await passed(proxy, 3), await passed(proxy, 3, "/other")] == [3, 1]
    assert await passed(proxy, 6, port=second) == 4
    await proxy.apply(limited("gateway", tokenBucket=bucket(4), scope="Route"))
    assert [await passed(proxy, 6), await passed(proxy, 6, "/other")] == [4, 4]
    await proxy.apply(limited("gateway", tokenBucket=bucket(4)))
    assert [await passed(proxy, 3), await passed(proxy, 3, "/other")] == [3, 1]
    both = limited(tokenBucket=bucket(4))
    both["spec"]["targetRefs"].append({**both["spec"]["targetRefs"][0], "name": SECOND_ROUTE})
    await proxy.apply(both)
    assert [await passed(proxy, 6), await passed(proxy, 6, "/other")] == [4, 4]


async def test_policies_that_filters_name(proxy: Proxy) -> None:
    """Of a policy that filters of rules name each route has a bucket, for all of its rules that do."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "policy"}
    named = [{"type": "ExtensionRef", "extensionRef": reference}]
    policy = limited(tokenBucket=bucket(3))
    del policy["spec"]["targetRefs"]
    first = route(rule("alpha", filters=named), rule("alpha", matches=[prefix("/second")], filters=named))
    other = route(rule("alpha", matches=[prefix("/other")], filters=named), name=SECOND_ROUTE)
    await proxy.apply(policy, first, other)
    assert [await passed(proxy, 2), await passed(proxy, 3, "/second"), await passed(proxy, 4, "/other")] == [2, 1, 3]


async def test_a_limit_of_a_single_backend(proxy: Proxy) -> None:
    """A policy that a backendRef names counts the requests of that backend, and no others."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "policy"}
    named = [{"type": "ExtensionRef", "extensionRef": reference}]
    policy = limited(tokenBucket=bucket(3))
    del policy["spec"]["targetRefs"]
    await proxy.apply(policy, route(rule({"name": "alpha", "filters": named}, "beta")))
    found = [await proxy.request() for _ in range(60)]
    backends = [each.backend if each.status == 200 else each.status for each in found]
    assert backends.count("alpha") == 3
    assert backends.count("beta") > 10
    assert backends.count(429) == 57 - backends.count("beta")


async def test_routes_differ(proxy: Proxy) -> None:
    """A more specific limit replaces that of the Gateway, or switches it off; another phase is another filter."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(route(named, rule("alpha")), limited("gateway", tokenBucket=bucket(2)))
    await proxy.apply(limited("rule", "own", disable={}))
    assert [await passed(proxy, 4, "/own"), await passed(proxy, 4)] == [4, 2]
    await proxy.apply(limited("rule", "own", tokenBucket=bucket(3), phase="BeforeAuth"))
    assert [await passed(proxy, 5, "/own"), await passed(proxy, 4)] == [3, 0]
    await proxy.apply(limited("gateway", tokenBucket=bucket(1), phase="BeforeAuth"))
    await proxy.apply(limited("rule", "own", tokenBucket=bucket(3), phase="AfterAuth"))
    assert [await passed(proxy, 5, "/own"), await passed(proxy, 4)] == [3, 1]


async def test_chains_change_under_load(proxy: Proxy) -> None:
    """While a limit goes from chain to chain, routes name none that is not there: only new buckets let requests in."""
    await proxy.apply(route(rule("alpha", name="named")), limited(tokenBucket=bucket(1)))
    found: list[int] = []
    answered = asyncio.Condition()
    running = True

    async def ask() -> None:
        async with aiohttp.ClientSession() as http:
            while running:
                found.append((await proxy.request(http=http)).status)
                async with answered:
                    answered.notify_all()

    async def answers(count: int) -> None:
        async with answered:
            await answered.wait_for(lambda: len(found) >= count)

    changes = 0
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(ask())
        for fields in ({"phase": "BeforeAuth"}, {"phase": "AfterAuth"}, {"scope": "Route"}, {}) * 5:
            await proxy.apply(limited("rule" if changes % 3 else "route", tokenBucket=bucket(1), **fields))
            changes += 1
            await answers(len(found) + 50)
        running = False
    # A filter with other chains, with those of both, and with the new ones alone: three buckets a change, at most.
    assert 0 < found.count(200) <= 1 + 3 * changes
    assert found.count(429) == len(found) - found.count(200)
    assert len(found) >= 50 * changes
