"""The rules of a route with what policies make of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from operator import methodcaller
from typing import Any, Final, NamedTuple, TypeVar

from translator.db import Db
from translator.delegation.paths import Path
from translator.engine.query import query
from translator.envoy.filter_configs import (
    FilterConfigs,
    FilterNeeds,
    UnitSettings,
    compose,
    difference,
    divide,
)
from translator.envoy.hooks import FILTER
from translator.envoy.route_policies import RoutePolicies
from translator.extension import PolicyUnit
from translator.gateway.client_certificate import presented_certificate
from translator.ir.backend import BackendKey
from translator.ir.http import Rule, RuleSetting, WeightedBackend
from translator.ir.l4 import L4Rule
from translator.kinds import Level
from translator.objects.gateway_api.route import Route
from translator.objects.gateway_api.rules import RouteRule
from translator.outcome import Outcome
from translator.policies.attachment import referenced_policies
from translator.policies.effective import (
    Stack,
    effective,
    effective_beside,
    parents_stack,
    replaces_inherited,
    set_fields,
    stack_of_route,
    stacked,
)
from translator.policies.merging import Contribution
from translator.refs import Ref
from translator.routes.delegated import ParentRule, parent_rules
from translator.routes.inherited import inherited_configs
from translator.routes.loops import without_loops
from translator.routes.parents import is_said_below, said_above
from translator.routes.rules import l4_rules, rules
from translator.routes.shares import served_rules
from translator.routes.units import (
    applied_unit,
    apply_read,
    held_bytes,
    of,
    overrides,
    policy_names,
    read_unit,
    units_of,
)

R = TypeVar("R", Rule, L4Rule)


OWN: Final = ""
"""Stands for the filters of a rule itself where others are units of policies, by their fields."""


def effective_rules(
    db: Db, route: Ref, stack: Stack | None, certificate: BackendKey | None, path: Path = ()
) -> tuple[Outcome[Rule], ...]:
    """Return each rule of a route as a Gateway serves it; the problems are those of the route alone.

    Args:
        db: the database.
        route: the route.
        stack: the policies of a listener and its Gateway that it has to know (`route_stack`).
        certificate: the certificate that the Gateway presents to backends (`presented_certificate`).
        path: the rules by which the route is a child.
    """
    return _presenting(_with_policies(db, route, stack, path), certificate)


def effective_l4_rules(db: Db, route: Ref, gateway: Ref, passthrough: bool) -> tuple[Outcome[L4Rule], ...]:
    """Return each rule of a route of connections or datagrams as a Gateway serves it, with the problems in it there."""
    found = tuple(
        without_loops(db, gateway, each, f"spec.rules[{place}].backendRefs")
        for place, each in enumerate(l4_rules(db, route, passthrough))
    )
    return _presenting(found, presented_certificate(db, gateway)) if found else ()


def _presenting(found: tuple[Outcome[R], ...], certificate: BackendKey | None) -> tuple[Outcome[R], ...]:
    if certificate is None:
        return found
    present = methodcaller("presenting", certificate)
    return tuple(Outcome(each.value.with_backends(present), each.problems) for each in found)


def _with_policies(db: Db, route: Ref, stack: Stack | None, path: Path) -> tuple[Outcome[Rule], ...]:
    rules_ = served_rules(db, route, path) if path else rules(db, route)
    if stack is None or not rules_:
        return rules_
    found = db.get(Route, route)
    assert found is not None, "a route without rules has none here"
    specs: tuple[RouteRule[Any], ...] = tuple(found.rule_spec(place) for place in range(len(rules_)))
    above = parent_rules(db, path) if path else ()
    return tuple(
        _with_settings(db, RuleContext(route, spec, stack, own_policies(db, route, spec, path), above), each)
        for each, spec in zip(rules_, specs, strict=True)
    )


def own_policies(db: Db, route: Ref, rule: RouteRule[Any], path: Path = ()) -> Stack:
    """Return the policies of a rule without what it inherits in Envoy.

    They are those of its route's parents, if it is a child by a `path`, its route's, its own, those that its filters
    name.
    """
    named = stacked(Level.EXTENSION_REF, referenced_policies(db, rule.filters, route.namespace))
    above = parents_stack(db, path) if path else ()
    return (*above, *stack_of_route(db, route, rule.name or ""), *named)


class RuleContext(NamedTuple):
    """A rule in its spec, with the policies that concern it.

    Attributes:
        wide: those that it inherits.
        own: its own, at the levels of its route and its parents and below.
        above: the rules that delegate to it, of which it inherits something.
    """

    route: Ref
    spec: RouteRule[Any]
    wide: Stack
    own: Stack
    above: tuple[ParentRule, ...] = ()

    @property
    def stack(self) -> Stack:
        """All policies that concern it."""
        return (*self.wide, *self.own)

    def place(self, found: UnitSettings) -> UnitSettings:
        """Return what a unit gives the rule: settings that differ from place to place as they are there."""
        if not any(each.by_place for each in found.settings):
            return found
        route, name = "/".join(self.route), self.spec.name or ""
        return found._replace(settings=tuple(each.at(route, name) for each in found.settings))


def _with_settings(db: Db, context: RuleContext, read: Outcome[Rule]) -> Outcome[Rule]:
    """Return a rule with the settings of its own policies and of wider ones, but for what it inherits in Envoy."""
    rule = read.value
    if rule.error or rule.delegates:
        return _with_filters(db, context, read)
    settings: list[RuleSetting] = []
    written: list[PolicyUnit] = []
    apart: dict[str, UnitSettings | None] = {}
    kept, placed = rule.settings, False
    for unit in units_of(db, context.stack):
        value = unit.own(context.spec) if unit.own is not None else None
        above = said_above(context.above, unit)
        own_rule = overrides(rule, unit) and not is_said_below(db, context.above, context.spec, context.own, unit)
        if value is None and not above and not own_rule:
            if unit.inherit is not None and not _differs(db, context, unit):
                continue
            made: UnitSettings | None = applied_unit(db, context.stack, unit)
        else:
            made = apart[unit.field] = _beside_own(db, context, unit, value, above)
        if made is None:
            continue
        if unit.field in apart or (context.above and not own_rule):
            kept = tuple(each for each in kept if not unit.is_setting(each))
        if made.settings or made.error:
            written.append(unit)
            placed = placed or any(each.by_place for each in made.settings)
        if not unit.configures_filters:
            settings += made.settings or (unit.disabled if _inherits(db, context, unit) else ())
    own = tuple(each for each in kept if FILTER.implemented_by(type(each)))
    apart |= {OWN: UnitSettings(own, closed=True)} if own else {}
    backends = _backends(db, context, rule.backends, apart)
    filters = _filters(db, context, written, apart, divided=backends != rule.backends, placed=placed)
    settings += _named(db, context, rule.name, filters)
    settings = _without_leaks(db, context, settings, backends)
    found = replace(rule, settings=_combined(settings, kept, own), backends=backends)
    return Outcome(found, read.problems) if found != rule else read


def _with_filters(db: Db, context: RuleContext, read: Outcome[Rule]) -> Outcome[Rule]:
    """Return a rule that is answered with an error, with the filters that its requests meet before."""
    found = UnitSettings(tuple(each for each in read.value.effective if FILTER.implemented_by(type(each))))
    if read.value.delegates or not found.settings:
        return read
    units = (applied_unit(db, context.stack, unit) for unit in units_of(db, context.stack) if unit.on_backends)
    made = RoutePolicies(_own_filters(db, context.wide, tuple(context.place(each) for each in (*units, found))).configs)
    return Outcome(replace(read.value, settings=(*read.value.settings, made)), read.problems)


def _without_leaks(
    db: Db, context: RuleContext, settings: list[RuleSetting], backends: tuple[WeightedBackend, ...]
) -> list[RuleSetting]:
    """Return settings without those that would send a secret which requests get here on to the backends of others.

    Envoy follows redirects with the headers that filters have written.
    """
    if not any(each.sends_on for each in settings):
        return settings
    named = (referenced_policies(db, each.filters, context.route.namespace) for each in context.spec.backend_refs)
    stacks = (context.stack, *((*context.stack, *stacked(Level.BACKEND_REF, each)) for each in named if each))
    given = (
        each for stack in stacks for unit in units_of(db, stack) for each in applied_unit(db, stack, unit).settings
    )
    own = (each for weighted in backends for each in weighted.settings)
    secret = any(each.adds_secret for each in chain(own, given))
    return [each for each in settings if not each.sends_on] if secret else settings


def _named(db: Db, context: RuleContext, rule: str, found: Iterator[RoutePolicies]) -> Iterator[RoutePolicies]:
    """Yield what a rule says about filters, with the names of its route and itself if one of them needs these."""
    units = [each for each in units_of(db, context.stack) if each.names_routes is not None]
    values = ((each, effective(db, of(context.stack, each), each.field).value) for each in units)
    if any(value is not None and unit.names_routes and unit.names_routes(value) for unit, value in values):
        names = f"{context.route.namespace}/{context.route.name}", rule
        yield replace(next(found, RoutePolicies(())), route=names)
    yield from found


def _inherits(db: Db, context: RuleContext, unit: PolicyUnit) -> bool:
    """Return whether a rule inherits something of a unit, which it must not have if it has nothing of its own."""
    wide = of(context.wide, unit)
    return unit.inherit is not None and bool(wide) and bool(applied_unit(db, wide, unit).settings)


def _beside_own(
    db: Db, context: RuleContext, unit: PolicyUnit, value: Any, above: tuple[Contribution, ...]
) -> UnitSettings | None:
    """Return what a unit gives a rule that asks for it itself; None where the rule's own settings stay.

    Args:
        db: the database.
        context: the rule.
        unit: the unit.
        value: what the rule asks for, as a value of the unit; None if it cannot be said so.
        above: what rules ask for that delegate to it.
    """
    stack = of(context.stack, unit)
    if value is not None or above:
        found = effective_beside(db, stack, unit.field, context.route, value, above)
        return apply_read(db, stack, unit, read_unit(db, unit, found, stack))
    return applied_unit(db, stack, unit) if effective(db, stack, unit.field).enforced else None


def _differs(db: Db, context: RuleContext, unit: PolicyUnit) -> bool:
    """Return whether a rule may have something else of a unit than it inherits."""
    if unit.by_place is not None:
        value = effective(db, of(context.wide, unit), unit.field).value if of(context.wide, unit) else None
        if value is not None and unit.by_place(value):
            return True
    policies = of(context.own, unit)
    if any(unit.field in set_fields(db, each.policy) for each in policies):
        return True
    return any(replaces_inherited(db, each.policy) for each in policies)


def _filters(
    db: Db,
    context: RuleContext,
    written: list[PolicyUnit],
    apart: Mapping[str, UnitSettings | None],
    divided: bool,
    placed: bool,
) -> Iterator[RoutePolicies]:
    """Yield what a rule says about filters, and which policies it has what it says from.

    Args:
        db: the database.
        context: the rule.
        written: the units that it says something about.
        apart: what it has of units that it asks for itself, by their fields; and what its own filters give it.
        divided: whether each of its backends has all that Envoy applies at every level, so that the route has none.
        placed: whether it says something that is different at each place.
    """
    if not (written or apart or context.own):
        return
    if placed or any(each.error or FILTER.of(each.settings) for each in _present(*apart.values())):
        units = [
            apart[unit.field] if unit.field in apart else applied_unit(db, context.stack, unit)
            for unit in units_of(db, context.stack)
        ]
        made = tuple(context.place(each) for each in _present(*units, apart.get(OWN)))
        found = _own_filters(db, context.wide, made)
    else:
        found = own_filters(db, context.wide, context.own, tuple(apart))
    names = tuple(each for each in (policy_names(db, context.stack, unit) for unit in written) if each[1])
    if found.configs or names:
        configs = divide(found.configs)[0] if divided else found.configs
        yield RoutePolicies(configs, names, found.held_bytes, found.needs)


class OwnFilters(NamedTuple):
    """What a rule says about filters; how many bytes of a body they hold and what they need, with what it inherits."""

    configs: FilterConfigs
    held_bytes: int
    needs: FilterNeeds


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
    return _own_filters(db, wide, units)


def _own_filters(db: Db, wide: Stack, units: tuple[UnitSettings, ...]) -> OwnFilters:
    composed = compose(units)
    return OwnFilters(difference(composed.configs, inherited_configs(db, wide)), held_bytes(units), composed.needs)


def _present(*units: UnitSettings | None) -> tuple[UnitSettings, ...]:
    return tuple(each for each in units if each is not None)


def _backends(
    db: Db,
    context: RuleContext,
    backends: tuple[WeightedBackend, ...],
    apart: Mapping[str, UnitSettings | None],
) -> tuple[WeightedBackend, ...]:
    """Return the backends of a rule with what the policies that their filters name say about filters.

    Args:
        db: the database.
        context: the rule.
        backends: its backends.
        apart: what the rule has of units that it asks for itself, by their fields; and what its own filters give it.
    """
    references = context.spec.backend_refs
    named = [referenced_policies(db, each.filters, context.route.namespace) for each in references]
    if not any(named):
        return backends
    shared, _ = divide(compose(_on_backends(db, context, context.stack, apart)).configs)
    found = []
    for weighted, policies in zip(backends, named, strict=True):
        stack = (*context.stack, *stacked(Level.BACKEND_REF, policies))
        composed = compose(_on_backends(db, context, stack, apart))
        own, everywhere = divide(composed.configs)
        configs = tuple(sorted((*difference(own, shared), *everywhere)))
        named_settings = (RoutePolicies(configs, needs=composed.needs),) if configs else ()
        found.append(replace(weighted, settings=(*weighted.settings, *named_settings)))
    return tuple(found)


def _on_backends(
    db: Db, context: RuleContext, stack: Stack, apart: Mapping[str, UnitSettings | None]
) -> tuple[UnitSettings, ...]:
    """Return what units give a backend with a stack of policies, as far as it may have filters.

    What its rule asks for itself counts, unless policies that filters of the backend name say something about it.
    """
    named = {field for each in stack if each.level is Level.BACKEND_REF for field in set_fields(db, each.policy)}
    rule, found = apart.get(OWN), list[UnitSettings | None]()
    for unit in units_of(db, stack):
        apart_here = unit.field in apart and unit.field not in named
        made = apart[unit.field] if apart_here else applied_unit(db, stack, unit)
        if rule is not None and unit.field in named and any(map(unit.is_setting, rule.settings)):
            rule = None
        found.append(made if made is None or unit.on_backends else made._replace(settings=()))
    return tuple(context.place(each) for each in _present(*found, rule))


def _combined(
    policies: list[RuleSetting], own: tuple[RuleSetting, ...], composed: tuple[RuleSetting, ...]
) -> tuple[RuleSetting, ...]:
    """Return the settings of policies and a rule's own: the answer of a policy stands in for that of the rule.

    Those of the rule that are `composed` with the policies' are in these.
    """
    answers = any(each.terminal for each in policies)
    found = (*policies, *(each for each in own if not (answers and each.terminal) and each not in composed))
    terminal = any(each.terminal for each in found)
    return tuple(each for each in found if not (terminal and each.forwarding))
