"""Faults by TrafficPolicies: delays, errors and slow responses."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

from aiohttp import web

from tests.live.objects import Manifest, exact, route, rule, traffic_policy
from tests.live.proxy import Proxy, Response
from tests.live.test_backend_filters import is_share
from tests.live.upstream import Seen, Upstream

REQUESTS = 300
GRPC = {"content-type": "application/grpc", "te": "trailers"}


def faults(level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with faults."""
    return traffic_policy(level, name, faultInjection=fields)


async def counted(proxy: Proxy, name: str) -> int:
    """Return what Envoy has counted of faults."""
    found = json.loads(await proxy.admin(f"/stats?format=json&filter=fault.{name}"))["stats"]
    return sum(each.get("value", 0) for each in found)


async def timed(proxy: Proxy, path: str = "/") -> tuple[Response, float]:
    """Return the response to a request, and how many seconds it took."""
    start = time.monotonic()
    response = await proxy.request(path)
    return response, time.monotonic() - start


async def test_delays(proxy: Proxy) -> None:
    """A share of the requests waits, at least as long as it has to, and is served then."""
    await proxy.apply(faults(delay={"fixedDelay": "200ms"}), route(rule("alpha")))
    response, seconds = await timed(proxy)
    # Envoy's timers count from when its loop last looked at the clock, which is a while ago on a busy machine.
    assert (response.backend, seconds >= 0.1) == ("alpha", True)
    await proxy.apply(faults(delay={"fixedDelay": "1ms", "percentage": "33.3%"}))
    before = await counted(proxy, "delays_injected")
    for _ in range(REQUESTS):
        assert (await proxy.request()).status == 200
    assert is_share(await counted(proxy, "delays_injected") - before, REQUESTS, 0.333)


async def test_errors_of_http(proxy: Proxy) -> None:
    """A share of the requests gets the status and body that the policy gives, in place of its backend's."""
    body = 'out of "order": 100 %REQ(:PATH)%'
    await proxy.apply(faults(abort={"httpStatus": 503, "body": body, "percentage": 40}), route(rule("alpha")))
    found = [await proxy.request() for _ in range(REQUESTS)]
    seen = Counter(each.status for each in found)
    assert seen.keys() == {200, 503}
    assert is_share(seen[503], REQUESTS, 0.4)
    assert {each.body for each in found if each.status == 503} == {body.encode()}


async def test_errors_of_grpc(proxy: Proxy) -> None:
    """To clients of gRPC it is a status and message of theirs."""
    await proxy.apply(faults(abort={"grpcStatus": 14, "body": "try later"}), route(rule("alpha")))
    found = await proxy.request(method="POST", headers=GRPC)
    told = {name: found.headers[name] for name in ("grpc-status", "grpc-message", "content-type")}
    assert told == {"grpc-status": "14", "grpc-message": "try later", "content-type": "application/grpc"}
    await proxy.apply(faults(abort={"httpStatus": 404}))
    assert (await proxy.request(method="POST", headers=GRPC)).headers["grpc-status"] == "12"


async def test_slow_responses(proxy: Proxy, alpha: Upstream) -> None:
    """A response takes as long as its size and the limit make it."""

    async def answer(_: Seen) -> web.Response:
        return web.Response(body=b"x" * 20_000)

    alpha.answer = answer
    await proxy.apply(route(rule("alpha")))
    _, fast = await timed(proxy)
    before = await counted(proxy, "response_rl_injected")
    await proxy.apply(faults(responseRateLimit={"kbitsPerSecond": 160}))
    response, slow = await timed(proxy)
    assert len(response.body) == 20_000
    assert await counted(proxy, "response_rl_injected") == before + 1
    # 20,000 bytes are 160 kilobits: about one second.
    assert slow > 0.7
    assert slow > 5 * fast


async def test_which_requests(proxy: Proxy) -> None:
    """Only requests that match all headers get faults."""
    headers = [{"name": "x-user", "prefix": "test-"}, {"name": "x-off", "exact": "1", "invert": True}]
    await proxy.apply(faults(abort={"httpStatus": 418}, headers=headers), route(rule("alpha")))
    for sent, expected in (
        ({}, 200),
        ({"x-user": "test-1"}, 418),
        ({"x-user": "other"}, 200),
        ({"x-user": "test-1", "x-off": "1"}, 200),
    ):
        assert (await proxy.request(headers=sent)).status == expected, sent


async def test_the_most_at_one_time(proxy: Proxy) -> None:
    """Beyond the most faults at one time requests are served as usual."""
    await proxy.apply(faults(delay={"fixedDelay": "400ms"}, maxActiveFaults=2), route(rule("alpha")))
    before = await counted(proxy, "delays_injected")
    found = await asyncio.gather(*(proxy.request() for _ in range(8)))
    assert {each.status for each in found} == {200}
    assert 2 <= await counted(proxy, "delays_injected") - before < 8
    assert await counted(proxy, "faults_overflow") > 0


async def test_routes_differ(proxy: Proxy) -> None:
    """A rule's policy is merged with that of the Gateway, a status replaces another, or it is switched off."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(faults(abort={"httpStatus": 503, "body": "wide"}), route(named, rule("alpha")))
    own: tuple[tuple[Manifest, int, bytes | None], ...] = (
        ({"disable": {}}, 200, None),
        ({"abort": {"percentage": 0}}, 200, None),
        ({"abort": {"httpStatus": 501}}, 501, b"wide"),
    )
    for fields, status, body in own:
        await proxy.apply(faults("rule", "own", **fields))
        found = await proxy.request("/own")
        assert found.status == status
        assert body in (None, found.body)
        assert (await proxy.request("/other")).status == 503
    await proxy.apply(faults("rule", "own", abort={"grpcStatus": 7}))
    found = await proxy.request("/own", method="POST", headers=GRPC)
    assert (found.headers["grpc-status"], found.headers["grpc-message"]) == ("7", "wide")


async def test_an_incomplete_policy_is_left_out(proxy: Proxy) -> None:
    """Where no policy says how long a delay is, there is none, and the policy says what it lacks."""
    await proxy.apply(faults(delay={"percentage": 100}), route(rule("alpha")))
    assert (await proxy.request()).status == 200
    conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    accepted = next(each for each in conditions if each["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "Invalid")
    assert "spec.faultInjection.delay.fixedDelay is required: add it" in accepted["message"]
