"""Hostnames of listeners and routes, and their intersection."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.http2 import statuses
from tests.live.objects import Manifest, exact, gateway, prefix, route, rule
from tests.live.proxy import Proxy

Expected = list[tuple[str, Any]]


async def served(proxy: Proxy, expected: list[tuple[str, Any]], path: str = "/") -> list[tuple[str, Any]]:
    """Who answers for each Host: the backend's name, else the status. A Host can have a path behind it."""
    found: list[tuple[str, Any]] = []
    for target, _ in expected:
        host, slash, rest = target.partition("/")
        response = await proxy.request(slash + rest or path, host=host)
        found.append((target, response.backend if response.status == 200 else response.status))
    return found


def listener(proxy: Proxy, name: str, hostname: str = "") -> Manifest:
    """Return an HTTP listener on the proxy's port."""
    return {"name": name, "protocol": "HTTP", "port": proxy.port, **({"hostname": hostname} if hostname else {})}


async def test_exact_and_wildcard_hostnames(proxy: Proxy) -> None:
    """A wildcard stands for one or more labels and not for none; a Host's case and port do not matter."""
    await proxy.apply(
        route(rule("alpha"), name="exact", hostnames=["very.specific.com"]),
        route(rule("beta"), name="wild", hostnames=["*.wildcard.io"]),
    )
    expected: Expected = [
        ("very.specific.com", "alpha"),
        ("VERY.specific.COM", "alpha"),
        ("very.specific.com:1234", "alpha"),
        ("non.matching.com", 404),
        ("specific.com", 404),
        ("a.wildcard.io", "beta"),
        ("a.b.wildcard.io", "beta"),
        ("a.wildcard.io:8080", "beta"),
        ("wildcard.io", 404),
        ("wildcard.io:80", 404),
        ("awildcard.io", 404),
        ("127.0.0.1", 404),
    ]
    assert await served(proxy, expected) == expected


async def test_a_route_without_hostnames_serves_those_of_its_listener(proxy: Proxy) -> None:
    """Where only one of listener and route names hosts, these are served; where both do, what they have in common."""
    await proxy.apply(
        gateway(listener(proxy, "exact", "very.specific.com"), listener(proxy, "wild", "*.wildcard.io")),
        route(rule("alpha"), name="any", section="exact"),
        route(rule("beta"), name="narrow", section="wild", hostnames=["foo.wildcard.io", "foo.other.io"]),
        route(rule("gamma"), name="wide", section="exact", hostnames=["*.specific.com"]),
    )
    expected: Expected = [
        ("very.specific.com", "gamma"),
        ("other.specific.com", 404),
        ("foo.wildcard.io", "beta"),
        ("bar.wildcard.io", 404),
        ("foo.other.io", 404),
    ]
    assert await served(proxy, expected) == expected


async def test_a_request_that_the_narrower_route_does_not_match_falls_through(proxy: Proxy) -> None:
    """A route with the more specific hostname is asked first, whatever its age and paths; then those of wider ones."""
    new, old = "2025-01-01T00:00:00Z", "2024-01-01T00:00:00Z"
    await proxy.apply(
        route(rule("alpha", matches=[prefix("/a")]), name="exact", hostnames=["a.example.com"], created=new),
        route(rule("beta", matches=[exact("/a"), prefix("/b")]), name="wild", hostnames=["*.example.com"], created=old),
        route(rule("gamma"), name="any", created=old),
    )
    expected: Expected = [
        ("a.example.com/a", "alpha"),
        ("a.example.com/b", "beta"),
        ("a.example.com/c", "gamma"),
        ("b.example.com/a", "beta"),
        ("b.example.com/b", "beta"),
        ("b.example.com/c", "gamma"),
        ("other.org/a", "gamma"),
    ]
    assert await served(proxy, expected) == expected


