"""How endpoints of a backend are chosen, by BackendConfigPolicies (`loadBalancer`)."""

from __future__ import annotations

import asyncio
import json
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web

from tests.live.objects import Manifest, backend_config_policy, endpoints, route, rule, service, traffic_policy
from tests.live.proxy import WITHIN, Proxy
from tests.live.upstream import Seen, Upstream, upstream

NAMES = ("alpha", "beta", "gamma")


def many(upstreams: dict[str, Upstream]) -> list[Manifest]:
    """Return a Service with an endpoint at each of the upstreams, and a route to it."""
    ports = [upstreams[name].port for name in NAMES]
    return [service("many"), *endpoints("many", ports), route(rule("many"))]


async def backends(proxy: Proxy, count: int) -> list[str]:
    """Return the upstreams that answer one request after the other."""
    async with aiohttp.ClientSession() as http:
        return [(await proxy.request(http=http)).backend for _ in range(count)]


async def test_round_robin(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """Each endpoint gets every third request; with an algorithm that picks at random it does not."""
    await proxy.apply(many(upstreams), backend_config_policy("many", loadBalancer={"roundRobin": {}}))
    found = await backends(proxy, 60)
    assert Counter(found) == dict.fromkeys(NAMES, 20)
    assert all({*found[place : place + 3]} == {*NAMES} for place in range(58))
    await proxy.apply(backend_config_policy("many", loadBalancer={"random": {}}))
    found = await backends(proxy, 60)
    assert {*found} == {*NAMES}
    assert not all({*found[place : place + 3]} == {*NAMES} for place in range(58))


async def test_least_requests(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """An endpoint that has not answered a request gets no other, if all endpoints are compared."""
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Seen) -> None:
        waiting.set()
        await go_on.wait()

    await proxy.apply(
        many(upstreams), backend_config_policy("many", loadBalancer={"leastRequest": {"choiceCount": 30}})
    )
    upstreams["alpha"].answer = slow
    held: list[asyncio.Task[list[str]]] = []
    while not waiting.is_set():
        held.append(asyncio.create_task(backends(proxy, 1)))
        await asyncio.wait([held[-1], asyncio.create_task(waiting.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert {*await backends(proxy, 40)} == {"beta", "gamma"}
    go_on.set()
    await asyncio.gather(*held)


def hashed(users: int) -> list[list[tuple[str, str]]]:
    """Return the headers of requests of users."""
    return [[("x-user", f"user-{number}")] for number in range(users)]


@pytest.mark.parametrize("algorithm", ["ringHash", "maglev"])
async def test_hashes(proxy: Proxy, upstreams: dict[str, Upstream], algorithm: str) -> None:
    """All requests of a user go to one endpoint, and users are spread over all; a query parameter counts as well."""
    policies = [{"header": {"name": "x-user"}, "terminal": True}, {"queryParam": {"name": "user"}}]
    size = {"minimumRingSize": 512, "maximumRingSize": 4096} if algorithm == "ringHash" else {"tableSize": 1021}
    hashing = {**size, "useHostnameForHashing": False, "hashPolicies": policies}
    await proxy.apply(many(upstreams), backend_config_policy("many", loadBalancer={algorithm: hashing}))
    by_user = [{(await proxy.request(headers=each)).backend for _ in range(4)} for each in hashed(30)]
    assert all(len(each) == 1 for each in by_user)
    assert set().union(*by_user) == {*NAMES}
    by_query = [{(await proxy.request(f"/?user={each}")).backend for _ in range(4)} for each in range(30)]
    assert all(len(each) == 1 for each in by_query)
    assert set().union(*by_query) == {*NAMES}


@pytest.mark.parametrize("algorithm", ["ringHash", "maglev"])
async def test_hashes_of_cookies_and_addresses(proxy: Proxy, upstreams: dict[str, Upstream], algorithm: str) -> None:
    """The proxy sets a cookie for clients that have none, by which they stay at their endpoint; an address does too."""
    cookie = {"name": "session", "ttl": "1h", "path": "/", "attributes": [{"name": "SameSite", "value": "Lax"}]}
    config = backend_config_policy("many", loadBalancer={algorithm: {"hashPolicies": [{"cookie": cookie}]}})
    await proxy.apply(many(upstreams), config)
    for _ in range(10):
        first = await proxy.request()
        told = first.headers["set-cookie"]
        assert "SameSite=Lax" in told
        assert "Max-Age=3600" in told
        headers = {"Cookie": told.partition(";")[0]}
        assert {(await proxy.request(headers=headers)).backend for _ in range(4)} == {first.backend}
    await proxy.apply(backend_config_policy("many", loadBalancer={algorithm: {"hashPolicies": [{"sourceIP": {}}]}}))
    assert len({*await backends(proxy, 20)}) == 1


async def test_hashes_by_routes(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """Without a word of what is hashed, the routes say it; where the policy says it, theirs counts no more."""
    wide = traffic_policy("gateway", hashPolicies=[{"header": {"name": "x-user"}}])
    await proxy.apply(many(upstreams), wide, backend_config_policy("many", loadBalancer={"ringHash": {}}))
    by_user = [{(await proxy.request(headers=each)).backend for _ in range(4)} for each in hashed(20)]
    assert all(len(each) == 1 for each in by_user)
    assert set().union(*by_user) == {*NAMES}
    assert not noted(proxy)
    other = {"hashPolicies": [{"header": {"name": "x-other"}}]}
    await proxy.apply(
        backend_config_policy("many", loadBalancer={"maglev": other}),
        traffic_policy("route", hashPolicies=[{"header": {"name": "x-user"}}]),
    )
    user = {"x-user": "one"}
    assert {(await proxy.request(headers=user)).backend for _ in range(40)} == {*NAMES}
    assert noted(proxy)


def noted(proxy: Proxy) -> bool:
    """Return whether the policy for routes is told that it has no effect."""
    (ancestor,) = proxy.status("TrafficPolicy", "policy")["ancestors"]
    return any(each["type"].endswith("NoEffect") for each in ancestor["conditions"])


@pytest.mark.parametrize("fallback", ["RoundRobin", "LeastRequest", "Random", None])
async def test_requests_that_name_their_endpoint(
    proxy: Proxy, upstreams: dict[str, Upstream], fallback: str | None
) -> None:
    """A request goes to the endpoint in its header, if that is one of the backend; others are shared as ever."""
    override = {"header": "x-endpoint", **({"fallback": fallback} if fallback else {})}
    await proxy.apply(many(upstreams), backend_config_policy("many", loadBalancer={"endpointOverride": override}))
    for name in NAMES:
        headers = {"x-endpoint": f"127.0.0.1:{upstreams[name].port}"}
        assert {(await proxy.request(headers=headers)).backend for _ in range(10)} == {name}
    async with upstream("stranger") as stranger:
        headers = {"x-endpoint": f"127.0.0.1:{stranger.port}"}
        assert {(await proxy.request(headers=headers)).backend for _ in range(40)} == {*NAMES}
        assert not stranger.seen
    assert {*await backends(proxy, 40)} == {*NAMES}


@pytest.mark.parametrize("algorithm", ["roundRobin", "leastRequest"])
async def test_slow_start(proxy: Proxy, upstreams: dict[str, Upstream], algorithm: str) -> None:
    """An endpoint that is new gets few requests, and its share when it is old enough."""
    ports = [upstreams[name].port for name in NAMES]
    slow = {"slowStart": {"window": "3s", "aggression": "1.0", "minWeightPercent": 1}}
    await proxy.apply(
        service("many"),
        endpoints("many", ports[:2]),
        route(rule("many")),
        backend_config_policy("many", loadBalancer={algorithm: slow}),
    )
    loop = asyncio.get_running_loop()
    old = loop.time() + 3.5
    while loop.time() < old:  # the two are used until they are no longer new
        assert {*await backends(proxy, 50)} == {"alpha", "beta"}
    await proxy.apply(endpoints("many", ports))
    assert Counter(await backends(proxy, 60))["gamma"] < 15
    async with asyncio.timeout(30):
        while Counter(await backends(proxy, 60))["gamma"] < 15:
            pass


async def test_utilization(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """Of two endpoints, the one that reports a tenth of the other's utilization gets most of the requests."""
    reports = {"alpha": 0.9, "beta": 0.09}

    def answer(name: str) -> Callable[[Seen], Awaitable[web.StreamResponse]]:
        async def report(_: Seen) -> web.StreamResponse:
            text = f"TEXT rps_fractional=100,named_metrics.queue={reports[name]}"
            return web.json_response({"backend": name}, headers={"endpoint-load-metrics": text})

        return report

    for name in reports:
        upstreams[name].answer = answer(name)
    await proxy.apply(
        service("many"),
        endpoints("many", [upstreams[name].port for name in reports]),
        route(rule("many")),
        backend_config_policy(
            "many",
            loadBalancer={
                "utilization": {
                    "blackoutPeriod": "0s",
                    "weightExpirationPeriod": "1m",
                    "weightUpdatePeriod": "100ms",
                    "errorUtilizationPenalty": 0,
                    "metricNames": ["named_metrics.queue"],
                }
            },
        ),
    )
    async with asyncio.timeout(30):
        while Counter(await backends(proxy, 60))["beta"] < 48:
            pass


async def test_connections_of_before(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """Connections to endpoints are closed when endpoints come, if the policy says so; new ones get an even share."""
    ports = [upstreams[name].port for name in NAMES]
    closing = {"closeConnectionsOnHostSetChange": True, "updateMergeWindow": "0s"}
    config = backend_config_policy("many", loadBalancer={"roundRobin": {}, **closing})
    await proxy.apply(service("many"), endpoints("many", ports[:1]), route(rule("many")), config)
    await backends(proxy, 4)
    closed = await count(proxy, "upstream_cx_destroy")
    await proxy.apply(endpoints("many", ports))
    async with asyncio.timeout(15):
        while await count(proxy, "upstream_cx_destroy") == closed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert {*await backends(proxy, 6)} == {*NAMES}


async def count(proxy: Proxy, name: str) -> int:
    """Return a count of the backend's cluster."""
    found = json.loads(await proxy.admin(f"/stats?format=json&filter=cluster.default/many.*{name}$"))["stats"]
    return sum(each.get("value", 0) for each in found)


class Reporter(grpc.GenericRpcHandler):
    """A server that reports its utilization (`xds.service.orca.v3.OpenRcaService`).

    Attributes:
        asked: the requests that came.
    """

    def __init__(self) -> None:
        self.asked: asyncio.Queue[bytes] = asyncio.Queue()

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Return the one method."""
        return grpc.unary_stream_rpc_method_handler(self.report)

    async def report(self, request: bytes, _: Any) -> AsyncIterator[bytes]:
        """Report once: `rps_fractional` is 1, `application_utilization` 0.5."""
        await self.asked.put(request)
        yield b"\x31" + struct.pack("<d", 1) + b"\x49" + struct.pack("<d", 0.5)
        await asyncio.Event().wait()


async def test_reports_out_of_band(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """The proxy asks each endpoint for reports by gRPC, at the port and as often as the policy says."""
    server, reporter = grpc.aio.server(), Reporter()
    server.add_generic_rpc_handlers((reporter,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        reports = {"utilization": {"outOfBand": {"reportingPeriod": "7s", "port": port}}}
        await proxy.apply(many(upstreams), backend_config_policy("many", loadBalancer=reports))
        async with asyncio.timeout(WITHIN):
            asked = [await reporter.asked.get() for _ in NAMES]
        assert asked == [b"\x0a\x02\x08\x07"] * 3  # report_interval {seconds: 7}
        assert {*await backends(proxy, 30)} == {*NAMES}
    finally:
        await server.stop(None)
