"""Matches of a child multiply with those of its parents, by each path: what bounds that, and what answers beyond."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.translator.delegation.emitted import answer, configuration, edits, translated
from tests.translator.delegation.manifests import (
    Manifest,
    child,
    exact,
    gateway,
    header,
    prefix,
    root,
    route,
    rule,
    service,
    to,
    under,
)
from tests.translator.delegation.reference import Answer
from tests.translator.delegation.requests import Asked
from tests.translator.delegation.translated import condition, route_names
from translator.delegation.matching import MOST_DELEGATING
from translator.routes.crowded import MOST_SERVED
from translator.translator import Translator

GIVEN = (gateway(), service("a"), service("b"))
RELATIVE = {"delegation.headgate.dev/inherit-parent-matcher": "true"}
WIDE = 64
"""The matches of the child's one rule."""
FEW = MOST_SERVED // WIDE
"""So many rules may delegate to it, each by one match."""


def middle(number: int, matches: int = 1) -> Manifest:
    """Return a route that delegates to the child by so many matches."""
    paths = [prefix(f"/m{number}-{each}") for each in range(matches)]
    return route(f"mid{number}", rule(child("leaf"), matches=paths), annotations=RELATIVE)


def leaf(matches: int = WIDE) -> Manifest:
    """Return the child."""
    return route("leaf", rule(to("a"), matches=[prefix(f"/{each}") for each in range(matches)]), annotations=RELATIVE)


def tree(middles: int, matches: int = 1, found: Manifest | None = None) -> list[Manifest]:
    """Return a route of the Gateway for everything, one that delegates to so many routes, and their child."""
    names = [child(f"mid{each}") for each in range(middles)]
    wider = root("wider", under("/", to("b")))
    return [
        *GIVEN,
        wider,
        root("first", *rules_of(names)),
        *(middle(n, matches) for n in range(middles)),
        found or leaf(),
    ]


def rules_of(names: list[Manifest]) -> Iterator[Manifest]:
    """Yield rules that delegate to so many routes as a rule can name."""
    for start in range(0, len(names), 16):
        yield rule(*names[start : start + 16], matches=[prefix("/team")])


def answered(found: Translator, path: str) -> Answer:
    """Return what answers a request."""
    (made,) = answer(configuration(found), Asked(path))
    return Answer(made.service, made.status)


def test_a_child_has_so_many_matches_over_all_of_its_paths() -> None:
    """A child with as many matches as it may have is served; with one path more its parents answer 500 in its place."""
    served = translated(tree(FEW))
    assert len(route_names(served)) == MOST_SERVED + 1
    assert answered(served, "/team/m1-0/5") == Answer("default/a")
    crowded = translated(tree(FEW + 1))
    assert len(route_names(crowded)) == FEW + 2
    assert answered(crowded, "/team/m1-0/5") == Answer(status=500)
    assert answered(crowded, "/elsewhere") == Answer("default/b")


