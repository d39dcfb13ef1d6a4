"""The unit `retry` of TrafficPolicies, with several endpoints."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from tests.live.objects import Manifest, endpoints, route, rule, service, traffic_policy
from tests.live.proxy import Proxy, free_port
from tests.live.test_policy_timeouts import never
from tests.live.test_retries import failing
from tests.live.upstream import Seen, Upstream

SOON = {"backoffBaseInterval": "1ms"}


@pytest_asyncio.fixture(loop_scope="session")
async def three(proxy: Proxy, upstreams: dict[str, Upstream]) -> AsyncIterator[list[Upstream]]:
    """Yield three upstreams, all of them endpoints of the Service `three`."""
    found = [*upstreams.values()]
    await proxy.apply(service("three"), endpoints("three", [each.port for each in found]))
    yield found


def fail(*upstreams: Upstream, status: int = 503) -> None:
    """Have upstreams answer every request with an error."""
    for each in upstreams:
        each.answer = failing(each, 1_000_000, status)


async def stat(proxy: Proxy, service_name: str, name: str) -> int:
    """Return the sum of a statistic over the clusters of a Service."""
    lines = (await proxy.admin(f"/stats?filter=^cluster.default/{service_name}_.*{name}$")).splitlines()
    return sum(int(each.rpartition(" ")[2]) for each in lines)


async def test_the_endpoint_that_works_answers(proxy: Proxy, three: list[Upstream]) -> None:
    """Where two of three endpoints fail, two retries always find the third, and each is asked at most once."""
    fail(*three[:2])
    await proxy.apply(
        traffic_policy("gateway", retry={"retryOn": ["5xx"], "attempts": 2, **SOON}), route(rule("three"))
    )
    before = await stat(proxy, "three", "upstream_rq_retry")
    assert Counter([(await proxy.request()).backend for _ in range(20)]) == {three[2].name: 20}
    tried = sum(len(each.seen) for each in three[:2])
    assert tried > 0
    assert await stat(proxy, "three", "upstream_rq_retry") - before == tried


async def test_endpoints_that_failed_may_be_tried_again(proxy: Proxy, three: list[Upstream]) -> None:
    """With `hosts.previousHosts: false` an endpoint is asked twice, so that some requests fail."""
    fail(*three[:2])
    retry = {"retryOn": ["5xx"], "attempts": 2, "hosts": {"previousHosts": False}, **SOON}
    await proxy.apply(traffic_policy("gateway", retry=retry), route(rule("three")))
    assert {(await proxy.request()).status for _ in range(60)} == {200, 503}


# The retry of the policy, what the backend fails with, and how many tries come of it.
REASONS: list[tuple[Manifest, int, int]] = [
    ({"retryOn": ["5xx"]}, 500, 2),
    ({"retryOn": ["gateway-error"]}, 500, 1),
    ({"retryOn": ["gateway-error"]}, 504, 2),
    ({"retryOn": ["retriable-4xx"]}, 409, 2),
    ({"retryOn": ["retriable-4xx"]}, 404, 1),
    ({"retryOn": ["retriable-4xx"], "statusCodes": [404]}, 404, 2),
    ({"statusCodes": [500, 502]}, 502, 2),
    ({"statusCodes": [500, 502], "attempts": 3}, 502, 4),
    ({"statusCodes": [500, 502]}, 503, 1),
    ({"retryOn": ["5xx"], "attempts": 0}, 503, 1),
    ({"attempts": 3}, 503, 1),
    ({"retryOn": []}, 503, 1),
]


@pytest.mark.parametrize(("retry", "status", "tries"), REASONS, ids=str)
async def test_reasons_and_attempts(proxy: Proxy, alpha: Upstream, retry: Manifest, status: int, tries: int) -> None:
    """What the policy names is tried again, once unless it says how often; nothing else is."""
    fail(alpha, status=status)
    await proxy.apply(traffic_policy("route", retry={**retry, **SOON}), route(rule("alpha")))
    assert ((await proxy.request()).status, len(alpha.seen)) == (status, tries)


async def test_a_rule_and_policies_are_merged(proxy: Proxy, alpha: Upstream) -> None:
    """The rule's own `attempts` and the policy's `retryOn` go together; where both say the same, the rule counts."""
    fail(alpha, status=500)
    await proxy.apply(
        traffic_policy("gateway", retry={"retryOn": ["5xx"], "attempts": 1, **SOON}),
        route(rule("alpha", retry={"attempts": 3})),
    )
    assert (await proxy.request()).status == 500
    assert len(alpha.seen) == 4


async def test_a_rule_cannot_change_what_is_enforced(proxy: Proxy, alpha: Upstream) -> None:
    """An enforced number of attempts goes before that of the rule; what is not enforced is the rule's."""
    fail(alpha, status=500)
    await proxy.apply(
        traffic_policy("gateway", retry={"attempts": 1}, enforced=True),
        route(rule("alpha", retry={"attempts": 5, "codes": [500], "backoff": "1ms"})),
    )
    assert (await proxy.request()).status == 500
    assert len(alpha.seen) == 2


