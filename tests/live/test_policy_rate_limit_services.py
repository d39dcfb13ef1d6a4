"""Services that hold limits for all proxies, named by GatewayExtensions: answers, configuration, failures."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.live.objects import Manifest, endpoints, exact, route, rule, service
from tests.live.proxy import Proxy
from tests.live.rate_limit_service import RateLimitService, running_service
from tests.live.rate_limits import extension, limits, statuses, year
from translator.refs import Ref

PASSED, REFUSED, FAILED = 200, 429, 500
REFERENCE: Manifest = {"extensionRef": {"name": "limiter"}}


def behind(limiter: RateLimitService) -> list[Manifest]:
    """Return the Service `counts` of a rate limit service."""
    return [service("counts", app_protocol="grpc"), *endpoints("counts", [limiter.port])]


def asking(**fields: Any) -> Manifest:
    """Return an extension with that service."""
    return extension(rateLimit={"grpcService": {"backendRef": {"name": "counts", "port": 80}}, **fields})


def condition(proxy: Proxy, kind: str, name: str, type_: str) -> tuple[str, str, str]:
    """Return the status, reason and message of a condition of an object."""
    status = proxy.status(kind, name)
    conditions = status["ancestors"][0]["conditions"] if "ancestors" in status else status["conditions"]
    found = next(each for each in conditions if each["type"] == type_)
    return found["status"], found["reason"], found["message"]


async def test_what_responses_tell(proxies: list[Proxy], limiter: RateLimitService) -> None:
    """Refusals have the status that is asked for; responses tell the limit and when there is more, if asked to."""
    proxy = proxies[0]
    await proxy.apply(behind(limiter), asking(), limits(year(2), **REFERENCE), route(rule("alpha")))
    assert await statuses(proxy, 3) == [PASSED, PASSED, REFUSED]
    plain = await proxy.request()
    assert plain.headers["x-envoy-ratelimited"] == "true"
    assert not {"x-ratelimit-limit", "retry-after"} & {each.lower() for each in plain.headers}
    told = asking(xRateLimitHeaders="DraftVersion03", retryAfter=True)
    await proxy.apply(told, limits(year(2, "told"), **REFERENCE))
    first = await proxy.request()
    assert (first.headers["x-ratelimit-limit"].split(",")[0], first.headers["x-ratelimit-remaining"]) == ("2", "1")
    assert await statuses(proxy, 1) == [PASSED]
    refused = await proxy.request()
    assert (refused.status, refused.headers["x-ratelimit-remaining"]) == (REFUSED, "0")
    assert 0 < int(refused.headers["retry-after"]) <= int(refused.headers["x-ratelimit-reset"]) + 1
    await proxy.apply(limits(year(2, "told", xRateLimitHeaders="Off"), **REFERENCE))
    assert "x-ratelimit-limit" not in (await proxy.request()).headers
    await proxy.apply(asking(statusCode=503), limits(year(0, xRateLimitHeaders="DraftVersion03"), **REFERENCE))
    found = await proxy.request()
    assert (found.status, found.headers["x-ratelimit-remaining"]) == (503, "0")


async def test_rules_in_the_shadow(proxies: list[Proxy], limiter: RateLimitService) -> None:
    """A rule in the shadow counts what it would refuse, and what others refuse, and refuses nothing itself."""
    proxy = proxies[0]
    shadow = year(2, "shadow", shadow=True)
    await proxy.apply(limits(shadow), route(rule("alpha")))
    found = [await proxy.request() for _ in range(4)]
    assert [each.status for each in found] == [PASSED] * 4
    assert not any("x-envoy-ratelimited" in each.headers for each in found)
    await proxy.apply(limits({**shadow, "shadow": False}))
    assert await statuses(proxy, 1) == [REFUSED]
    await limiter.redis.flush()
    await proxy.apply(limits(shadow, year(1, "real")))
    assert await statuses(proxy, 3) == [PASSED, REFUSED, REFUSED]
    await proxy.apply(limits({**shadow, "shadow": False}))
    assert await statuses(proxy, 1) == [REFUSED]
    over = await proxy.admin("/stats?filter=ratelimit.shadow.over_limit")
    assert int(over.rpartition(" ")[2]) >= 3


@pytest.mark.parametrize(("fails_open", "status"), [(True, PASSED), (False, FAILED)])
async def test_services_that_do_not_answer(proxies: list[Proxy], fails_open: bool, status: int) -> None:
    """While the service is down, or its Redis, requests are served or get 500; once both are back, they are counted."""
    proxy = proxies[0]
    async with running_service() as own:
        await proxy.apply(behind(own), asking(failOpen=fails_open), limits(year(2), **REFERENCE), route(rule("alpha")))
        assert await statuses(proxy, 3) == [PASSED, PASSED, REFUSED]
        await own.redis.stop()
        assert await statuses(proxy, 3) == [status] * 3
        await own.redis.start()
        assert await until(proxy, {PASSED, REFUSED}, status) == [PASSED, REFUSED]
        await own.stop()
        assert await statuses(proxy, 3) == [status] * 3
        await own.start()
        assert await until(proxy, {REFUSED}, status) == [REFUSED]


async def until(proxy: Proxy, wanted: set[int], failed: int) -> list[int]:
    """Return the statuses of requests, each once, up to the first refusal, without failures that can be told apart.

    Whoever fails open cannot be told from one that counts until it refuses.
    """
    found: dict[int, None] = {}
    for _ in range(500):
        status = (await proxy.request()).status
        if status != failed or status in wanted:
            found[status] = None
        if status == REFUSED:
            break
    return sorted(found if failed == FAILED else found.keys() & wanted)


async def test_a_service_that_is_slow(proxies: list[Proxy], limiter: RateLimitService) -> None:
    """A service that has not answered within the timeout is one that fails."""
    proxy = proxies[0]
    await proxy.apply(behind(limiter), asking(failOpen=False), limits(year(9), **REFERENCE), route(rule("alpha")))
    assert await statuses(proxy, 1) == [PASSED]
    limiter.pause()
    try:
        assert await statuses(proxy, 2) == [FAILED] * 2
    finally:
        limiter.resume()


CONFIGURATION = """
domain: mine
descriptors:
- key: plan
  value: gold
  rate_limit: {unit: year, requests_per_unit: 3}
