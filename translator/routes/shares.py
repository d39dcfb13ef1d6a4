"""Shares of children: where references of a rule have different weights, children with equal matches share requests.

Matches count as they are at the end of all paths below the rule: what one child alone matches, it gets whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from translator.db import Db
from translator.delegation.paths import DEPTH, Path, Step, paths, rule_of, seniority
from translator.delegation.references import delegation
from translator.engine.query import query
from translator.ir.http import EVERY_REQUEST, MILLION, RouteMatch, Rule, Share
from translator.outcome import Outcome
from translator.refs import Ref
from translator.routes.children import delegates, unserved
from translator.routes.crowded import is_unserved
from translator.routes.delegated import delegated_rules, rules_on
from translator.routes.rules import rules

Requests = tuple[object, ...]
"""What stands for the requests of a match (`RouteMatch.requests`)."""


def served_rules(db: Db, route: Ref, path: Path) -> tuple[Outcome[Rule], ...]:
    """Return the rules of a route as they are served by a path, each match with its share of the requests.

    Those of a child that is crowded, or below one, have no matches: its parent answers.
    """
    if path and is_unserved(db, route, path):
        return tuple(Outcome(replace(each.value, matches=()), each.problems) for each in rules(db, route))
    found = rules_on(db, route, path)
    sharing = [place for place, each in enumerate(path) if shares(db, each)]
    if not sharing:
        return found
    return tuple(Outcome(_shared(db, each.value, route, path, sharing), each.problems) for each in found)


def _shared(db: Db, rule: Rule, route: Ref, path: Path, sharing: list[int]) -> Rule:
    matches = tuple(replace(each, share=_share(db, each, route, path, sharing)) for each in rule.matches)
    return replace(rule, matches=matches)


def _share(db: Db, match: RouteMatch, route: Ref, path: Path, sharing: list[int]) -> Share | None:
    """Return the share of a match of a child: that of the child of each rule on the way, within the one above."""
    found = EVERY_REQUEST
    for place in sharing:
        below = path[place + 1].parent if place + 1 < len(path) else route
        among = sharers(db, path[: place + 1]).get(match.requests, ())
        total = sum(weight for _, weight in among)
        start = 0
        for child, weight in among:
            if child == below:
                end = start + weight
                found = Share(found.fraction(start * MILLION // total), found.fraction(end * MILLION // total))
                break
            start += weight
    return found if found != EVERY_REQUEST else None


@query(firewall=True)
def shares(db: Db, step: Step) -> bool:
    """Return whether the children of a rule share requests by weight."""
    rule = rule_of(db, step)
    said = delegation(step.parent, rule) if rule is not None else None
    return said is not None and said.shares


@query(firewall=True)
def sharers(db: Db, path: Path) -> Mapping[Requests, tuple[tuple[Ref, int], ...]]:
    """Return the children of the last rule of a path that have each match, in their order, with their weights."""
    parent, place = path[-1]
    found: dict[Requests, list[tuple[Ref, int]]] = {}
    meant = delegates(db, parent, place)
    weights = dict(zip(meant.children, meant.weights, strict=True))
    for child in sorted(weights, key=lambda each: seniority(db, each)):
        if path in paths(db, child):
            for each in dict.fromkeys(_matches_below(db, child, path)):
                found.setdefault(each, []).append((child, weights[child]))
    return {each: tuple(among) for each, among in found.items()}


@query
def _matches_below(db: Db, child: Ref, path: Path) -> tuple[Requests, ...]:
    return tuple(dict.fromkeys(_below(db, child, path)))


def _below(db: Db, child: Ref, path: Path) -> Iterator[Requests]:
    """Yield the requests of all matches by which a child, and those below it, are served by a path."""
    for place, each in enumerate(delegated_rules(db, child, path)):
        rule = each.value
        if not rule.delegates:
            yield from (match.requests for match in rule.matches)
            continue
        left = unserved(db, child, place, rule, path).value
        yield from (match.requests for match in (left.matches if left is not None else ()))
        further = (*path, Step(child, place))
        for below in delegates(db, child, place).children if len(further) <= DEPTH else ():
            if further in paths(db, below):
                yield from _matches_below(db, below, further)
