"""The queries that end in route configurations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, groupby
from math import inf
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from translator.db import Db
from translator.delegation.paths import Path
from translator.engine.query import query
from translator.envoy import preflights
from translator.envoy import route as route_messages
from translator.envoy.own_paths import path_match, path_route
from translator.envoy.route_configuration import (
    EncodedHost,
    encoded,
    misdirected_host,
    route_configuration,
    virtual_host,
)
from translator.envoy.route_policies import agents_are_checked
from translator.envoy.scoped_routes import scope_configuration
from translator.gateway import attachment
from translator.gateway import listeners as gateway_listeners
from translator.gateway.client_certificate import presented_certificate
from translator.gateway.gateways import orders_by_weight
from translator.gateway.hostnames import covers, wider
from translator.gateway.listeners import HostnameKey
from translator.ir.backend import BackendKey
from translator.ir.http import Rule
from translator.ir.listener import ListenerContext, ListenerSetting, RouteConfigKey, TablePart, table_part
from translator.ir.route_scope import EVERY, scope_of
from translator.objects.gateway_api.gateway import gateway_of
from translator.objects.gateway_api.route import Route
from translator.outcome import Outcome, Problem
from translator.policies.attachment import any_policies
from translator.policies.effective import Stack, inherited
from translator.policies.targets import PolicyShard, shard
from translator.refs import Ref
from translator.resources.listener_contexts import listener_context
from translator.resources.weighted_order import by_weight
from translator.routes.children import unserved
from translator.routes.crowded import is_unserved
from translator.routes.inherited import answers_preflights, behind_cors, inherited_paths, listener_settings
from translator.routes.policies import effective_rules
from translator.routes.proxyless import client_rules
from translator.routes.units import gives_alpha
from xds import Resource, check

MOST_MISDIRECTED: Final = 100
"""So many hostnames of a port's HTTPS listeners are told apart from those that no listener has, which get 404: with
more, a listener responds with 421 to all hosts that are not its own, lest all tables together grow by their square."""


@query
def table_resource(db: Db, table: RouteConfigKey) -> Resource | None:
    """Return the ``RouteConfiguration`` of a table.

    Every listener's hostname has a virtual host, so that what its routes do not serve falls to nobody else's; on a
    connection with the certificate of one listener, the hostnames of the others are misdirected.
    """
    return _configuration(db, table, None, db.select(attachment.domains, table), table_hostnames(db, table))


@query
def scope_resource(db: Db, part: TablePart) -> Resource | None:
    """Return the ``RouteConfiguration`` of a scope of a table: its domains, and those that all scopes have."""
    parts = (part, table_part(part.table, EVERY))
    domains = (domain for each in parts for domain in db.select(attachment.domains, each))
    return _configuration(db, part.table, part.scope, domains, _scope_hostnames(db, part))


@query
def scope_configuration_resource(_: Db, part: TablePart) -> Resource | None:
    """Return the ``ScopedRouteConfiguration`` of a scope of a table."""
    return scope_configuration(part.table, part.scope)


def _configuration(
    db: Db, table: RouteConfigKey, scope: int | None, routed: Iterable[str], hostnames: TableHostnames
) -> Resource:
    domains = dict.fromkeys((*routed, *hostnames.own))
    hosts = encoded_host.each(db, ((table, each) for each in domains))
    hosts += (misdirected_host(each) for each in hostnames.misdirected if each not in domains)
    settings, nearest_wins = _table_settings(db, table)
    return route_configuration(table, scope, hosts, settings, nearest_wins)


@query
def _table_settings(db: Db, table: RouteConfigKey) -> tuple[tuple[ListenerSetting, ...], bool]:
    """Return what all routes of a table inherit, if that is the same at all listeners, and whether some inherit any."""
    found = {listener_settings(db, each) if each else () for each in table_stacks(db, table)}
    return next(iter(found)) if len(found) == 1 else (), any(found)


def table_stacks(db: Db, table: RouteConfigKey) -> tuple[Stack, ...]:
    """Return the policies that routes inherit at the listeners of a table, each of these once."""
    gateway = gateway_of(table.gateway)
    if not any(any_policies(db, each) for each in (shard(gateway), *_policy_shards(db, table))):
        return ((),)
    listeners = db.select(gateway_listeners.table_listeners, table)
    return tuple(dict.fromkeys(inherited(db, gateway, each) for each in listeners))


@query(firewall=True)
def _policy_shards(db: Db, table: RouteConfigKey) -> tuple[PolicyShard, ...]:
    """Return the parts of namespaces that may have policies for listeners of a table."""
    listeners = db.select(gateway_listeners.table_listeners, table)
    return tuple(dict.fromkeys(shard(each.owner) for each in listeners))


@query(firewall=True)
def own_settings(db: Db, table: RouteConfigKey, stack: Stack) -> tuple[ListenerSetting, ...]:
    """Return what the routes of one listener inherit where those of others of its table inherit something else."""
    common, _ = _table_settings(db, table)
    return () if common else listener_settings(db, stack)


@query(firewall=True)
def held_bytes(db: Db, stack: Stack) -> int:
    """Return how many bytes of a body the filters hold that all routes of a listener with these policies inherit."""
    return max((each.buffered_bytes for each in listener_settings(db, stack)), default=0)


class TableHostnames(NamedTuple):
    """The hostnames of a table's own listeners, and those that connections to them must not ask for."""

    own: tuple[str, ...] = ()
    misdirected: tuple[str, ...] = ()


