"""Changes under traffic: no request fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.live.certificates import client, tls_secret
from tests.live.objects import Manifest, endpoints, gateway, prefix, route, rule, service
from tests.live.proxy import Proxy, free_port
from tests.live.test_https import https
from tests.live.traffic import traffic
from tests.live.upstream import Upstream, upstream
from translator.refs import Ref


async def test_a_route_moves_from_backend_to_backend(proxy: Proxy) -> None:
    """While a route moves to other Services, whose clusters come and go, every request is served."""
    await proxy.apply(route(rule("alpha")))
    async with traffic(proxy) as seen:
        for name in ("beta", "gamma", "alpha") * 7:
            await proxy.apply(route(rule(name)))
            await seen.more()
    assert set(seen.answers) == {"alpha", "beta", "gamma"}
    assert seen.count >= 2000


async def test_weights_shift(proxy: Proxy) -> None:
    """While requests shift from one backend to another in steps, every request is served."""
    await proxy.apply(route(rule("alpha")))
    async with traffic(proxy) as seen:
        for share in (0, 1, 50, 99, 100, 50, 0):
            await proxy.apply(route(rule({"name": "alpha", "weight": 100 - share}, {"name": "beta", "weight": share})))
            await seen.more()
    assert set(seen.answers) == {"alpha", "beta"}


async def test_the_settings_of_a_backend_change(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """While a Service turns from endpoints to a DNS name and back, which are different clusters, all is served."""
    outside = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "turning"},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": beta.port}]},
    }
    inside = service("turning", beta.port)
    await proxy.apply(inside, endpoints("turning", [alpha.port]), route(rule({"name": "turning", "port": beta.port})))
    async with traffic(proxy) as seen:
        for change in (outside, inside, outside, inside):
            await proxy.apply(change)
            await seen.more()
    assert set(seen.answers) == {"alpha", "beta"}


async def test_rules_come_and_go(proxy: Proxy) -> None:
    """While other rules, routes and hostnames come and go, and rules change places, a rule serves on."""
    steady = rule("alpha", matches=[prefix("/steady")])
    others = [rule(name, matches=[prefix(f"/{name}")]) for name in ("beta", "gamma", "missing")]
    await proxy.apply(route(steady))
    async with traffic(proxy, "/steady/x") as seen:
        for number in range(4):
            await proxy.apply(route(*others[:number], steady, *others[number:]))
            await proxy.apply(route(rule("beta"), name="other", hostnames=[f"h{number}.org", "*.org"]))
            await seen.more()
            await proxy.delete(Ref("HTTPRoute", "default", "other"))
    assert set(seen.answers) == {"alpha"}


async def test_endpoints_come_and_go(proxy: Proxy, alpha: Upstream) -> None:
    """While endpoints are added and taken away in order, ready ones first in, stopped ones last out, all is served."""
    async with upstream("delta") as delta:
        slices = endpoints("pool", [alpha.port, delta.port])
        await proxy.apply(service("pool"), slices[0], route(rule("pool")))
        async with traffic(proxy) as seen:
            for _ in range(5):
                await proxy.apply(slices[1])
                await seen.more()
                await proxy.apply(endpoints("pool", [delta.port], ready=False))
                await seen.more()
    assert set(seen.answers) == {"alpha", "delta"}


async def test_an_endpoint_is_dead_and_nobody_says_so(proxy: Proxy, alpha: Upstream) -> None:
    """While an endpoint is listed that refuses connections, and until it is removed, the others serve all requests."""
    slices = endpoints("pool", [alpha.port, free_port()])
    await proxy.apply(service("pool"), slices[0], route(rule("pool")))
    async with traffic(proxy) as seen:
        await proxy.apply(slices[1])
        await seen.more(300)
        await proxy.delete(Ref("EndpointSlice", "default", slices[1]["metadata"]["name"]))
        await seen.more()
    assert set(seen.answers) == {"alpha"}


async def test_all_endpoints_are_replaced(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """While all endpoints of a Service are replaced at once, in slices of other names, all is served."""
    one, two = endpoints("pool", [alpha.port]), endpoints("pool", [beta.port])
    await proxy.apply(service("pool"), one, route(rule("pool")))
    async with traffic(proxy) as seen:
        for come, go in ((two, one), (one, two)) * 3:
            gone = endpoints("pool", [go[0]["ports"][0]["port"]], ready=False)
            await proxy.apply(come, gone)
            await seen.more()
    assert set(seen.answers) == {"alpha", "beta"}


Listeners = Callable[[Proxy, int], list[Manifest]]


def http_hosts(proxy: Proxy, number: int) -> list[Manifest]:
    """HTTP listeners: one that stays, one whose hostname changes."""
    changing = {"name": "other", "protocol": "HTTP", "port": proxy.port, "hostname": f"h{number}.org"}
    return [{"name": "http", "protocol": "HTTP", "port": proxy.port}, changing]


def https_hosts(proxy: Proxy, number: int) -> list[Manifest]:
    """HTTPS listeners: one that stays, one whose hostname changes."""
    return [https(proxy, "a", "a.org", "own"), https(proxy, "other", f"h{number}.org", "own")]


@pytest.mark.parametrize(
    ("listeners", "options"),
    [(http_hosts, {}), (https_hosts, {"host": "a.org", "ssl": client(), "server_hostname": "a.org"})],
    ids=["http", "https"],
)
async def test_listeners_come_and_go(proxy: Proxy, listeners: Listeners, options: dict[str, Any]) -> None:
    """While other listeners of the same port come and go, requests to one that stays are served."""
    await proxy.apply(tls_secret("own", "a.org"), gateway(*listeners(proxy, 0)), route(rule("alpha")))
    async with traffic(proxy, **options) as seen:
        for number in range(1, 6):
            await proxy.apply(gateway(*listeners(proxy, number)))
            await seen.more()
    assert set(seen.answers) == {"alpha"}
