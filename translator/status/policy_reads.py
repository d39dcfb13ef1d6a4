"""What a unit of a policy comes to at a place: the effective values there, and what reading them gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from translator.db import Db
from translator.extension import PolicyUnit
from translator.gateway.attachment import bindings
from translator.kinds import Level
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.gateway_api.route import Route
from translator.objects.gateway_api.rules import RouteRule
from translator.outcome import Outcome
from translator.policies.attachment import policies_at, referenced_policies
from translator.policies.effective import (
    Stack,
    effective,
    effective_beside,
    inherited,
    of_kind,
    parents_stack,
    stack_of_route,
    stacked,
)
from translator.policies.merging import Effective
from translator.refs import ListenerRef, Ref
from translator.routes.policies import own_policies
from translator.routes.rules import rules
from translator.routes.units import overrides, read_part, unit_settings
from translator.status.policy_targets import TargetPlace

UnitOutcome = tuple[Outcome[Any], Effective]


def effective_at(
    db: Db, policy: Ref, unit: PolicyUnit, place: TargetPlace, gateway: Ref
) -> Iterator[list[UnitOutcome]]:
    """Yield what a unit comes to at each listener: at its rules, and at each that says something of it by itself."""
    for stack, specs in _stacks(db, policy, place, gateway):
        policies = of_kind(stack, policy.kind)
        if not policies:
            continue
        found = effective(db, policies, unit.field)
        forwarded = place.object.kind in db.registry.l4_rules
        read: Outcome[Any] = Outcome(()) if forwarded else unit_settings(db, policies, unit.field)
        reads: list[UnitOutcome] = []
        for number, spec in specs:
            value = unit.own(spec) if unit.own is not None else None
            if value is not None:
                reads.append((read, effective_beside(db, policies, unit.field, place.object, value)))
            elif not overrides(rules(db, place.object)[number].value, unit) or found.enforced:
                reads += _parts(db, policy, unit, policies, read)
        yield reads if specs else list(_parts(db, policy, unit, policies, read))


def _parts(db: Db, policy: Ref, unit: PolicyUnit, stack: Stack, read: Outcome[Any]) -> Iterator[UnitOutcome]:
    """Yield a value, and what the policy says beside it, with what is wrong with it if it is of the policy."""
    found = effective(db, stack, unit.field)
    if not found.beside:
        yield read, found
        return
    for place, each in enumerate(found.parts, start=-1):
        own = policy in each.origins.values()
        if own or each is found:
            alone = replace(each, beside=())
            wrong = own and read.problems
            yield read_part(db, unit, alone, stack, place if place >= 0 else None) if wrong else Outcome(()), alone


Specs = tuple[tuple[int, RouteRule[Any]], ...]


def _stacks(db: Db, policy: Ref, place: TargetPlace, gateway: Ref) -> Iterator[tuple[Stack, Specs]]:
    """Yield the policies of the levels above a place and of its own, at each listener, with the rules concerned."""
    ref, section = place.object, place.section
    if ref.kind in (Gateway.kind, ListenerSet.kind):
        if section:
            yield inherited(db, gateway, ListenerRef(ref, section)), ()
        else:
            of_set = policies_at(db, ref) if ref != gateway else ()
            yield (
                (*stacked(Level.GATEWAY, policies_at(db, gateway)), *stacked(Level.LISTENER_SET, of_set)),
                (),
            )
        return
    meant = specs_of(db, place)
    specs = dict(meant)
    own = stack_of_route(db, ref, section)
    if place.rule >= 0:
        own = own_policies(db, ref, specs[place.rule]) if meant else ()
    if place.backend >= 0 and meant:
        backend = specs[place.rule].backend_refs[place.backend]
        own = (*own, *stacked(Level.BACKEND_REF, referenced_policies(db, backend.filters, ref.namespace)))
        meant = ()
    here = (binding for at, binding in bindings(db, ref) if at == gateway)
    found = ((inherited(db, gateway, each.listener), each.path) for each in here)
    for wide in dict.fromkeys((*stack, *(parents_stack(db, path) if path else ())) for stack, path in found):
        yield (*wide, *own), meant


def specs_of(db: Db, place: TargetPlace) -> Specs:
    """Return the rules of a route that are concerned, each with its number."""
    found = db.get(Route, place.object)
    specs: tuple[RouteRule[Any], ...] = ()
    if found is not None and place.object.kind in db.registry.rules:
        specs = getattr(found.spec, "rules", ())
    return tuple(
        (number, spec)
        for number, spec in enumerate(specs)
        if (place.rule < 0 and place.section in ("", spec.name)) or number == place.rule
    )
