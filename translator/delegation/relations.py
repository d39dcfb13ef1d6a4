"""Who delegates to whom: the references of parents, and the HTTPRoutes that can be children."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from translator.db import Db
from translator.delegation.references import (
    GROUPS,
    LABEL,
    LABELS,
    NAME,
    NAMESPACE,
    Children,
    delegation,
    is_route,
    parent_route,
)
from translator.engine.query import index, query
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.permissions.reference_grants import Grantee, GrantTarget, is_granted
from translator.refs import Ref

WEIGHTS: Final = (*(f"{each}/route-weight" for each in GROUPS), "kgateway.dev/route-weight")
"""The annotations with the place of a child among others whose matches are equal; the first that is there counts."""
HEAVIEST: Final = 2**31
MOST_PATHS: Final = 256
"""The paths by which a child is served: two parents at each of eight levels."""
INHERITS: Final = tuple(f"{each}/inherit-parent-matcher" for each in GROUPS)
"""The annotations by which the paths of a child follow those of its parent."""
WEIGHTED: Final = tuple(f"{each}/weighted-routes" for each in GROUPS)
"""The annotations of a Gateway by which route-weights come before the precedence of matches."""
TRUE: Final = ("true", "yes", "enable", "enabled")


class Delegator(NamedTuple):
    """A rule of a parent that delegates, by one of its references.

    Attributes:
        parent: the route.
        rule: the place of the rule.
        reference: the place of the backendRef.
        weight: its weight; with 0 it sends nothing.
        name: that of the rule.
    """

    parent: Ref
    rule: int
    reference: int
    weight: int
    name: str


class NamedParent(NamedTuple):
    """A parent that a child names: a route, or one of its rules by its name.

    Attributes:
        route: the route.
        rule: the name of the rule; "" for all of them.
    """

    route: Ref
    rule: str


class Child(NamedTuple):
    """An HTTPRoute that can be a child, with what of it lets parents delegate to it.

    Attributes:
        ref: the object.
        hostnames: whether it has hostnames, as children do not.
        is_open: whether it has no parentRefs, so that any parent may name it that is permitted to.
        parents: the HTTPRoutes, and rules of these, that its parentRefs name.
    """

    ref: Ref
    hostnames: bool
    is_open: bool
    parents: tuple[NamedParent, ...]


class Filed(NamedTuple):
    """The key of the children that a reference may mean."""

    children: Children

    @property
    def namespace(self) -> str:
        """That of the children."""
        return self.children.namespace


Relation = tuple[Children | Filed, Delegator | Child]


def _relations(found: HTTPRoute | None) -> tuple[Relation, ...] | None:
    """Return what is filed of a route; None of nearly every one, which neither delegates nor can be a child."""
    return tuple(_of_route(found)) or None if found is not None else None


def _namespaces(db: Db, ref: Ref) -> Iterator[str]:
    """Yield the namespaces of a route and of all that it may mean, "" for all namespaces."""
    yield from (ref.namespace, "")
    for key, _ in _relations(db.get(HTTPRoute, ref)) or ():
        yield key.namespace


@index(
    HTTPRoute.kind,
    partitions=_namespaces,
    partition_of=attrgetter("namespace"),
    projection=_relations,
)
def relations(db: Db, ref: Ref) -> Iterator[Relation]:
    """File the rules that delegate under whom they mean, and children under the references that may mean them."""
    yield from _relations(db.get(HTTPRoute, ref)) or ()


def _of_route(found: HTTPRoute) -> Iterator[Relation]:
    ref = found.ref
    for place, rule in enumerate(found.spec.rules):
        said = delegation(ref, rule)
        for each in said.references if said is not None and not said.fault else ():
            yield each.children, Delegator(ref, place, each.place, each.weight, rule.name or "")
    label = label_of(found)
    if not (label or may_be_child(found)):
        return  # as nearly every route
    child = child_of(found)
    if not child.hostnames:
        routes = dict.fromkeys(each.route for each in child.parents)
        for parent in ("",) if child.is_open else tuple(f"{each.namespace}/{each.name}" for each in routes):
            yield Filed(Children(NAMESPACE, ref.namespace, parent)), child
    if label:
        for namespace in (ref.namespace, ""):
            yield Filed(Children(LABEL, namespace, label)), child


def child_of(found: HTTPRoute) -> Child:
    """Return what lets parents delegate to a route."""
    ref, references = found.ref, found.spec.parent_refs
    parents = (NamedParent(parent_route(ref, each), each.section_name or "") for each in references if is_route(each))
    default = found.spec.use_default_gateways == "All"
    is_open = not references and not default
    return Child(ref, bool(found.hostnames), is_open, tuple(dict.fromkeys(parents)))


def label_of(found: HTTPRoute) -> str:
    """Return the value of the label by which parents may mean a route; "" without."""
    labels = found.metadata.labels
    return next((labels[each] for each in LABELS if labels.get(each)), "") if labels else ""


def _annotation(found: HTTPRoute, keys: tuple[str, ...]) -> str:
    """Return the value of the first of some annotations that a route has; "" if it has none of them."""
    annotations = found.metadata.annotations
    return next((annotations[each] for each in keys if each in annotations), "") if annotations else ""


def weight_of(found: HTTPRoute) -> int:
    """Return the place of a child among others whose matches are equal: the greater is before; 0 if it says none."""
    text = _annotation(found, WEIGHTS)
    try:
        return max(-HEAVIEST, min(HEAVIEST, int(text[:16]))) if text else 0
    except ValueError:
        return 0


def is_relative(found: HTTPRoute) -> bool:
    """Return whether the paths of a child follow those of its parent."""
    return _annotation(found, INHERITS).lower() in TRUE


def may_be_child(found: object) -> bool:
    """Return whether a parent may delegate to a route: nearly every one is for Gateways only."""
    if not isinstance(found, HTTPRoute):
        return False
    references = found.spec.parent_refs
    if not references:
        return found.spec.use_default_gateways != "All"
    return any(is_route(each) for each in references)


def names(child: Child, parent: Ref, rule: str) -> bool:
    """Return whether a child names a parent, or the rule of it with this name."""
    return any(each.route == parent and each.rule in ("", rule) for each in child.parents)


def unfit(child: Child, parent: Ref, rule: str) -> str:
    """Return why a route is no child of a parent's rule, as the rest of a sentence about it; "" if it is one."""
    if child.hostnames:
        return "has hostnames, and a child is served for those of its parent: remove its spec.hostnames"
    if child.is_open or names(child, parent, rule):
        return ""
    if any(each.route == parent for each in child.parents):
        return f"names another rule of {parent} in its parentRefs: correct the sectionName there, or remove it"
    return f"does not name {parent} in its parentRefs, which name others: add it there, or remove them all"