async def test_unprocessed_requests_are_always_tried_again(proxy: Proxy, alpha: Upstream) -> None:
    """Whatever reasons a policy names, a request goes on to the endpoint that takes connections."""
    ports = [alpha.port, free_port()]
    await proxy.apply(
        traffic_policy("route", retry={"retryOn": ["retriable-4xx"], **SOON}),
        service("half"),
        endpoints("half", ports),
        route(rule("half")),
    )
    assert {(await proxy.request(method="POST", body=b"order")).status for _ in range(20)} == {200}


async def test_headers_of_responses_and_requests(proxy: Proxy, alpha: Upstream) -> None:
    """Responses with one of `retriableHeaders` are tried again, if the request has one of `requestHeaders`."""

    async def answer(_: Seen) -> web.Response:
        return web.Response(headers={"x-again": "please do"})

    alpha.answer = answer
    retry = {
        "retriableHeaders": [{"name": "X-Again", "prefix": "PLEASE", "ignoreCase": True}],
        "requestHeaders": [{"name": "x-safe", "regex": "y.*"}, {"name": "x-safe", "exact": "1"}],
        **SOON,
    }
    await proxy.apply(traffic_policy("route", retry=retry), route(rule("alpha")))
    for safe, tries in (("yes", 2), ("1", 2), ("no", 1)):
        alpha.seen.clear()
        await proxy.request(headers={"x-safe": safe})
        assert len(alpha.seen) == tries


@pytest.mark.parametrize("unix", [False, True])
async def test_a_backend_says_when_to_try_again(proxy: Proxy, alpha: Upstream, unix: bool) -> None:
    """With `rateLimitedBackoff`, the next try is made when the response says, not after the usual pause."""

    async def answer(_: Seen) -> web.Response | None:
        if len(alpha.seen) > 1:
            return None
        # A time of Unix has whole seconds: that after the next is at least one from now.
        return web.Response(status=429, headers={"retry-after": str(int(time.time()) + 2 if unix else 1)})

    async def seconds(**more: Manifest) -> float:
        alpha.seen.clear()
        await proxy.apply(traffic_policy("route", retry={"statusCodes": [429], **SOON, **more}), route(rule("alpha")))
        start = time.monotonic()
        assert (await proxy.request()).status == 200
        assert len(alpha.seen) == 2
        return time.monotonic() - start

    alpha.answer = answer
    headers = [{"name": "x-other"}, {"name": "Retry-After", "format": "UnixTimestamp" if unix else "Seconds"}]
    usual = await seconds()
    assert await seconds(rateLimitedBackoff={"headers": headers}) > max(0.9, 3 * usual)
    assert await seconds(rateLimitedBackoff={"headers": headers, "maxInterval": "500ms"}) < 0.5


async def test_the_pause_between_tries(proxy: Proxy, alpha: Upstream) -> None:
    """Each pause is a random time up to `backoffBaseInterval`, which grows up to `backoffMaxInterval`."""

    async def seconds(base: str, most: str) -> float:
        retry = {
            "retryOn": ["5xx"],
            "attempts": 6,
            "backoffBaseInterval": base,
            "backoffMaxInterval": most,
        }
        await proxy.apply(traffic_policy("route", retry=retry), route(rule("alpha")))
        start = time.monotonic()
        await proxy.request()
        return time.monotonic() - start

    fail(alpha)
    # Six times of up to 300 ms are together less than 150 ms in one of 46,000 cases.
    assert 0.15 < await seconds("300ms", "300ms") < 3
    assert await seconds("1ms", "1ms") < 0.15


