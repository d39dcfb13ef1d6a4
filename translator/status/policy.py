"""The status of policies (GEP-713, GEP-2648): by ancestor, the Gateways at which a policy has an effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from translator.conditions import Condition, Status, bounded, resolved_refs, verdict
from translator.db import Db
from translator.engine.query import query
from translator.extension import PolicyUnit, policy_units
from translator.gateway.attachment import attachment
from translator.gateway.gateways import listener_specs
from translator.gateway.listener_sets import parent_gateway, serving_gateway
from translator.inputs import Invalid
from translator.kinds import BackendKind, Level, RouteKind, StatusKind
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.listener import ListenerOwner
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.gateway_api.policy import Policy, PolicyTargetReference
from translator.objects.gateway_api.route import Route
from translator.outcome import Problem
from translator.policies.attachment import level, policies_at, target
from translator.policies.backends import backend_sections, policy_of_backend
from translator.policies.effective import Stack, effective, inherited, of_kind, stack_of_route, stacked
from translator.policies.merging import leaves
from translator.refs import ListenerRef, Ref
from translator.resources.clusters import backend_uses
from translator.routes.policies import overrides, unit_settings
from translator.routes.rules import rules
from translator.status.ancestors import AncestorRef, by_ancestor, gateway_reference
from translator.status.invalid import false, last_valid_status, renewed

ITSELF: Final = "the route itself"
"""What overrides a policy whose target asks for the same by its own filters or fields."""


@dataclass(slots=True)
class Report:
    """What there is to say of a policy at one ancestor.

    Attributes:
        problems: why it is not accepted.
        pending: whether its target is attached to no Gateway.
        set: the paths of the fields that it sets.
        lost: those that another policy, or the rule itself, overrides, each at one of its targets, by what.
        kept: those that it gives at least one of its targets.
        left_out: whether a field, as it is together with those of other policies, is not valid and left out.
        merged: the paths of fields that others set beside it, by whom.
    """

    problems: dict[Problem, None] = field(default_factory=dict)
    pending: bool = False
    set: dict[str, None] = field(default_factory=dict)
    lost: dict[tuple[str, PolicyTargetReference], str] = field(default_factory=dict)
    kept: dict[str, None] = field(default_factory=dict)
    left_out: bool = False
    merged: dict[str, str] = field(default_factory=dict)

    @property
    def overridden(self) -> bool:
        """Whether nothing of the policy is effective, because of what overrides it."""
        return bool(self.set) and not self.kept and not self.left_out

    @property
    def conflicted(self) -> bool:
        """Whether that is because of other policies at the same targets."""
        return self.overridden and ITSELF not in self.lost.values()


@query
def policy_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a policy; None if it concerns no Gateway of ours."""
    found = db.get(Policy, ref)
    if found is None:
        return None
    if db.registry.policy(ref.kind).unsupported:
        return by_ancestor(db, _unsupported(db, found))
    if (read := db.registry.policy(ref.kind).backend) is not None:
        return by_ancestor(db, _backend_conditions(db, found, read(db, ref).problems))
    reports: dict[AncestorRef, Report] = {}
    for place, each in enumerate(found.spec.target_refs):
        for ancestor, problem in _ancestors(db, ref, each, f"spec.targetRefs[{place}]"):
            report = reports.setdefault(ancestor, Report())
            if problem is not None:
                report.pending |= problem.condition == "Attached"
                report.problems.update({problem: None} if problem.condition == "Accepted" else {})
            else:
                _report(db, found, each, _gateway(ancestor), report)
    generation = found.metadata.generation or 1
    entries = {ancestor: [each.json(generation) for each in _conditions(one)] for ancestor, one in reports.items()}
    return by_ancestor(db, entries)


def _unsupported(db: Db, policy: Policy) -> dict[AncestorRef, list[dict[str, Any]]]:
    """Return the conditions of a policy of a kind that is not supported, by ancestor."""
    text = f"Headgate does not support {policy.kind} yet: the policy has no effect; remove it."
    found: dict[AncestorRef, dict[str, None]] = {}
    for place, each in enumerate(policy.spec.target_refs):
        for ancestor, problem in _ancestors(db, policy.ref, each, f"spec.targetRefs[{place}]"):
            texts = found.setdefault(ancestor, {text: None})
            texts.update({problem.message: None} if problem is not None else {})
    generation = policy.metadata.generation or 1
    return {
        ancestor: [Condition("Accepted", "False", "Unsupported", bounded([*texts])).json(generation)]
        for ancestor, texts in found.items()
    }


