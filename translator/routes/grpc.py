"""GRPCRoutes: the matches of their rules, and the order of these (Gateway API, `GRPCRouteRule.matches`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from translator.db import Db
from translator.engine.query import query
from translator.ir.backend import Protocol
from translator.ir.http import PathKind, Rank, RouteMatch, Rule
from translator.kinds import RouteKind
from translator.objects.gateway_api.grpcroute import GRPCMethodMatch, GRPCRoute, GRPCRouteMatch
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.routes.rule import read_rules
from translator.routes.values import EXPRESSION, expression_problems, header_matches, value_problems

SERVICE, SERVICE_EXPRESSION, METHOD, METHOD_EXPRESSION, ANY = range(-5, 0)
"""What a match tells of a request, in the order in which matches are tried: of the service first.

How many characters of a service an expression matches is not known before there is a request: names come first.
"""

ELEMENT: Final = "[^/]+"
"""An expression for any service or method: a path has these two elements (gRPC over HTTP/2, "Requests")."""

EVERYTHING: Final = GRPCRouteMatch()
ALL: Final = RouteMatch(grpc=True, rank=Rank(ANY, 0, 0))
"""What `EVERYTHING` matches."""


@query
def rules(db: Db, route: Ref) -> tuple[Outcome[Rule], ...]:
    """Return each rule of a route with the problems in it; one that cannot be served as asked answers UNAVAILABLE."""
    found = db.get(GRPCRoute, route)
    return read_rules(db, route, found.spec.rules, _match, EVERYTHING) if found is not None else ()


def _match(match: GRPCRouteMatch, field: str) -> Outcome[RouteMatch | None]:
    """Read a match; None if it holds what Envoy cannot match."""
    called = _called(match.method) if match.method is not None else ALL
    problems = (*_problems(match.method, called, f"{field}.method"), *value_problems(match.headers, f"{field}.headers"))
    if problems:
        return Outcome(None, problems)
    return Outcome(replace(called, headers=header_matches(match.headers)))


def _called(match: GRPCMethodMatch) -> RouteMatch:
    """Return the match of the requests that call a method: of their path, which is ``/service/method``."""
    service, method = match.service or "", match.method or ""
    expression = match.type == EXPRESSION
    if not (service or method):
        return ALL
    if expression or not service:
        kind = SERVICE_EXPRESSION if service else METHOD_EXPRESSION if expression else METHOD
        path_kind, path = PathKind.REGEX, f"/{_element(service)}/{_element(method)}"
    else:
        kind = SERVICE
        path_kind, path = (PathKind.EXACT, f"/{service}/{method}") if method else (PathKind.PREFIX, f"/{service}")
    return RouteMatch(path_kind, path, grpc=True, rank=Rank(kind, -len(service), -len(method)))


def _element(expression: str) -> str:
    return f"(?:{expression})" if expression else ELEMENT


def _problems(match: GRPCMethodMatch | None, called: RouteMatch, field: str) -> Iterator[Problem]:
    """Yield what is wrong with the expressions of a match by themselves, or else with the one for the path."""
    if match is None or match.type != EXPRESSION:
        return
    parts = (("service", match.service), ("method", match.method))
    found = [each for name, part in parts if part for each in expression_problems(part, f"{field}.{name}")]
    yield from found or expression_problems(called.path, field)


ROUTE = RouteKind(
    GRPCRoute,
    protocols=("HTTP", "HTTPS"),
    rules=rules,
    conformance=("GRPCRoute", "GRPCRouteNamedRouteRule", "GRPCRouteRequestHeaderModifier"),
    backend_protocols=(Protocol.H2C,),
    error="UNAVAILABLE",
    proxyless=True,
)
