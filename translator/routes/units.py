"""The units of policies at routes: which of them a stack of policies has, and what they give a route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import cast

from translator.db import Db
from translator.engine.query import query
from translator.envoy.filter_configs import UnitSettings, violations
from translator.envoy.listener_settings import listener_violations
from translator.envoy.retry import BUFFER_BYTES
from translator.extension import FilterOutcome, PolicyContext, PolicyUnit, policy_units
from translator.ir.http import Rule
from translator.ir.listener import ListenerSetting
from translator.outcome import Outcome, Problem, gather
from translator.policies.effective import (
    ENFORCED,
    ENFORCING_LEVELS,
    Stack,
    effective,
    enforced_alone,
    of_kind,
    set_fields,
    settles,
)
from translator.policies.merging import Effective
from translator.policies.targets import refuses
from translator.refs import Ref


def of(stack: Stack, unit: PolicyUnit) -> Stack:
    """Return those policies of a stack that may have a unit."""
    return of_kind(stack, unit.policy.kind)


def units_of(db: Db, stack: Stack) -> Iterator[PolicyUnit]:
    """Yield the units that some policy of a stack says something about, in the order of their extensions."""
    said = {(each.policy.kind, field) for each in stack for field in set_fields(db, each.policy)}
    return (each for each in policy_units(db) if (each.policy.kind, each.field) in said) if said else iter(())


def policy_names(db: Db, stack: Stack, unit: PolicyUnit) -> tuple[str, tuple[str, ...]]:
    """Return the path of a unit, and the names of the policies that its effective value is of."""
    found = effective(db, of(stack, unit), unit.field).policies
    return unit.path.removeprefix("spec."), tuple(f"{each.namespace}/{each.name}" for each in found)


@query
def unit_settings(db: Db, stack: Stack, field: str) -> FilterOutcome:
    """Return the settings of a unit for a stack, all of one kind; none where it cannot be read and is not closed."""
    kind = stack[0].policy.kind
    unit = next(each for each in policy_units(db) if (each.policy.kind, each.field) == (kind, field))
    return read_unit(db, unit, effective(db, stack, field), stack)


def read_unit(db: Db, unit: PolicyUnit, found: Effective, stack: Stack) -> FilterOutcome:
    """Return the settings of a unit for the effective value of a stack and those beside it, and what is wrong there."""
    own = read_part(db, unit, found, stack)
    if not found.beside:
        return own if not own.problems or own.value is None else _enforced(db, unit, found, stack, own)
    made = gather((own, *(read_part(db, unit, each, stack, place) for place, each in enumerate(found.beside))))
    if any(each is None for each in made.value):
        return Outcome(None, made.problems)
    return Outcome(tuple(each for settings in made.value for each in settings or ()), made.problems)


def _enforced(db: Db, unit: PolicyUnit, found: Effective, stack: Stack, read: FilterOutcome) -> FilterOutcome:
    """Return the settings of what is enforced alone, where it is merged with others and something is left out.

    Otherwise whoever writes a more specific policy could end what is enforced by a mistake of his own.
    """
    if not found.enforced or found.enforced >= found.origins.keys():
        return read
    alone = read_part(db, unit, enforced_alone(db, stack, unit.field), stack)
    return read if alone.problems else Outcome(alone.value, read.problems)


def read_part(db: Db, unit: PolicyUnit, found: Effective, stack: Stack, place: int | None = None) -> FilterOutcome:
    """Return the settings for an effective value alone; `place` is that of a value which holds beside others."""
    if found.value is None:
        return Outcome(())
    read: FilterOutcome
    if broken := [Problem("Accepted", "Invalid", f"{unit.path}.{each}.") for each in found.violations()]:
        read = Outcome(None, tuple(broken))
    else:
        made = unit.read(PolicyContext(db, unit.policy.kind, unit.path, found, stack, place))
        read = _checked(unit, cast(FilterOutcome, made))
    return Outcome((), read.problems) if read.value is None and not unit.is_closed(found.value) else read


def _checked(unit: PolicyUnit, read: FilterOutcome) -> FilterOutcome:
    """Return settings unless Envoy would not take one of them: it would refuse all that is written with it."""
    settings = read.value or ()
    of_listener = [each for each in settings if isinstance(each, ListenerSetting)]
    wrong = next(chain(violations(settings), listener_violations(of_listener)), None)
    if wrong is None:
        return read
    problem = Problem("Accepted", "Invalid", f"{unit.path}: Envoy does not take {wrong}.")
    return Outcome(None, (*read.problems, problem))


def applied_unit(db: Db, stack: Stack, unit: PolicyUnit) -> UnitSettings:
    """Return what a unit gives the routes that a stack of policies concerns."""
    policies = of(stack, unit)
    return apply_read(db, policies, unit, unit_settings(db, policies, unit.field))


def gives_alpha(db: Db, stack: Stack) -> bool:
    """Return whether policies of a stack give routes filters that Envoy calls alpha."""
    return any(each.alpha for unit in units_of(db, stack) for each in applied_unit(db, stack, unit).settings)


def apply_read(db: Db, stack: Stack, unit: PolicyUnit, read: FilterOutcome) -> UnitSettings:
    """Return what a unit gives routes by its settings for a stack, all of one kind; `read` is None of a broken one."""
    if unit.closed and (invalid := never_valid(db, stack, unit)) is not None:
        return UnitSettings((), True, f"{invalid} is not valid: {unit.path} cannot be applied.")
    if read.value is None:
        return UnitSettings((), True, f"{_names(db, stack, unit)}: {unit.path} cannot be applied.")
    values = (each.value for each in effective(db, stack, unit.field).parts)
    return UnitSettings(read.value, any(each is not None and unit.is_closed(each) for each in values))


def never_valid(db: Db, stack: Stack, unit: PolicyUnit) -> Ref | None:
    """Return a policy that never was valid and says something about a unit which none more specific settles."""
    found = None
    for each in stack:
        said = set_fields(db, each.policy)
        if unit.field not in said:
            continue
        if refuses(db, each.policy):
            if each.level in ENFORCING_LEVELS and ENFORCED in said:
                return each.policy  # perhaps it is enforced, and then no other settles it
            found = each.policy
        elif settles(db, each, unit.field):
            found = None
    return found


def _names(db: Db, stack: Stack, unit: PolicyUnit) -> str:
    """Name the most specific policy of those that an effective value is of; with values beside it, all of them."""
    found = effective(db, stack, unit.field)
    if found.beside:
        return ", ".join(map(str, found.policies))
    return str(next(each.policy for each in reversed(stack) if each.policy in found.policies or not found.policies))


def held_bytes(units: Iterable[UnitSettings]) -> int:
    """Return how many bytes of a body the filters of units hold; 0 if no more than all routes may hold."""
    found = max((each.buffered_bytes for one in units for each in one.settings), default=0)
    return found if found > BUFFER_BYTES else 0


def overrides(rule: Rule, unit: PolicyUnit) -> bool:
    """Return whether a rule itself asks for what a unit would give it."""
    return any(unit.is_setting(each) for each in rule.settings)