def _backend_conditions(db: Db, policy: Policy, read: tuple[Problem, ...]) -> dict[AncestorRef, list[dict[str, Any]]]:
    """Return the conditions of a policy for backends, by ancestor; `read` are the problems of its own."""
    found: dict[AncestorRef, dict[Problem, None]] = {}
    for place, each in enumerate(policy.spec.target_refs):
        path = f"spec.targetRefs[{place}]"
        winner = policy_of_backend(db, policy.kind, target(policy.ref, each), each.section_name or "")
        for ancestor, problem in _ancestors(db, policy.ref, each, path):
            problems = found.setdefault(ancestor, {})
            if problem is not None:
                problems[problem] = None
            elif winner is not None and winner != policy.ref:
                text = f"{path}: {winner} has the same target, and precedence: it is older, or the first by name."
                problems[Problem("Accepted", "Conflicted", text)] = None
    generation = policy.metadata.generation or 1
    made: dict[AncestorRef, list[dict[str, Any]]] = {}
    for ancestor, own in found.items():
        problems_ = (*own, *read)
        accepted = verdict("Accepted", problems_, "Accepted", "The policy is valid.")
        resolved = resolved_refs(problems_)
        made[ancestor] = [accepted.json(generation), resolved.json(generation)]
    return made


def _ancestors(
    db: Db, policy: Ref, reference: PolicyTargetReference, path: str
) -> Iterator[tuple[AncestorRef, Problem | None]]:
    """Yield the ancestors of a target: the Gateways that it is served at, or itself with the reason why there is none.

    Yield nothing for what belongs to another controller.
    """
    at, ref, itself = level(db, policy.kind, reference), target(policy, reference), _itself(policy, reference)
    if at is Level.BACKEND:
        yield from _users(db, ref, reference, path)
    elif at is None and _is_of_backends(db, policy) and _is_backend(db, reference):
        problem = Problem("Accepted", "Invalid", _wrong_kind(db, policy, reference, path))
        yield from ((ancestor, problem) for ancestor, _ in _users(db, ref, reference, path))
    elif at is None and _may_be_of_others(db, policy):
        return
    elif at is None:
        yield itself, Problem("Accepted", "Invalid", _wrong_kind(db, policy, reference, path))
    elif at <= Level.LISTENER:
        yield from _of_listeners(db, ref, reference, path, itself)
    else:
        yield from _of_route(db, ref, reference, path, itself)


def _of_listeners(
    db: Db, ref: Ref, reference: PolicyTargetReference, path: str, itself: AncestorRef
) -> Iterator[tuple[AncestorRef, Problem | None]]:
    """Yield the Gateway that serves the listeners of a Gateway or ListenerSet."""
    exists = db.get(ListenerOwner, ref) is not None
    if exists and parent_gateway(db, ref) is None:
        return
    gateway = serving_gateway(db, ref)
    if problem := _not_found(reference, ref, path, exists, [each.name for each in listener_specs(db, ref)]):
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


def _of_route(
    db: Db, ref: Ref, reference: PolicyTargetReference, path: str, itself: AncestorRef
) -> Iterator[tuple[AncestorRef, Problem | None]]:
    """Yield the Gateways that a route is attached to."""
    route = db.get(Route, ref)
    names = [each for each in route.rule_names if each] if route is not None else []
    parents = attachment(db, ref)
    if route is not None and route.spec.parent_refs and not parents:
        return
    if problem := _not_found(reference, ref, path, route is not None, names):
        yield itself, problem
    elif not any(each.bindings for each in parents):
        yield itself, Problem("Attached", "Pending", f"{ref} is attached to no Gateway.")
    else:
        for gateway in dict.fromkeys(each.gateway for each in parents if each.bindings):
            yield gateway_reference(gateway), None


