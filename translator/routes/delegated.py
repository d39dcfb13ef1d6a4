"""The rules of children: those of their routes, with the matches that they have inside their parents'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from translator.db import Db
from translator.delegation.inheritance import has_inheritance, inherited
from translator.delegation.matching import (
    EVERYTHING,
    MOST_DELEGATING,
    MOST_MATCHES,
    is_any_below,
    is_any_inside,
    matches_inside,
)
from translator.delegation.paths import Path, has_too_many_paths, rule_of
from translator.delegation.relations import is_relative
from translator.engine.query import query
from translator.envoy.ai.model_settings import ReadModel
from translator.ir.http import PathKind, RouteMatch, Rule
from translator.objects.gateway_api.httproute import HTTPRoute, HTTPRouteRule
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.routes import http
from translator.routes.rule import reading
from translator.routes.rules import rules
from translator.routes.values import expression_problems

NO_MATCH: Final = "NoMatchingParentMatcher"
"""The reason of a child whose rules are not inside those of its parent."""


def rules_on(db: Db, route: Ref, path: Path) -> tuple[Outcome[Rule], ...]:
    """Return the rules of a route as they are by a path; without one, as they are by themselves."""
    return delegated_rules(db, route, path) if path else rules(db, route)


@query
def delegated_rules(db: Db, child: Ref, path: Path) -> tuple[Outcome[Rule], ...]:
    """Return the rules of a child as they are inside the rule of its parent; one that is not has no matches."""
    found = db.get(HTTPRoute, child)
    relative = found is not None and is_relative(found)
    parents = parent_matches(db, path)
    above = [each.rule for each in parent_rules(db, path)]
    specs = found.spec.rules if found is not None else ()
    read = http.read(db, child, (inherited(above, each) for each in specs)) if above else rules(db, child)
    return tuple(_inside(each, parents, relative, f"spec.rules[{place}]") for place, each in enumerate(read))


def _inside(read: Outcome[Rule], parents: tuple[RouteMatch, ...], relative: bool, field: str) -> Outcome[Rule]:
    rule = read.value
    most = MOST_DELEGATING if rule.delegates else MOST_MATCHES
    found = matches_inside(parents, rule.matches, relative, most)
    if len(found) > most:
        that = "that delegates " if rule.delegates else ""
        text = f"{field}.matches: with those of its parents a rule {that}has {most} at most; use fewer"
        problem = Problem("Accepted", "UnsupportedValue", f"{text}; the parent's matches are answered with 500.")
        return Outcome(replace(rule, matches=parents, delegates=False, error=text), (*read.problems, problem))
    problems = list(read.problems)
    if relative:
        usable = [(each, tuple(_expression_problems(each, field))) for each in found]
        found = tuple(each for each, wrong in usable if not wrong)
        problems += (problem for _, wrong in usable for problem in wrong)
    settings = rule.settings
    if not any(isinstance(each, ReadModel) for each in settings):
        settings = (*settings, *reading(found))  # a parent's match may ask for a model
    return Outcome(replace(rule, matches=found, settings=settings), tuple(dict.fromkeys(problems)))


def _expression_problems(match: RouteMatch, field: str) -> Iterator[Problem]:
    if match.path_kind is PathKind.REGEX:
        yield from expression_problems(match.path, f"{field}: its path behind that of its parent")


class ParentRule(NamedTuple):
    """A rule that delegates, and has something that the rules of children inherit.

    Attributes:
        depth: how many routes are above its own.
        route: its route.
        rule: the rule.
    """

    depth: int
    route: Ref
    rule: HTTPRouteRule


@query(firewall=True)
def parent_rules(db: Db, path: Path) -> tuple[ParentRule, ...]:
    """Return those rules of a path of which children inherit something, the furthest up first."""
    found: list[ParentRule] = []
    for depth, step in enumerate(path):
        rule = rule_of(db, step)
        if rule is not None and has_inheritance(rule):
            found.append(ParentRule(depth, step.parent, rule))
    return tuple(found)


@query(firewall=True)
def parent_matches(db: Db, path: Path) -> tuple[RouteMatch, ...]:
    """Return the matches of the last rule of a path that delegate; none if it cannot."""
    parent, place = path[-1]
    found = rules_on(db, parent, path[:-1])
    rule = found[place].value if place < len(found) else None
    return tuple(filter(_delegates, rule.matches)) if rule is not None and rule.delegates else ()


def _delegates(match: RouteMatch) -> bool:
    return match.path_kind is PathKind.PREFIX


def serves_inside(db: Db, child: Ref, match: RouteMatch) -> bool:
    """Return whether a child has a match inside that of a parent."""
    found = db.get(HTTPRoute, child)
    relative = found is not None and is_relative(found)
    if has_too_many_paths(db, child):
        return False
    if not relative and (known := _own_paths(db, child)) is not None and not is_any_below(known, match):
        return False
    return any(is_any_inside(match, each.value.matches, relative) for each in rules(db, child))


@query
def _own_paths(db: Db, child: Ref) -> tuple[str, ...] | None:
    """Return the sorted paths of a child, which many matches of parents are compared with; None if it has others."""
    found: set[str] = set()
    for each in rules(db, child):
        if each.value.matches == (EVERYTHING,):
            return None
        for match in each.value.matches:
            if match.path_kind is PathKind.REGEX:
                return None
            found.add(match.path)
    return tuple(sorted(found))
