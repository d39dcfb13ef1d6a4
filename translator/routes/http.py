"""HTTPRoutes: the matches of their rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from translator.db import Db
from translator.engine.query import query
from translator.ir.http import ModelKind, ModelMatch, PathKind, RouteMatch, Rule
from translator.kinds import RouteKind
from translator.objects.gateway_api.httproute import MODEL_HEADER, HTTPRoute, HTTPRouteRule
from translator.objects.gateway_api.matches import HTTPHeaderMatch, HTTPRouteMatch
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.routes.rule import read_rules
from translator.routes.values import EXPRESSION, expression_problems, header_matches, value_matches, value_problems

EVERYTHING: Final = HTTPRouteMatch()
CONNECT: Final = "CONNECT"


@query
def rules(db: Db, route: Ref) -> tuple[Outcome[Rule], ...]:
    """Return each rule of a route with the problems in it; a rule that cannot be served as asked answers 500."""
    found = db.get(HTTPRoute, route)
    return read(db, route, found.spec.rules) if found is not None else ()


def read(db: Db, route: Ref, specs: Iterable[HTTPRouteRule]) -> tuple[Outcome[Rule], ...]:
    """Return the rules of a route of which the specs are these."""
    return read_rules(db, route, specs, _match, EVERYTHING)


def _match(match: HTTPRouteMatch, field: str) -> Outcome[RouteMatch | None]:
    """Read a match; None if it holds what Envoy cannot match."""
    problems = (
        *_tunnel(match, f"{field}.method"),
        *(expression_problems(match.path.value, f"{field}.path.value") if match.path.type == EXPRESSION else ()),
        *value_problems(match.headers, f"{field}.headers"),
        *value_problems(match.query_params, f"{field}.queryParams"),
    )
    if problems:
        return Outcome(None, problems)
    model = next((each for each in match.headers if each.name.lower() == MODEL_HEADER), None)
    return Outcome(
        RouteMatch(
            path_kind=PathKind.CONNECT if match.method == CONNECT else PathKind(match.path.type),
            path=match.path.value if match.path.type == EXPRESSION else _plain(match.path.value),
            headers=header_matches(each for each in match.headers if each.name.lower() != MODEL_HEADER),
            query=tuple(value_matches(match.query_params)),
            method=match.method or "",
            model=_model(model) if model is not None else None,
        )
    )


def _model(found: HTTPHeaderMatch) -> ModelMatch:
    """Return what the header that tells the model is to be, as what the body must say: no client decides by it."""
    kind = ModelKind.REGEX if found.type == EXPRESSION else ModelKind.EXACT
    return ModelMatch(kind, found.value, as_header=True)


def _tunnel(match: HTTPRouteMatch, field: str) -> tuple[Problem, ...]:
    if match.method != CONNECT or (match.path == EVERYTHING.path and not match.query_params):
        return ()
    text = f"{field}: nothing matches, since CONNECT has neither a path nor a query (RFC 9110, 9.3.6): take these out."
    return (Problem("Accepted", "UnsupportedValue", text),)


_ESCAPED_PLAIN = re.compile("%(?:2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)", re.IGNORECASE)


def _plain(path: str) -> str:
    """Write a path as requests arrive at routes: what needs no escape has none (RFC 3986, section 6.2.2.2)."""
    return _ESCAPED_PLAIN.sub(lambda found: chr(int(found[0][1:], 16)), path)


ROUTE = RouteKind(
    HTTPRoute,
    protocols=("HTTP", "HTTPS"),
    rules=rules,
    proxyless=True,
    conformance=(
        "HTTPRoute",
        "HTTPRouteBackendProtocolH2C",
        "HTTPRouteBackendProtocolWebSocket",
        "HTTPRouteDestinationPortMatching",
        "HTTPRouteMethodMatching",
        "HTTPRouteNamedRouteRule",
        "HTTPRouteParentRefPort",
        "HTTPRouteQueryParamMatching",
    ),
)
