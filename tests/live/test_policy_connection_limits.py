"""Limits of connections: `rateLimit.local` of TrafficPolicies at TCPRoutes and TLSRoutes."""

from __future__ import annotations

from typing import Any

from tests.live import certificates, test_tcp, test_tls, test_udp
from tests.live.objects import GATEWAY, Manifest, connection_route, endpoints, gateway, service, traffic_policy
from tests.live.proxy import Proxy, free_port

ROUTES = "gateway.networking.k8s.io"


def limited(kind: str, name: str, tokens: int, **local: Any) -> Manifest:
    """Return a policy with so many connections an hour for a route."""
    bucket = {"maxTokens": tokens, "fillInterval": "1h"}
    made = traffic_policy("gateway", rateLimit={"local": {"tokenBucket": bucket, **local}})
    made["spec"]["targetRefs"] = [{"group": ROUTES, "kind": kind, "name": name}]
    return made


async def opened(port: int, count: int) -> int:
    """Return how many of so many connections are forwarded."""
    return [await test_tcp.exchange(port) for _ in range(count)].count(b"one:")


async def test_so_many_connections_are_forwarded(proxy: Proxy) -> None:
    """Exactly as many as there are tokens, over all ports of the route; the others are closed."""
    first, second = free_port(), free_port()
    async with test_tcp.backend("one") as port:
        route = connection_route("TCPRoute", "connections", {}, {"one": 1})
        listeners = gateway(test_tcp.listener(first), test_tcp.listener(second))
        await proxy.apply(listeners, service("one"), endpoints("one", [port]), route)
        await proxy.apply(limited("TCPRoute", "connections", 5))
        assert [await opened(first, 3), await opened(second, 4)] == [3, 2]
        # The bucket stays while the listener changes, and is another once the limit does.
        await proxy.apply(traffic_policy("gateway", "idle", timeouts={"idle": "90s"}))
        assert await opened(first, 3) == 0
        await proxy.apply(limited("TCPRoute", "connections", 2))
        assert await opened(first, 3) == 2
        wide = limited("TCPRoute", "connections", 4)
        wide["spec"]["targetRefs"] = [{"group": ROUTES, "kind": "Gateway", "name": GATEWAY}]
        await proxy.apply(wide)
        assert await opened(first, 6) == 4


async def test_what_concerns_requests_is_told(proxy: Proxy) -> None:
    """A field that is for requests has no effect at a route of connections, and the status says so."""
    port = free_port()
    async with test_tcp.backend("one") as backend:
        objects = (service("one"), *endpoints("one", [backend]), test_tcp.tcp_route("connections", port, one=1))
        await proxy.apply(gateway(test_tcp.listener(port)), list(objects))
        await proxy.apply(limited("TCPRoute", "connections", 1, statusCode=503))
        assert await opened(port, 3) == 1
    condition = accepted(proxy)
    assert condition["status"] == "False"
    assert "spec.rateLimit.local.statusCode has no effect at TCPRoute connections" in condition["message"]


async def test_connections_of_tls(proxy: Proxy) -> None:
    """Connections of TLS are counted by their route, whichever of its hostnames they ask for; others are not."""
    port = free_port()
    async with test_tls.line_backend("one") as objects:
        secured = test_tls.terminating(port, "certificate")
        secret = certificates.tls_secret("certificate", "*.example.com")
        route = test_tls.tls_route("encrypted", "a.example.com", one=1)
        route["spec"]["hostnames"].append("b.example.com")
        other = test_tls.tls_route("other", "c.example.com", one=1)
        await proxy.apply(gateway(secured), objects, [secret, route, other], limited("TLSRoute", "encrypted", 3))
        names = [f"{name}.example.com" for name in "abababc"]
        found = [await test_tls.ask(port, name) for name in names]
        assert [each != b"" for each in found] == [True] * 3 + [False] * 3 + [True]


async def test_datagrams_have_no_limit(proxy: Proxy) -> None:
    """At a UDPRoute the limit has no effect, and the status says why."""
    port = free_port()
    async with test_udp.backend("one") as (_, objects), test_udp.clients(port, 1) as (client,):
        await proxy.apply(gateway(test_udp.listener(port)), objects, test_udp.udp_route("datagrams", port, one=1))
        await proxy.apply(limited("UDPRoute", "datagrams", 1))
        assert [await client.exchange() for _ in range(3)] == [b"o"] * 3
    condition = accepted(proxy)
    assert (condition["status"], condition["reason"]) == ("False", "Invalid")
    assert "is for connections, and has no effect at UDPRoute datagrams, which has datagrams" in condition["message"]


def accepted(proxy: Proxy) -> Manifest:
    """Return the condition of the policy that says whether it is valid."""
    conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    found: Manifest = next(each for each in conditions if each["type"] == "Accepted")
    return found
