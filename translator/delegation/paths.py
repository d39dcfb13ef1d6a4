"""The ways from parents to children: bottom up, so that a child knows the routes that it is served by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, pairwise
from typing import Final, NamedTuple

from translator.db import Db
from translator.delegation.relations import MOST_PATHS, delegators, weight_of, would_reach
from translator.engine.query import query
from translator.objects.gateway_api.httproute import HTTPRoute, HTTPRouteRule
from translator.refs import Ref

DEPTH: Final = 16
"""The most references from a route that is attached to a Gateway to a child."""

MOST_REFERENCES: Final = 1024
"""The references that are followed to find a circle: members of greater ones, or of denser ones, are not told of it."""


class Step(NamedTuple):
    """A rule that delegates.

    Attributes:
        parent: its route.
        rule: its place in the route.
    """

    parent: Ref
    rule: int


Path = tuple[Step, ...]
"""The rules that delegate, one to the route of the next, the first of a route that is attached to a Gateway."""


def rule_of(db: Db, step: Step) -> HTTPRouteRule | None:
    """Return the rule in the spec of its route; None if there is none at this place any more."""
    found = db.get(HTTPRoute, step.parent)
    return found.spec.rules[step.rule] if found is not None and step.rule < len(found.spec.rules) else None


@query(firewall=True)
def _paths_of_parent(db: Db, parent: Ref) -> tuple[Path, ...]:
    """Return the paths of a route that is a parent, or one too many: one value for all of its children."""
    return _too_many(db, parent) or tuple(islice(_up(db, parent, (), (parent,)), MOST_PATHS + 1))


def _too_many(db: Db, route: Ref) -> tuple[Path, ...]:
    """Return one path too many to a route, where so many rules delegate to it: nothing is asked further up."""
    found = tuple((Step(each.parent, each.rule),) for each in islice(delegators(db, route), MOST_PATHS + 1))
    return found if len(found) > MOST_PATHS else ()


def _up(db: Db, route: Ref, below: Path, seen: tuple[Ref, ...]) -> Iterator[Path]:
    for each in delegators(db, route):
        if each.parent in seen:
            continue  # a cycle, which ends where it would close
        path = (Step(each.parent, each.rule), *below)
        yield path
        if len(path) < DEPTH:
            yield from _up(db, each.parent, path, (*seen, each.parent))


@query
def _paths(db: Db, child: Ref) -> tuple[Path, ...]:
    return _too_many(db, child) or tuple(islice(_by_parents(db, child), MOST_PATHS + 1))


def _by_parents(db: Db, child: Ref) -> Iterator[Path]:
    for each in delegators(db, child):
        last = Step(each.parent, each.rule)
        yield (last,)
        for above in _paths_of_parent(db, each.parent) if not is_overrun(db, each.parent) else ():
            if len(above) < DEPTH and all(step.parent != child for step in above):
                yield (*above, last)


def paths(db: Db, child: Ref) -> tuple[Path, ...]:
    """Return the paths from each ancestor to a child, by which it is served where that one is attached to a Gateway.

    No path visits a route twice, and none is longer than `DEPTH`. A route with more than `MOST_PATHS` has none, and no
    child has one through it.
    """
    found = _paths(db, child)
    return found if len(found) <= MOST_PATHS else ()


@query(firewall=True)
def _ancestors(db: Db, parent: Ref) -> Mapping[Ref, Path]:
    """Return the routes whose requests would come to a route, each with one path from there; it may be one itself.

    Of very many only the nearest are looked at.
    """
    found: dict[Ref, Path] = {}
    todo: list[tuple[Ref, Path]] = [(parent, ())]
    seen = 0
    while todo and seen < MOST_REFERENCES:
        route, below = todo.pop(0)
        for each in islice(would_reach(db, route), MOST_REFERENCES - seen):
            seen += 1
            if each.parent not in found:
                found[each.parent] = (Step(each.parent, each.rule), *below)
                todo.append((each.parent, found[each.parent]))
    return found


def circle(db: Db, parent: Ref, child: Ref) -> Path:
    """Return the path from a child to its parent, which is a circle as that delegates to it; () if there is none."""
    return _ancestors(db, parent).get(child, ())


def is_overrun(db: Db, parent: Ref) -> bool:
    """Return whether a route does not delegate on what is delegated to it, if more than `MOST_PATHS` lead there."""
    return len(_paths_of_parent(db, parent)) > MOST_PATHS


def has_too_many_paths(db: Db, child: Ref) -> bool:
    """Return whether a child is not served, since more than `MOST_PATHS` paths lead to it."""
    return len(_paths(db, child)) > MOST_PATHS


class SiblingPlace(NamedTuple):
    """Sorts a child, or one of those on the way to it, among all that its parent serves.

    Attributes:
        rule: the place of the rule that leads to it.
        weight: its route-weight, negated: the greater sorts first.
        creation_time: when it was created.
        name: its "namespace/name".
    """

    rule: int
    weight: int
    creation_time: str
    name: str


@query(firewall=True)
def seniority(db: Db, route: Ref) -> tuple[int, str, str]:
    """Return what sorts a route among its siblings: its weight, the greater the smaller; age; "namespace/name"."""
    return sibling_rank(db, route)


def sibling_rank(db: Db, route: Ref) -> tuple[int, str, str]:
    """Return the same as `seniority`, for the child itself: nothing is stored."""
    found = db.get(HTTPRoute, route)
    weight, created = (weight_of(found), found.creation_time) if found is not None else (0, "")
    return -weight, created, f"{route.namespace}/{route.name}"


def order(db: Db, path: Path, child: Ref) -> tuple[SiblingPlace, ...]:
    """Return what sorts a child among all that its root serves: by each rule on the way, and what it leads to."""
    between = [SiblingPlace(step.rule, *seniority(db, below.parent)) for step, below in pairwise(path)]
    return (*between, SiblingPlace(path[-1].rule, *sibling_rank(db, child)))
