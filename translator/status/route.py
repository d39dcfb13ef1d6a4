"""The status of routes, from attachment, listeners and acknowledgements."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from translator.conditions import Condition, ObservedCondition, Status, bounded, resolved_refs
from translator.db import Db
from translator.engine.query import index, query
from translator.envoy.names import route_configuration_name, table_name, table_of_configuration
from translator.envoy.route import EncodedRoute
from translator.gateway.attachment import ChildAttachment, ParentStatus, attachment, candidates, is_ours
from translator.gateway.client_certificate import presented_certificate
from translator.gateway.service_parents import names_service, service_parents
from translator.inputs import Invalid, StillServed
from translator.ir.l4 import L4Rule
from translator.ir.listener import RouteConfigKey
from translator.ir.route_scope import EVERY, scope_of
from translator.kinds import StatusKind
from translator.objects.gateway_api.gateway import key_of
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.gateway_api.references import ParentReference
from translator.objects.gateway_api.route import Route
from translator.outcome import Outcome, Problem
from translator.refs import ListenerRef, Ref
from translator.resources.listener_contexts import listener_context
from translator.resources.routes import child_entries, route_entries
from translator.routes.policies import effective_l4_rules
from translator.routes.rules import has_served_rule, l4_rules, rules
from translator.status.delegation import DelegatingParent, delegating_parents
from translator.status.hints import hints
from translator.status.invalid import false, last_valid_status, renewed
from translator.status.nacks import RouteNack, nacks_by_route
from translator.status.policy_affected import route_policy_affected
from translator.status.service_parent import service_conditions
from xds import ROUTE

ALPHA: Final = " It needs filters that Envoy calls alpha: these may change with each release of Envoy."
MAX_PARENTS: Final = 32
"""The most parents in a status (`RouteStatus.parents`)."""


@query
def route_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a route that names a Gateway of ours, or a Service; None for others."""
    found = db.get(Route, ref)
    if found is None:
        return None
    generation = found.metadata.generation or 1
    attached_to = attachment(db, ref)
    told = [(each.reference, _parent_conditions(db, ref, each, generation)) for each in attached_to]
    told += [(each.reference, service_conditions(db, ref, each, generation)) for each in service_parents(db, ref)]
    if isinstance(attached_to, ChildAttachment):
        parents = delegating_parents(db, ref, MAX_PARENTS - len(told))
        told += [(each.reference, _child_conditions(db, ref, each, generation)) for each in parents]
    affected = [(each, generation) for each in route_policy_affected(db, ref)] if told else []
    entries = tuple((reference, (*conditions, *affected)) for reference, conditions in told)
    return _status(db.settings.controller_name, entries) if entries else None


@lru_cache(maxsize=1024)  # most routes have the status of others, and share it
def _status(controller: str, parents: tuple[tuple[ParentReference, tuple[ObservedCondition, ...]], ...]) -> Status:
    return {
        "parents": [
            {
                "parentRef": reference_json(reference),
                "controllerName": controller,
                "conditions": [condition.json(generation) for condition, generation in conditions],
            }
            for reference, conditions in parents
        ]
    }


@index(Route, partitions=candidates, partition_of=itemgetter(0))
def attached(db: Db, route: Ref) -> Iterator[tuple[tuple[Ref, ListenerRef], Ref]]:
    """File routes under the Gateway and the listener that accepted them; the size of a bucket is `attachedRoutes`.

    A route whose newest generation cannot be read is not accepted, though the one before is served.
    """
    if db.invalid(route) is not None:
        return
    status = route_status(db, route)
    # Gateways come first; Services count no routes.
    for parent, told in zip(attachment(db, route), status["parents"] if status is not None else (), strict=False):
        if told["conditions"][0]["status"] == "True":
            for binding in parent.bindings:
                yield (parent.gateway, binding.listener), route