- key: user
  rate_limit: {unit: year, requests_per_unit: 1}
- key: path
  value: /path?x=1
  descriptors:
  - {key: method, value: GET, rate_limit: {unit: year, requests_per_unit: 1}}
- key: remote_address
  value: 127.0.0.1
  descriptors:
  - {key: q, rate_limit: {unit: year, requests_per_unit: 1}}
- key: cel
  value: abc
  rate_limit: {unit: year, requests_per_unit: 1}
"""


async def test_limits_of_the_service_itself(proxies: list[Proxy]) -> None:
    """Descriptors tell a service what it has limits for in its configuration, beside rules whose limits it has not."""
    proxy = proxies[0]
    descriptors = (
        [{"type": "Generic", "generic": {"key": "plan", "value": "gold"}}],
        [{"type": "Header", "name": "X-User", "key": "user"}],
        [{"type": "Path"}, {"type": "Method"}],
        [{"type": "RemoteAddress"}, {"type": "Query", "name": "q"}],
        [{"type": "CEL", "cel": "request.headers['x-cel']"}],
    )

    def policy(*entries: Manifest, rules: tuple[Manifest, ...] = ()) -> Manifest:
        return limits(*rules, descriptors=[{"entries": list(entries)}], **REFERENCE)

    async with running_service(CONFIGURATION) as own:
        await proxy.apply(behind(own), asking(domain="mine"), policy(*descriptors[0]), route(rule("alpha")))
        assert await statuses(proxy, 4) == [PASSED] * 3 + [REFUSED]
        await proxy.apply(policy(*descriptors[1]))
        for user in ("a", "b"):
            assert await statuses(proxy, 2, headers={"x-user": user}) == [PASSED, REFUSED]
        assert await statuses(proxy, 2) == [PASSED] * 2
        await proxy.apply(policy(*descriptors[2]))
        assert await statuses(proxy, 2, "/path?x=1") == [PASSED, REFUSED]
        assert await statuses(proxy, 2, "/path?x=1", method="POST") == [PASSED] * 2
        await proxy.apply(policy(*descriptors[3], rules=(year(2, clientSelectors=[{"path": {"exact": "/both"}}]),)))
        assert await statuses(proxy, 2, "/?q=1") == [PASSED, REFUSED]
        assert await statuses(proxy, 3, "/both") == [PASSED, PASSED, REFUSED]
        await proxy.apply(policy(*descriptors[4]))
        assert await statuses(proxy, 2, headers={"x-cel": "abc"}) == [PASSED, REFUSED]
        assert await statuses(proxy, 2) == [PASSED] * 2


async def test_a_provider_that_is_missing_closes(proxies: list[Proxy], limiter: RateLimitService) -> None:
    """While the provider is missing, or fails closed without a service, requests get 500 unless limits are disabled."""
    proxy = proxies[0]
    named = rule("alpha", name="named", matches=[exact("/open")])
    off = limits(level="rule", name="own")
    off["spec"]["rateLimit"] = {"global": {"disable": {}}}
    await proxy.apply(limits(year(1), **REFERENCE), off, route(named, rule("alpha")))
    assert await statuses(proxy, 2) == [FAILED] * 2
    assert await statuses(proxy, 2, "/open") == [PASSED] * 2
    status, reason, message = condition(proxy, "TrafficPolicy", "policy", "ResolvedRefs")
    assert (status, reason) == ("False", "ExtensionNotFound")
    assert "spec.rateLimit.global.extensionRef: GatewayExtension default/limiter does not exist" in message
    await proxy.apply(asking(failOpen=False))
    assert await statuses(proxy, 1) == [FAILED]
    assert condition(proxy, "GatewayExtension", "limiter", "ResolvedRefs")[:2] == ("False", "BackendNotFound")
    await proxy.apply(asking(failOpen=True))
    assert await statuses(proxy, 3) == [PASSED] * 3
    assert condition(proxy, "TrafficPolicy", "policy", "ResolvedRefs")[:2] == ("False", "BackendNotFound")
    await proxy.apply(behind(limiter))
    assert Counter(await statuses(proxy, 3)) == {PASSED: 1, REFUSED: 2}


async def test_there_is_no_service(proxy: Proxy, limiter: RateLimitService) -> None:
    """Without a cluster nothing is deployed: the policy says how to name a service, and requests are not limited."""
    await proxy.apply(limits(year(0)), route(rule("alpha")))
    assert await statuses(proxy, 1) == [PASSED]
    status, reason, message = condition(proxy, "TrafficPolicy", "policy", "ResolvedRefs")
    assert (status, reason) == ("False", "BackendNotFound")
    assert "--rate-limit-service HOST:PORT" in message
    await proxy.apply(behind(limiter), asking(), limits(year(0), **REFERENCE))
    assert await statuses(proxy, 1) == [REFUSED]


async def test_headgates_own_service_has_no_limits_of_its_own(proxies: list[Proxy]) -> None:
    """Descriptors need a service with a configuration: the policy says so, and none of its limits is in effect."""
    entries = [{"type": "RemoteAddress"}]
    await proxies[0].apply(limits(year(0), descriptors=[{"entries": entries}]), route(rule("alpha")))
    status, reason, message = condition(proxies[0], "TrafficPolicy", "policy", "Accepted")
    assert (status, reason) == ("False", "Invalid")
    assert "spec.rateLimit.global.descriptors: Headgate's own rate limit service" in message


async def test_never_open_for_a_moment(proxies: list[Proxy]) -> None:
    """Where a limit fails closed, no request passes while the policy, the extension and the service come and go."""
    proxy, ended, found = proxies[0], asyncio.Event(), Counter[int]()

    async def ask() -> None:
        while not ended.is_set():
            found[(await proxy.request()).status] += 1

    async def edit(own: RateLimitService, other: RateLimitService) -> None:
        extension_, service_ = Ref("GatewayExtension", "default", "limiter"), Ref("Service", "default", "counts")
        for place in range(3):
            await proxy.apply(limits(year(0, f"edited-{place}"), **REFERENCE))
            await proxy.delete(extension_)
            await proxy.apply(asking(failOpen=False, timeout=f"{300 + place}ms"))
            await proxy.delete(service_)
            await proxy.apply(behind(other if place % 2 else own))
            await own.stop()
            await own.start()
            await proxy.apply(route(rule("beta" if place % 2 else "alpha")))
            await proxy.apply(asking(failOpen=False, domain="headgate"))

    async with running_service() as own, running_service() as other:
        objects = (behind(own), asking(failOpen=False), limits(year(0), **REFERENCE))
        await proxy.apply(*objects, route(rule("alpha")))
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(ask())
            try:
                await edit(own, other)
            finally:
                ended.set()
    assert set(found) == {REFUSED, FAILED}
    assert found[REFUSED] > 20
