"""Filters of one backend among several, which gets a route of its own for its share of the requests."""

from __future__ import annotations

import asyncio
from collections import Counter
from math import sqrt

import pytest

from tests.live.objects import Manifest, endpoints, prefix, route, rule, service
from tests.live.proxy import Proxy, Response
from tests.live.test_mirrors import mirror
from tests.live.test_rewrites import PREFIXES, full, instead, rewrite
from tests.live.upstream import Upstream


def backend(name: str, *filters: Manifest, weight: int = 1) -> Manifest:
    """Return a backendRef with filters."""
    return {"name": name, "weight": weight, "filters": list(filters)}


async def answers(proxy: Proxy, count: int, path: str = "/") -> list[Response]:
    """Return the responses to many requests; each has its number as a header."""
    numbers = iter(range(count))

    async def some() -> list[Response]:
        return [await proxy.request(path, headers={"x-number": str(number)}) for number in numbers]

    return [each for found in await asyncio.gather(*(some() for _ in range(8))) for each in found]


def is_share(found: int, of: int, share: float) -> bool:
    """Return whether a number is a share of others, within four standard deviations: one run of 16,000 is not."""
    return abs(found - of * share) <= 4 * sqrt(of * share * (1 - share))


async def test_backends_have_paths_of_their_own(proxy: Proxy) -> None:
    """Each backend gets its share of the requests, all with the path and Host that it is to have."""
    backends = [
        backend("alpha", weight=5),
        backend("beta", rewrite(hostname="b.example.com", path=full("/b")), weight=3),
        backend("gamma", rewrite(path=instead("/g")), weight=2),
    ]
    filters = [rewrite(hostname="all.example.com", path=instead("/a"))]
    await proxy.apply(route(rule(*backends, matches=[prefix("/shop")], filters=filters)))
    found = await answers(proxy, 400, "/shop/cart?x=1")
    seen = Counter((each.backend, each.path, *each.sent("host")) for each in found)
    expected = {
        ("alpha", "/a/cart?x=1", "all.example.com"): 0.5,
        ("beta", "/b?x=1", "b.example.com"): 0.3,
        ("gamma", "/g/cart?x=1", "all.example.com"): 0.2,
    }
    assert seen.keys() == expected.keys()
    assert all(is_share(seen[each], 400, share) for each, share in expected.items()), seen


@pytest.mark.parametrize(("path", "matched", "replacement", "sent"), PREFIXES)
async def test_prefixes_are_replaced_as_for_rules(
    proxy: Proxy, path: str, matched: str, replacement: str, sent: str
) -> None:
    """What a rule's filter makes of a path, that of its only backend makes of it too."""
    await proxy.apply(route(rule(backend("alpha", rewrite(path=instead(replacement))), matches=[prefix(matched)])))
    assert (await proxy.request(path)).path == sent


async def test_a_mirror_of_one_backend(proxy: Proxy, beta: Upstream, gamma: Upstream) -> None:
    """Only requests to that backend are mirrored, and of these a quarter where it asks for that."""
    await proxy.apply(route(rule(backend("alpha"), backend("beta", mirror("gamma", percent=25)))))
    await answers(proxy, 600)
    sent = {each.values("x-number")[0] for each in beta.seen}
    assert is_share(len(sent), 600, 0.5)
    await proxy.quiet("default/gamma:80")
    copies = {each.values("x-number")[0] for each in gamma.seen}
    assert copies <= sent
    assert is_share(len(copies), len(sent), 0.25)


async def test_a_share_is_redirected(proxy: Proxy) -> None:
    """Of two backends one is a redirect: half of the requests get it, and the others a backend."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "new.example.com"}}
    await proxy.apply(route(rule(backend("alpha"), backend("nowhere", redirect))))
    seen = Counter((each.status, each.headers.get("location")) for each in await answers(proxy, 200))
    assert seen.keys() == {(200, None), (302, f"http://new.example.com:{proxy.port}/")}
    assert is_share(seen[200, None], 200, 0.5)


async def test_a_broken_share(proxy: Proxy) -> None:
    """The share of a backend that does not exist gets 500, and one without endpoints 503, as without filters."""
    await proxy.apply(service("empty"), *endpoints("empty", []))
    backends = (backend("alpha", rewrite(path=full("/a"))), backend("nowhere"), backend("empty"))
    await proxy.apply(route(rule(*backends)))
    assert {each.status for each in await answers(proxy, 100)} == {200, 500, 503}
