"""CORS preflights of requests to rules without a policy.

A preflight belongs to the rule of the request that it announces. Where that rule has no CORS filter, the preflight is
routed like any OPTIONS request, past the answers that other rules give to preflights of the same paths. Envoy takes the
first route that matches: so copies of the routes that OPTIONS requests take stand before those answers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import merge
from typing import Final, NamedTuple

from headgate_proto.envoy.config.route.v3 import route_components_pb2
from translator.envoy.filter_configs import switched_off, write
from translator.envoy.route import EncodedRoute, Precedence, precedence, route_match
from translator.envoy.route_configuration import encoded
from translator.ir.http import MILLION, PathKind, RouteMatch, ValueMatch
from translator.ir.preflight import FILTER, METHOD, is_unannounced, preflight

OK: Final = 200
NOT_FOUND: Final = 404
ANYWHERE: Final = ""
SUFFIX: Final = "/preflight"
"""The end of the names of routes for preflights."""


class Unanswered(NamedTuple):
    """Preflights of the requests that an entry serves without a policy.

    Attributes:
        precedence: their rank, among those that are answered.
        match: what they look like.
        entry: the entry.
    """

    precedence: Precedence
    match: RouteMatch
    entry: EncodedRoute


def is_answered(entry: EncodedRoute) -> bool:
    """Whether an entry answers preflights."""
    return not entry.precedence.request


def with_unanswered(entries: Iterable[EncodedRoute]) -> Iterator[EncodedRoute | Unanswered]:
    """Return entries, in their order, each after the preflights of its requests if its rule has no policy for them.

    What a preflight says nothing about, such as a cookie, decides after the preflight: a rule that asks for it takes
    no preflight from others. Requests of gRPC have no preflights.
    """
    for entry in entries:
        match = entry.match
        told = not (entry.shared or match.grpc or any(map(is_unannounced, match.headers)))
        if entry.whole and told and not match.numbers.start:
            asked = preflight(replace(match, share=None), method=match.method)
            rank = precedence(match)._replace(request=False, headers=-len(asked.headers))
            yield Unanswered(rank, asked, entry)
        yield entry


def routed(ordered: Sequence[EncodedRoute | Unanswered]) -> list[EncodedRoute]:
    """Return entries in the order in which Envoy tries them, with routes in place of preflights that have no answer.

    Where a preflight would meet no answer on its way, no route is needed.
    """
    found = [each for each in ordered if isinstance(each, EncodedRoute)]
    if len(found) == len(ordered):
        return found
    found, places = [], _places(ordered)
    for place, each in enumerate(ordered):
        if isinstance(each, EncodedRoute):
            found.append(each)
        else:
            found += _routes(each, _later(ordered, places, place, each.match))
    return found


def inherited(ordered: Sequence[EncodedRoute | Unanswered]) -> list[EncodedRoute]:
    """Return entries in the order in which Envoy tries them, where the gateway answers preflights of all routes.

    First come preflights: those that are answered for their rules, among them those of other rules of the same paths,
    then all that are left. What is answered to those others the routes inherit, so no route says it.
    """
    requests = [each for each in ordered if isinstance(each, EncodedRoute) and not is_answered(each)]
    if not requests:
        return []
    found, places = list[EncodedRoute](), _places(ordered)
    for place, each in enumerate(ordered):
        if isinstance(each, Unanswered):
            later = _later(ordered, places, place, each.match)
            if any(is_answered(entry) and _both(each.match, entry.match) for entry in later):
                found.append(_direct(each.entry, each.match, OK))
        elif is_answered(each):
            found.append(each)
    return [*found, _direct(requests[0], preflight(RouteMatch()), OK), *requests]


def let_in(entries: Iterable[EncodedRoute], names: Sequence[str]) -> Iterator[EncodedRoute]:
    """Yield entries, of which those that answer preflights do not run filters of these names, which they inherit.

    A preflight carries no credentials (Fetch, section 3.2), and its answer comes from no backend.
    """
    for entry in entries:
        route = _decoded(entry) if entry.match.method == "OPTIONS" else None
        answer = route.direct_response if route is not None and route.name.endswith(SUFFIX) else None
        # What a rule itself responds with, its preflights get too: its body is for those who are let in.
        if route is not None and answer is not None and answer.status == OK and not answer.HasField("body"):
            write(route.typed_per_filter_config, switched_off(names))
            yield replace(entry, body=encoded(route))
        else:
            yield entry


def _routes(unanswered: Unanswered, later: Iterable[EncodedRoute]) -> list[EncodedRoute]:
    """Return the copies of routes that a preflight needs, the first to be tried first."""
    asked, made, answered = unanswered.match, list[EncodedRoute](), False
    for entry in later:
        both = _both(asked, entry.match)
        if both is None:
            continue
        if is_answered(entry):
            answered = True
            continue
        made.append(_copy(entry, both))
        last, every = entry.match, entry.match.numbers.end == MILLION
        if every and _covers(last, asked) and not last.headers and set(last.query) <= set(asked.query):
            break
    else:
        made.append(_direct(unanswered.entry, unanswered.match, NOT_FOUND))
    return made if answered else []


def _copy(entry: EncodedRoute, match: RouteMatch) -> EncodedRoute:
    """Return the entry for preflights only, which Envoy's filter must not answer."""
    route = _decoded(entry)
    route.typed_per_filter_config.pop(FILTER, None)
    return _entry(entry, match, route)


