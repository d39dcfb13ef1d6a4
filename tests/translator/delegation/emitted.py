"""Who answers requests by what Headgate sends to a proxy: a RouteConfiguration, read as Envoy reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from tests.translator.delegation.manifests import DEFAULT, GATEWAY, Manifest
from tests.translator.delegation.reference import ERROR, NOT_FOUND, Answer, Shares
from tests.translator.delegation.requests import Asked
from translator.envoy.names import object_of_cluster
from translator.envoy.route import BROKEN
from translator.explain.hosts import virtual_host
from translator.explain.matches import Seen, mismatch, share
from translator.explain.request import Header
from translator.inputs import Edit, Settings
from translator.ir.http import MILLION
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator
from xds.resources.types import ROUTE

OWN = Ref("Gateway", DEFAULT, GATEWAY)


def edits(manifests: Iterable[Manifest]) -> list[Edit]:
    """Return the edits that create objects, which are valid."""
    parsed = [KINDS.parse(each) for each in manifests]
    assert all(each.object is not None for each in parsed), [each.problems for each in parsed]
    return [Edit(each.object.ref, each.object) for each in parsed if each.object is not None]


def translated(manifests: Iterable[Manifest]) -> Translator:
    """Return a translator that has evaluated objects."""
    translator = Translator(Settings())
    translator.edit(edits(manifests))
    changes = translator.evaluate()
    assert not changes.failures, changes.failures
    assert not translator.snapshots[OWN].dangling()
    return translator


def configuration(translator: Translator) -> RouteConfiguration:
    """Return the routes of the Gateway's one listener."""
    (table,) = translator.snapshots[OWN].resources(ROUTE).values()
    return RouteConfiguration.FromString(table.body)


def answer(routes: RouteConfiguration, asked: Asked) -> Shares:
    """Return who answers a request, and which share of such requests, to a millionth."""
    host = virtual_host(routes, asked.host)
    headers = tuple(Header(name.lower(), value) for name, value in asked.headers)
    request = Seen(asked.method, "http", asked.host, asked.target, headers)
    made: defaultdict[Answer, Fraction] = defaultdict(Fraction)
    done = Fraction(0)
    for each in host.routes if host is not None else ():
        if mismatch(each.match, request) is None and (end := _end(each)) > done:
            for answer_, part in _of_route(each).items():
                made[answer_] += part * (end - done)
            done = end
    if done < 1:
        made[Answer(status=NOT_FOUND)] += 1 - done
    return dict(made)


def _end(route: Route) -> Fraction:
    """Return up to which of all requests, by their random numbers, a route takes them."""
    return Fraction(share(route.match)).limit_denominator(MILLION)


def alike(one: Shares, other: Shares) -> bool:
    """Return whether shares are the same to what rounding to millionths makes of them."""
    return one.keys() == other.keys() and all(
        abs(part - other[each]) < Fraction(20, MILLION) for each, part in one.items()
    )


def _of_route(route: Route) -> Shares:
    if route.WhichOneof("action") == "direct_response":
        return {Answer(status=route.direct_response.status): Fraction(1)}
    clusters = route.route.weighted_clusters.clusters
    own = {":authority": route.route.host_rewrite_literal, ":timeout": str(route.route.timeout.seconds or "")}
    if not clusters:
        return {_of_cluster(route.route.cluster, own, route.request_headers_to_add): Fraction(1)}
    total = sum(each.weight.value for each in clusters)
    made: defaultdict[Answer, Fraction] = defaultdict(Fraction)
    for each in clusters:
        changes = (*each.request_headers_to_add, *route.request_headers_to_add)
        shared = own | ({":authority": each.host_rewrite_literal} if each.host_rewrite_literal else {})
        made[_of_cluster(each.name, shared, changes)] += Fraction(each.weight.value, total)
    return dict(made)


def _of_cluster(name: str, own: dict[str, str], changes: Iterable[HeaderValueOption]) -> Answer:
    if name == BROKEN:
        return Answer(status=ERROR)
    # What is set last holds (of a share, then of the route): all the tests set, none of them adds.
    headers = {key: value for key, value in own.items() if value}
    headers |= {each.header.key.lower(): each.header.value for each in changes}
    return Answer(object_of_cluster(name).partition(":")[0], 0, tuple(sorted(headers.items())))
