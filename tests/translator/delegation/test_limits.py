"""What bounds delegation: its depth, the paths to a child, and the matches of a rule."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from tests.translator.delegation.emitted import translated
from tests.translator.delegation.manifests import (
    Manifest,
    child,
    gateway,
    labelled,
    prefix,
    root,
    route,
    rule,
    service,
    to,
    under,
)
from tests.translator.delegation.translated import answers, condition, route_names
from translator.db import Db
from translator.delegation.matching import MOST_MATCHES
from translator.delegation.paths import DEPTH, MOST_REFERENCES
from translator.delegation.references import LABELS
from translator.delegation.relations import HEAVIEST, MOST_PATHS, Delegator, weight_of, would_reach
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.refs import Ref
from translator.routes.children import MOST_NAMES

GIVEN = (gateway(), service("a"))


def chain(references: int) -> list[Manifest]:
    """Return routes of which each delegates to the next, the last to a Service."""
    middle = [route(f"r{n}", rule(child(f"r{n + 1}"))) for n in range(1, references)]
    return [root("r0", rule(child("r1"))), *middle, route(f"r{references}", rule(to("a")))]


def test_so_many_references_lead_to_a_child() -> None:
    """Sixteen references on a way are served; the route that has the seventeenth answers 500 and says so."""
    served = translated([*GIVEN, *chain(DEPTH)])
    assert [each.split("/")[0] for each in route_names(served)] == [f"r{DEPTH}"]
    deeper = translated([*GIVEN, *chain(DEPTH + 1)])
    assert [each.split("/")[0] for each in route_names(deeper)] == [f"r{DEPTH}"]
    assert [each.status for each in answers(deeper)] == [500]


def diamonds(levels: int) -> list[Manifest]:
    """Return routes that reach a child by two ways at each of so many levels."""
    sides = [route(f"{side}{n}", rule(child(f"top{n + 1}"))) for n in range(levels) for side in ("left", "right")]
    tops = [route(f"top{n}", rule(child(f"left{n}"), child(f"right{n}"))) for n in range(1, levels)]
    first = root("top0", rule(child("left0"), child("right0")))
    return [first, *sides, *tops, route(f"top{levels}", rule(to("a")))]


def test_a_child_has_so_many_paths() -> None:
    """A child that more paths lead to is not served: the rules that name it answer 500, and the parents say so."""
    levels = next(n for n in range(1, 10) if 2**n > MOST_PATHS // 4)
    few = translated([*GIVEN, *diamonds(2)])
    assert [each.split("/")[0] for each in route_names(few)] == ["top2"] * 4
    many = translated([*GIVEN, *diamonds(levels + 1)])
    assert not any(each.startswith(f"top{levels + 1}/") for each in route_names(many))
    assert route_names(many)


def test_routes_that_all_delegate_to_each_other_are_translated() -> None:
    """Twenty routes that each delegate to all of their namespace, which are more ways than could be walked, answer."""
    routes = [route(f"r{n}", rule(child("*"))) for n in range(20)]
    found = translated([*GIVEN, root("first", rule(child("*"))), *routes])
    assert {each.partition("/rule")[0] for each in route_names(found)} == {f"r{n}" for n in range(20)}
    assert all(each.status == 500 for each in answers(found))


def test_a_rule_of_a_child_has_so_many_matches() -> None:
    """A rule whose matches multiply with those of its parents answers 500 at these, and is told."""
    many = [{"headers": [{"name": "h", "value": str(n)}]} for n in range(64)]
    parents = [prefix("/", headers=[{"name": f"p{n}", "value": "a"}]) for n in range(MOST_MATCHES // 64 + 1)]
    relative = {"delegation.headgate.dev/inherit-parent-matcher": "true"}
    found = translated(
        [
            *GIVEN,
            root("parent", rule(child("child"), matches=parents)),
            route("child", rule(to("a"), matches=many), annotations=relative),
        ]
    )
    assert len(route_names(found)) == len(parents)


def test_so_many_refused_children_are_named() -> None:
    """Of the children that a reference by label may not mean, three messages are told, and how many more there are."""
    label = {LABELS[0]: "x"}
    refused = [route(f"c{n}", rule(to("a")), hostnames=["a.example.com"], labels=label) for n in range(MOST_NAMES + 2)]
    found = translated([*GIVEN, root("parent", under("/x", labelled("x"))), *refused])
    told = condition(found, "parent", "ResolvedRefs")
    assert told["reason"] == "RefNotPermitted"
    assert "2 more are refused" in told["message"]


@pytest.mark.parametrize(
    ("text", "weight"), [("7", 7), ("-7", -7), (str(2**40), HEAVIEST), ("heavy", 0), ("", 0), ("9" * 5000, HEAVIEST)]
)
def test_a_route_weight_is_a_number_within_bounds(text: str, weight: int) -> None:
    """The annotation route-weight is an integer, of 32 bits; what is none counts as 0."""
    manifest = route("c", rule(to("a")), annotations={"delegation.headgate.dev/route-weight": text})
    assert weight_of(HTTPRoute.model_validate(manifest)) == weight


def test_so_many_references_are_followed() -> None:
    """Where all routes of a namespace delegate to each other, what is walked to tell of circles is bounded."""
    routes = [route(f"r{n}", rule(child("*"))) for n in range(40)]
    walked = 0

    def counting(db: Db, ref: Ref) -> Iterator[Delegator]:
        nonlocal walked
        for each in would_reach(db, ref):
            walked += 1
            yield each

    with patch("translator.delegation.paths.would_reach", counting):
        found = translated([*GIVEN, root("first", rule(child("*"))), *routes])
    assert 0 < walked <= MOST_REFERENCES * found.executions["_ancestors"]