def _direct(entry: EncodedRoute, match: RouteMatch, status: int) -> EncodedRoute:
    """Return an entry that answers by itself, of the rule of another."""
    route = route_components_pb2.Route(name=_decoded(entry).name)
    route.direct_response.status = status
    return replace(_entry(entry, match, route), references=frozenset())


def _entry(entry: EncodedRoute, match: RouteMatch, route: route_components_pb2.Route) -> EncodedRoute:
    route.name = f"{route.name}{SUFFIX}"
    route.match.CopyFrom(route_match(match))
    return replace(entry, match=match, body=encoded(route), whole=False)


def _decoded(entry: EncodedRoute) -> route_components_pb2.Route:
    return route_components_pb2.VirtualHost.FromString(entry.body).routes[0]


def _places(ordered: Sequence[EncodedRoute | Unanswered]) -> dict[str, list[int]]:
    """Where answers and the routes of OPTIONS requests are, by the first element of their paths."""
    places: dict[str, list[int]] = {}
    for place, each in enumerate(ordered):
        if isinstance(each, EncodedRoute) and (
            is_answered(each) or (each.whole and each.match.method in ("", "OPTIONS") and not each.match.grpc)
        ):
            places.setdefault(_start(each.match), []).append(place)
    return places


def _later(
    ordered: Sequence[EncodedRoute | Unanswered], places: dict[str, list[int]], after: int, match: RouteMatch
) -> Iterator[EncodedRoute]:
    """Yield the entries after a place that may have to do with a path."""
    start = _start(match)
    near = places.values() if start == ANYWHERE else [places.get(each, []) for each in (start, ANYWHERE)]
    for place in merge(*(each[bisect_right(each, after) :] for each in near)):
        found = ordered[place]
        assert isinstance(found, EncodedRoute)
        yield found


def _start(match: RouteMatch) -> str:
    return ANYWHERE if match.path_kind is PathKind.REGEX else match.path.split("/", 2)[1]


def _both(asked: RouteMatch, other: RouteMatch) -> RouteMatch | None:
    """Return what a preflight looks like that matches both; None where none can."""
    narrow, extra = asked, tuple[ValueMatch, ...]()
    if _covers(other, asked):
        pass
    elif _covers(asked, other):
        narrow = other
    elif asked.path_kind is PathKind.REGEX:
        narrow, extra = other, (_as_header(asked),)
    elif other.path_kind is PathKind.REGEX:
        extra = (_as_header(other),)
    else:
        return None
    headers = dict.fromkeys((*asked.headers, *other.headers, *extra))
    methods = {each.value for each in headers if each.name == METHOD and not each.regex}
    if len(methods) > 1:
        return None
    query = dict.fromkeys((*asked.query, *other.query))
    return RouteMatch(narrow.path_kind, narrow.path, tuple(headers), tuple(query), "OPTIONS", share=other.share)


def _as_header(match: RouteMatch) -> ValueMatch:
    """Return the path of a match as a regular expression for the whole target of a request, which has its query too."""
    return ValueMatch(":path", rf"(?:{match.path})(\?.*)?", regex=True)


def _covers(wide: RouteMatch, narrow: RouteMatch) -> bool:
    """Whether every path of `narrow` is one of `wide`, as far as that can be told."""
    if wide.path_kind is not PathKind.PREFIX:
        return (wide.path_kind, wide.path) == (narrow.path_kind, narrow.path)
    prefix = wide.path.rstrip("/")
    if not prefix:
        return True
    return narrow.path_kind is not PathKind.REGEX and f"{narrow.path}/".startswith(f"{prefix}/")