def ungranted(db: Db, child: Child, parent: Ref) -> str:
    """Return why a parent may not reach for a child, as the rest of a sentence about it; "" if it may."""
    if any(each.route == parent for each in child.parents) or db.settings.delegation_without_grants:
        return ""
    grantee = Grantee(GATEWAY_GROUP, HTTPRoute.kind, parent.namespace, child.ref.namespace)
    if is_granted(db, grantee, GrantTarget(GATEWAY_GROUP, HTTPRoute.kind, child.ref.name)):
        return ""
    return (
        f"is in another namespace, and neither names {parent} in its parentRefs nor is there a ReferenceGrant in "
        f"{child.ref.namespace} from HTTPRoute (gateway.networking.k8s.io) in namespace {parent.namespace} to HTTPRoute"
    )


class ReachingRule(NamedTuple):
    """A rule that delegates to a child and is permitted to.

    Attributes:
        by: the rule.
        refused: why it is not its child, as the rest of a sentence about it; "" if it is.
    """

    by: Delegator
    refused: str = ""


def delegators(db: Db, ref: Ref) -> Iterator[Delegator]:
    """Yield the rules that send requests to a child."""
    return (each.by for each in reaching(db, ref) if each.by.weight and not each.refused)


@query
def reaching(db: Db, ref: Ref) -> tuple[ReachingRule, ...]:
    """Return the rules that delegate to a route and are permitted to; of each rule the first reference to it."""
    found = db.get(HTTPRoute, ref)
    if found is None or not may_be_child(found):
        return ()
    child = child_of(found)
    found_rules: list[ReachingRule] = []
    meant: Iterator[Any] = merge(*(db.select(relations, means) for means in meaning(found)))
    for _, of_rule in groupby(meant, key=attrgetter("parent", "rule")):
        each: Delegator = next(of_rule)
        if each.parent != ref and not ungranted(db, child, each.parent):
            found_rules.append(ReachingRule(each, unfit(child, each.parent, each.name)))
            if len(found_rules) > MOST_PATHS and child.is_open:  # each is a path: it is served by none
                break
    return tuple(found_rules)


def would_reach(db: Db, ref: Ref) -> Iterator[Delegator]:
    """Yield the rules that mean a route and are permitted to, whether it can be their child or not, as far as is known.

    A namespace means its children only.
    """
    found = db.get(HTTPRoute, ref)
    if found is None:
        return
    child = child_of(found)
    for means in meaning(found):
        for each in db.select(relations, means):
            assert isinstance(each, Delegator)
            fits = means.by != NAMESPACE or (each.parent != ref and not unfit(child, each.parent, each.name))
            if each.weight and fits and not ungranted(db, child, each.parent):
                yield each


def meaning(found: HTTPRoute) -> Iterator[Children]:
    """Yield the references that may mean a route."""
    namespace, label = found.metadata.namespace, label_of(found)
    yield Children(NAME, namespace, found.metadata.name)
    yield Children(NAMESPACE, namespace)
    if label:
        yield Children(LABEL, namespace, label)
        yield Children(LABEL, "", label)
