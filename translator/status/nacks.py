"""NACKs attributed to the routes that the rejected resources were made from. Pure.

A table of routes is refused as a whole, and the one that the proxy had before stays in use. So it concerns the routes
of which there is something in the new table that was not in the one before: the rest is served as it should be. A
cluster is one that some rules send requests to, which are answered with 503 as long as there is none.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple

from translator.db import Db
from translator.engine.query import index
from translator.envoy.listener import Forwarded
from translator.envoy.route import EncodedRoute
from translator.inputs import SYNC_STATUS, AffectedRoute, AttributedNack, StillServed
from translator.refs import Ref
from xds import (
    CLUSTER,
    ENDPOINT,
    LISTENER,
    ROUTE,
    ClientResource,
    Nack,
    NackState,
    Reference,
    Resource,
    Snapshot,
    Uncertain,
)

MOST_ROUTES: Final = 100
"""If more routes than these may be to blame, none is told: what is refused shows at the Gateway."""

_QUOTED: Final = re.compile(r"'([^']{3,})'|\"([^\"]{3,})\"")
"""What a proxy quotes of the configuration. It is only a hint, as it may be in several routes."""

Hosts = tuple[tuple[EncodedRoute, ...], ...]
Rules = dict[Ref, dict[str, None]]


class RouteNack(NamedTuple):
    """A NACK of a Gateway's proxies that affects a route, and how."""

    gateway: Ref
    nack: Nack
    effect: AffectedRoute


@index(SYNC_STATUS, partitions=lambda _, gateway: (gateway,), partition_of=itemgetter(1))
def nacks_by_route(db: Db, gateway: Ref) -> Iterator[tuple[tuple[Ref, Ref], RouteNack]]:
    """Index the NACKs of a Gateway's proxies by the affected route and the Gateway."""
    for each in db.sync_status(gateway).nacks:
        for affected in each.routes:
            yield (affected.route, gateway), RouteNack(gateway, each.nack, affected)


def attribute_nacks(snapshot: Snapshot, nacks: Iterable[NackState]) -> tuple[AttributedNack, ...]:
    """Return the NACKs of a snapshot, with the routes that they affect.

    Args:
        snapshot: the newest.
        nacks: what clients refuse of it, and what they use instead.
    """
    refused = tuple(nacks)
    clusters = frozenset(Reference(CLUSTER, nack.name) for nack, _ in refused if nack.type_url in (CLUSTER, ENDPOINT))
    users = _users(snapshot, clusters) if clusters else {}
    tables = {nack.name: snapshot.get(Reference(ROUTE, nack.name)) for nack, _ in refused if nack.type_url == ROUTE}
    suspects = {
        name: _suspects(_hosts(table), [kept for nack, kept in refused if nack[:2] == (ROUTE, name)])
        for name, table in tables.items()
    }
    found: dict[AttributedNack, None] = {}
    for nack, kept in refused:
        routes: Iterable[AffectedRoute] = ()
        if nack.type_url == ROUTE:
            routes = _of_table(_hosts(tables[nack.name]), suspects[nack.name], kept, nack.message)
        elif nack.type_url in (CLUSTER, ENDPOINT):
            routes = users.get(nack.name, ())
            if kept is not None:
                routes = (each._replace(served=StillServed.PREVIOUS_VERSION) for each in routes)
        found[AttributedNack(nack, _bounded(routes))] = None
    return tuple(found)


def _bounded(routes: Iterable[AffectedRoute]) -> tuple[AffectedRoute, ...]:
    found = tuple(sorted(routes))
    return found if len(found) <= MOST_ROUTES else ()


def _hosts(table: Resource | None) -> Hosts:
    return table.origin if table is not None and isinstance(table.origin, tuple) else ()


def _before(kept: ClientResource) -> Hosts | None:
    """Return what a client has of a table; None if that is not known, as it is from before our time."""
    good = kept.acked if isinstance(kept, Uncertain) else kept
    if good is None:
        return ()
    return (_hosts(good) or None) if isinstance(good, Resource) else None


def _suspects(hosts: Hosts, kept: Iterable[ClientResource]) -> list[EncodedRoute] | None:
    """Return what is new in a table to all clients that refuse it; None if of none it is known what it has."""
    new = [_new(hosts, before) for before in map(_before, kept) if before is not None]
    if not new:
        return None
    others = [frozenset(each) for each in new[1:]]
    return [entry for entry in new[0] if all(entry in each for each in others)] or new[0]


def _of_table(
    hosts: Hosts, suspects: list[EncodedRoute] | None, kept: ClientResource, message: str
) -> Iterator[AffectedRoute]:
    quoted = [(first or second).encode() for first, second in _QUOTED.findall(message)]
    there = list(chain(*hosts)) if suspects is None else suspects
    named = [entry for entry in there if any(each in entry.body for each in quoted)]
    if named and len(named) < len(there):
        suspects = named
    rules: Rules = defaultdict(dict)
    for each in suspects or ():
        rules[each.route][each.rule] = None
    before = _before(kept)
    generations: dict[Ref, int] = defaultdict(int)
    for each in chain(*before or ()):
        if each.route in rules:
            generations[each.route] = max(generations[each.route], each.generation)
    for route, names in rules.items():
        served = StillServed.PREVIOUS_VERSION if route in generations or before is None else StillServed.NOTHING
        yield AffectedRoute(route, tuple(names), served, generations.get(route, 0))


def _new(hosts: Hosts, before: Hosts) -> list[EncodedRoute]:
    """Return the entries that were not there before; if all were, those of the virtual hosts that are others now."""
    same = {id(each) for each in before}  # what did not change is not even made anew
    changed = [each for each in hosts if id(each) not in same]
    now = {id(each) for each in hosts}
    known = {entry for each in before if id(each) not in now for entry in each}
    return [entry for entry in chain(*changed) if entry not in known] or list(chain(*changed))


def _forwarded(snapshot: Snapshot) -> Iterator[Forwarded]:
    """Yield what listeners forward connections to."""
    for each in snapshot.resources(LISTENER).values():
        if isinstance(each.origin, tuple):
            yield from each.origin


def _users(snapshot: Snapshot, clusters: frozenset[Reference]) -> Mapping[str, list[AffectedRoute]]:
    """Return the routes that send requests to some clusters, by the name of the cluster."""
    users: dict[str, Rules] = defaultdict(lambda: defaultdict(dict))
    rules: Rules = defaultdict(dict)
    for entry in (entry for each in snapshot.resources(ROUTE).values() for entry in chain(*_hosts(each))):
        rules[entry.route][entry.rule] = None
        for each in entry.references & clusters:
            users[each.name][entry.route][entry.rule] = None
    for route, rule, cluster in _forwarded(snapshot):
        rules[route][rule] = None
        if Reference(CLUSTER, cluster) in clusters:
            users[cluster][route][rule] = None
    return {
        name: [
            AffectedRoute(
                route,
                tuple(used),
                StillServed.OTHER_RULES if rules[route].keys() - used.keys() else StillServed.NOTHING,
            )
            for route, used in routes.items()
        ]
        for name, routes in users.items()
    }
