"""Shares of children by the weights of the references to them, through a real Envoy."""

from __future__ import annotations

from collections import Counter

from tests.live.delegation import FOO, GRANTS, OF_GATEWAY, TEAM1, answer, parent
from tests.live.proxy import Proxy
from tests.translator.delegation.manifests import child, exact, route, rule, setting, to, under

TIMES = 400


async def counted(proxy: Proxy, path: str) -> Counter[str]:
    """Return how often each backend answers, with the header that its rule sets."""
    found = Counter[str]()
    for _ in range(TIMES):
        response = await proxy.request(path)
        found[" ".join([response.backend, *response.sent("x-by")])] += 1
    return found


def near(found: int, share: float) -> bool:
    """Whether a count is that of a share, but for five standard deviations."""
    return bool(abs(found - TIMES * share) <= 5 * (TIMES * share * (1 - share)) ** 0.5)


async def test_weights(delegating: Proxy) -> None:
    """Requests that two children match alike are shared by the weights of their references: a canary of routes."""
    both = [route(f"v{place}", under(TEAM1, to("httpbin")), namespace=f"team{place}") for place in (1, 2)]
    for weights, share in (((3, 1), 0.75), ((0, 1), 0), ((1, 0), 1)):
        references = [child(f"v{place}", f"team{place}", weight=weight) for place, weight in enumerate(weights, 1)]
        await delegating.apply(parent(under(TEAM1, *references)), both, GRANTS)
        found = Counter([await answer(delegating, TEAM1) for _ in range(TIMES)])
        assert set(found) <= {"team1", "team2"}
        assert near(found["team1"], share)


async def test_shares_of_shares(proxy: Proxy) -> None:
    """A child shares what it is given among its own children; each has its own filters, and what it alone matches."""
    await proxy.apply(
        route("parent", under("/", child("one", weight=2), child("two", weight=1)), parents=[OF_GATEWAY]),
        route("one", under("/x", child("three", weight=1), child("four", weight=3))),
        route("two", under("/x", to("gamma"), filters=[setting("two")])),
        route("three", under("/x", to("alpha"), filters=[setting("three")]), rule(to("beta"), matches=[exact("/x/3")])),
        route("four", under("/x", to("alpha"), filters=[setting("four")])),
    )
    found = await counted(proxy, "/x")
    shares = {"alpha three": 1 / 6, "alpha four": 1 / 2, "gamma two": 1 / 3}
    assert set(found) == set(shares)
    assert all(near(found[each], share) for each, share in shares.items()), found
    assert set(await counted(proxy, "/x/3")) == {"beta"}


async def test_shares_of_backends_in_shares_of_children(proxy: Proxy) -> None:
    """The weights of a child's backends hold within its share, however large they are."""
    for weight in (1, 50, 250_000, 500_000):
        await proxy.apply(
            route("parent", under("/", child("one", weight=1), child("two", weight=3)), parents=[OF_GATEWAY]),
            route("one", under("/x", to("alpha", weight=weight), to("beta", weight=weight))),
            route("two", under("/x", to("gamma"))),
        )
        found = await counted(proxy, "/x")
        shares = {"alpha": 1 / 8, "beta": 1 / 8, "gamma": 3 / 4}
        assert all(near(found[each], share) for each, share in shares.items()), (weight, found)


async def test_equal_weights_share_nothing(delegating: Proxy) -> None:
    """Where all references have one weight, children with equal matches do not share: precedence decides."""
    other = route("a-first", under(f"{TEAM1}/foo", to("httpbin")), namespace="team2")
    references = [child("*", "team1", weight=5), child("a-first", "team2", weight=5)]
    await delegating.apply(parent(under(TEAM1, *references)), FOO, other, GRANTS)
    assert {await answer(delegating, f"{TEAM1}/foo") for _ in range(20)} == {"team1"}