def _users(
    db: Db, ref: Ref, reference: PolicyTargetReference, path: str
) -> Iterator[tuple[AncestorRef, Problem | None]]:
    """Yield the Gateways with routes that name a backend, if only a section is targeted at its port."""
    exists = db.get(db.registry.kinds[ref.kind], ref) is not None
    ports = backend_sections(db, ref)
    problem = _not_found(reference, ref, path, exists, [each for each in ports if each])
    port = None if problem or not reference.section_name else ports[reference.section_name]
    uses = backend_uses(db, ref)
    for gateway in dict.fromkeys(each.gateway for each in uses if port in (None, each.port)):
        yield gateway_reference(gateway), problem


def _wrong_kind(db: Db, policy: Ref, reference: PolicyTargetReference, path: str) -> str:
    at = db.registry.policy(policy.kind).levels
    routes = db.registry.routes if at & {Level.ROUTE, Level.RULE} else ()
    kinds: tuple[RouteKind | BackendKind, ...] = tuple(each for each in routes if each.rules is not None)
    groups = {Gateway.kind: Gateway.group, ListenerSet.kind: ListenerSet.group}
    if _is_of_backends(db, policy):
        kinds, groups = tuple(each for each in db.registry.backends if each.takes_policies), {}
    groups |= {each.model.kind: each.model.group for each in kinds}
    group = groups.get(reference.kind, reference.group)
    if group != reference.group:
        return f"{path}.group: {reference.kind} is a kind of the group {group}, not of {reference.group!r}: correct it."
    levels = ", ".join(each.title for each in sorted(at))
    section = " with a sectionName" if reference.section_name else ""
    text = f"{path}: a {policy.kind} cannot target a {reference.kind}{section}; it can target: {levels}"
    return f"{text}, of the kinds {', '.join(groups)}."


def _not_found(
    reference: PolicyTargetReference, ref: Ref, path: str, exists: bool, sections: list[str]
) -> Problem | None:
    if not exists:
        text = f"{path}: {ref} does not exist; create it or correct the name. Targets are in the policy's namespace."
        return Problem("Accepted", "TargetNotFound", text)
    if reference.section_name and reference.section_name not in sections:
        has = ", ".join(sections) or "none"
        text = f"{path}.sectionName: {ref} has no section {reference.section_name}; its sections: {has}."
        return Problem("Accepted", "TargetNotFound", text)
    return None


def _itself(policy: Ref, reference: PolicyTargetReference) -> AncestorRef:
    items = [("group", reference.group), ("kind", reference.kind)]
    items += [("namespace", policy.namespace), ("name", reference.name)]
    return (*items, *([("sectionName", reference.section_name)] if reference.section_name else []))


def _gateway(ancestor: AncestorRef) -> Ref:
    found = dict(ancestor)
    return Ref(Gateway.kind, found["namespace"], found["name"])


def _report(db: Db, policy: Policy, reference: PolicyTargetReference, gateway: Ref, report: Report) -> None:
    """Add what becomes of a policy at one of its targets, as far as that is served at a Gateway."""
    ref, section = target(policy.ref, reference), reference.section_name or ""
    units = [each for each in policy_units(db) if each.policy.kind == policy.kind]
    for unit in units:
        value = getattr(policy.spec, unit.field)
        if value is None:
            continue
        own = dict.fromkeys(f"{unit.field}.{each}" for each in leaves(value)) or {unit.field: None}
        report.set |= own
        lost: dict[str, str] = {}
        left_out = False
        if ref.kind not in (Gateway.kind, ListenerSet.kind) and _overridden_by_rules(db, ref, section, unit):
            lost |= dict.fromkeys(own, ITSELF)
        for stack in _stacks(db, ref, section, gateway):
            policies = of_kind(stack, policy.kind)
            made = unit_settings(db, policies, unit.field)
            origins = effective(db, policies, unit.field).origins
            others = ", ".join(dict.fromkeys(str(each) for each in origins.values() if each != policy.ref))
            merged = f" It is merged with {others}." if others else ""
            report.problems |= {each._replace(message=f"{each.message}{merged}"): None for each in made.problems}
            left_out |= bool(made.problems) and made.value == ()
            for leaf, origin in origins.items():
                path = f"{unit.field}.{leaf}"
                if origin != policy.ref:
                    (lost if path in own else report.merged)[path] = str(origin)
        report.lost |= {(path, reference): by for path, by in lost.items()}
        report.left_out |= left_out
        report.kept |= {path: None for path in own if path not in lost and not left_out}


