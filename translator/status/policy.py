"""The status of policies (GEP-713, GEP-2648): by ancestor, the Gateways at which a policy has an effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from translator.conditions import Condition, Status, bounded, resolved_refs, verdict
from translator.db import Db
from translator.engine.query import query
from translator.gateway.gateways import managed_classes
from translator.inputs import Invalid
from translator.kinds import Level, StatusKind
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.policy import Policy
from translator.objects.headgate.policy import TargetSelector
from translator.outcome import Problem
from translator.policies.backends import policy_of_backend
from translator.policies.selection import SelectedObject, Selection, selected_policies
from translator.policies.targets import level, refuses, selectors_of, target
from translator.refs import Ref
from translator.resources.clusters import policy_uses
from translator.status.ancestors import AncestorRef, by_ancestor, gateway_reference
from translator.status.invalid import false, last_valid_status, renewed
from translator.status.listener_report import listener_reports
from translator.status.policy_report import AncestorReport, place_report, sets_nothing
from translator.status.policy_targets import TargetPlace, ancestors, selected, wrong_kind
from translator.status.programmed import acknowledgement

Reports = dict[AncestorRef, AncestorReport]
Entries = dict[AncestorRef, list[dict[str, Any]]]


@query
def policy_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a policy; None if it concerns no Gateway of ours."""
    found = db.get(Policy, ref)
    if found is None:
        return None
    kind = db.registry.policy(ref.kind)
    if kind.unsupported:
        return by_ancestor(db, _unsupported(db, found))
    if kind.backend is not None:
        return by_ancestor(db, _backend_conditions(db, found, kind.backend(db, ref).problems))
    reports: Reports = {}
    for at, ancestor, problem in (*_named(db, found), *_selected(db, found), *_in_filters(db, found)):
        _add(db, ref, at, ancestor, problem, reports)
    for problem in _without_targets(db, found, bool(reports)):
        for name in managed_classes(db)[:1]:
            _add(db, ref, TargetPlace(ref), _class_reference(name), problem, reports)
    generation, empty = found.metadata.generation or 1, sets_nothing(db, found)
    for one in reports.values():
        one.sets_nothing = empty
    entries = {ancestor: [each.json(generation) for each in one.conditions()] for ancestor, one in reports.items()}
    return by_ancestor(db, dict(sorted(entries.items(), key=_urgency)))


def _urgency(entry: tuple[AncestorRef, list[dict[str, Any]]]) -> int:
    """Return the place of an ancestor among others: problems come first, as not all ancestors may be shown."""
    wrong = {each["type"] for each in entry[1] if each["status"] == "False"}
    return 0 if wrong & {"Accepted", "ResolvedRefs"} else 1 if wrong else 2


def _add(
    db: Db, policy: Ref, at: TargetPlace, ancestor: AncestorRef, problem: Problem | None, reports: Reports
) -> None:
    report = reports.setdefault(ancestor, AncestorReport())
    if problem is None:
        gateway = _gateway(ancestor)
        if db.registry.policy(policy.kind).of_listeners:
            for place, found in listener_reports(db, policy, at, gateway):
                report.add(place, found)
        else:
            report.add(at, place_report(db, policy, at, gateway))
        report.programmed = acknowledgement(db, gateway)
    elif problem.condition == "Attached":
        report.detached = report.detached or (problem.reason, problem.message)
    else:
        report.problems[problem] = None


Place = tuple[TargetPlace, AncestorRef, Problem | None]
"""Where a policy is, the ancestor for it, and why it has no effect there."""


def _named(db: Db, policy: Policy) -> Iterator[Place]:
    """Yield the ancestors of the objects that a policy names."""
    for place, each in enumerate(policy.spec.target_refs):
        at = TargetPlace(target(policy.ref, each), each.section_name or "")
        for ancestor, problem in ancestors(db, policy.ref, each, f"spec.targetRefs[{place}]"):
            yield at, ancestor, problem


def _in_filters(db: Db, policy: Policy) -> Iterator[Place]:
    """Yield the Gateways at which filters name a policy."""
    if Level.EXTENSION_REF in db.registry.policy(policy.kind).levels:
        for gateway, route, rule, backend in policy_uses(db, policy.ref):
            yield TargetPlace(route, "", rule, backend), gateway_reference(gateway), None


def _selected(db: Db, policy: Policy) -> Iterator[Place]:
    """Yield the ancestors of the objects that a policy selects."""
    selectors = selectors_of(policy)
    for each in db.select(selected_policies, Selection(policy.ref)) if selectors else ():
        assert isinstance(each, SelectedObject)
        if each.place < len(selectors):
            selector, path = selectors[each.place], f"spec.targetSelectors[{each.place}]"
            at = TargetPlace(each.object, selector.section_name or "")
            for ancestor, problem in selected(db, policy.ref, at, selector.group, path):
                yield at, ancestor, problem


