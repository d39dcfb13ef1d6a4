"""The rules of an HTTPRoute or GRPCRoute: matches, what filters ask for, and weighted backends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from translator.backends.reference import backend
from translator.db import Db
from translator.delegation.references import Delegation, delegation
from translator.envoy.ai.client_errors import ErrorsOfModels
from translator.envoy.ai.model_settings import (
    BeforeReading,
    CountUsage,
    FormsUntold,
    ReadModel,
    TellModel,
    WithoutModel,
)
from translator.extension import FilterContext
from translator.ir.http import PathKind, RouteMatch, Rule, RuleSetting, WeightedBackend
from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.gateway_api.httproute import HTTPRoute, asks_for_model
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.objects.gateway_api.route import Route
from translator.objects.gateway_api.rules import BackendRef, RouteRule
from translator.objects.schema.base import Fields
from translator.outcome import Outcome, Problem, gather
from translator.refs import Ref
from translator.routes.by_model import protection, refusal
from translator.routes.filters import read_filters

M = TypeVar("M", bound=Fields)

NO_BACKENDS = "The rule has no backend that could answer."


def read_rules(
    db: Db,
    route: Ref,
    rules: Iterable[RouteRule[M]],
    read: Callable[[M, str], Outcome[RouteMatch | None]],
    everything: M,
) -> tuple[Outcome[Rule], ...]:
    """Read the rules of a route; one that cannot be served as asked answers with an error.

    Args:
        db: the database.
        route: the route.
        rules: those of its spec.
        read: takes a match and where it stands; gives what it matches, None if Envoy cannot match that.
        everything: the match of a rule that has none.
    """
    made: list[Outcome[Rule]] = []
    for place, rule in enumerate(rules):
        field = f"spec.rules[{place}]"
        found = enumerate(rule.matches or (everything,))
        matches = gather(read(each, f"{field}.matches[{number}]") for number, each in found)
        site = FilterContext(db, GATEWAY_GROUP, route, field, rule.filters, rule)
        said = delegation(route, rule)
        if said is not None:
            made.append(_delegating(site, said, rule.name or str(place), matches))
        else:
            made.append(_rule(site, rule, rule.name or str(place), matches))
    return _prepared(made)


def _prepared(found: list[Outcome[Rule]]) -> tuple[Outcome[Rule], ...]:
    """Return rules of which those that read the model have what the others of these need of the first route."""
    reading_ones = [each for each in found if any(isinstance(one, BeforeReading) for one in each.value.settings)]
    first = {type(one): one for each in reading_ones for one in each.value.for_first_route}
    if not reading_ones:
        return tuple(found)

    def prepare(read: Outcome[Rule]) -> Outcome[Rule]:
        rule = read.value
        needed: tuple[RuleSetting, ...] = (WithoutModel(),)  # requests that nobody reads tell no model
        if read in reading_ones:
            needed = tuple(one for kind, one in first.items() if kind not in map(type, rule.for_first_route))
        return Outcome(replace(rule, settings=(*rule.settings, *needed)), read.problems)

    return tuple(each if each.value.delegates else prepare(each) for each in found)


def _delegating(
    site: FilterContext, said: Delegation, name: str, matches: Outcome[tuple[RouteMatch | None, ...]]
) -> Outcome[Rule]:
    """Return a rule that delegates; what its filters ask for is only read for what is wrong with it."""
    usable = tuple(each for each in matches.value if each is not None)
    problems = (*matches.problems, *_not_prefixes(usable, site.field))
    if said.fault:
        fault = Problem(
            "Accepted", "UnsupportedValue", f"{site.field}{said.fault}; its requests are answered with 500."
        )
        return Outcome(Rule(name, usable, error=fault.message), (*problems, fault))
    settings = read_filters(site)
    problems = (*problems, *settings.problems)
    if settings.value is None:
        return Outcome(Rule(name, usable, error=settings.problems[0].message), problems)
    return Outcome(Rule(name, usable, delegates=True), problems)


def _not_prefixes(matches: tuple[RouteMatch, ...], field: str) -> Iterator[Problem]:
    for number, each in enumerate(matches):
        if each.path_kind is not PathKind.PREFIX:
            text = f"{field}.matches[{number}]: a rule delegates by matches of the type PathPrefix only"
            yield Problem("Accepted", "UnsupportedValue", f"{text}; its requests are answered with 500.")


def _rule(
    site: FilterContext, rule: RouteRule[Fields], name: str, matches: Outcome[tuple[RouteMatch | None, ...]]
) -> Outcome[Rule]:
    usable = tuple(each for each in matches.value if each is not None)
    settings = read_filters(site)
    backends = gather(
        weighted_backend(site.db, site.group, site.route, each, f"{site.field}.backendRefs[{number}]", each.filters)
        for number, each in enumerate(rule.backend_refs)
    )
    problems = (*matches.problems, *settings.problems, *backends.problems)
    reads = reading(usable)
    if reads and (fault := _unprotected(site, rule)) is not None:
        return Outcome(Rule(name, usable, reads, error=fault.message), (*matches.problems, fault))
    if site.route.kind == HTTPRoute.kind and any(map(_tells_cost, backends.value)):
        reads = (*reads, ErrorsOfModels()) if reads else (TellModel(), FormsUntold(), ErrorsOfModels())
    if settings.value is None:
        return Outcome(Rule(name, usable, reads, error=settings.problems[0].message), problems)
    terminal = any(each.terminal for each in settings.value)
    reachable = any(each.works and each.weight for each in backends.value)
    error = "" if terminal or reachable else NO_BACKENDS
    return Outcome(Rule(name, usable, (*settings.value, *reads), backends.value, error), problems)


def _unprotected(site: FilterContext, rule: RouteRule[Fields]) -> Problem | None:
    """Return why a rule that asks for models cannot have what protects it alone; None if it can."""
    found = site.db.get(Route, site.route)
    rules: tuple[RouteRule[Fields], ...] = getattr(found.spec, "rules", ()) if found is not None else ()
    first = next((each for each in rules if asks_for_model(each)), rule)
    return refusal(site.db, site.route, rule, site.field, protection(site.db, site.route, first))


def _tells_cost(backend: WeightedBackend) -> bool:
    """Return whether a backend is one of providers of models."""
    return any(isinstance(one, CountUsage) for each in backend.settings for one in each.for_first_route)


def reading(matches: Iterable[RouteMatch]) -> tuple[RuleSetting, ...]:
    """Return what has the model of requests read for a rule with these matches; nothing if none asks for a model."""
    # Requests may go on to a rule of another route, whose provider tells what they cost.
    return (ReadModel(), BeforeReading(), CountUsage()) if any(each.model is not None for each in matches) else ()


def weighted_backend(
    db: Db, group: str, route: Ref, reference: BackendRef, field: str, filters: tuple[RouteFilter, ...] = ()
) -> Outcome[WeightedBackend]:
    """Return the share of a rule's requests that a backendRef gets; without a backend where it is broken.

    Args:
        db: the database.
        group: the API group of the route's kind.
        route: the route.
        reference: the backendRef.
        field: where it stands, for messages.
        filters: its filters.
    """
    found = backend(db, group, route, reference, field)
    settings = read_filters(FilterContext(db, group, route, field, filters))
    if settings.value is None:
        return Outcome(WeightedBackend(None, reference.weight), (*found.problems, *settings.problems))
    made = WeightedBackend(found.value, reference.weight, settings.value)
    return Outcome(with_its_own(db, route, made), (*found.problems, *settings.problems))


def with_its_own(db: Db, route: Ref, weighted: WeightedBackend) -> WeightedBackend:
    """Return a share of a rule's requests with what its backend itself means for these."""
    found = weighted.backend
    if found is None or not found.settings:
        return weighted
    protocol = db.registry.route(route.kind).backend_protocols[0].value
    own = {each: each.rule_settings(protocol) for each in found.settings}
    if not any(own.values()):
        return weighted
    left = tuple(each for each in found.settings if not own[each])
    more = tuple(setting for each in own.values() for setting in each if isinstance(setting, RuleSetting))
    return replace(weighted, backend=replace(found, settings=left), settings=(*weighted.settings, *more))