@query(firewall=True)
def _hostnames_by_scope(db: Db, table: RouteConfigKey) -> Mapping[int, TableHostnames]:
    found: defaultdict[int, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for place, hostnames in enumerate(table_hostnames(db, table)):
        for each in hostnames:
            found[scope_of(each)][place].append(each)
    return {scope: TableHostnames(*map(tuple, parts)) for scope, parts in found.items()}


@query(firewall=True)
def _scope_hostnames(db: Db, part: TablePart) -> TableHostnames:
    """Return those hostnames of a table that a scope of it has."""
    by_scope = _hostnames_by_scope(db, part.table)
    parts = (TableHostnames(), *(by_scope[each] for each in (part.scope, EVERY) if each in by_scope))
    return TableHostnames(*(tuple(chain.from_iterable(each)) for each in zip(*parts, strict=True)))


@query
def table_hostnames(db: Db, table: RouteConfigKey) -> TableHostnames:
    """Return the hostnames that a table has virtual hosts for, whether they have routes or not."""
    wire_protocol = "TLS" if table.tls else "HTTP"
    key = HostnameKey(gateway_of(table.gateway), table.port, wire_protocol, table.hostname, within=True)
    if not table.tls:
        return TableHostnames(db.select(gateway_listeners.hostnames, key))
    # What no listener serves is not misdirected: no virtual host, hence 404 (Gateway API, `Listener.hostname`).
    others = _port_hostnames(db, key._replace(hostname=""))
    if others is None:
        others = (*(("",) if table.hostname else ()), *db.select(gateway_listeners.hostnames, key))
    return TableHostnames((table.hostname,), tuple(each for each in others if each != table.hostname))


@query(firewall=True)
def _port_hostnames(db: Db, key: HostnameKey) -> tuple[str, ...] | None:
    """Return the hostnames of the listeners of a port; None if there are too many to have each in every table."""
    found = db.select(gateway_listeners.hostnames, key)
    return found if len(found) <= MOST_MISDIRECTED else None


@query
def encoded_host(db: Db, table: RouteConfigKey, domain: str) -> EncodedHost:
    """Return the virtual host of a domain: its own routes, then those of the wider domains of the same listener.

    The specification gives requests to the route with the most specific hostname that matches, and only what that does
    not match to the next (`HTTPRouteSpec.hostnames`); Envoy looks at one virtual host only, so it holds both. The
    search stops at routes that catch everything.
    """
    gateway = gateway_of(table.gateway)
    owner = table.hostname if table.tls else _owner(db, table, domain)
    certificate = presented_certificate(db, gateway)
    found: list[tuple[attachment.RouteOnDomain, tuple[route_messages.EncodedRoute, ...]]] = []
    for wide in wider(domain):
        if not covers(owner, wide):
            break
        served = db.select(attachment.routes, (table, wide))
        made = [(each, _entries(db, table, each, certificate)) for each in served]
        found += made
        if any(entry.catches_all for _, entries in made for entry in entries):
            break
    found.sort(key=itemgetter(0))  # in order already, where all are of one bucket
    # The routes of a domain are those of one listener (Gateway API: listener isolation).
    stack = inherited(db, gateway, found[0][0].listener) if found else ()
    if stack and (paths := inherited_paths(db, stack)):
        found[0] = (found[0][0], (*found[0][1], *_own_paths(paths, found[0][1])))
    answers = any(preflights.is_answered(entry) for _, entries in found for entry in entries)
    ordered: list[route_messages.EncodedRoute | preflights.Unanswered] = []
    for _, alike in groupby(found, key=lambda each: each[0][:2]):
        entries = _in_order([*alike])
        ordered += sorted(preflights.with_unanswered(entries) if answers else entries, key=attrgetter("precedence"))
    if any(served.path for served, _ in found) and orders_by_weight(db, gateway):
        ordered = by_weight(ordered, found)
    if not stack:
        return virtual_host(domain, preflights.routed(ordered))
    inherits = answers_preflights(db, stack)
    routes = (preflights.inherited if inherits else preflights.routed)(ordered)
    if (answers or inherits) and (names := behind_cors(db, stack)):
        routes = [*preflights.let_in(routes, names)]
    return virtual_host(domain, routes, own_settings(db, table, stack), held_bytes(db, stack))


def _in_order(
    found: list[tuple[attachment.RouteOnDomain, tuple[route_messages.EncodedRoute, ...]]],
) -> Iterable[route_messages.EncodedRoute]:
    """Return the entries of routes for one domain, of equal matches the first first.

    Those of children stand at the places of the rules that delegate to them, before what answers where no child does.
    """
    if not any(served.path for served, _ in found):
        return (entry for _, entries in found for entry in entries)
    keyed = [
        ((served.creation_time, served.name), (*served.order, (entry.place, inf)), entry)
        for served, entries in found
        for entry in entries
    ]
    return (entry for *_, entry in sorted(keyed, key=itemgetter(0, 1)))


def _entries(
    db: Db, table: RouteConfigKey, served: attachment.RouteOnDomain, certificate: BackendKey | None
) -> tuple[route_messages.EncodedRoute, ...]:
    stack = served.known_stack
    origin = listener_context(db, table, stack)
    if served.path:
        return child_entries(db, served.route, served.path, origin, stack, certificate).value
    return route_entries(db, served.route, origin, stack, certificate).value


def _own_paths(
    paths: tuple[str, ...], entries: tuple[route_messages.EncodedRoute, ...]
) -> Iterator[route_messages.EncodedRoute]:
    """Yield the routes of the paths that inherited filters answer by themselves, as of a rule that has some."""
    for each in entries[:1]:
        name = f"{each.route.kind}/{each.route.namespace}/{each.route.name}"
        for match in map(path_match, paths):
            rank = route_messages.own_path_precedence(match, inherited=True)
            body = encoded(path_route(f"{name}/rule/{each.rule}", match))
            yield replace(
                each,
                precedence=rank,
                body=body,
                references=frozenset(),
                match=match,
                whole=False,
                shared=False,
                dropped=False,
            )


def _owner(db: Db, table: RouteConfigKey, domain: str) -> str:
    """Return the hostname of the HTTP listener whose routes serve a domain."""
    key = HostnameKey(gateway_of(table.gateway), table.port, "HTTP", domain)
    return gateway_listeners.most_specific(db, key) or ""


@query
def route_entries(
    db: Db, route: Ref, origin: ListenerContext, stack: Stack | None, certificate: BackendKey | None
) -> Outcome[tuple[route_messages.EncodedRoute, ...]]:
    """Return the ``Route`` messages of a route on a listener's port.

    One that Envoy would refuse answers with an error instead; one whose match it would refuse is left out: nothing can
    match it.

    Args:
        db: the database.
        route: the route.
        origin: the listener as clients see it.
        stack: the policies that it has to know, `translator.policies.effective.route_stack`.
        certificate: the certificate that the Gateway presents to backends.
    """
    return _made_entries(db, route, (), origin, stack, certificate)


@query
def child_entries(
    db: Db, child: Ref, path: Path, origin: ListenerContext, stack: Stack | None, certificate: BackendKey | None
) -> Outcome[tuple[route_messages.EncodedRoute, ...]]:
    """Return the ``Route`` messages of a child, by the rules that delegate to it: as `route_entries` else."""
    if is_unserved(db, child, path):
        return Outcome(())
    return _made_entries(db, child, path, origin, stack, certificate)


def _made_entries(
    db: Db, route: Ref, path: Path, origin: ListenerContext, stack: Stack | None, certificate: BackendKey | None
) -> Outcome[tuple[route_messages.EncodedRoute, ...]]:
    made: list[route_messages.EncodedRoute] = []
    problems: list[Problem] = []
    found = db.get(Route, route)
    generation = found.metadata.generation if found is not None else 0
    name = f"{route.kind}/{route.namespace}/{route.name}"
    via = "".join(f"/via/{each.parent.namespace}/{each.parent.name}/{each.rule}" for each in reversed(path))
    for place, (read, own_problems, unsupported) in enumerate(_rules(db, route, path, origin, stack, certificate)):
        problems += own_problems
        rule = read
        if read.delegates:
            left = unserved(db, route, place, read, path)
            problems += left.problems
            if left.value is None:
                continue
            rule = left.value
        required = route_messages.references(rule)
        for number, match, rank, message, whole, shared in route_messages.match_routes(name, rule, origin, via):
            needs, violations = required, check(message)
            if violations:
                text = f"spec.rules[{place}].matches[{number}]: Envoy does not take {violations[0]}"
                message, needs = route_messages.error_route(message.name, match, origin), frozenset()
                matched = not check(message)
                error = db.registry.route(route.kind).error
                text += f"; its requests are answered with {error}." if matched else "; nothing matches it."
                problems.append(Problem("Accepted", "UnsupportedValue", text))
                if not matched:
                    continue
            body, own, dropped = encoded(message), rule.name, unsupported or bool(violations)
            made.append(
                route_messages.EncodedRoute(
                    rank, body, needs, match, whole, shared, route, own, generation, dropped, place
                )
            )
    return Outcome(tuple(made), tuple(problems))


def _without_alpha(rule: Rule) -> tuple[Rule, tuple[Problem, ...], bool]:
    """Return a rule that may not have the filters that it needs, as `_rules` does."""
    text = (
        f"rule {rule.name} needs filters that Envoy calls alpha, and the parameters of the Gateway forbid these: its "
        f"requests are answered with 500. Set alphaFilters of the GatewayParameters to Allow, or remove the rule."
    )
    matches = tuple(replace(each, model=None) for each in rule.matches)
    made = replace(rule, matches=tuple(dict.fromkeys(matches)), settings=(), backends=(), error=text)
    return made, () if rule.implied else (Problem("Accepted", "UnsupportedValue", text),), True


def _rules(
    db: Db, route: Ref, path: Path, origin: ListenerContext, stack: Stack | None, certificate: BackendKey | None
) -> Iterator[tuple[Rule, tuple[Problem, ...], bool]]:
    """Yield the rules of a route on a listener, with what is wrong with each there only, and whether it is dropped."""
    if not origin.proxyless:
        inherited = origin.denies_alpha and stack is not None and gives_alpha(db, stack)
        for found in effective_rules(db, route, stack, certificate, path):
            checked = agents_are_checked(found.value)
            denied = origin.denies_alpha and (found.value.needs_alpha or (inherited if checked is None else checked))
            yield _without_alpha(found.value) if denied else (found.value, (), False)
        return
    for each in client_rules(db, route, stack):
        unsupported = any(problem.condition == "Accepted" for problem in each.problems)
        yield each.value, each.problems, unsupported and each.value.error != ""
