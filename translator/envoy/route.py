"""Envoy's ``Route`` messages, made from the IR's rules in the specification's order of precedence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple

from headgate_proto.envoy.config.route.v3 import route_components_pb2
from headgate_proto.envoy.type.matcher.v3 import string_pb2
from headgate_proto.envoy.type.v3.percent_pb2 import FractionalPercent
from translator.envoy.ai.model_filters import match_model
from translator.envoy.hooks import PREFLIGHT, ROUTE, WEIGHTED_CLUSTER
from translator.envoy.names import cluster_name
from translator.envoy.own_paths import own_paths, path_route
from translator.envoy.proxyless import write_for_clients
from translator.envoy.retry import BUFFER_BYTES
from translator.envoy.route_policies import RoutePolicies, filter_needs
from translator.ir.http import (
    EVERY_REQUEST,
    EXPRESSION,
    MILLION,
    ModelKind,
    ModelMatch,
    PathKind,
    Rank,
    RouteMatch,
    Rule,
    ValueMatch,
)
from translator.ir.listener import ListenerContext
from translator.languages.regex import quoted
from translator.refs import Ref
from xds import CLUSTER, Reference

BROKEN = "headgate/broken"
"""A cluster that never exists: the share of requests that goes there is answered with an error."""

PRIME = 999_983
"""The sum of the weights of backends that get a share of requests: a prime number, the greatest below a million."""

MISSING = route_components_pb2.RouteAction.INTERNAL_SERVER_ERROR

_MODEL_RANK = {ModelKind.REGEX: -2 * MILLION, ModelKind.EXACT: -MILLION, ModelKind.READ: 0, ModelKind.OTHER: 1}
_PATH_RANK = {PathKind.EXACT: 0, PathKind.REGEX: EXPRESSION, PathKind.PREFIX: 2, PathKind.CONNECT: 2}


class Precedence(NamedTuple):
    """Sorts matches of the routes of one domain, the first to be tried first (Gateway API, `HTTPRouteRule.matches`).

    It begins with `translator.ir.http.Rank`. Preflights (`request` is False) come before the requests for the same
    path, in the order of those that they are for. The specification leaves the place of regular expressions open; they
    come before prefixes, or a route for ``/`` would always hide them.
    """

    kind: int
    path: int
    request: bool
    method: int
    model: int
    headers: int
    query: int


def precedence(match: RouteMatch) -> Precedence:
    """Rank a match: exact paths, then the longest, a method, the model, then most headers and query parameters."""
    rank = match.rank or _rank(match)
    headers = len(match.headers) + (match.model is not None and match.model.as_header)
    return Precedence(rank.kind, rank.path, True, rank.method, _model_rank(match.model), -headers, -len(match.query))


def _model_rank(model: ModelMatch | None) -> int:
    """Rank a model: exact ones, then the longest beginning, then any."""
    if model is None or model.as_header:
        return 0
    return _MODEL_RANK.get(model.kind, -len(model.value))


def _rank(match: RouteMatch) -> Rank:
    # A slash at the end of a prefix means nothing, so it does not count.
    path = match.path.rstrip("/") if match.path_kind is PathKind.PREFIX else match.path
    return Rank(_PATH_RANK[match.path_kind], -len(path), not match.method)


@dataclass(frozen=True, slots=True)
class EncodedRoute:
    """One ``Route``, serialised as a field of its virtual host, and where it comes from.

    Attributes:
        precedence: its rank among the matches.
        body: the field.
        references: what it needs.
        match: what it matches.
        whole: whether `match` is that of the rule, not a part of it nor its preflights.
        shared: whether its rule has a CORS policy.
        route: the object that it is of.
        rule: the name of the rule that it is of.
        generation: that of the object which it was made from first.
        place: the place of its rule in the object.
        dropped: whether it answers with an error in place of what Envoy would refuse.
    """

    precedence: Precedence
    body: bytes
    references: frozenset[Reference]
    match: RouteMatch
    whole: bool
    shared: bool
    route: Ref
    rule: str
    generation: int = field(compare=False)
    dropped: bool = False
    place: int = field(default=0, compare=False)

    @property
    def catches_all(self) -> bool:
        """Whether every request matches."""
        return self.match.catches_all


class MatchRoute(NamedTuple):
    """The ``Route`` of a match of a rule, or of a part of it.

    Attributes:
        place: the number of the match in its rule.
        match: the match, or the part.
        precedence: that of the whole match.
        whole: whether `match` is the whole match.
        shared: whether the rule has a CORS policy.
    """

    place: int
    match: RouteMatch
    precedence: Precedence
    route: route_components_pb2.Route
    whole: bool
    shared: bool


def match_routes(name: str, rule: Rule, origin: ListenerContext, via: str = "") -> Iterator[MatchRoute]:
    """Yield the routes of a rule, one for each part of a match; those of paths that its filters answer follow.

    Args:
        name: what their names begin with, for logs and statistics.
        rule: the rule.
        origin: the listener as clients see it.
        via: what their names end with, which tells the parents of a child.
    """
    yield from _routes_of_matches(name, rule, origin, via)
    if rule.matches and not rule.error:
        yield from _own_paths(f"{name}/rule/{rule.name}", rule, origin)


def _routes_of_matches(name: str, rule: Rule, origin: ListenerContext, via: str) -> Iterator[MatchRoute]:
    settings = rule.effective
    shares = rule.shares
    for place, match in enumerate(rule.matches):
        own = f"{name}/rule/{rule.name}/match/{place}{via}"
        shared = False
        for setting in settings:
            for preflight in setting.preflights(match):
                route = route_components_pb2.Route(name=f"{own}/preflight", match=route_match(preflight))
                for answer in PREFLIGHT.of((setting,)):
                    answer.apply_to_preflight(route, preflight)
                rank = precedence(match)._replace(request=False, headers=-len(preflight.headers))
                shared = True
                yield MatchRoute(place, preflight, rank, route, False, shared)
        for one in shares:
            for part in one.parts(one.matches[place]):
                route = route_components_pb2.Route(name=own, match=route_match(part))
                _act(route, one, part)
                _apply(route, one, origin, part)
                if origin.proxyless:
                    write_for_clients(route)
                yield MatchRoute(place, part, precedence(match), route, part == one.matches[place], shared)


def _own_paths(name: str, rule: Rule, origin: ListenerContext) -> Iterator[MatchRoute]:
    """Yield the routes of the paths that filters of a rule answer by themselves."""
    for match, place in own_paths(rule):
        route = path_route(name, match)
        for each in rule.settings:
            if isinstance(each, RoutePolicies):
                each.apply_to_route(route, origin, match)
        yield MatchRoute(0, match, own_path_precedence(match)._replace(query=place), route, False, False)


def own_path_precedence(match: RouteMatch, inherited: bool = False) -> Precedence:
    """Rank the match of a path that a filter answers: behind those of rules, and behind those of rules' own filters."""
    return precedence(match)._replace(headers=2 if inherited else 1)