def _without_targets(db: Db, policy: Policy, attached: bool) -> Iterator[Problem]:
    """Yield the selectors that select nothing, and that a policy is attached nowhere at all."""
    selectors = selectors_of(policy)
    used = db.select(selected_policies, Selection(policy.ref)) if selectors else ()
    places = {each.place for each in used if isinstance(each, SelectedObject)}
    for place, each in enumerate(selectors):
        path = f"spec.targetSelectors[{place}]"
        if level(db, policy.kind, each) is None:
            yield Problem("Accepted", "Invalid", wrong_kind(db, policy.ref, each.group, each.kind, path))
        elif place not in places:
            yield Problem(
                "Attached", "NoMatchingTargets", f"{path} selects no {each.kind}{_where(policy, each)}: {_RELABEL}."
            )
    if not attached and not selectors and not policy.spec.target_refs:
        text = "The policy has no targets, and no filter of an attached route names it (ExtensionRef): add targetRefs."
        yield Problem("Attached", "NoMatchingTargets", text)


_RELABEL = "correct the labels that it asks for, or those of what it is for"


def _where(policy: Policy, selector: TargetSelector) -> str:
    return f" in namespace {policy.ref.namespace}" if selector.reach.from_ == "Same" else ""


def _unsupported(db: Db, policy: Policy) -> Entries:
    """Return the conditions of a policy of a kind that is not supported, by ancestor."""
    text = f"Headgate does not support {policy.kind} yet: the policy has no effect; remove it."
    found: dict[AncestorRef, dict[str, None]] = {}
    for place, each in enumerate(policy.spec.target_refs):
        for ancestor, problem in ancestors(db, policy.ref, each, f"spec.targetRefs[{place}]"):
            texts = found.setdefault(ancestor, {text: None})
            texts.update({problem.message: None} if problem is not None else {})
    generation = policy.metadata.generation or 1
    return {
        ancestor: [Condition("Accepted", "False", "Unsupported", bounded([*texts])).json(generation)]
        for ancestor, texts in found.items()
    }


def _backend_conditions(db: Db, policy: Policy, read: tuple[Problem, ...]) -> Entries:
    """Return the conditions of a policy for backends, by ancestor; `read` are the problems of its own."""
    found: dict[AncestorRef, dict[Problem, None]] = {}
    for place, each in enumerate(policy.spec.target_refs):
        path = f"spec.targetRefs[{place}]"
        winner = policy_of_backend(db, policy.kind, target(policy.ref, each), each.section_name or "")
        for ancestor, problem in ancestors(db, policy.ref, each, path):
            problems = found.setdefault(ancestor, {})
            if problem is not None:
                problems[problem] = None
            elif winner is not None and winner != policy.ref:
                text = f"{path}: {winner} has the same target, and precedence: it is older, or the first by name."
                problems[Problem("Accepted", "Conflicted", text)] = None
    generation = policy.metadata.generation or 1
    made: Entries = {}
    for ancestor, own in found.items():
        problems_ = (*own, *read)
        accepted = verdict("Accepted", problems_, "Accepted", "The policy is valid.")
        resolved = resolved_refs(problems_)
        made[ancestor] = [accepted.json(generation), resolved.json(generation)]
    return made


def _class_reference(name: str) -> AncestorRef:
    return (("group", GatewayClass.group), ("kind", GatewayClass.kind), ("name", name))


def _gateway(ancestor: AncestorRef) -> Ref:
    found = dict(ancestor)
    return Ref(Gateway.kind, found["namespace"], found["name"])


def _invalid(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    """Return the status of an invalid policy: at the ancestors of before, or of those targets that can be read."""
    if refuses(db, ref):
        text += " Requests to its targets are refused."
    accepted = false("Accepted", "Invalid", text, invalid)
    entries: Entries = {}
    for each in last_valid_status(db, ref).get("ancestors", []):
        rest = [found for found in each["conditions"] if found["type"] != "Accepted"]
        entries[tuple(each["ancestorRef"].items())] = [accepted, *renewed(rest, invalid)]
    if not entries:
        for reference in invalid.partial.targets:
            for ancestor, _ in ancestors(db, ref, reference, "spec.targetRefs"):
                entries[ancestor] = [accepted]
        for each in db.select(selected_policies, Selection(ref)):
            assert isinstance(each, SelectedObject)
            group = db.registry.kinds[each.object.kind].group
            for ancestor, _ in selected(db, ref, TargetPlace(each.object), group, "spec.targetSelectors"):
                entries[ancestor] = [accepted]
    return by_ancestor(db, entries)


STATUS = StatusKind(Policy, policy_status, _invalid)
