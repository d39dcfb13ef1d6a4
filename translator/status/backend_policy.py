"""The status of policies for backends, by ancestor. They are not merged: of one target the oldest is in effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from translator.conditions import Condition, bounded, resolved_refs, verdict
from translator.db import Db
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.policy import Policy
from translator.outcome import Problem
from translator.policies.backends import foreign_tls_policy, policy_of_backend, says_tls, sections_of_target
from translator.policies.targets import is_targeted
from translator.refs import Ref
from translator.status.ancestors import AncestorRef, gateway_of
from translator.status.policy_places import named, selected_places, without_targets
from translator.status.policy_targets import TargetPlace
from translator.status.programmed import acknowledgement


@dataclass(slots=True)
class BackendReport:
    """What there is to say of a policy at one ancestor.

    Attributes:
        problems: what is wrong with its targets.
        detached: why it is not attached to a target that exists.
        places: where it is in effect.
        lost: the fields with a target, and these, where another policy is in effect: that policy.
        tls: where the TLS is that of a policy of the Gateway API, each with that policy.
    """

    problems: dict[Problem, None] = field(default_factory=dict)
    detached: Problem | None = None
    places: dict[TargetPlace, None] = field(default_factory=dict)
    lost: dict[tuple[str, TargetPlace], Ref] = field(default_factory=dict)
    tls: dict[str, Ref] = field(default_factory=dict)

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
            sections = sections_of_target(db, policy.kind, place.object, place.section)
            winner = policy_of_backend(db, policy.kind, place.object, sections)
            if winner in (None, policy.ref):
                report.places[place] = None
                if ours and says_tls(db, policy.ref) and (by := foreign_tls_policy(db, place.object, sections)):
                    report.tls[path] = by
            else:
                report.lost[path, place] = winner
    if ours:
        for ancestor, problem in without_targets(db, policy, bool(reports)):
            report = reports.setdefault(ancestor, BackendReport())
            if problem.condition == "Attached":
                report.detached = report.detached or problem
            else:
                report.problems[problem] = None
    generation = policy.metadata.generation or 1
    return {
        ancestor: [each.json(generation) for each in (_own(db, ancestor, report, read) if ours else _of(report, read))]
        for ancestor, report in reports.items()
    }


def _of(report: BackendReport, read: tuple[Problem, ...]) -> Iterator[Condition]:
    """Yield the conditions of a policy of the Gateway API, where any target that is another policy's is a conflict."""
    conflicts = (Problem("Accepted", "Conflicted", report.overridden),) if report.lost else ()
    problems = (*report.problems, *conflicts, *read)
    yield verdict("Accepted", problems, "Accepted", "The policy is valid.")
    yield resolved_refs(problems)


def _own(db: Db, ancestor: AncestorRef, report: BackendReport, read: tuple[Problem, ...]) -> Iterator[Condition]:
    """Yield the conditions of one of Headgate's own: Accepted, ResolvedRefs, Attached and Programmed.

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
    if dict(ancestor)["kind"] == Gateway.kind:
        yield acknowledgement(db, gateway_of(ancestor))
