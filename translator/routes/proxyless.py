"""The rules of a route as gRPC's own xDS clients apply them, and what of them they cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from translator.db import Db
from translator.engine.query import query
from translator.envoy.proxyless import NOBODY, GrpcBackends, no_call
from translator.ir.backend import Backend
from translator.ir.http import RouteMatch, Rule, WeightedBackend
from translator.objects.gateway_api.route import Route
from translator.outcome import Outcome, Problem
from translator.policies.effective import Stack
from translator.refs import Ref
from translator.routes.policies import effective_rules
from translator.routes.rule import NO_BACKENDS

CLIENTS: Final = "gRPC clients without a proxy"
ANSWER: Final = "their calls fail with UNAVAILABLE until it is removed"


@query
def client_rules(db: Db, route: Ref, stack: Stack | None) -> tuple[Outcome[Rule], ...]:
    """Return each rule of a route for clients; the problems are those that it has for these only.

    Args:
        db: the database.
        route: the route.
        stack: the policies that it has to know (`translator.policies.effective.route_stack`).
    """
    found = db.get(Route, route)
    rules: Any = getattr(found.spec, "rules", ()) if found is not None else ()
    return tuple(
        client_rule(each.value, f"spec.rules[{place}]", *_filters(spec, f"spec.rules[{place}]"))
        for place, (each, spec) in enumerate(zip(effective_rules(db, route, stack, None), rules, strict=True))
    )


def _filters(spec: Any, field: str) -> Iterator[str]:
    """Yield the fields of the filters of a rule and its backends, none of which clients have."""
    sites = [(field, spec), *((f"{field}.backendRefs[{place}]", each) for place, each in enumerate(spec.backend_refs))]
    for site, each in sites:
        for number, found in enumerate(each.filters):
            yield f"{site}.filters[{number}]: {found.type}"


def client_rule(rule: Rule, field: str, *filters: str) -> Outcome[Rule]:
    """Return a rule for clients, which answers with an error if they cannot do what it asks for.

    Args:
        rule: the rule, as Envoy would apply it.
        field: its field, for messages.
        filters: the fields of its filters.
    """
    matches = tuple(each for each in rule.matches if not no_call(each))
    problems = list(_unmatched(rule.matches, field))
    if rule.error:
        return Outcome(replace(rule, matches=matches, settings=(GrpcBackends(),)), tuple(problems))
    unsupported = [f"{each} is not supported for {CLIENTS}; {ANSWER}." for each in filters]
    if not unsupported:
        faults = [each.proxyless_fault for each in rule.settings if each.proxyless_fault]
        unsupported = [f"{field}{each} for {CLIENTS}; {ANSWER}." for each in faults]
    problems += (Problem("Accepted", "UnsupportedValue", each) for each in unsupported)
    backends, encrypted = _backends(rule, field)
    problems += encrypted
    error = unsupported[0] if unsupported else "" if any(_takes_calls(each) for each in backends) else NO_BACKENDS
    settings = (GrpcBackends(),) if error else (*rule.settings, GrpcBackends())
    return Outcome(replace(rule, matches=matches, settings=settings, backends=backends, error=error), tuple(problems))


def _unmatched(matches: tuple[RouteMatch, ...], field: str) -> Iterator[Problem]:
    for number, each in enumerate(matches):
        if why := no_call(each):
            yield Problem("Accepted", "UnsupportedValue", f"{field}.matches[{number}]{why}; nothing matches it.")


def _takes_calls(weighted: WeightedBackend) -> bool:
    return bool(weighted.weight) and weighted.backend is not NOBODY


def _backends(rule: Rule, field: str) -> tuple[tuple[WeightedBackend, ...], list[Problem]]:
    """Return the backends of a rule, and why clients cannot connect to some of them."""
    found: list[WeightedBackend] = []
    problems: list[Problem] = []
    for place, each in enumerate(rule.backends):
        if each.backend is not None and (why := unreachable(each.backend)):
            problems.append(Problem("ResolvedRefs", "UnsupportedProtocol", f"{field}.backendRefs[{place}]: {why}"))
            found.append(WeightedBackend(NOBODY, each.weight))
        else:
            found.append(WeightedBackend(NOBODY if each.backend is None else each.backend, each.weight))
    return tuple(found), problems


def unreachable(backend: Backend) -> str:
    """Return why clients cannot connect to a backend as it asks for; "" if they can."""
    cannot = [each for each in backend.settings if not each.proxyless]
    if not cannot:
        return ""
    kind, namespace, name = backend.key
    what = "TLS" if any(each.encrypts for each in cannot) else ", ".join(type(each).__name__ for each in cannot)
    return (
        f"{kind} {namespace}/{name} port {backend.port}: it asks for {what}, which is not supported for "
        f"{CLIENTS}; {ANSWER}."
    )
