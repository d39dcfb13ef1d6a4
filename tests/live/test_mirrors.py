"""Mirrored requests (Gateway API, `HTTPRequestMirrorFilter`)."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from tests.live.objects import Manifest, prefix, route, rule
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream


def mirror(name: str, **share: object) -> Manifest:
    """Return a filter that sends copies to a Service."""
    return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 80}, **share}}


async def test_the_mirror_sees_the_request_as_it_was(proxy: Proxy, beta: Upstream) -> None:
    """The copy has the method, path, Host, headers and body of the request; its answer is not the client's."""

    async def fail(_: Seen) -> web.Response:
        return web.Response(status=500)

    beta.answer = fail
    await proxy.apply(route(rule("alpha", filters=[mirror("beta")])))
    response = await proxy.request("/m?a=b", method="POST", host="shop.example.com", headers={"x-a": "b"}, body=b"body")
    assert response.backend == "alpha"
    [copy] = await beta.saw(1)
    assert (copy.method, copy.path, copy.host, copy.values("x-a"), copy.body) == (
        "POST",
        "/m?a=b",
        "shop.example.com",
        ["b"],
        b"body",
    )


async def test_a_mirror_of_changed_requests(proxy: Proxy, beta: Upstream) -> None:
    """Headers that the rule changes are changed in the copy too."""
    change = {"set": [{"name": "x-set", "value": "new"}], "remove": ["x-gone"]}
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": change}, mirror("beta")]
    await proxy.apply(route(rule("alpha", filters=filters)))
    response = await proxy.request("/", headers={"x-set": "old", "x-gone": "1"})
    [copy] = await beta.saw(1)
    assert (response.sent("x-set"), response.sent("x-gone")) == (["new"], [])
    assert (copy.values("x-set"), copy.values("x-gone")) == (["new"], [])


async def test_several_mirrors(proxy: Proxy, beta: Upstream, gamma: Upstream) -> None:
    """Each mirror of a rule gets a copy, and only of that rule's requests."""
    await proxy.apply(
        route(
            rule("alpha", matches=[prefix("/m")], filters=[mirror("beta"), mirror("gamma")]),
            rule("alpha", matches=[prefix("/n")]),
        )
    )
    assert (await proxy.request("/n")).backend == "alpha"
    assert (await proxy.request("/m")).backend == "alpha"
    assert [[each.path for each in await one.saw(1)] for one in (beta, gamma)] == [["/m"], ["/m"]]


async def test_a_large_body_is_mirrored_whole(proxy: Proxy, beta: Upstream) -> None:
    """A body of a megabyte arrives at both."""
    body = bytes(range(256)) * 4096
    await proxy.apply(route(rule("alpha", filters=[mirror("beta")])))
    assert (await proxy.request("/", method="PUT", body=body)).backend == "alpha"
    [copy] = await beta.saw(1)
    assert copy.body == body


async def test_a_mirror_that_is_missing_or_down_costs_nothing(proxy: Proxy) -> None:
    """Requests go on where the mirror does not exist; the route says so."""
    await proxy.apply(route(rule("alpha", filters=[mirror("missing")])))
    assert (await proxy.request()).backend == "alpha"
    [parent] = proxy.status("HTTPRoute", "route")["parents"]
    reasons = {each["type"]: (each["status"], each["reason"]) for each in parent["conditions"]}
    assert reasons["ResolvedRefs"] == ("False", "BackendNotFound")


REQUESTS = 300


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ({"percent": 20}, 0.2),
        ({"percent": 0}, 0),
        ({"percent": 100}, 1),
        ({"fraction": {"numerator": 1, "denominator": 2}}, 0.5),
        ({"fraction": {"numerator": 35}}, 0.35),
    ],
    ids=str,
)
async def test_a_share_is_mirrored(proxy: Proxy, beta: Upstream, share: dict[str, object], expected: float) -> None:
    """Of many requests the share that is asked for is mirrored."""
    await proxy.apply(route(rule("alpha", filters=[mirror("beta", **share)])))
    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(proxy.request("/", http=http) for _ in range(REQUESTS)))
    await proxy.quiet("default/beta:80")
    # Five standard deviations of the binomial distribution: one run in a million is outside.
    assert abs(len(beta.seen) - REQUESTS * expected) <= 5 * (REQUESTS * expected * (1 - expected)) ** 0.5
