"""One rule of an HTTPRoute or GRPCRoute: its matches, what its filters ask for, and its weighted backends."""

from __future__ import annotations

from collections.abc import Iterable

from translator.backends.reference import backend
from translator.db import Db
from translator.extension import FilterContext
from translator.ir.http import RouteMatch, Rule, WeightedBackend
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.objects.gateway_api.rules import FilteredBackendRef, RouteRule
from translator.outcome import Outcome, Problem, gather
from translator.refs import Ref
from translator.routes.filters import read_filters

NO_BACKENDS = "The rule has no backend that could answer."


def read_rule(
    db: Db, route: Ref, place: int, rule: RouteRule, read: Iterable[Outcome[RouteMatch | None]]
) -> Outcome[Rule]:
    """Read a rule of a route, the one at `place`; if it cannot be served as asked it answers with an error.

    Args:
        db: the database.
        route: the route.
        place: the index of the rule in the route's spec.
        rule: the rule.
        read: its matches; None in place of one that Envoy cannot do.
    """
    field = f"spec.rules[{place}]"
    name = rule.name or str(place)
    matches = gather(read)
    usable = tuple(each for each in matches.value if each is not None)
    site = FilterContext(db, GATEWAY_GROUP, route, field, rule.filters, rule)
    settings = read_filters(site)
    backends = gather(
        _weighted(db, route, each, f"{field}.backendRefs[{number}]") for number, each in enumerate(rule.backend_refs)
    )
    unsupported = _unsupported(site)
    problems = (*matches.problems, *unsupported, *settings.problems, *backends.problems)
    if unsupported or settings.value is None:
        return Outcome(Rule(name, usable, error=(*unsupported, *settings.problems)[0].message), problems)
    terminal = any(each.terminal for each in settings.value)
    reachable = any(each.backend is not None and each.weight for each in backends.value)
    error = "" if terminal or reachable else NO_BACKENDS
    return Outcome(Rule(name, usable, settings.value, backends.value, error), problems)


def _unsupported(site: FilterContext) -> tuple[Problem, ...]:
    if site.rule is None or site.rule.session_persistence is None:
        return ()
    answer = f"requests are answered with {site.error} until it is removed."
    text = f"{site.field}.sessionPersistence is not supported yet: {answer}"
    return (Problem("Accepted", "UnsupportedValue", text),)


def _weighted(db: Db, route: Ref, reference: FilteredBackendRef, field: str) -> Outcome[WeightedBackend]:
    found = backend(db, GATEWAY_GROUP, route, reference, field)
    settings = read_filters(FilterContext(db, GATEWAY_GROUP, route, field, reference.filters))
    failed = settings.value is None
    weighted = WeightedBackend(None if failed else found.value, reference.weight, settings.value or ())
    return Outcome(weighted, (*found.problems, *settings.problems))
