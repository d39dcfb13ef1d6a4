"""The report of a policy at one place, and how it is made of what its units come to there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from translator.db import Db
from translator.extension import PolicyUnit, policy_units
from translator.objects.gateway_api.policy import Policy
from translator.outcome import Outcome, Problem
from translator.policies.merging import Effective
from translator.refs import Ref
from translator.status.policy_targets import TargetPlace

ITSELF: Final = "the route itself"
"""What overrides a policy whose target asks for the same by its own filters or fields."""


class PlaceReport(NamedTuple):
    """What there is to say of a policy at one place, at one Gateway.

    Attributes:
        problems: what is wrong with it there, together with what it is merged with.
        set: the paths of the fields that it sets.
        lost: those that another policy, or the rule itself, overrides, and by what.
        merged: the paths of fields that others set beside it, and who.
        left_out: the paths of fields that are not valid there and have no effect.
        refused: what the Gateway's proxies say of the place, if they refuse it.
        notes: what of it has no effect there, although it is valid.
    """

    problems: tuple[Problem, ...] = ()
    set: tuple[str, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    merged: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class ReportBuilder:
    """A report while it is made; the keys are in order."""

    problems: dict[Problem, None] = field(default_factory=dict)
    set: dict[str, None] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def frozen(self, refused: tuple[str, ...]) -> PlaceReport:
        """Return the report."""
        lost, merged = tuple(self.lost.items()), tuple(self.merged.items())
        return PlaceReport((*self.problems,), (*self.set,), lost, merged, (*self.left_out,), refused, (*self.notes,))


def add_problems(
    db: Db,
    unit: PolicyUnit,
    policy: Policy,
    read: Outcome[Any],
    found: Effective,
    own: dict[str, None],
    report: ReportBuilder,
    closed: str = "Its routes answer 500.",
) -> None:
    """Add what is wrong with the value of a unit; `own` are the paths that the policy sets of it."""
    others = ", ".join(str(each) for each in found.policies if each != policy.ref)
    merged = f" It is merged with {others}." if others else ""
    effect = f" {closed}" if read.value is None else rest_applies(db, policy, unit)
    for each in read.problems:
        last = effect if each is read.problems[-1] else ""
        report.problems[each._replace(message=f"{each.message}{merged}{last}")] = None
    if read.problems and not read.value:
        report.left_out |= own


def add_origins(
    policy: Ref,
    unit: str,
    found: Effective,
    place: TargetPlace,
    report: ReportBuilder,
    kept: set[str],
    lost: dict[str, str],
) -> None:
    """Add where the leaves of an effective value come from; `lost[""]` is whence comes one that excludes others."""
    for leaf, origin in found.origins.items():
        path, by = f"{unit}{dotted(leaf)}", ITSELF if origin == place.object else str(origin)
        if origin == policy:
            kept.add(path)
            continue
        lost[path] = lost[""] = f"{by}, which is enforced" if leaf in found.enforced else by
        if path not in report.set:
            report.merged[path] = by


def dotted(leaf: str) -> str:
    """Return the path of a leaf as it follows that of its unit."""
    return f".{leaf}" if leaf and not leaf.startswith("[") else leaf


def units_set_by(db: Db, policy: Policy) -> Iterator[PolicyUnit]:
    """Yield the units that a policy says something about, in the order of their extensions."""
    said = policy.spec.set_units()
    return (each for each in policy_units(db) if each.policy.kind == policy.kind and each.field in said)


def rest_applies(db: Db, policy: Policy, unit: PolicyUnit) -> str:
    """Return that the rest of a policy applies beside a unit that does not, if it has more units."""
    more = any(each is not unit for each in units_set_by(db, policy))
    return " The rest of the policy applies." if more else ""
