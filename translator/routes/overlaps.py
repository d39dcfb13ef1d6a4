"""Matches of routes that get no requests, since an equal match is tried before them.

A route that forwards connections as they are matches all of a hostname: the first route gets them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from translator.db import Db
from translator.engine.query import index
from translator.gateway import attachment
from translator.gateway.attachment import Domain, ParentStatus, RouteRank, candidates, route_rank
from translator.ir.http import RouteMatch
from translator.ir.listener import RouteConfigKey
from translator.objects.gateway_api.gateway import gateway_of
from translator.objects.gateway_api.route import Route
from translator.refs import Ref
from translator.routes.rules import l4_rules, rules

MatchKey = tuple[RouteConfigKey, str, tuple[object, ...]]
"""A route table, a domain of it, and the requests of a match (`RouteMatch.requests`)."""


class MatchOnDomain(NamedTuple):
    """A match that serves a domain; of those of the same requests the one that sorts first is tried first.

    Attributes:
        rank: that of its route.
        place: the number of its rule in the route.
        route: the route.
        rule: the name of the rule.
    """

    rank: RouteRank
    place: int
    route: Ref
    rule: str


class Overlap(NamedTuple):
    """A match that gets no requests for a domain.

    Attributes:
        place: the number of its rule in the route.
        match: the match; None if the rule gets connections.
        domain: the domain, "" for any.
        rank: the rank of its route there.
        winner: the match that gets the requests.
    """

    place: int
    match: RouteMatch | None
    domain: str
    rank: RouteRank
    winner: MatchOnDomain


@index(Route, partitions=candidates, partition_of=lambda key: gateway_of(key[0].gateway))
def matches(db: Db, route: Ref) -> Iterator[tuple[MatchKey, MatchOnDomain]]:
    """File the matches of routes that share a domain under what they match."""
    for parent in attachment.attachment(db, route):
        for table, domain in _domains(parent):
            if db.has_several(attachment.routes, (table, domain.name)):
                rank = route_rank(db, route, domain)
                for place, rule, match in _matches(db, route, table.passthrough):
                    yield (table, domain.name, _requests(match)), MatchOnDomain(rank, place, route, rule)


def overlaps(db: Db, route: Ref, parent: ParentStatus) -> Iterator[Overlap]:
    """Yield the matches of a route that get no requests at a parent: another rule has an equal one, which comes first.

    Matches are compared among routes for the same domain of the same route table; the matches of wider domains come
    later, and get what is left. Source: `HTTPRouteRule.matches`.
    """
    if any(each.path for each in parent.bindings):
        return  # the matches of a child are others in each of its parents
    for table, domain in dict.fromkeys(_domains(parent)):
        shared = db.has_several(attachment.routes, (table, domain.name))
        found = tuple(_matches(db, route, table.passthrough))
        if len(found) < 2 and not shared:
            continue
        rank = route_rank(db, route, domain)
        own: dict[tuple[object, ...], MatchOnDomain] = {}
        for place, rule, match in found:
            requests = _requests(match)
            first = own.setdefault(requests, MatchOnDomain(rank, place, route, rule))
            if shared:
                first = next(iter(db.select(matches, (table, domain.name, requests))), first)
            if (first.route, first.place) != (route, place):
                yield Overlap(place, match, domain.name, rank, first)


def _domains(parent: ParentStatus) -> Iterator[tuple[RouteConfigKey, Domain]]:
    for binding in parent.bindings:
        for domain in binding.domains:
            yield binding.table, domain


def _requests(match: RouteMatch | None) -> tuple[object, ...]:
    return match.requests if match is not None else ()


def _matches(db: Db, route: Ref, passthrough: bool) -> Iterator[tuple[int, str, RouteMatch | None]]:
    """Yield each match of a route, with the number and the name of its rule."""
    for place, rule in enumerate(rules(db, route)):
        for match in rule.value.matches if not rule.value.delegates else ():
            yield place, rule.value.name, match
    for connections in l4_rules(db, route, passthrough)[:1]:  # all rules of such a route are served together
        yield 0, connections.value.name, None
