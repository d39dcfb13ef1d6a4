"""The cost of an edit among 10,000 children of one parent, counted in executed queries."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import edit, removal
from tests.translator.costs import Cost, cost
from tests.translator.delegation.emitted import OWN, translated
from tests.translator.delegation.manifests import (
    Manifest,
    child,
    gateway,
    prefix,
    root,
    route,
    rule,
    service,
    to,
    under,
)
from translator.inputs import Edit
from translator.translator import Translator
from xds.resources.types import ROUTE

pytestmark = pytest.mark.slow

CHILDREN = 10_000


def team(number: int, path: str = "") -> Manifest:
    """Return one of the children."""
    return route(f"team-{number}", under(path or f"/teams/{number}", to("a")))


def parent(*more: Manifest, **fields: Any) -> Manifest:
    """Return the parent."""
    return root("parent", under("/teams", child("*")), *more, **fields)


def spent(translator: Translator, made: Edit) -> Cost:
    """Make an edit and count."""
    return cost(translator, made, gateway=OWN)


@pytest.fixture(scope="module")
def many() -> Translator:
    """Return a translator with a parent of 10,000 children."""
    return translated([gateway(), service("a"), service("b"), parent(), *map(team, range(CHILDREN))])


def test_an_edit_of_a_child(many: Translator) -> None:
    """A child with another match re-runs its own queries, its hostname and its table."""
    found = spent(many, edit(team(7, "/teams/seven")))
    assert found.runs < 20
    assert found.resources == {ROUTE: {"port-8080"}}
    assert found.statuses == []
    assert spent(many, edit(team(7))).runs < 20


def test_a_child_that_comes_and_goes(many: Translator) -> None:
    """A child more has the parent's list of children read again, and no other child."""
    found = spent(many, edit(team(CHILDREN)))
    assert found.runs < 40
    assert found.statuses == [f"HTTPRoute default/team-{CHILDREN}"]
    assert spent(many, removal(team(CHILDREN))).runs < 20


def test_a_child_that_leaves_its_parent_and_comes_back(many: Translator) -> None:
    """A child outside of its parent's match is told so, and no other child is looked at."""
    found = spent(many, edit(team(7, "/elsewhere")))
    assert found.runs < 20
    assert found.statuses == ["HTTPRoute default/team-7"]
    assert spent(many, edit(team(7))).statuses == ["HTTPRoute default/team-7"]


def test_an_edit_of_the_parent_that_concerns_no_child(many: Translator) -> None:
    """A label, or another rule, of a parent does not have its children verified."""
    before = many.verifications
    found = spent(many, edit(parent(labels={"note": "new"})))
    assert (found.runs, found.resources) == (found.runs, {})
    found_rule = spent(many, edit(parent(rule(to("b"), matches=[prefix("/other")]))))
    assert found_rule.runs < 60
    assert many.verifications - before < 300
    spent(many, edit(parent()))
