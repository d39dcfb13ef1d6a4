"""The task pages of other gateways on route delegation, rewritten: their examples, and what each of them promises."""

from __future__ import annotations

import pytest

from tests.live.delegation import FOO, GRANTS, HTTPBIN, OF_PARENT, TEAM1, TEAM2, answer, answers, by_team, parent
from tests.live.objects import Manifest, exact, prefix
from tests.live.proxy import Proxy
from tests.translator.delegation.manifests import (
    child,
    header,
    of_route,
    regex,
    route,
    rule,
    under,
)

BAR = rule(HTTPBIN, matches=[exact(f"{TEAM2}/bar")])
GROUPS = ("delegation.headgate.dev", "delegation.kgateway.dev", "delegation.gateway.solo.io")


async def test_basic(delegating: Proxy) -> None:
    """A child that is granted and one that names its parent are served, each where it matches; elsewhere it is 404."""
    children = [FOO, route("child-team2", BAR, namespace="team2", parents=[OF_PARENT])]
    await delegating.apply(parent(*by_team()), children, GRANTS[0])
    paths = (
        f"{TEAM1}/foo",
        f"{TEAM1}/foo/x",
        f"{TEAM1}/bar",
        f"{TEAM2}/bar",
        f"{TEAM2}/bar/test",
        "/anything/team10/foo",
    )
    assert await answers(delegating, *paths) == ["team1", "team1", 404, "team2", 404, 404]
    assert await answer(delegating, f"{TEAM1}/foo", host="other.example") == 404


@pytest.mark.parametrize("group", GROUPS)
async def test_labels(delegating: Proxy, group: str) -> None:
    """Routes are selected by a label, of one namespace or of all, whichever of the three groups names it."""

    def labelled(name: str, namespace: str) -> Manifest:
        return {"group": group, "kind": "label", "name": name, "namespace": namespace}

    def labels(one: str, two: str) -> list[Manifest]:
        other = route("other", under("/anything", HTTPBIN), namespace="team1")
        bar = route("child-team2", BAR, namespace="team2", labels={f"{group}/label": two})
        return [{**FOO, "metadata": {**FOO["metadata"], "labels": {f"{group}/label": one}}}, bar, other]

    paths = (f"{TEAM1}/foo", f"{TEAM2}/bar", f"{TEAM1}/x", f"{TEAM2}/x", "/")
    rules = [under(path, labelled(team, team)) for path, team in ((TEAM1, "team1"), (TEAM2, "team2"))]
    await delegating.apply(parent(*rules), labels("team1", "team2"), GRANTS)
    assert await answers(delegating, *paths) == ["team1", "team2", 404, 404, 404]
    await delegating.apply(parent(under("/", labelled("wildcard", "all"))), labels("wildcard", "wildcard"))
    assert await answers(delegating, *paths) == ["team1", "team2", 404, 404, 404]
    await delegating.apply(labels("wildcard", "team2"))
    assert await answers(delegating, *paths) == ["team1", 404, 404, 404, 404]


async def test_multiple_parents(delegating: Proxy) -> None:
    """A child without parentRefs serves all parents; one that names a parent serves that, and the other answers 500."""
    parents = [parent(*by_team(), name=name, hostname=f"{name}.example") for name in ("parent1", "parent2")]
    bar = route("child-team2", BAR, namespace="team2", parents=[of_route("parent1", "default")])
    await delegating.apply(parents, FOO, bar, GRANTS)
    paths = (f"{TEAM1}/foo", f"{TEAM2}/bar")
    assert await answers(delegating, *paths, host="parent1.example") == ["team1", "team2"]
    assert await answers(delegating, *paths, host="parent2.example") == ["team1", 500]


