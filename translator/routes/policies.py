"""The rules of a route with what policies make of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from operator import methodcaller
from typing import Any, NamedTuple, TypeVar

from translator.db import Db
from translator.engine.query import query
from translator.envoy.filter_configs import FilterConfigs, UnitSettings, compose, difference, violations
from translator.envoy.hooks import FILTER
from translator.envoy.retry import BUFFER_BYTES
from translator.envoy.route_policies import InheritedPolicies, RoutePolicies
from translator.extension import FilterOutcome, PolicyContext, PolicyUnit, policy_units
from translator.gateway.client_certificate import presented_certificate
from translator.ir.backend import BackendKey
from translator.ir.http import Rule, RuleSetting, WeightedBackend
from translator.ir.l4 import L4Rule, L4Setting
from translator.ir.listener import ListenerSetting
from translator.kinds import Level
from translator.objects.gateway_api.route import Route
from translator.objects.gateway_api.rules import FilteredBackendRef, RouteRule
from translator.outcome import Outcome, Problem
from translator.policies.attachment import referenced_policies
from translator.policies.effective import (
    Stack,
    effective,
    effective_beside,
    of_kind,
    replaces_inherited,
    set_fields,
    settles,
    stack_of_route,
    stacked,
)
from translator.policies.merging import Effective
from translator.policies.targets import refuses
from translator.refs import Ref
from translator.routes.loops import without_loops
from translator.routes.rules import l4_rules, rules

R = TypeVar("R", Rule, L4Rule)


@query
def listener_settings(db: Db, stack: Stack) -> tuple[ListenerSetting, ...]:
    """Return what all routes of a listener with these policies inherit."""
    found: list[ListenerSetting] = []
    composed: list[PolicyUnit] = []
    for unit in units_of(db, stack):
        if unit.configures_filters:
            composed.append(unit)
        elif unit.inherit is not None and (settings := unit_settings(db, of(stack, unit), unit.field).value):
            found += unit.inherit(settings)
    made = [applied_unit(db, stack, unit) for unit in composed]
    if configs := compose(made):
        names = tuple(each for each in (policy_names(db, stack, unit) for unit in composed) if each[1])
        found.append(InheritedPolicies(configs, names, _held(made)))
    return tuple(found)


@query
def inherited_configs(db: Db, stack: Stack) -> FilterConfigs:
    """Return the configurations of filters that all routes of a listener with these policies inherit."""
    found = (each for each in listener_settings(db, stack) if isinstance(each, InheritedPolicies))
    return next((each.configs for each in found), ())


@query(firewall=True)
def answers_preflights(db: Db, stack: Stack) -> bool:
    """Return whether these policies have the gateway answer the CORS preflights of all routes, whatever it answers."""
    return any(each.answers_preflights for each in listener_settings(db, stack))


def effective_rules(
    db: Db, route: Ref, stack: Stack | None, certificate: BackendKey | None
) -> tuple[Outcome[Rule], ...]:
    """Return each rule of a route as a Gateway serves it; the problems are those of the route alone.

    Args:
        db: the database.
        route: the route.
        stack: the policies of a listener and its Gateway that it has to know (`route_stack`).
        certificate: the certificate that the Gateway presents to backends (`presented_certificate`).
    """
    return _presenting(_with_policies(db, route, stack), certificate)


def effective_l4_rules(db: Db, route: Ref, gateway: Ref, passthrough: bool) -> tuple[Outcome[L4Rule], ...]:
    """Return each rule of a route of connections or datagrams as a Gateway serves it, with the problems in it there."""
    found = tuple(
        without_loops(db, gateway, each, f"spec.rules[{place}].backendRefs")
        for place, each in enumerate(l4_rules(db, route, passthrough))
    )
    return _presenting(found, presented_certificate(db, gateway)) if found else ()


def connection_settings(db: Db, route: Ref, rule: str, stack: Stack | None) -> tuple[L4Setting, ...]:
    """Return what policies ask for of the connections or datagrams of a rule.

    Args:
        db: the database.
        route: the route, of connections or datagrams.
        rule: the name of the rule.
        stack: the policies of a listener and its Gateway that the route has to know (`route_stack`).
    """
    if stack is None:
        return ()
    whole = (*stack, *stack_of_route(db, route, rule))
    found: list[L4Setting] = []
    for unit in units_of(db, whole):
        if unit.connections is not None:
            value = effective(db, of(whole, unit), unit.field).value
            found += unit.connections(value) if value is not None else ()
    return tuple(found)


def _presenting(found: tuple[Outcome[R], ...], certificate: BackendKey | None) -> tuple[Outcome[R], ...]:
    if certificate is None:
        return found
    present = methodcaller("presenting", certificate)
    return tuple(Outcome(each.value.with_backends(present), each.problems) for each in found)


def _with_policies(db: Db, route: Ref, stack: Stack | None) -> tuple[Outcome[Rule], ...]:
    rules_ = rules(db, route)
    if stack is None or not rules_:
        return rules_
    found = db.get(Route, route)
    specs: tuple[RouteRule[Any], ...] = getattr(found.spec, "rules", ()) if found is not None else ()
    return tuple(
        _with_settings(db, RuleContext(route, spec, stack, own_policies(db, route, spec)), each)
        for each, spec in zip(rules_, specs, strict=True)
    )


def own_policies(db: Db, route: Ref, rule: RouteRule[Any]) -> Stack:
    """Return the policies of a rule without what it inherits: its route's, its own, those that its filters name."""
    named = stacked(Level.EXTENSION_REF, referenced_policies(db, rule.filters, route.namespace))
    return (*stack_of_route(db, route, rule.name or ""), *named)