def _apply(route: route_components_pb2.Route, rule: Rule, origin: ListenerContext, part: RouteMatch) -> None:
    settings = rule.effective
    for each in ROUTE.of(sorted(settings, key=attrgetter("is_final"))):
        each.apply_to_route(route, origin, part)
    held = max((each.buffered_bytes for each in settings), default=0)
    if held > BUFFER_BYTES:
        route.request_body_buffer_limit.value = held


def references(rule: Rule) -> frozenset[Reference]:
    """Return what the routes of a rule need."""
    clusters = frozenset(Reference(CLUSTER, cluster_name(each)) for each in rule.all_backends)
    return clusters.union(*(each.references for each in filter_needs(rule)))


def error_route(name: str, match: RouteMatch, origin: ListenerContext) -> route_components_pb2.Route:
    """Make a route that answers with an error, in place of one that Envoy would refuse."""
    route = route_components_pb2.Route(name=name, match=route_match(match))
    route.direct_response.status = _error(match)
    if origin.proxyless:
        write_for_clients(route)
    return route


def _error(match: RouteMatch) -> int:
    # Envoy tells requests of gRPC 503 as UNAVAILABLE, and 500 as UNKNOWN.
    return 503 if match.grpc else 500


def _act(route: route_components_pb2.Route, rule: Rule, part: RouteMatch) -> None:
    if rule.error:
        route.direct_response.status = _error(part)
    elif not rule.answers:
        _forward(route.route, rule, part)


