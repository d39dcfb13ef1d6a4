"""The status of policies for backends, by ancestor. They are not merged: of one target the oldest is in effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from translator.conditions import NO_EFFECT, Condition, bounded, resolved_refs, verdict
from translator.db import Db
from translator.envoy.names import is_cluster_of
from translator.objects.gateway_api.gateway import Gateway, key_of
from translator.objects.gateway_api.policy import Policy
from translator.outcome import Problem
from translator.policies.backends import (
    foreign_tls_policy,
    policy_of_backend,
    says_tls,
    sections_of_target,
    without_effect,
)
from translator.policies.targets import is_targeted
from translator.refs import Ref
from translator.resources.own_zones import compares_zones, zone_obstacle
from translator.status.ancestors import AncestorRef, gateway_of
from translator.status.policy_places import named, selected_places, without_targets
from translator.status.policy_targets import TargetPlace
from translator.status.programmed import acknowledgement
from xds import CLUSTER, ENDPOINT


@dataclass(slots=True)
class BackendReport:
    """What there is to say of a policy at one ancestor.

    Attributes:
        problems: what is wrong with its targets.
        detached: why it is not attached to a target that exists.
        places: where it is in effect.
        lost: the fields with a target, and these, where another policy is in effect: that policy.
        tls: where the TLS is that of a policy of the Gateway API, each with that policy.
        notes: what of it has no effect at a target, although it is valid.
    """

    problems: dict[Problem, None] = field(default_factory=dict)
    detached: Problem | None = None
    places: dict[TargetPlace, None] = field(default_factory=dict)
    lost: dict[tuple[str, TargetPlace], Ref] = field(default_factory=dict)
    tls: dict[str, Ref] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def overridden(self) -> str:
        """Where it is overridden, and by what."""
        texts = (
            f"{path}: {by} has the same target{f', {at}' if 'Selectors' in path else ''}, and precedence: it "
            f"{'names it, or ' if 'Selectors' in path else ''}is older, or the first by name."
            for (path, at), by in self.lost.items()
        )
        tls = (f"{path}: spec.tls has no effect there, since {by} has precedence." for path, by in self.tls.items())
        return bounded([*texts, *tls])


def of_backends(db: Db, policy: Policy, read: tuple[Problem, ...]) -> dict[AncestorRef, list[dict[str, Any]]]:
    """Return the conditions of a policy for backends, by ancestor.

    Args:
        db: the database.
        policy: the policy.
        read: the problems of what it sets.
    """
    reports: dict[AncestorRef, BackendReport] = {}
    ours = is_targeted(db, policy.kind)
    for path, place, ancestor, problem in (*named(db, policy), *selected_places(db, policy)):
        report = reports.setdefault(ancestor, BackendReport())
        if problem is not None and problem.condition == "Attached":
            report.detached = report.detached or problem
        elif problem is not None:
            report.problems[problem] = None
        else:
            _add_place(db, policy, path, place, report)
    if ours:
        for ancestor, problem in without_targets(db, policy, bool(reports)):
            report = reports.setdefault(ancestor, BackendReport())
            if problem.condition == "Attached":
                report.detached = report.detached or problem
            else:
                report.problems[problem] = None
    generation = policy.metadata.generation or 1
    return {
        ancestor: [
            each.json(generation)
            for each in (_own(db, policy.ref, ancestor, report, read) if ours else _of(report, read))
        ]
        for ancestor, report in reports.items()
    }


def _add_place(db: Db, policy: Policy, path: str, place: TargetPlace, report: BackendReport) -> None:
    """Add what becomes of a policy at a target, named or selected by a field with a path."""
    sections = sections_of_target(db, policy.kind, place.object, place.section)
    winner = policy_of_backend(db, policy.kind, place.object, sections)
    if winner not in (None, policy.ref):
        report.lost[path, place] = winner
        return
    report.places[place] = None
    if not is_targeted(db, policy.kind):
        return
    if says_tls(db, policy.ref) and (by := foreign_tls_policy(db, place.object, sections)):
        report.tls[path] = by
    for name, why in without_effect(db, policy, place.object):
        report.notes[f"{name} has no effect at {place.object}: {why}."] = None


def _of(report: BackendReport, read: tuple[Problem, ...]) -> Iterator[Condition]:
    """Yield the conditions of a policy of the Gateway API, where any target that is another policy's is a conflict."""
    conflicts = (Problem("Accepted", "Conflicted", report.overridden),) if report.lost else ()
    problems = (*report.problems, *conflicts, *read)
    yield verdict("Accepted", problems, "Accepted", "The policy is valid.")
    yield resolved_refs(problems)


def _own(
    db: Db, policy: Ref, ancestor: AncestorRef, report: BackendReport, read: tuple[Problem, ...]
) -> Iterator[Condition]:
    """Yield the conditions of one of Headgate's own: Accepted, ResolvedRefs, Attached, NoEffect and Programmed.

    Of a target that is not there, or is attached nowhere, only the first, and why.
    """
    if report.lost and not report.places:
        yield verdict(
            "Accepted", (*report.problems, *read, Problem("Accepted", "Conflicted", report.overridden)), "", ""
        )
    else:
        yield verdict("Accepted", (*report.problems, *read), "Accepted", "The policy is valid.")
    if not report.places and not report.lost:
        if report.detached is not None:
            yield Condition("Attached", "False", report.detached.reason, report.detached.message)
        return
    yield resolved_refs((*report.problems, *read))
    if not report.places:
        yield Condition("Attached", "False", "Overridden", report.overridden)
    elif report.lost or report.tls:
        yield Condition("Attached", "True", "PartiallyOverridden", report.overridden)
    else:
        what = "What is valid of the policy" if read else "All that the policy sets"
        yield Condition("Attached", "True", "Attached", f"{what} is effective.")
    at_gateway = dict(ancestor)["kind"] == Gateway.kind
    if notes := [*report.notes, *(_zone_notes(db, policy, gateway_of(ancestor), report) if at_gateway else ())]:
        yield Condition(NO_EFFECT, "True", "NoEffect", bounded(notes))
    if at_gateway:
        yield _programmed(db, gateway_of(ancestor), report.places)


def _zone_notes(db: Db, policy: Ref, gateway: Ref, report: BackendReport) -> Iterator[str]:
    """Yield why the proxies of a Gateway cannot prefer their own zone, where a policy has them do so."""
    if report.places and _prefers_zone(db, policy) and (why := zone_obstacle(db, gateway)):
        yield f"spec.loadBalancer.zoneAware has no effect at {gateway}: {why}."


def _prefers_zone(db: Db, policy: Ref) -> bool:
    """Return whether a policy has proxies prefer the endpoints of their own zone."""
    kind = db.registry.policy_of(policy.kind)
    return kind is not None and kind.backend is not None and compares_zones(kind.backend(db, policy).value or ())


def _programmed(db: Db, gateway: Ref, places: Iterable[TargetPlace]) -> Condition:
    """Return whether the proxies of a Gateway have what a policy made of its targets: they may refuse a cluster."""
    nacks = [each for each in db.sync_status(gateway).nacks if each.nack.type_url in (CLUSTER, ENDPOINT)]
    objects = {each.object for each in places} if nacks else ()
    refused = dict.fromkeys(
        f"A proxy of Gateway {key_of(gateway)} refuses {each.name}: {each.message}"
        for each, _ in nacks
        if any(is_cluster_of(each.name, *ref) for ref in objects)
    )
    return Condition("Programmed", "False", "Refused", bounded([*refused])) if refused else acknowledgement(db, gateway)