class RuleContext(NamedTuple):
    """A rule in its spec, with the policies that concern it.

    Attributes:
        wide: those that it inherits.
        own: its own, at the levels of the route and below.
    """

    route: Ref
    spec: RouteRule[Any]
    wide: Stack
    own: Stack

    @property
    def stack(self) -> Stack:
        """All policies that concern it."""
        return (*self.wide, *self.own)


def _with_settings(db: Db, context: RuleContext, read: Outcome[Rule]) -> Outcome[Rule]:
    """Return a rule with the settings of its own policies and of wider ones, but for what it inherits in Envoy."""
    rule = read.value
    if rule.error:
        return read
    settings: list[RuleSetting] = []
    written: list[PolicyUnit] = []
    apart: dict[str, UnitSettings | None] = {}
    kept = rule.settings
    for unit in units_of(db, context.stack):
        value = unit.own(context.spec) if unit.own is not None else None
        if value is None and not overrides(rule, unit):
            if unit.inherit is not None and not _differs(db, context, unit):
                continue
            made: UnitSettings | None = applied_unit(db, context.stack, unit)
        else:
            made = apart[unit.field] = _beside_own(db, context, unit, value)
        if made is None:
            continue
        if unit.field in apart:
            kept = tuple(each for each in kept if not unit.is_setting(each))
        if made.settings or made.error:
            written.append(unit)
        if not unit.configures_filters:
            settings += made.settings or (unit.disabled if unit.inherit is not None else ())
    settings += _filters(db, context, written, apart)
    backends = tuple(
        _with_own_filters(db, context, each, spec)
        for each, spec in zip(rule.backends, context.spec.backend_refs, strict=True)
    )
    found = replace(rule, settings=_combined(settings, kept), backends=backends)
    return Outcome(found, read.problems) if found != rule else read


def _beside_own(db: Db, context: RuleContext, unit: PolicyUnit, value: Any) -> UnitSettings | None:
    """Return what a unit gives a rule that asks for it itself; None where the rule's own settings stay.

    Args:
        db: the database.
        context: the rule.
        unit: the unit.
        value: what the rule asks for, as a value of the unit; None if it cannot be said so.
    """
    stack = of(context.stack, unit)
    if value is not None:
        found = effective_beside(db, stack, unit.field, context.route, value)
        return _applied(db, stack, unit, _read(db, unit, found))
    return applied_unit(db, stack, unit) if effective(db, stack, unit.field).enforced else None


def _differs(db: Db, context: RuleContext, unit: PolicyUnit) -> bool:
    """Return whether a rule may have something else of a unit than it inherits."""
    policies = of(context.own, unit)
    if any(unit.field in set_fields(db, each.policy) for each in policies):
        return True
    return any(replaces_inherited(db, each.policy) for each in policies)


def _filters(
    db: Db, context: RuleContext, written: list[PolicyUnit], apart: Mapping[str, UnitSettings | None]
) -> Iterator[RoutePolicies]:
    """Yield what a rule says about filters, and which policies it has what it says from."""
    if not (written or apart or context.own):
        return
    if any(each is not None and FILTER.of(each.settings) for each in apart.values()):
        units = (
            apart[unit.field] if unit.field in apart else applied_unit(db, context.stack, unit)
            for unit in units_of(db, context.stack)
        )
        made = tuple(each for each in units if each is not None)
        found = OwnFilters(difference(compose(made), inherited_configs(db, context.wide)), _held(made))
    else:
        found = own_filters(db, context.wide, context.own, tuple(apart))
    names = tuple(each for each in (policy_names(db, context.stack, unit) for unit in written) if each[1])
    if found.configs or names:
        yield RoutePolicies(found.configs, names, found.held_bytes)


