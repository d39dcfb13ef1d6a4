"""The children of rules that delegate, top down: what comes of their references, and what answers where none does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from translator.db import Db
from translator.delegation.paths import DEPTH, Path, Step, circle, has_too_many_paths, is_overrun, rule_of
from translator.delegation.references import NAME, NAMESPACE, ChildReference, Children, delegation
from translator.delegation.relations import MOST_PATHS, Child, Filed, child_of, relations, unfit, ungranted
from translator.engine.query import query
from translator.ir.http import PathKind, RouteMatch, Rule
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.routes.crowded import CROWDED, is_crowded
from translator.routes.delegated import serves_inside

NOBODY: Final = "no HTTPRoute that the rule delegates to is served"
TOO_MANY: Final = f"is reached by more than {MOST_PATHS} paths, by which it is not served: delegate to it less often"
TOO_WIDE: Final = "DelegationTooWide"
"""The reason of a child that is crowded, and of its parents."""
MOST_NAMES: Final = 3
"""So many of the children that a reference may not mean are named."""


class Reached(NamedTuple):
    """A problem of a reference, and the route that it is about, if it is about one."""

    problem: Problem
    about: Ref | None = None


@dataclass(frozen=True, slots=True)
class Delegates:
    """What came of the references of a rule.

    Attributes:
        children: those that may be served, each once, in the order of the references.
        weights: the weight of each, that of its reference.
        reached: all that the references mean and may mean, whether they can be children or not.
        problems: what is wrong with references, for the parent.
        broken: why requests that no child matches are answered with an error; "" if they go to the next rule.
    """

    children: tuple[Ref, ...] = ()
    weights: tuple[int, ...] = ()
    reached: tuple[Ref, ...] = ()
    problems: tuple[Reached, ...] = ()
    broken: str = ""


@query
def delegates(db: Db, parent: Ref, place: int) -> Delegates:
    """Return the children of a rule, whatever their matches are."""
    rule = rule_of(db, Step(parent, place))
    said = delegation(parent, rule) if rule is not None else None
    if rule is None or said is None or said.fault:
        return Delegates()
    weights: dict[Ref, int] = {}
    reached: dict[Ref, None] = {}
    problems: list[Reached] = []
    broken = ""
    for each in said.references:
        field = f"spec.rules[{place}].backendRefs[{each.place}]"
        meant = _meant(db, ReferencePlace(parent, rule.name or "", field), each)
        for child in meant.children:
            weights.setdefault(child, each.weight)
        problems += meant.problems
        if each.weight:
            reached |= dict.fromkeys(meant.reached)
            broken = broken or meant.broken
    children = tuple(each for each, weight in weights.items() if weight)
    return Delegates(children, tuple(map(weights.__getitem__, children)), tuple(reached), tuple(problems), broken)


class ReferencePlace(NamedTuple):
    """A reference: its route, the name of its rule, and its field."""

    parent: Ref
    rule: str
    field: str

    def told(self, reason: str, text: str) -> Reached:
        """Return a problem of it."""
        return Reached(Problem("ResolvedRefs", reason, f"{self.field}: {text}."))

    def crowds(self, child: Ref) -> Reached:
        """Return the problem that it is to a route that is crowded."""
        return Reached(Problem("ResolvedRefs", TOO_WIDE, f"{self.field}: {child} {CROWDED}."), child)

    def hides(self, child: Child, children: Children) -> Reached:
        """Return the problem that it must not be to a route of another namespace, which it does not name."""
        text = (
            f"{self.field}: of {children} some are in another namespace, and neither name {self.parent} in their "
            "parentRefs nor does a ReferenceGrant there permit HTTPRoutes of the parent's namespace to refer to them."
        )
        return Reached(Problem("ResolvedRefs", "RefNotPermitted", text), child.ref)

    def refuses(self, child: Child, why: str) -> Reached:
        """Return the problem that it must not be to a route."""
        text = f"{self.field}: {child.ref} {why}."
        return Reached(Problem("ResolvedRefs", "RefNotPermitted", text), child.ref)


def _meant(db: Db, at: ReferencePlace, reference: ChildReference) -> Delegates:
    """Return what comes of one reference."""
    children = reference.children
    candidates = [*_candidates(db, at.parent, children)]
    if not candidates:
        problem = at.told("ChildNotFound", _missing(db, children))
        return Delegates(problems=(problem,), broken=problem.problem.message)
    denied = {each: why for each in candidates if (why := ungranted(db, each, at.parent))}
    reached = [each for each in candidates if each not in denied]
    denied |= {each: why for each in reached if (why := unfit(each, at.parent, at.rule))}
    by_name = children.by == NAME
    denied |= {each: TOO_MANY for each in reached if by_name and has_too_many_paths(db, each.ref)}
    problems = [
        at.refuses(each, why) if by_name or each in reached else at.hides(each, children)
        for each, why in denied.items()
    ]
    fit = [each.ref for each in candidates if each not in denied]
    crowded = [ref for ref, crowds in zip(fit, is_crowded.each(db, ((each,) for each in fit)), strict=True) if crowds]
    good = tuple(fit) if not crowded else tuple(each for each in fit if each not in crowded)
    broken = problems[0].problem.message if by_name and reached and not fit else ""
    told = (*_bounded(problems), *_bounded([at.crowds(each) for each in crowded]))
    broken = broken or next((at.crowds(each).problem.message for each in crowded), "")
    return Delegates(good, reached=tuple(each.ref for each in reached), problems=told, broken=broken)


def _missing(db: Db, children: Children) -> str:
    if children.by != NAME:
        return f"there are no {children} that could be children; create one, or correct the reference"
    if reason := db.invalid_reason(children.ref):
        return f"{children.ref} is not valid, and never was: {reason}"
    return f"{children.ref} does not exist; create it or correct the name"


def _bounded(problems: list[Reached]) -> tuple[Reached, ...]:
    """Return problems, each text once, of which the last says how many more there are."""
    alike: dict[Problem, Reached] = {}
    for each in problems:
        alike[each.problem] = Reached(each.problem) if each.problem in alike else each
    problems = [*alike.values()]
    if len(problems) <= MOST_NAMES:
        return tuple(problems)
    last = problems[MOST_NAMES - 1].problem
    more = f"{last.message} {len(problems) - MOST_NAMES} more are refused."
    return (*problems[: MOST_NAMES - 1], Reached(last._replace(message=more)))


def _candidates(db: Db, parent: Ref, children: Children) -> Iterator[Child]:
    if children.by == NAME:
        found = db.get(HTTPRoute, children.ref)
        if found is not None:
            yield child_of(found)
        return
    keys = [children]
    if children.by == NAMESPACE:
        keys.append(children._replace(name=f"{parent.namespace}/{parent.name}"))
    for key in keys:
        for each in db.select(relations, Filed(key)):
            assert isinstance(each, Child)
            if each.ref != parent:
                yield each


def unserved(db: Db, parent: Ref, place: int, rule: Rule, path: Path) -> Outcome[Rule | None]:
    """Return what answers the requests of a rule that delegates, where its children do not.

    Args:
        db: the database.
        parent: its route.
        place: the place of the rule.
        rule: the rule, as it is by `path`.
        path: the rules by which the route is a child itself.
    """
    found = delegates(db, parent, place)
    field = f"spec.rules[{place}]"
    below = (*path, Step(parent, place))
    members = tuple(each.parent for each in below)
    again = next((each for each in found.reached if each in members), None)
    problems = [each.problem for each in found.problems if each.about is None or each.about not in members]
    broken = found.broken
    if again is not None:
        way = " → ".join(map(str, (*members[members.index(again) :], again)))
        broken = f"{field}: the route would reach itself: {way}; remove one of these references"
        problems.append(Problem("ResolvedRefs", "DelegationCycle", f"{broken}."))
    elif found.reached and len(below) > DEPTH:
        broken = f"{field}: there are more than {DEPTH} references from {members[0]}; delegate less deep"
        problems.append(Problem("ResolvedRefs", "DelegationTooDeep", f"{broken}."))
    elif path and is_overrun(db, parent):
        broken = f"{field}: the route {TOO_MANY}"
        problems.append(Problem("ResolvedRefs", "DelegationTooDeep", f"{broken}."))
    elif (own := circle(db, parent, parent)) and own[0].rule == place:
        way = " → ".join(map(str, (*(each.parent for each in own), parent)))
        text = f"{field}: the route would reach itself: {way}; the last of these references answers 500: remove one."
        problems.append(Problem("ResolvedRefs", "DelegationCycle", text))
    prefixes = [each for each in rule.matches if each.path_kind is PathKind.PREFIX]
    empty = [each for each in prefixes if broken or not _is_served(db, found.children, each)]
    if empty and not broken:
        broken = f"{field}: {NOBODY}"
        if found.children:
            text = f"{broken} inside its match {empty[0].path}, in which none has one; change their matches."
            problems.append(Problem("ResolvedRefs", "ChildNotFound", text))
    failed = tuple(each for each in rule.matches if each in empty or each.path_kind is not PathKind.PREFIX)
    error = broken or f"{field}: only matches of the type PathPrefix delegate"
    left = replace(rule, matches=failed, settings=(), backends=(), error=error, delegates=False) if failed else None
    return Outcome(left, tuple(problems))


def _is_served(db: Db, children: tuple[Ref, ...], match: RouteMatch) -> bool:
    """Return whether some child serves something inside a match: mostly the first does."""
    return any(serves_inside(db, each, match) for each in children)