def _stacks(db: Db, ref: Ref, section: str, gateway: Ref) -> Iterator[Stack]:
    """Yield the policies of the levels above a target, and of its own, at each listener that it is served at."""
    if ref.kind in (Gateway.kind, ListenerSet.kind):
        if section:
            yield inherited(db, gateway, ListenerRef(ref, section))
        else:
            of_set = policies_at(db, ref) if ref != gateway else ()
            yield (*stacked(Level.GATEWAY, policies_at(db, gateway)), *stacked(Level.LISTENER_SET, of_set))
        return
    own = stack_of_route(db, ref, section)
    bindings = (binding for each in attachment(db, ref) if each.gateway == gateway for binding in each.bindings)
    yield from dict.fromkeys((*inherited(db, gateway, each.listener), *own) for each in bindings)


def _overridden_by_rules(db: Db, route: Ref, section: str, unit: PolicyUnit) -> bool:
    found = db.get(Route, route)
    names = found.rule_names if found is not None else ()
    meant = [rule.value for rule, name in zip(rules(db, route), names, strict=True) if section in ("", name)]
    return bool(meant) and all(overrides(each, unit) for each in meant)


def _conditions(report: Report) -> Iterator[Condition]:
    """Yield Accepted, and Attached unless the target is not there."""
    if report.problems:
        first = next(iter(report.problems))
        yield Condition("Accepted", "False", first.reason, bounded([each.message for each in report.problems]))
    elif report.conflicted:
        yield Condition("Accepted", "False", "Conflicted", _lost(report))
    else:
        yield Condition("Accepted", "True", "Accepted", "The policy is valid.")
    if report.pending:
        yield Condition("Attached", "False", "Pending", "The target is attached to no Gateway of this controller.")
    elif report.overridden:
        yield Condition("Attached", "False", "Overridden", _lost(report))
    elif report.set:
        yield _attached(report)


def _attached(report: Report) -> Condition:
    if not report.kept:
        return Condition("Attached", "False", "Invalid", "Nothing of the policy is effective: it is not accepted.")
    if report.lost:
        return Condition("Attached", "True", "PartiallyOverridden", _lost(report))
    if report.merged:
        text = "; ".join(f"{path} comes from {origin}" for path, origin in report.merged.items())
        return Condition("Attached", "True", "Merged", bounded([f"{text}."]))
    what = "What is valid of the policy" if report.left_out else "All that the policy sets"
    return Condition("Attached", "True", "Attached", f"{what} is effective.")


def _lost(report: Report) -> str:
    texts = []
    for (path, at), by in report.lost.items():
        where = f" at {at.kind} {at.name}{f' ({at.section_name})' if at.section_name else ''}"
        texts.append(f"{path} is overridden by {by}{where if path in report.kept else ''}")
    return bounded(["; ".join(dict.fromkeys(texts)) + "."])


def _invalid(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    """Return the status of an invalid policy: at the ancestors of before, or of those targets that can be read."""
    if db.registry.policy(ref.kind).closed and db.get(Policy, ref) is None:
        text += " Requests to its targets are refused."
    accepted = false("Accepted", "Invalid", text, invalid)
    entries: dict[AncestorRef, list[dict[str, Any]]] = {}
    for each in last_valid_status(db, ref).get("ancestors", []):
        rest = [found for found in each["conditions"] if found["type"] != "Accepted"]
        entries[tuple(each["ancestorRef"].items())] = [accepted, *renewed(rest, invalid)]
    if not entries:
        for reference in invalid.partial.targets:
            for ancestor, _ in _ancestors(db, ref, reference, "spec.targetRefs"):
                entries[ancestor] = [accepted]
    return by_ancestor(db, entries)


STATUS = StatusKind(Policy, policy_status, _invalid)
