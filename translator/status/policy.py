"""The status of policies (GEP-713, GEP-2648): by ancestor, the Gateways at which a policy has an effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from translator.conditions import Condition, Status, bounded
from translator.db import Db
from translator.engine.query import query
from translator.inputs import Invalid
from translator.kinds import Level, StatusKind
from translator.objects.gateway_api.policy import Policy
from translator.outcome import Problem
from translator.policies.selection import selected_objects
from translator.policies.targets import refuses
from translator.refs import Ref
from translator.resources.clusters import policy_uses
from translator.status.ancestors import AncestorRef, by_ancestor, gateway_of, gateway_reference
from translator.status.backend_policy import of_backends
from translator.status.invalid import false, last_valid_status, renewed
from translator.status.listener_report import listener_reports
from translator.status.policy_places import Place, named, selected_places, without_targets
from translator.status.policy_report import AncestorReport, place_report, sets_nothing
from translator.status.policy_targets import TargetPlace, ancestors, selected
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
        return _most_urgent_first(db, of_backends(db, found, kind.backend(db, ref).problems))
    reports: Reports = {}
    for _, at, ancestor, problem in (*named(db, found), *selected_places(db, found), *_in_filters(db, found)):
        _add(db, ref, at, ancestor, problem, reports)
    for ancestor, problem in without_targets(db, found, bool(reports)):
        _add(db, ref, TargetPlace(ref), ancestor, problem, reports)
    generation, empty = found.metadata.generation or 1, sets_nothing(db, found)
    for one in reports.values():
        one.sets_nothing = empty
    entries = {ancestor: [each.json(generation) for each in one.conditions()] for ancestor, one in reports.items()}
    return _most_urgent_first(db, entries)


def _most_urgent_first(db: Db, entries: Entries) -> Status | None:
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
        gateway = gateway_of(ancestor)
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


def _in_filters(db: Db, policy: Policy) -> Iterator[Place]:
    """Yield the Gateways at which filters name a policy."""
    if Level.EXTENSION_REF in db.registry.policy(policy.kind).levels:
        for gateway, route, rule, backend in policy_uses(db, policy.ref):
            yield "", TargetPlace(route, "", rule, backend), gateway_reference(gateway), None


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
        for each in selected_objects(db, ref, (one.kind for one in invalid.partial.selectors)):
            group = db.registry.kinds[each.object.kind].group
            for ancestor, _ in selected(db, ref, TargetPlace(each.object), group, "spec.targetSelectors"):
                entries[ancestor] = [accepted]
    return by_ancestor(db, entries)


STATUS = StatusKind(Policy, policy_status, _invalid)
