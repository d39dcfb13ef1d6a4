"""The targets of policies, as far as their status is concerned: whether they exist, and which Gateways serve them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from translator.db import Db
from translator.gateway.attachment import ChildAttachment, ParentStatus, attachment, bindings
from translator.gateway.gateways import listener_specs
from translator.gateway.listener_sets import parent_gateway, serving_gateway
from translator.kinds import TARGET_LEVELS, BackendKind, Level, RouteKind
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.listener import ListenerOwner
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.gateway_api.policy import PolicyTargetReference
from translator.objects.gateway_api.route import Route
from translator.objects.headgate.policy import PolicyTarget
from translator.objects.schema.suggest import closest
from translator.outcome import Problem
from translator.policies.backends import target_sections
from translator.policies.selection import selected_of
from translator.policies.targets import Names, is_permitted, is_targeted, level, takes_routes, target
from translator.refs import Ref
from translator.resources.clusters import backend_uses
from translator.status.ancestors import AncestorRef, gateway_reference

MOST_NAMES = 200
"""So many names are compared with one that is missing."""

Ancestor = tuple[AncestorRef, Problem | None]


class TargetPlace(NamedTuple):
    """Where a policy is: an object, a section of it, or a filter of a rule or backendRef.

    Attributes:
        rule: the place of the rule of a filter; -1 without.
        backend: the place of its backendRef; -1 for a filter of the rule itself.
    """

    object: Ref
    section: str = ""
    rule: int = -1
    backend: int = -1

    def __str__(self) -> str:
        """Return the place for messages."""
        if self.rule < 0:
            section = f" ({self.section})" if self.section else ""
        else:
            section = f" (spec.rules[{self.rule}]{f'.backendRefs[{self.backend}]' if self.backend >= 0 else ''})"
        return f"{self.object.kind} {self.object.name}{section}"


def ancestors(
    db: Db, policy: Ref, reference: PolicyTargetReference, path: str, *, by_labels: bool = False
) -> Iterator[Ancestor]:
    """Yield the ancestors of a target: the Gateways that it is served at, or itself with the reason why there is none.

    Yield nothing for what belongs to another controller.

    Args:
        db: the database.
        policy: the policy.
        reference: the target.
        path: the path of its field in the policy.
        by_labels: whether the policy selects it.
    """
    at, ref, itself = level(db, policy.kind, reference), target(policy, reference), _itself(policy, reference)
    if at is Level.BACKEND and not is_permitted(db, policy, ref, by_labels=by_labels):
        yield itself, not_permitted(db, policy, ref, path)
    elif at is Level.BACKEND:
        yield from _users(db, policy, ref, reference, path)
    elif at is None and _is_of_backends(db, policy) and _is_backend(db, reference):
        problem = Problem("Accepted", "Invalid", wrong_kind(db, policy, reference.group, reference.kind, path))
        yield from ((ancestor, problem) for ancestor, _ in _users(db, policy, ref, reference, path))
    elif at is None and _may_be_of_others(db, policy):
        return
    elif at is None:
        section = " with a sectionName" if reference.section_name else ""
        text = wrong_kind(db, policy, reference.group, reference.kind, path, section)
        yield itself, Problem("Accepted", "Invalid", text)
    elif not is_permitted(db, policy, ref, by_labels=by_labels):
        yield itself, not_permitted(db, policy, ref, path)
    elif at <= Level.LISTENER:
        yield from _of_listeners(db, ref, reference, path, itself)
    else:
        yield from _of_route(db, ref, reference, path, itself)


def selected(db: Db, policy: Ref, place: TargetPlace, group: str, path: str) -> Iterator[Ancestor]:
    """Yield the ancestors of a target that a policy selects, which exists; nothing where it lacks the section."""
    namespace, kind, name = place.object.namespace, place.object.kind, place.object.name
    reference = PolicyTarget(group=group, kind=kind, namespace=namespace, name=name)
    if place.section:
        reference = reference.model_copy(update={"section_name": place.section})
    found = ancestors(db, policy, reference, path, by_labels=True)
    return (each for each in found if each[1] is None or each[1].reason != "TargetNotFound")


def not_permitted(db: Db, policy: Ref, ref: Ref, path: str) -> Problem:
    """Return the problem of a target in a namespace that does not permit it."""
    group = db.registry.kinds[policy.kind].group
    text = (
        f"{path}: {ref} is in another namespace, and no ReferenceGrant there permits it; create one in {ref.namespace} "
        f"from {policy.kind} ({group}) in namespace {policy.namespace} to {ref.kind}."
    )
    return Problem("Accepted", "RefNotPermitted", text)


def _of_listeners(
    db: Db, ref: Ref, reference: PolicyTargetReference, path: str, itself: AncestorRef
) -> Iterator[Ancestor]:
    """Yield the Gateway that serves the listeners of a Gateway or ListenerSet."""
    exists = db.get(ListenerOwner, ref) is not None
    if exists and parent_gateway(db, ref) is None:
        return
    gateway = serving_gateway(db, ref)
    sections = [each.name for each in listener_specs(db, ref)]
    if problem := _not_found(db, reference, ref, path, exists, sections):
        yield itself, problem
    elif gateway is None:
        yield itself, Problem("Attached", "Pending", f"{ref} is attached to no Gateway.")
    else:
        yield gateway_reference(gateway), None


def _may_be_of_others(db: Db, policy: Ref) -> bool:
    """Whether another controller may serve a target that we do not know: a policy for backends names no Gateway."""
    return _is_of_backends(db, policy) and not db.settings.standalone


def _is_backend(db: Db, reference: PolicyTargetReference) -> bool:
    return db.registry.backend_of(reference.group, reference.kind) is not None


def _is_of_backends(db: Db, policy: Ref) -> bool:
    return db.registry.policy(policy.kind).levels == {Level.BACKEND}


def _of_route(db: Db, ref: Ref, reference: PolicyTargetReference, path: str, itself: AncestorRef) -> Iterator[Ancestor]:
    """Yield the Gateways that a route is attached to."""
    route = db.get(Route, ref)
    names = [each for each in route.rule_names if each] if route is not None else []
    parents = attachment(db, ref)
    served = dict.fromkeys(gateway for gateway, _ in bindings(db, ref))
    if route is not None and route.spec.parent_refs and not parents and not served and not _is_child(db, parents):
        return
    if problem := _not_found(db, reference, ref, path, route is not None, names):
        yield itself, problem
    elif not served:
        yield itself, Problem("Attached", "Pending", f"{ref} is attached to no Gateway.")
    else:
        yield from ((gateway_reference(gateway), None) for gateway in served)


def _is_child(db: Db, parents: tuple[ParentStatus, ...]) -> bool:
    """Return whether a route can only be a child, which without a cluster no other controller could serve."""
    return db.settings.standalone and isinstance(parents, ChildAttachment)


def _users(db: Db, policy: Ref, ref: Ref, reference: PolicyTargetReference, path: str) -> Iterator[Ancestor]:
    """Yield the Gateways with routes that name a backend, if only a section is targeted at its port.

    Where there are none, or no such backend, it is the ancestor of a policy of Headgate's own kinds itself; other kinds
    may be those of another controller.
    """
    exists = db.get(db.registry.kinds[ref.kind], ref) is not None
    ports = target_sections(db, policy.kind, ref)
    problem = _not_found(db, reference, ref, path, exists, [each for each in ports if each])
    ours = is_targeted(db, policy.kind)
    if ours and problem is not None:
        yield _itself(policy, reference), problem
        return
    port = None if problem or not reference.section_name else ports[reference.section_name]
    uses = backend_uses(db, ref)
    gateways = dict.fromkeys(each.gateway for each in uses if port in (None, each.port))
    yield from ((gateway_reference(gateway), problem) for gateway in gateways)
    if ours and not gateways:
        text = f"No route that is attached to a Gateway names {ref} as its backend."
        yield _itself(policy, reference), Problem("Attached", "Pending", text)


def wrong_kind(db: Db, policy: Ref, group: str, kind: str, path: str, section: str = "") -> str:
    """Return what is wrong with the kind of a target, which policies of a kind cannot have."""
    levels = db.registry.policy(policy.kind).levels
    at = levels & (TARGET_LEVELS | {Level.BACKEND})
    routes = db.registry.routes if at & {Level.ROUTE, Level.RULE} else ()
    kinds: tuple[RouteKind | BackendKind, ...] = tuple(
        each for each in routes if takes_routes(db, policy.kind, each.model.kind)
    )
    groups = {Gateway.kind: Gateway.group, ListenerSet.kind: ListenerSet.group}
    if _is_of_backends(db, policy):
        kinds, groups = tuple(each for each in db.registry.backends if each.takes_policies), {}
    groups |= {each.model.kind: each.model.group for each in kinds}
    known = groups.get(kind, group)
    if known != group:
        return f"{path}.group: {kind} is a kind of the group {known}, not of {group!r}: correct it."
    if _is_of_backends(db, policy):
        meant = " or ".join(groups)
        return (
            f"{path}: a {policy.kind} cannot target the kind {kind}: name what its requests go to, a {meant}{section}."
        )
    named = ", ".join(each.title for each in sorted(at))
    text = f"{path}: a {policy.kind} cannot target a {kind}{_meant(kind, [*groups])}{section}; it can target: {named}"
    return f"{text}, of the kinds {', '.join(groups)}."


def _not_found(
    db: Db, reference: PolicyTargetReference, ref: Ref, path: str, exists: bool, sections: list[str]
) -> Problem | None:
    if not exists:
        names = cast(Sequence[Ref], db.select(selected_of(db, ref.kind), Names(ref.kind, ref.namespace)))
        meant = _meant(ref.name, [each.name for each in names[:MOST_NAMES]])
        text = f"{path}: {ref} does not exist; create it or correct the name{meant}.{_sought(reference)}"
        return Problem("Accepted", "TargetNotFound", text)
    if reference.section_name and reference.section_name not in sections:
        has = ", ".join(sections) or "none"
        meant = _meant(reference.section_name, sections)
        text = f"{path}.sectionName: {ref} has no section {reference.section_name}{meant}; its sections: {has}."
        return Problem("Accepted", "TargetNotFound", text)
    return None


def _sought(reference: PolicyTargetReference) -> str:
    """Return where a target is sought whose reference names no namespace."""
    if not isinstance(reference, PolicyTarget):
        return " Targets are in the policy's namespace."
    return " Without a namespace, targets are in the policy's: add it for another." if not reference.namespace else ""


def _meant(name: str, names: Sequence[str]) -> str:
    found = closest(name, names)
    return f" (did you mean {found}?)" if found is not None else ""


def _itself(policy: Ref, reference: PolicyTargetReference) -> AncestorRef:
    items = [("group", reference.group), ("kind", reference.kind)]
    items += [("namespace", target(policy, reference).namespace), ("name", reference.name)]
    return (*items, *([("sectionName", reference.section_name)] if reference.section_name else []))