async def test_an_attempt_without_headers_in_time_is_tried_elsewhere(proxy: Proxy, three: list[Upstream]) -> None:
    """`perTryTimeout` ends what has no headers yet: a GET is sent elsewhere, a POST only if `retryOn` covers it."""
    three[0].raw = three[1].raw = never
    retry: Manifest = {"attempts": 2, "perTryTimeout": "200ms"}
    await proxy.apply(traffic_policy("gateway", retry=retry), route(rule("three")))
    assert {(await proxy.request()).backend for _ in range(6)} == {three[2].name}
    for each in three:
        each.seen.clear()
    statuses = [(await proxy.request(method="POST", body=b"order")).status for _ in range(6)]
    assert 504 in statuses
    assert sum(len(each.seen) for each in three) == 6
    await proxy.apply(traffic_policy("gateway", retry={**retry, "retryOn": ["gateway-error"]}))
    assert {(await proxy.request(method="POST", body=b"order")).backend for _ in range(6)} == {three[2].name}


async def test_a_response_may_outlast_the_time_to_its_headers(proxy: Proxy, alpha: Upstream) -> None:
    """`perTryTimeout` ends with the headers, `perTryIdleTimeout` goes on: silence in a body ends it."""

    async def stop(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.sleep(0.7)
        await response.write(b"y")
        return response

    alpha.raw = stop
    await proxy.apply(traffic_policy("route", retry={"perTryTimeout": "200ms"}), route(rule("alpha")))
    assert (await proxy.request()).body == b"xy"


async def test_a_silent_attempt_is_tried_elsewhere(proxy: Proxy, three: list[Upstream]) -> None:
    """`perTryIdleTimeout` ends an attempt at an endpoint that says nothing, and the next one answers."""
    three[0].raw = three[1].raw = never
    await proxy.apply(
        traffic_policy("gateway", retry={"attempts": 2, "perTryIdleTimeout": "200ms"}), route(rule("three"))
    )
    assert {(await proxy.request()).backend for _ in range(6)} == {three[2].name}


async def test_a_budget_limits_retries_at_once(proxy: Proxy, alpha: Upstream) -> None:
    """Of many requests that fail at once, only so many are tried again as the budget of the backend allows."""

    async def late(_: Seen) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response(status=503)

    alpha.answer = late
    retry: Manifest = {"retryOn": ["5xx"], **SOON}
    for budget, expected in (({"percent": 0, "minConcurrency": 1}, 9), (None, 16)):
        more = {"budget": budget} if budget else {}
        await proxy.apply(traffic_policy("route", retry=retry | more), route(rule("alpha")))
        alpha.seen.clear()
        overflown = await stat(proxy, "alpha", "upstream_rq_retry_overflow")
        statuses = await asyncio.gather(*(proxy.request() for _ in range(8)))
        assert {each.status for each in statuses} == {503}
        assert len(alpha.seen) == expected
        if budget:
            assert await stat(proxy, "alpha", "upstream_rq_retry_overflow") - overflown == 16 - expected


async def test_priorities_of_a_backend_with_one(proxy: Proxy, three: list[Upstream]) -> None:
    """Where all endpoints have one priority, `priorities` changes nothing: the one that works answers."""
    fail(*three[:2])
    retry = {"retryOn": ["5xx"], "attempts": 2, "priorities": {"updateFrequency": 1}, **SOON}
    await proxy.apply(traffic_policy("gateway", retry=retry), route(rule("three")))
    assert {(await proxy.request()).backend for _ in range(10)} == {three[2].name}


async def test_the_body_is_sent_again_whole(proxy: Proxy, alpha: Upstream) -> None:
    """A request of up to 1 MiB is tried again with all of its body."""
    alpha.answer = failing(alpha, 1, 503)
    await proxy.apply(traffic_policy("route", retry={"retryOn": ["5xx"], **SOON}), route(rule("alpha")))
    size = 1024 * 1024 - 1
    assert (await proxy.request(method="POST", body=b"x" * size)).status == 200
    assert [len(each.body) for each in alpha.seen] == [size] * 2