async def test_levels(delegating: Proxy) -> None:
    """A grandchild's expression is served below its parent's prefix, and does not leave it."""
    middle = route("child-team2", under(f"{TEAM2}/grandchild/", child("grandchild")), namespace="team2")
    grandchild = route("grandchild", rule(HTTPBIN, matches=[regex("/anything/.*")]), namespace="team2")
    rules = [under(TEAM1, child("*", "team1")), under(TEAM2, child("child-team2", "team2"))]
    await delegating.apply(parent(*rules), FOO, middle, grandchild, GRANTS)
    paths = (f"{TEAM1}/foo", f"{TEAM1}/bar", f"{TEAM2}/grandchild/bar", f"{TEAM2}/grandchild/foo", f"{TEAM2}/other")
    assert await answers(delegating, *paths) == ["team1", 404, "team2", "team2", 404]


PARENT1 = {"headers": [header("header1", "val1")], "queryParams": [header("query1", "val1")]}
PARENT2 = {"headers": [header("header2", "val2")], "queryParams": [header("query2", "val2")]}
OWN = {"headers": [header("headerX", "valX")], "queryParams": [header("queryX", "valX")]}


async def test_headers_and_parameters(delegating: Proxy) -> None:
    """A child that lacks what its parent's match demands is not served; one that has it is asked for all of its own."""
    both = {field: [*PARENT1[field], *OWN[field]] for field in OWN}
    rules = [
        rule(child("*", "team1"), matches=[prefix(TEAM1, **PARENT1)]),
        rule(child("*", "team2"), matches=[prefix(TEAM2, **PARENT2)]),
    ]
    foo = route("child-team1", rule(HTTPBIN, matches=[prefix(f"{TEAM1}/foo", **both)]), namespace="team1")
    bar = route("child-team2", rule(HTTPBIN, matches=[exact(f"{TEAM2}/bar", **OWN)]), namespace="team2")
    await delegating.apply(parent(*rules), foo, bar, GRANTS)
    own, one, two = ("headerX", "valX"), ("header1", "val1"), ("header2", "val2")
    assert await answer(delegating, f"{TEAM1}/foo?query1=val1", one) == 404
    assert await answer(delegating, f"{TEAM1}/foo?query1=val1&queryX=valX", one, own) == "team1"
    assert await answer(delegating, f"{TEAM2}/bar?query2=val2&queryX=valX", two, own) == 500
    assert await answer(delegating, f"{TEAM2}/bar?queryX=valX", own) == 404


@pytest.mark.parametrize("group", GROUPS)
async def test_matches_that_are_inherited(delegating: Proxy, group: str) -> None:
    """With the annotation, of any group, a child's paths are relative, and it inherits the other values."""
    inherits = {f"{group}/inherit-parent-matcher": "true"}
    bar = route("child-team2", rule(HTTPBIN, matches=[prefix("/", **OWN)]), namespace="team2", annotations=inherits)
    await delegating.apply(parent(rule(child("*", "team2"), matches=[prefix(TEAM2, **PARENT2)])), bar, GRANTS)
    own, two = ("headerX", "valX"), ("header2", "val2")
    assert await answer(delegating, f"{TEAM2}/bar?queryX=valX&query2=val2", two, own) == "team2"
    assert await answer(delegating, f"{TEAM2}?queryX=valX&query2=val2", two, own) == "team2"
    assert await answer(delegating, f"{TEAM2}/bar?queryX=valX&query2=val2", own) == 404
    assert await answer(delegating, f"{TEAM2}/bar?query2=val2", two, own) == 404
    assert await answer(delegating, "/bar?queryX=valX&query2=val2", two, own) == 404


async def test_precedence_by_weight(delegating: Proxy) -> None:
    """Of children that match alike the one with the greater route-weight is first; without, the first by name."""
    other = "team2"

    def weighing(**annotations: str) -> list[Manifest]:
        first = route("a", under(TEAM1, HTTPBIN), namespace="team1")
        return [first, route("b", under(TEAM1, HTTPBIN), namespace=other, annotations=annotations)]

    await delegating.apply(parent(under(TEAM1, child("a", "team1"), child("b", other))), weighing(), GRANTS)
    assert await answers(delegating, TEAM1) == ["team1"]
    for group in ("delegation.headgate.dev", "kgateway.dev"):
        await delegating.apply(weighing(**{f"{group}/route-weight": "10"}))
        assert await answers(delegating, TEAM1) == [other]
