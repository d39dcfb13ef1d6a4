"""References to children: what in a rule delegates its requests, and what lets a rule not do so. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.gateway_api.references import GATEWAY_GROUP, BackendObjectReference, ParentReference
from translator.objects.gateway_api.rules import RouteRule
from translator.refs import Ref

GROUPS: Final = ("delegation.headgate.dev", "delegation.kgateway.dev", "delegation.gateway.solo.io")
"""The group of references by label and of the label itself; the others are those of peers, read as the same."""
LABELS: Final = tuple(f"{each}/label" for each in GROUPS)
"""The labels of children; the first of them that an object has counts."""
EVERYWHERE: Final = "all"
"""The namespace of a reference by label that means all namespaces."""
INHERITED: Final = ("RequestHeaderModifier", "ResponseHeaderModifier", "CORS", "URLRewrite")
"""The filters of a rule that delegates, which its children's rules inherit; of URLRewrite, the hostname."""

NAME, NAMESPACE, LABEL = "name", "namespace", "label"
"""The ways of a reference: an object by its name, those of a namespace, those with a label."""


class Children(NamedTuple):
    """The HTTPRoutes that a reference means.

    Attributes:
        by: `NAME`, `NAMESPACE` or `LABEL`.
        namespace: theirs; "" for all namespaces.
        name: that of the one object, or the value of the label; "" for those of a namespace.
    """

    by: str
    namespace: str
    name: str = ""

    @property
    def ref(self) -> Ref:
        """The object of a reference by name."""
        return Ref(HTTPRoute.kind, self.namespace, self.name)

    def __str__(self) -> str:
        """Return whom it means, for messages."""
        where = f"namespace {self.namespace}" if self.namespace else "all namespaces"
        if self.by == NAME:
            return str(self.ref)
        return f"HTTPRoutes of {where}" + (f" with the label {LABELS[0]}={self.name}" if self.by == LABEL else "")


class ChildReference(NamedTuple):
    """A reference of a rule to its children.

    Attributes:
        place: that of the backendRef.
        children: whom it means.
        weight: its weight, of those of the rule.
    """

    place: int
    children: Children
    weight: int


@dataclass(frozen=True, slots=True)
class Delegation:
    """What a rule delegates to.

    Attributes:
        references: its references to children.
        fault: why the rule cannot delegate, as the rest of a sentence that begins with its field; "" if it can.
    """

    references: tuple[ChildReference, ...]
    fault: str = ""

    @property
    def shares(self) -> bool:
        """Whether children share requests by weight: not if all references have the same weight."""
        return len({each.weight for each in self.references}) > 1


def is_route(reference: BackendObjectReference | ParentReference) -> bool:
    """Return whether a reference names an HTTPRoute."""
    return reference.kind == HTTPRoute.kind and reference.group == GATEWAY_GROUP


def parent_route(child: Ref, reference: ParentReference) -> Ref:
    """Return the HTTPRoute that a parentRef of a child names."""
    return Ref(HTTPRoute.kind, reference.namespace or child.namespace, reference.name)


def children(route: Ref, reference: BackendObjectReference) -> Children | None:
    """Return the children that a backendRef of a route means; None if it is a backend."""
    namespace = reference.namespace or route.namespace
    if is_route(reference):
        return (
            Children(NAMESPACE, namespace) if reference.name in ("*", "") else Children(NAME, namespace, reference.name)
        )
    if reference.group in GROUPS and reference.kind.lower() == LABEL:
        return Children(LABEL, "" if namespace == EVERYWHERE else namespace, reference.name)
    return None


def delegation(route: Ref, rule: RouteRule[Any]) -> Delegation | None:
    """Return what a rule of a route delegates to; None if it does not."""
    if route.kind != HTTPRoute.kind or not any(each.group for each in rule.backend_refs):  # Services have no group
        return None
    found = [children(route, each) for each in rule.backend_refs]
    if not any(found):
        return None
    references = tuple(
        ChildReference(place, each, rule.backend_refs[place].weight)
        for place, each in enumerate(found)
        if each is not None
    )
    return Delegation(references, next(_faults(rule, found), ""))


def _faults(rule: RouteRule[Any], found: list[Children | None]) -> Iterator[str]:
    for place, each in enumerate(found):
        if each is None:
            yield f".backendRefs[{place}]: a rule delegates to HTTPRoutes or has backends, and not both: split the rule"
        elif rule.backend_refs[place].filters:
            yield f".backendRefs[{place}].filters: a reference to HTTPRoutes has no filters: move them to their rules"
    for place, filter_ in enumerate(rule.filters):
        if filter_.type not in INHERITED:
            text = f"a rule that delegates cannot have a {filter_.type}: move it to its children's rules"
            yield f".filters[{place}]: {text}"
        elif getattr(filter_, "path", None) is not None:
            text = "a rule that delegates can rewrite the hostname only: move the path to its children's rules"
            yield f".filters[{place}].urlRewrite.path: {text}"
    if rule.session_persistence is not None:
        yield ".sessionPersistence: a rule that delegates cannot have this: move it to its children's rules"
