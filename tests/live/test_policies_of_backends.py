"""Policies that filters of backendRefs name: for the requests to these backends, beside what the rule has."""

from __future__ import annotations

from typing import Any

from tests.live.objects import Manifest, route, rule
from tests.live.proxy import Proxy, Response

MANY = 40
"""So many requests reach both of two backends, but once in 10¹¹ times."""


def policy(name: str, *targets: Manifest, **spec: Any) -> Manifest:
    """Return a TrafficPolicy."""
    found = {"targetRefs": list(targets)} if targets else {}
    version = "gateway.headgate.dev/v1alpha1"
    return {"apiVersion": version, "kind": "TrafficPolicy", "metadata": {"name": name}, "spec": {**found, **spec}}


def adds(name: str) -> Manifest:
    """Return a unit that adds a header to requests and to responses."""
    change = {"add": [{"name": name, "value": "yes"}]}
    return {"request": change, "response": change}


def with_policy(backend: str, name: str) -> Manifest:
    """Return a backendRef with a filter that names a policy."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": name}
    return {"name": backend, "filters": [{"type": "ExtensionRef", "extensionRef": reference}]}


async def by_backend(proxy: Proxy) -> dict[str, Response]:
    """Send requests, and return a response of each backend."""
    found = [await proxy.request() for _ in range(MANY)]
    return {each.backend: each for each in found}


async def test_each_header_is_added_once(proxy: Proxy) -> None:
    """What the rule has and what a backend has are one value there: nothing is applied twice."""
    reference = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "route"}
    await proxy.apply(
        policy("wide", reference, headerModifiers=adds("x-wide")),
        policy("own", headerModifiers=adds("x-own")),
        route(rule(with_policy("alpha", "own"), "beta")),
    )
    found = await by_backend(proxy)
    assert found.keys() == {"alpha", "beta"}
    for name, own in (("alpha", ["yes"]), ("beta", [])):
        assert found[name].sent("x-wide") == found[name].headers.getall("x-wide") == ["yes"]
        assert found[name].sent("x-own") == found[name].headers.getall("x-own", []) == own


async def test_a_filter_of_one_backend(proxy: Proxy) -> None:
    """A unit that is a filter runs for the requests to one backend, and is switched off for those to another."""
    reference = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "route"}
    await proxy.apply(
        policy("wide", reference, csrf={"percentageEnabled": 100}),
        policy("open", csrf={"disable": {}}),
        route(rule(with_policy("alpha", "open"), "beta")),
    )
    foreign = {"origin": "https://evil.com"}
    found = [await proxy.request(method="POST", headers=foreign) for _ in range(MANY)]
    assert {each.status for each in found} == {200, 403}
    assert {each.backend for each in found if each.status == 200} == {"alpha"}
