"""What objects say of the routes of Envoy that a request falls to: their rule, listeners, policies and faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from translator.db import Db
from translator.delegation.paths import Path, Step, rule_of
from translator.engine.query import QueryError
from translator.envoy.http_filters import CLOSED
from translator.envoy.names import table_name, table_of_configuration
from translator.explain.result import Destination, Explanation, RequestOutcome, RuleFacts
from translator.explain.routes import PREFLIGHT
from translator.explain.units import backend_fields, listener_fields, policy_fields
from translator.gateway.attachment import Binding, bindings
from translator.gateway.certificates import listener_certificates
from translator.gateway.client_certificate import presented_certificate
from translator.gateway.conflicts import port_owners
from translator.gateway.hostnames import covers
from translator.gateway.listeners import ListenerState, listeners
from translator.gateway.ports import accepted_listeners
from translator.ir.http import Rule
from translator.ir.listener import SocketPort
from translator.objects.gateway_api.gateway import gateway_of
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.gateway_api.route import Route
from translator.objects.gateway_api.rules import RouteRule
from translator.outcome import Outcome, Problem
from translator.policies.effective import Stack, inherited
from translator.refs import Ref
from translator.routes.children import unserved
from translator.routes.delegated import parent_rules, rules_on
from translator.routes.policies import effective_rules, own_policies
from translator.routes.units import applied_unit, units_of


class RouteName(NamedTuple):
    """The name of a route of Envoy: an object, one of its rules, a match of this, and the rules that delegate to it."""

    route: Ref
    rule: str
    match: str
    path: Path = ()

    @classmethod
    def parse(cls, name: str) -> RouteName | None:
        """Read the name of a route; None if it is of no object."""
        parts = name.removesuffix(PREFLIGHT).split("/")
        own, above = parts[:7], [parts[place : place + 4] for place in range(7, len(parts), 4)]
        if len(own) != 7 or (own[3], own[5]) != ("rule", "match") or any(each[0] != "via" for each in above):
            return None
        path = (Step(Ref(HTTPRoute.kind, *parent), int(rule)) for _, *parent, rule in reversed(above))
        return cls(Ref(*own[:3]), own[4], own[6], tuple(path))


def with_facts(db: Db, found: Explanation, port: int) -> Explanation:
    """Return an explanation with what objects say of it, as far as they are known.

    Args:
        db: the database.
        found: the explanation.
        port: the port that the client connects to.
    """
    gateway = gateway_of(found.gateway)
    try:
        return _with_facts(db, found, gateway, SocketPort(port))
    except QueryError as error:
        if not error.not_synced:
            raise
        return found


def _with_facts(db: Db, found: Explanation, gateway: Ref, port: SocketPort) -> Explanation:
    states = tuple(accepted_listeners(db, gateway, port))
    names = tuple(_title(each) for each in states)
    outcomes = tuple(_with_rule(db, found, gateway, each) for each in found.outcomes)
    problem = found.problem
    if not found.listener and (faults := "; ".join(_faults(db, gateway, port))):
        problem = f"{problem}; {faults}"
    chosen = next(
        (each for each in states if table_name(each.table) == table_of_configuration(found.route_configuration)), None
    )
    policies = tuple(listener_fields(db, chosen)) if chosen is not None else ()
    return replace(found, listeners=names, policies=policies, outcomes=outcomes, problem=problem)


def _title(state: ListenerState) -> str:
    hostname = f" for {state.hostname}" if state.hostname else ""
    return f"{state.ref} ({state.protocol}{hostname})"


def _faults(db: Db, gateway: Ref, port: SocketPort) -> Iterator[str]:
    """Yield why listeners on a port are not served."""
    for owner in port_owners(db, gateway, port):
        for state in (each for each in listeners(db, owner) if each.socket_port == port):
            problems = state.problems
            if state.tls and not listener_certificates(db, state.ref).value:
                problems = (*problems, *listener_certificates(db, state.ref).problems)
            yield from (f"{state.ref}: {each.message}" for each in problems)


class _RuleView(NamedTuple):
    """A rule of a route on a listener.

    Attributes:
        read: the rule as it is served, and its problems.
        plain: the rule as its object alone has it.
        spec: the rule in the spec of its route.
        wide, own: the policies that it inherits, and its own.
    """

    read: Outcome[Rule]
    plain: Rule
    spec: RouteRule[Any]
    wide: Stack
    own: Stack


def _with_rule(db: Db, found: Explanation, gateway: Ref, outcome: RequestOutcome) -> RequestOutcome:
    name = RouteName.parse(outcome.route)
    if name is None:
        return outcome
    served = tuple(_bindings(db, found, gateway, name))
    listeners = tuple(dict.fromkeys(str(each.listener) for each in served))
    parents = tuple(_rule_title(db, each) for each in reversed(name.path))
    facts = RuleFacts(str(name.route), name.rule, name.match, listeners, parents=parents)
    view = _view(db, gateway, served[0], name) if served else None
    if view is None:
        return replace(outcome, rule=facts)
    stack = (*view.wide, *view.own)
    above = parent_rules(db, name.path) if name.path else ()
    fields = tuple(policy_fields(db, name.route, view.spec, view.plain, stack, above))
    of_backends = tuple(backend_fields(db, name.route, view.spec, stack, fields))
    facts = replace(facts, policies=(*fields, *of_backends))
    error = _error(db, outcome, view, stack)
    made = replace(outcome, rule=replace(facts, error=error), problem=error or outcome.problem)
    return replace(made, destinations=tuple(_with_reason(each, view.read.problems) for each in made.destinations))


def _rule_title(db: Db, step: Step) -> str:
    rule = rule_of(db, step)
    return f"{step.parent}, rule {(rule.name if rule is not None else '') or step.rule}"


def _bindings(db: Db, found: Explanation, gateway: Ref, name: RouteName) -> Iterator[Binding]:
    """Yield the bindings by which a route serves the virtual host of an explanation."""
    host = "" if found.virtual_host == "*" else found.virtual_host
    for at, binding in bindings(db, name.route):
        if at == gateway and binding.path == name.path:
            in_table = table_name(binding.table) == table_of_configuration(found.route_configuration)
            if in_table and any(covers(each.name, host) for each in binding.domains):
                yield binding


def _view(db: Db, gateway: Ref, binding: Binding, name: RouteName) -> _RuleView | None:
    route = db.get(Route, name.route)
    served = effective_rules(db, name.route, binding.stack, presented_certificate(db, gateway), name.path)
    specs: list[RouteRule[Any]] = [route.rule_spec(place) for place in range(len(served))] if route is not None else []
    found = zip(served, rules_on(db, name.route, name.path), specs, strict=False)
    for place, (read, plain, spec) in enumerate(found):
        if read.value.name == name.rule:
            if read.value.delegates:
                left = unserved(db, name.route, place, read.value, name.path)
                read = Outcome(left.value or read.value, left.problems)
            own = own_policies(db, name.route, spec, name.path)
            return _RuleView(read, plain.value, spec, inherited(db, gateway, binding.listener), own)
    return None


def _error(db: Db, outcome: RequestOutcome, view: _RuleView, stack: Stack) -> str:
    """Return why a rule answers with an error; "" if that is not so, or is meant so."""
    if outcome.destinations or outcome.location:
        return ""
    if outcome.filters and outcome.filters[-1].name == CLOSED:
        units = (applied_unit(db, stack, unit) for unit in units_of(db, stack))
        return next((each.error for each in units if each.error), outcome.problem)
    if outcome.route.endswith(PREFLIGHT):
        return "no route answers this preflight" if outcome.status == 404 else ""
    if error := view.read.value.error:
        reasons = (each.message for each in view.read.problems)
        return next((f"{error} {each}" for each in reasons if each not in error), error)
    if outcome.status >= 500 and not view.read.value.answers and not outcome.problem:
        return "Envoy would not take the rule as it is written; the status of its route says why"
    return ""


def _with_reason(found: Destination, problems: tuple[Problem, ...]) -> Destination:
    """Return a destination that does not exist with the reason for that."""
    reason = next((each.message for each in problems if each.condition == "ResolvedRefs"), "")
    return (
        replace(found, problem=f"{found.problem}: {reason}")
        if found.problem and not found.backend and reason
        else found
    )
