"""The parents of a child, as far as its status is concerned: which rules delegate to it, and what it serves there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from translator.db import Db
from translator.delegation.paths import circle, has_too_many_paths
from translator.delegation.references import is_route, parent_route
from translator.delegation.relations import ReachingRule, reaching
from translator.gateway.attachment import Binding, ParentStatus, delegated, parent_state
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.gateway_api.references import ParentReference
from translator.outcome import Problem
from translator.refs import Ref
from translator.routes.children import TOO_MANY, TOO_WIDE
from translator.routes.crowded import CROWDED, is_crowded, is_cut_off
from translator.routes.delegated import NO_MATCH, delegated_rules
from translator.routes.rules import rules

NOT_ALLOWED: Final = "NotAllowedByParent"
"""The reason of a child that its parent cannot have."""


@dataclass(frozen=True, slots=True)
class DelegatingParent:
    """A parent of a child, or a route that it names as one.

    Attributes:
        reference: the parentRef.
        gateways: by each Gateway at which the child is served by it, where; one without, with the problem.
        problems: what is wrong with the rules of the child there.
    """

    reference: ParentReference
    gateways: tuple[ParentStatus, ...]
    problems: tuple[Problem, ...] = ()


def delegating_parents(db: Db, child: Ref, most: int) -> tuple[DelegatingParent, ...]:
    """Return the parents of a child that we answer for: those that it names, then the others that delegate to it.

    Args:
        db: the database.
        child: the child.
        most: so many are returned at most.
    """
    found = db.get(HTTPRoute, child)
    reached = reaching(db, child)
    references = [each for each in (found.spec.parent_refs if found is not None else ()) if is_route(each)]
    named = {parent_route(child, each) for each in references}
    others = dict.fromkeys(each.by.parent for each in reached if each.by.parent not in named)
    unnamed = (ParentReference(kind=HTTPRoute.kind, namespace=each.namespace, name=each.name) for each in others)
    known = chain(references, unnamed)
    ours = (each for each in known if db.settings.standalone or parent_state(db, parent_route(child, each)).ours)
    return tuple(_parent(db, child, each, reached) for each in islice(ours, most))


def _parent(db: Db, child: Ref, reference: ParentReference, reached: tuple[ReachingRule, ...]) -> DelegatingParent:
    parent = parent_route(child, reference)
    section = reference.section_name or ""
    reaches = [each for each in reached if each.by.parent == parent and section in ("", each.by.name)]
    problem = _problem(db, child, parent, section, reaches)
    own = tuple(each for rule in rules(db, child) for each in rule.problems)
    if problem is not None:
        return DelegatingParent(reference, (ParentStatus(reference, parent, (), problem),), own)
    delegating = {each.by.rule for each in reaches}
    by_gateway: dict[Ref, list[Binding]] = {}
    for gateway, binding in delegated(db, child):
        last = binding.path[-1]
        if last.parent == parent and last.rule in delegating and not is_cut_off(db, binding.path):
            by_gateway.setdefault(gateway, []).append(binding)
    bindings = [binding for found in by_gateway.values() for binding in found]
    served = _served(db, child, parent, bindings)
    gateways = tuple(ParentStatus(reference, gateway, tuple(each)) for gateway, each in by_gateway.items())
    if isinstance(served, Problem) or not gateways:
        told = served if isinstance(served, Problem) else _too_deep(parent)
        return DelegatingParent(reference, (ParentStatus(reference, parent, (), told),), own)
    return DelegatingParent(reference, gateways, served)


def _problem(db: Db, child: Ref, parent: Ref, section: str, reaches: list[ReachingRule]) -> Problem | None:
    """Return why a parent cannot have a child, whatever its matches are; None if it can."""
    if reaches and (found := circle(db, parent, child)):
        way = " → ".join(map(str, (*(each.parent for each in found), parent, child)))
        text = f"The route would reach itself: {way}; remove one of these references. The rest is served."
        return Problem("Accepted", "DelegationCycle", text)
    if not reaches:
        if db.get(HTTPRoute, parent) is None:
            return Problem(
                "Accepted", "NoMatchingParent", f"{parent} does not exist; create it or correct the parentRef."
            )
        rule = f"rule {section} of {parent}" if section else str(parent)
        text = f"{rule} does not delegate to the route; add it to the backendRefs of a rule there."
        return Problem("Accepted", NOT_ALLOWED, text)
    if all(each.refused for each in reaches):
        return Problem("Accepted", NOT_ALLOWED, f"{parent} cannot delegate to the route, which {reaches[0].refused}.")
    if has_too_many_paths(db, child):
        return Problem("Accepted", "DelegationTooDeep", f"The route {TOO_MANY}.")
    if is_crowded(db, child):
        return Problem("Accepted", TOO_WIDE, f"The route {CROWDED}.")
    if not parent_state(db, parent).attached:
        return Problem("Accepted", "ParentNotAccepted", f"{parent} is attached to no listener; its status says why.")
    return None


def _too_deep(parent: Ref) -> Problem:
    text = f"The rules of {parent} are served by no path that could go on to the route; its status says why."
    return Problem("Accepted", "DelegationTooDeep", text)


def _served(db: Db, child: Ref, parent: Ref, bindings: list[Binding]) -> tuple[Problem, ...] | Problem:
    """Return what is wrong with the rules of a child at a parent; one problem if none of them is served there."""
    found: dict[Problem, None] = {}
    fitting: dict[int, bool] = {}
    for path in dict.fromkeys(each.path for each in bindings):
        for place, rule in enumerate(delegated_rules(db, child, path)):
            found |= dict.fromkeys(rule.problems)
            fitting[place] = fitting.get(place, False) or bool(rule.value.matches)
    outside = [place for place, fits in fitting.items() if not fits]
    texts = [
        Problem("Accepted", NO_MATCH, f"spec.rules[{place}]: none of its matches is inside those of {parent}.")
        for place in outside
    ]
    if bindings and len(outside) == len(fitting):
        text = f"No match of the route is inside those by which {parent} delegates to it; correct its matches."
        return Problem("Accepted", NO_MATCH, text)
    return (*found, *texts)