def test_so_many_matches_of_parents_lead_to_a_child() -> None:
    """Where more matches of its parents lead to a child it is not served, however few matches are inside them."""
    none = route("leaf", rule(to("a"), matches=[exact("/nowhere")]))
    enough = translated(tree(MOST_SERVED // WIDE, WIDE, none))
    assert condition(enough, "leaf", "Accepted")["reason"] == "NoMatchingParentMatcher"
    crowded = translated(tree(MOST_SERVED // WIDE + 1, WIDE, none))
    assert condition(crowded, "leaf", "Accepted")["reason"] == "DelegationTooWide"
    assert answered(crowded, "/team/m1-0/nowhere") == Answer(status=500)


def test_a_crowded_child_and_its_parents_are_told() -> None:
    """The child is not accepted, and each parent's reference is not resolved: the bound and the way out are named."""
    found = translated(tree(FEW + 1))
    told = condition(found, "leaf", "Accepted")
    assert (told["status"], told["reason"]) == ("False", "DelegationTooWide")
    assert f"more than {MOST_SERVED} matches" in told["message"]
    assert "fewer rules or matches, or split it" in told["message"]
    for each in ("mid0", f"mid{FEW}"):
        above = condition(found, each, "ResolvedRefs")
        assert above["reason"] == "DelegationTooWide"
        assert above["message"].startswith("spec.rules[0].backendRefs[0]: HTTPRoute default/leaf has more than")
        assert condition(found, each, "Accepted")["status"] == "True"


def test_a_child_is_served_again_with_a_path_less() -> None:
    """An edit of one of many parents, or of the child, decides whether the child is served: nothing else is needed."""
    found = translated(tree(FEW + 1))
    for change, right in (
        (route("mid0", under("/m0-0", to("b")), annotations=RELATIVE), "default/a"),
        (middle(0), ""),
        (leaf(WIDE - 4), "default/a"),
        (leaf(), ""),
    ):
        found.edit(edits([change]))
        assert not found.evaluate().failures
        assert answered(found, "/team/m1-0/5") == (Answer(right) if right else Answer(status=500))


def test_siblings_of_a_crowded_child_are_served() -> None:
    """If one child of a namespace is crowded, its siblings are served; what they leave answers 500: no wider rule."""
    many = [prefix("/team", headers=[header("h", str(each))]) for each in range(FEW)]
    wide = [
        route(
            "wide",
            *[rule(to("a"), matches=[exact(f"/{n}-{m}") for m in range(64)]) for n in range(2)],
            annotations=RELATIVE,
        )
    ]
    found = translated(
        [
            *GIVEN,
            root("wider", under("/", to("b"))),
            root("first", rule(child("*"), matches=many)),
            route("sibling", under("/ok", to("a")), annotations=RELATIVE),
            *wide,
        ]
    )
    assert condition(found, "wide", "Accepted")["reason"] == "DelegationTooWide"
    assert condition(found, "sibling", "Accepted")["status"] == "True"
    assert condition(found, "first", "ResolvedRefs")["reason"] == "DelegationTooWide"
    routes = configuration(found)
    asked = {path: answer(routes, Asked(path, headers=(("h", "3"),))) for path in ("/team/ok", "/team/1-1", "/other")}
    assert {path: next(iter(each)).status for path, each in asked.items()} == {
        "/team/ok": 0,
        "/team/1-1": 500,
        "/other": 0,
    }


def test_what_is_below_a_crowded_child_is_not_served() -> None:
    """A child of a crowded one is answered with 500 further up, and told that nothing leads to it."""
    between = route(
        "leaf", *[rule(child("last"), matches=[prefix(f"/{n}") for n in range(WIDE)])], annotations=RELATIVE
    )
    found = translated([*tree(FEW + 1, 1, between), route("last", rule(to("a"), matches=[exact("/team/m1-0/5/x")]))])
    assert condition(found, "leaf", "Accepted")["reason"] == "DelegationTooWide"
    assert condition(found, "last", "Accepted")["status"] == "False"
    assert answered(found, "/team/m1-0/5/x") == Answer(status=500)


@pytest.mark.parametrize(("paths", "status"), [(2, 0), (3, 500)])
def test_a_rule_that_delegates_has_so_many_matches(paths: int, status: int) -> None:
    """The matches of a rule of a child that delegates are fewer: beyond, it answers 500 at its parent's matches."""
    assert MOST_DELEGATING // WIDE == 2
    tops = [prefix(f"/top{n}") for n in range(paths)]
    found = translated(
        [
            *GIVEN,
            root("first", rule(child("mid0"), matches=tops)),
            middle(0, WIDE),
            route("leaf", rule(to("a"))),
        ]
    )
    assert answered(found, "/top1/m0-3/x").status == status
    told = condition(found, "mid0", "PartiallyInvalid")
    assert ("a rule that delegates has 128 at most" in told.get("message", "")) == bool(status)