class OwnFilters(NamedTuple):
    """What a rule says about filters, and how many bytes of a body they hold, with those that it inherits."""

    configs: FilterConfigs
    held_bytes: int


@query(firewall=True)
def own_filters(db: Db, wide: Stack, own: Stack, apart: tuple[str, ...]) -> OwnFilters:
    """Return what rules with these policies say about filters.

    Args:
        db: the database.
        wide: the policies of which they inherit the filters.
        own: their own.
        apart: the fields of units that they ask for themselves.
    """
    stack = (*wide, *own)
    units = tuple(applied_unit(db, stack, unit) for unit in units_of(db, stack) if unit.field not in apart)
    return OwnFilters(difference(compose(units), inherited_configs(db, wide)), _held(units))


def _held(units: Iterable[UnitSettings]) -> int:
    """Return how many bytes of a body the filters of units hold; 0 if no more than all routes may hold."""
    found = max((each.buffered_bytes for one in units for each in one.settings), default=0)
    return found if found > BUFFER_BYTES else 0


def _with_own_filters(
    db: Db, context: RuleContext, weighted: WeightedBackend, spec: FilteredBackendRef
) -> WeightedBackend:
    """Return a backend with what the policies that its filters name say about filters."""
    named = referenced_policies(db, spec.filters, context.route.namespace)
    if not named:
        return weighted
    stack = (*context.stack, *stacked(Level.BACKEND_REF, named))
    own = compose(applied_unit(db, stack, unit) for unit in units_of(db, stack))
    configs = difference(own, compose(applied_unit(db, context.stack, unit) for unit in units_of(db, context.stack)))
    return replace(weighted, settings=(*weighted.settings, RoutePolicies(configs))) if configs else weighted


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
    return _read(db, unit, effective(db, stack, field))


def _read(db: Db, unit: PolicyUnit, found: Effective) -> FilterOutcome:
    if found.value is None:
        return Outcome(())
    read: FilterOutcome
    if broken := [Problem("Accepted", "Invalid", f"{unit.path}.{each}") for each in found.violations()]:
        read = Outcome(None, tuple(broken))
    else:
        read = _checked(unit, unit.read(PolicyContext(db, unit.policy.kind, unit.path, found)))
    return Outcome((), read.problems) if read.value is None and not unit.is_closed(found.value) else read


def _checked(unit: PolicyUnit, read: FilterOutcome) -> FilterOutcome:
    """Return settings unless Envoy would not take one of them: it would refuse all that is written with it."""
    wrong = next(violations(read.value or ()), None)
    if wrong is None:
        return read
    problem = Problem("Accepted", "Invalid", f"{unit.path}: Envoy does not take {wrong}.")
    return Outcome(None, (*read.problems, problem))


def applied_unit(db: Db, stack: Stack, unit: PolicyUnit) -> UnitSettings:
    """Return what a unit gives the routes that a stack of policies concerns."""
    policies = of(stack, unit)
    return _applied(db, policies, unit, unit_settings(db, policies, unit.field))


def _applied(db: Db, stack: Stack, unit: PolicyUnit, read: FilterOutcome) -> UnitSettings:
    if unit.closed is True and (invalid := _never_valid(db, stack, unit)) is not None:
        return UnitSettings((), True, f"{invalid} is not valid: {unit.path} cannot be applied.")
    if read.value is None:
        return UnitSettings((), True, f"{_last(db, stack, unit)}: {unit.path} cannot be applied.")
    return UnitSettings(read.value, unit.closed is True)


def _never_valid(db: Db, stack: Stack, unit: PolicyUnit) -> Ref | None:
    """Return a policy that never was valid and says something about a unit which none more specific settles."""
    found = None
    for each in stack:
        if unit.field not in set_fields(db, each.policy):
            continue
        if refuses(db, each.policy):
            found = each.policy
        elif settles(db, each, unit.field):
            found = None
    return found


def _last(db: Db, stack: Stack, unit: PolicyUnit) -> Ref:
    """Return the most specific policy of those that an effective value is of."""
    found = effective(db, stack, unit.field).policies
    return next(each.policy for each in reversed(stack) if each.policy in found or not found)


def overrides(rule: Rule, unit: PolicyUnit) -> bool:
    """Return whether a rule itself asks for what a unit would give it."""
    return any(unit.is_setting(each) for each in rule.settings)


def _combined(policies: list[RuleSetting], own: tuple[RuleSetting, ...]) -> tuple[RuleSetting, ...]:
    """Return the settings of policies and a rule's own: the answer of a policy stands in for that of the rule."""
    answers = any(each.terminal for each in policies)
    found = (*policies, *(each for each in own if not (answers and each.terminal)))
    terminal = any(each.terminal for each in found)
    return tuple(each for each in found if not (terminal and each.forwarding))