def _parent_conditions(db: Db, ref: Ref, parent: ParentStatus, generation: int) -> Iterator[ObservedCondition]:
    """Yield the conditions of a route at one parent, Accepted first."""
    told = [each.problems for each in rules(db, ref)]
    told += [each.problems for each in _l4_rules(db, ref, parent)]
    told += [each.problems for each in _entries(db, ref, parent)]
    problems = tuple(dict.fromkeys(chain.from_iterable(told)))
    yield from _conditions(db, ref, (parent,), problems, generation)


def _child_conditions(db: Db, ref: Ref, at: DelegatingParent, generation: int) -> Iterator[ObservedCondition]:
    """Yield the conditions of a child at one parent, by all Gateways that serve this."""
    told = [each.problems for parent in at.gateways for each in _entries(db, ref, parent)]
    problems = tuple(dict.fromkeys(chain(at.problems, *told)))
    yield from _conditions(db, ref, at.gateways, problems, generation)


def _conditions(
    db: Db, ref: Ref, parents: tuple[ParentStatus, ...], problems: tuple[Problem, ...], generation: int
) -> Iterator[ObservedCondition]:
    """Yield the conditions of a route at a parent, which is at several Gateways if that is a route itself."""
    dropped = [each for each in problems if each.condition == "Accepted"]
    by_parent = [(each, _refused(db, ref, each)) for each in parents]
    refused = tuple(dict.fromkeys(nack for _, found in by_parent for nack in found))
    nothing = all(_nothing(each, found) for each, found in by_parent)
    problem = parents[0].problem
    if problem is not None:
        yield Condition("Accepted", "False", problem.reason, problem.message), generation
    elif nothing or (dropped and not any(_serves(db, ref, each) for each in parents)):
        reason = dropped[0].reason if dropped else "UnsupportedValue"
        text = bounded([each.message for each in dropped] + [_words(db, each) for each in refused])
        yield Condition("Accepted", "False", reason, text), generation
    else:
        before = [each for each in refused if each.effect.served is StillServed.PREVIOUS_VERSION]
        good = min((each.effect.generation or generation for each in before), default=generation)
        alpha = any(each.value.needs_alpha for each in rules(db, ref))
        yield Condition("Accepted", "True", "Accepted", f"The route is attached.{ALPHA if alpha else ''}"), good
        if dropped or refused:
            yield _partly(db, dropped, refused), generation
    yield resolved_refs(problems), generation
    if problem is None:
        for hint in dict.fromkeys(hint for each in parents for hint in hints(db, ref, each)):
            yield hint, generation


def _l4_rules(db: Db, ref: Ref, parent: ParentStatus) -> Iterator[Outcome[L4Rule]]:
    if not parent.bindings:  # there may be no Gateway
        yield from l4_rules(db, ref, False)
    for passthrough in dict.fromkeys(each.table.passthrough for each in parent.bindings):
        yield from effective_l4_rules(db, ref, parent.gateway, passthrough)


def _entries(db: Db, ref: Ref, parent: ParentStatus) -> Iterator[Outcome[tuple[EncodedRoute, ...]]]:
    certificate = presented_certificate(db, parent.gateway) if parent.bindings else None
    found = ((listener_context(db, each.table, each.stack), each.stack, each.path) for each in parent.bindings)
    for origin, stack, path in dict.fromkeys(found):
        if path:
            yield child_entries(db, ref, path, origin, stack, certificate)
        else:
            yield route_entries(db, ref, origin, stack, certificate)


def _serves(db: Db, ref: Ref, parent: ParentStatus) -> bool:
    """Whether a rule of a route is served at a parent: not when each asks for what cannot be had."""
    made = (entry for each in _entries(db, ref, parent) for entry in each.value)
    delegates = any(each.value.delegates for each in rules(db, ref))
    return has_served_rule(db, ref) and (delegates or any(not each.dropped for each in made))


def _refused(db: Db, ref: Ref, parent: ParentStatus) -> tuple[RouteNack, ...]:
    """Return what the proxies of a parent refuse of a route."""
    found = db.select(nacks_by_route, (ref, parent.gateway))
    if not found:
        return ()
    tables = {table_name(each.table) for each in parent.bindings}
    ours = (each for each in found if each.nack.type_url != ROUTE or table_of_configuration(each.nack.name) in tables)
    return tuple(ours)