async def test_of_routes_with_the_same_intersection_the_own_hostname_decides(proxy: Proxy) -> None:
    """On a listener for one host, a route that names it beats an older one with a wildcard and a longer path."""
    await proxy.apply(
        gateway(listener(proxy, "http", "a.example.com")),
        route(
            rule("beta", matches=[prefix("/x/y")]),
            name="wild",
            hostnames=["*.example.com"],
            created="2024-01-01T00:00:00Z",
        ),
        route(
            rule("alpha", matches=[prefix("/x")]),
            name="exact",
            hostnames=["a.example.com"],
            created="2025-01-01T00:00:00Z",
        ),
        route(rule("gamma", matches=[prefix("/x/y/z"), prefix("/g")]), name="any", created="2023-01-01T00:00:00Z"),
    )
    expected: Expected = [
        ("a.example.com/x/y/z", "alpha"),
        ("a.example.com/x", "alpha"),
        ("a.example.com/g", "gamma"),
        ("a.example.com/none", 404),
    ]
    assert await served(proxy, expected) == expected


LISTENERS = {
    "empty": "",
    "wildcard": "*.example.com",
    "foo": "*.foo.example.com",
    "abc": "abc.foo.example.com",
}
ISOLATED = {
    "bar.com": "empty",
    "bar.example.com": "wildcard",
    "bar.foo.example.com": "foo",
    "abc.foo.example.com": "abc",
}


async def test_listeners_are_isolated(proxy: Proxy) -> None:
    """A host is served by the most specific of the listeners of a port and by no other."""
    await proxy.apply(
        gateway(*(listener(proxy, name, hostname) for name, hostname in LISTENERS.items())),
        *(route(rule("alpha", matches=[prefix(f"/{each}")]), name=each, section=each) for each in LISTENERS),
    )
    for host, owner in ISOLATED.items():
        expected = [(f"{host}/{each}", "alpha" if each == owner else 404) for each in LISTENERS]
        assert await served(proxy, expected) == expected


async def test_listeners_are_isolated_whatever_hostnames_routes_name(proxy: Proxy) -> None:
    """A route on a wider listener does not serve a narrower listener's host, though it names it."""
    hosts = list(ISOLATED)
    await proxy.apply(
        gateway(*(listener(proxy, name, hostname) for name, hostname in LISTENERS.items())),
        *(
            route(rule("alpha", matches=[prefix(f"/{each}")]), name=each, section=each, hostnames=hosts)
            for each in LISTENERS
        ),
    )
    for host, owner in ISOLATED.items():
        expected = [(f"{host}/{each}", "alpha" if each == owner else 404) for each in LISTENERS]
        assert await served(proxy, expected) == expected


async def test_a_route_on_all_listeners_serves_each_of_them(proxy: Proxy) -> None:
    """A route that names the Gateway only attaches to all listeners, and serves every host that one of them has."""
    await proxy.apply(
        gateway(listener(proxy, "a", "a.example.com"), listener(proxy, "wild", "*.example.com")), route(rule("alpha"))
    )
    expected: Expected = [("a.example.com", "alpha"), ("b.example.com", "alpha"), ("other.org", 404)]
    assert await served(proxy, expected) == expected


@pytest.mark.parametrize("change", ["route", "listener"])
async def test_changing_a_hostname_changes_what_is_served(proxy: Proxy, change: str) -> None:
    """After the hostname of a listener or route changes, the new one is served and the old one is not."""
    for hostname, other in (("one.example.com", "two.example.com"), ("two.example.com", "one.example.com")):
        name = {"route": ("", [hostname]), "listener": (hostname, [])}[change]
        await proxy.apply(gateway(listener(proxy, "http", name[0])), route(rule("alpha"), hostnames=name[1]))
        expected: Expected = [(hostname, "alpha"), (other, 404)]
        assert await served(proxy, expected) == expected


@pytest.mark.parametrize("host", ["a.example.com.", "a.example.com", "A.Example.com:8080", "b.example.com.:80"])
async def test_the_host_is_forwarded_as_it_came(proxy: Proxy, host: str) -> None:
    """A dot at the end, a port and capitals mean nothing for routes; the backend gets the Host as it was written."""
    await proxy.apply(
        route(rule("alpha"), hostnames=["a.example.com", "*.example.com"]), route(rule("beta"), name="any")
    )
    response = await proxy.request(host=host)
    assert (response.backend, response.sent("host")) == ("alpha", [host])


async def test_http2_without_tls(proxy: Proxy) -> None:
    """An HTTP listener takes HTTP/2 from clients that begin with it, beside HTTP/1.1."""
    await proxy.apply(route(rule("alpha"), hostnames=["a.example.com"]))
    assert await statuses(proxy.port, None, "", "a.example.com", "other.example.com") == [200, 404]