def _forward(action: route_components_pb2.RouteAction, rule: Rule, part: RouteMatch) -> None:
    weighted = [each for each in rule.backends if each.weight]
    # Envoy's default of 15 seconds would cut off what the specification sets no limit to.
    action.timeout.FromMilliseconds(0)
    if len(weighted) == 1 and not weighted[0].settings and weighted[0].backend is not None:
        action.cluster = cluster_name(rule.shaped(weighted[0].backend, part))
        return
    if any(each.backend is None for each in weighted) and not part.grpc:
        action.cluster_not_found_response_code = MISSING
    for each, weight in zip(weighted, _weights([each.weight for each in weighted], part), strict=True):
        name = cluster_name(rule.shaped(each.backend, part)) if each.backend is not None else BROKEN
        cluster = action.weighted_clusters.clusters.add(name=name)
        cluster.weight.value = weight
        for setting in WEIGHTED_CLUSTER.of(each.settings):
            setting.apply_to_weighted_cluster(cluster)


def _weights(weights: list[int], part: RouteMatch) -> list[int]:
    """Return the weights of backends, for a share of requests with a sum that is prime to the numbers of shares.

    Envoy takes both from one random number of the request, so that with a common divisor the share would decide on the
    backend too.
    """
    if part.numbers == EVERY_REQUEST or len(weights) < 2:
        return weights
    total, found, before = sum(weights), list[int](), 0
    for end in accumulate(weights):
        found.append(max(1, end * PRIME // total - before))
        before += found[-1]
    return found


def route_match(match: RouteMatch) -> route_components_pb2.RouteMatch:
    """Write a match."""
    made = route_components_pb2.RouteMatch()
    _match_path(made, match)
    if match.grpc:
        made.grpc.SetInParent()
    if match.method:
        method = made.headers.add(name=":method")
        method.string_match.exact = match.method
    if match.numbers.end < MILLION:  # the routes of the shares before stand before it
        made.runtime_fraction.default_value.numerator = match.numbers.end
        made.runtime_fraction.default_value.denominator = FractionalPercent.MILLION
    for header in match.headers:
        matcher = made.headers.add(name=header.name.lower())
        if header.absent:
            matcher.present_match = False
        else:
            _match_value(matcher.string_match, header)
    for parameter in match.query:
        _match_value(made.query_parameters.add(name=parameter.name).string_match, parameter)
    if match.model is not None:
        match_model(made, match.model)
    return made


def _match_path(made: route_components_pb2.RouteMatch, match: RouteMatch) -> None:
    # A prefix is whole elements of the path: /v2 and /v2/ both stand for /v2 and all below it, not for /v2example.
    prefix = match.path.rstrip("/")
    if match.path_kind is PathKind.EXACT:
        made.path = match.path
    elif match.path_kind is PathKind.REGEX:
        made.safe_regex.regex = match.path
        if match.within:  # `:path` has the query, which the other expression does not see
            whole = f"{quoted(match.within)}(?:[/?].*)?"
            made.headers.add(name=":path").string_match.safe_regex.regex = whole
    elif match.path_kind is PathKind.CONNECT:
        made.connect_matcher.SetInParent()
    elif prefix:
        made.path_separated_prefix = prefix
    else:
        made.prefix = "/"


def _match_value(matcher: string_pb2.StringMatcher, value: ValueMatch) -> None:
    if value.regex:
        matcher.safe_regex.regex = value.value
    else:
        matcher.exact = value.value