def _nothing(parent: ParentStatus, refused: tuple[RouteNack, ...]) -> bool:
    """Whether the proxies serve nothing of a route at a parent, because of what they refuse."""
    if not refused:
        return False
    if any(each.effect.served is StillServed.NOTHING and each.nack.type_url != ROUTE for each in refused):
        return True
    of_domains = [
        {each.effect.served for each in refused if _serves_domain(each.nack.name, binding.table, domain.name)}
        for binding in parent.bindings
        for domain in binding.domains
    ]
    return bool(of_domains) and all(each == {StillServed.NOTHING} for each in of_domains)


def _serves_domain(name: str, table: RouteConfigKey, domain: str) -> bool:
    """Return whether a RouteConfiguration has the virtual host of a domain."""
    scope = scope_of(domain)
    if scope == EVERY:
        return table_of_configuration(name) == table_name(table)
    return name in (table_name(table), route_configuration_name(table, scope))


def _partly(db: Db, dropped: list[Problem], refused: tuple[RouteNack, ...]) -> Condition:
    """PartiallyInvalid: its message begins as the specification asks (`RouteConditionPartiallyInvalid`).

    Where a proxy goes on with the version before, `Accepted` is of that version's generation.
    """
    before = [_words(db, each) for each in refused if each.effect.served is StillServed.PREVIOUS_VERSION]
    rest = [each.message for each in dropped]
    rest += [_words(db, each) for each in refused if each.effect.served is not StillServed.PREVIOUS_VERSION]
    texts = [f"Fall Back: {bounded(before)}"] if before else []
    texts += [f"Dropped Rule: {bounded(rest)}"] if rest else []
    return Condition("PartiallyInvalid", "True", "UnsupportedValue", bounded(texts))


def _words(db: Db, refusal: RouteNack) -> str:
    nack, effect = refusal.nack, refusal.effect
    rules = f"rule {effect.rules[0]}" if len(effect.rules) == 1 else f"rules {', '.join(effect.rules)}"
    gateway = key_of(refusal.gateway)
    what = "the route table" if nack.type_url == ROUTE else "the backend"
    connections = effect.route.kind in db.registry.l4_rules
    lost = "its connections are closed" if connections else "its requests are answered with 503"
    served = {
        StillServed.NOTHING: "nothing of the route is served there",
        StillServed.OTHER_RULES: lost,
        StillServed.PREVIOUS_VERSION: "the version before is served there",
    }
    return (
        f"A proxy of Gateway {gateway} refuses {what} {nack.name} because of {rules}: {nack.message}; until that "
        f"is mended, {served[effect.served]}."
    )


@lru_cache(maxsize=1024)  # most routes name the parents that others do
def reference_json(reference: ParentReference) -> dict[str, Any]:
    """Return a parentRef as the status has it."""
    return reference.model_dump(by_alias=True, exclude_none=True)


def _invalid(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    before = last_valid_status(db, ref).get("parents", [])
    named = [each for each in invalid.partial.parents if is_ours(db, ref, each) or names_service(db, ref, each)]
    parents = [reference_json(each) for each in named]
    parents += [each["parentRef"] for each in before if each["parentRef"].get("kind") == HTTPRoute.kind]
    if not invalid.partial.parents:
        parents = [each["parentRef"] for each in before]
    conditions = {str(each["parentRef"]): renewed(each["conditions"], invalid) for each in before}

    def entry(parent: dict[str, Any]) -> dict[str, Any]:
        resolved = [each for each in conditions.get(str(parent), ()) if each["type"] == "ResolvedRefs"]
        accepted = false("Accepted", "UnsupportedValue", text, invalid)
        controller = db.settings.controller_name
        return {"parentRef": parent, "controllerName": controller, "conditions": [accepted, *resolved]}

    return {"parents": [entry(each) for each in parents]} if parents else None


STATUS = StatusKind(Route, route_status, _invalid)
