"""The rules of a route with what policies make of them."""

from __future__ import annotations

from dataclasses import replace
from operator import methodcaller
from typing import TypeVar

from translator.db import Db
from translator.engine.query import query
from translator.extension import FilterOutcome, PolicyContext, PolicyUnit, policy_units
from translator.gateway.client_certificate import presented_certificate
from translator.ir.backend import BackendKey
from translator.ir.http import Rule, RuleSetting
from translator.ir.l4 import L4Rule
from translator.ir.listener import ListenerSetting
from translator.objects.gateway_api.route import Route
from translator.outcome import Outcome, Problem
from translator.policies.attachment import policies_at, refuses
from translator.policies.effective import Stack, effective, of_kind
from translator.refs import Ref
from translator.routes.loops import without_loops
from translator.routes.rules import l4_rules, rules

R = TypeVar("R", Rule, L4Rule)


@query
def listener_settings(db: Db, stack: Stack) -> tuple[ListenerSetting, ...]:
    """Return what all routes of a listener with these policies inherit."""
    found: list[ListenerSetting] = []
    for unit in policy_units(db):
        policies = of_kind(stack, unit.policy.kind)
        if unit.inherit is not None and policies and (settings := unit_settings(db, policies, unit.field).value):
            found += unit.inherit(settings)
    return tuple(found)


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
    names = found.rule_names if found is not None else ()
    own = policies_at(db, route)
    return tuple(
        _with_settings(db, each, stack, (*own, *policies_at(db, route, name)) if name else own)
        for each, name in zip(rules_, names, strict=True)
    )


def _sets(db: Db, policies: Stack, unit: PolicyUnit) -> bool:
    return effective(db, of_kind(policies, unit.policy.kind), unit.field).value is not None


@query
def unit_settings(db: Db, stack: Stack, field: str) -> FilterOutcome:
    """Return the settings of a unit for a stack, all of one kind; none where it cannot be read and is not closed."""
    unit = next(each for each in policy_units(db) if (each.policy.kind, each.field) == (stack[0].kind, field))
    found, path = effective(db, stack, field), f"spec.{field}"
    if found.value is None:
        return Outcome(())
    read: FilterOutcome
    if broken := [Problem("Accepted", "Invalid", f"{path}.{each}") for each in found.violations()]:
        read = Outcome(None, tuple(broken))
    else:
        read = unit.read(PolicyContext(db, path, found))
    return Outcome((), read.problems) if read.value is None and not unit.closed else read


def overrides(rule: Rule, unit: PolicyUnit) -> bool:
    """Return whether a rule itself asks for what a unit would give it."""
    return any(isinstance(each, unit.setting) for each in rule.settings)


def _with_settings(db: Db, read: Outcome[Rule], wide: Stack, own: Stack) -> Outcome[Rule]:
    """Return a rule with the settings of its own policies and of wider ones, but for what it inherits in Envoy."""
    rule = read.value
    if (invalid := next((each for each in (*wide, *own) if refuses(db, each)), None)) is not None and not rule.error:
        return Outcome(replace(rule, settings=(), error=f"{invalid} is not valid."), read.problems)
    settings: list[RuleSetting] = []
    for unit in policy_units(db) if not rule.error else ():
        policies = of_kind((*wide, *own), unit.policy.kind)
        if policies and not overrides(rule, unit) and (unit.inherit is None or _sets(db, own, unit)):
            made = unit_settings(db, policies, unit.field)
            if made.value is None:
                text = f"{policies[-1]}: {made.problems[0].message}"
                return Outcome(replace(rule, settings=(), error=text), read.problems)
            settings += made.value
    return Outcome(replace(rule, settings=_combined(settings, rule.settings)), read.problems) if settings else read


def _combined(policies: list[RuleSetting], own: tuple[RuleSetting, ...]) -> tuple[RuleSetting, ...]:
    """Return the settings of policies and a rule's own: the answer of a policy stands in for that of the rule."""
    answers = any(each.terminal for each in policies)
    found = (*policies, *(each for each in own if not (answers and each.terminal)))
    terminal = any(each.terminal for each in found)
    return tuple(each for each in found if not (terminal and each.forwarding))
