"""The rules of HTTPRoutes: matches, what their features ask for, and backends."""

from __future__ import annotations

import re

import re2

from translator.backends.service import backend
from translator.db import Db
from translator.engine.query import query
from translator.extension import Feature, FilterContext, features
from translator.ir.http import PathKind, RouteFeature, RouteMatch, Rule, ValueMatch, WeightedBackend
from translator.kinds import RouteKind
from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.gateway_api.httproute import HTTPBackendRef, HTTPRoute, HTTPRouteRule
from translator.objects.gateway_api.matches import HTTPRouteMatch
from translator.outcome import Outcome, Problem, gather
from translator.proxy import MAX_REGEX_PROGRAM_SIZE
from translator.refs import Ref

NO_BACKENDS = "The rule has no backend that could answer."


@query
def rules(db: Db, route: Ref) -> tuple[Outcome[Rule], ...]:
    """Each rule of a route with the problems in it; a rule that cannot be served as asked answers 500."""
    found = db.get(HTTPRoute, route)
    if found is None:
        return ()
    return tuple(_rule(db, route, place, each) for place, each in enumerate(found.spec.rules))


def _rule(db: Db, route: Ref, place: int, rule: HTTPRouteRule) -> Outcome[Rule]:
    field = f"spec.rules[{place}]"
    name = rule.name or str(place)
    matches = gather(
        _match(each, f"{field}.matches[{number}]") for number, each in enumerate(rule.matches or (HTTPRouteMatch(),))
    )
    usable = tuple(each for each in matches.value if each is not None)
    features = _features(FilterContext(db, HTTPRoute.group, route, field, rule.filters, rule))
    backends = gather(
        _weighted(db, route, each, f"{field}.backendRefs[{number}]") for number, each in enumerate(rule.backend_refs)
    )
    unsupported = _unsupported(rule, field)
    problems = (*matches.problems, *unsupported, *features.problems, *backends.problems)
    if unsupported or features.value is None:
        return Outcome(Rule(name, usable, error=(*unsupported, *features.problems)[0].message), problems)
    terminal = any(each.terminal for each in features.value)
    reachable = any(each.backend is not None and each.weight for each in backends.value)
    error = "" if terminal or reachable else NO_BACKENDS
    return Outcome(Rule(name, usable, features.value, backends.value, error), problems)


def _unsupported(rule: HTTPRouteRule, field: str) -> tuple[Problem, ...]:
    if rule.session_persistence is None:
        return ()
    text = f"{field}.sessionPersistence is not supported yet: requests are answered with 500 until it is removed."
    return (Problem("Accepted", "UnsupportedValue", text),)


def _features(site: FilterContext) -> Outcome[tuple[RouteFeature, ...] | None]:
    """Ask every feature what the site wants of it; None if something is asked for that cannot be had."""
    unsupported = [
        each for each in site.filters if not any(_takes(feature, each, site) for feature in features(site.db))
    ]
    if unsupported:
        return Outcome(None, tuple(_unsupported_filter(each, site) for each in unsupported))
    found: list[RouteFeature] = []
    problems: list[Problem] = []
    failed = False
    for feature in features(site.db):
        if site.rule is not None or feature.on_backends:
            read = feature.read(site)
            found += read.value or ()
            problems += read.problems
            failed |= read.value is None
    if sum(each.terminal for each in found) > 1:
        text = f"{site.field}.filters: there are several that answer by themselves; leave one."
        return Outcome(None, (*problems, Problem("Accepted", "IncompatibleFilters", text)))
    if any(each.terminal for each in found):
        if any(each.backends for each in found):
            text = f"{site.field}.filters: only what is forwarded can be mirrored; remove the mirror or the answer."
            return Outcome(None, (*problems, Problem("Accepted", "IncompatibleFilters", text)))
        found = [each for each in found if not each.forwarding]
    return Outcome(None if failed else tuple(found), tuple(problems))


def _takes(feature: Feature, found: RouteFilter, site: FilterContext) -> bool:
    return feature.takes(found) and (site.rule is not None or feature.on_backends)


def _unsupported_filter(found: RouteFilter, site: FilterContext) -> Problem:
    field = f"{site.field}.filters[{site.filters.index(found)}]"
    if found.extension_ref is not None and any(each.takes(found) for each in features(site.db)):
        kind = found.extension_ref.kind
        text = f"{field}.extensionRef: a {kind} is a filter of rules only; move it from the backend to its rule."
        return Problem("Accepted", "UnsupportedValue", text)
    if found.extension_ref is not None:
        kinds = ", ".join(f"{kind.kind}.{kind.group}" for feature in features(site.db) for kind in feature.kinds)
        ref = found.extension_ref
        text = f"{field}.extensionRef: {ref.kind}.{ref.group} cannot be a filter; the kinds that can: {kinds}."
        return Problem("ResolvedRefs", "InvalidKind", text)
    place = "a rule" if site.rule is not None else "a single backend"
    text = (
        f"{field}: {found.type} is not supported for {place}; its requests are answered with 500 until it is removed."
    )
    return Problem("Accepted", "UnsupportedValue", text)


def _weighted(db: Db, route: Ref, reference: HTTPBackendRef, field: str) -> Outcome[WeightedBackend]:
    found = backend(db, HTTPRoute.group, route, reference, field)
    features = _features(FilterContext(db, HTTPRoute.group, route, field, reference.filters))
    failed = features.value is None
    weighted = WeightedBackend(None if failed else found.value, reference.weight, features.value or ())
    return Outcome(weighted, (*found.problems, *features.problems))


def _match(match: HTTPRouteMatch, field: str) -> Outcome[RouteMatch | None]:
    """Read a match; None if it holds what Envoy cannot match."""
    problems = [
        *_tunnel(match, f"{field}.method"),
        *_expression(match.path.value, f"{field}.path.value", match.path.type),
        *(
            problem
            for number, each in enumerate(match.headers)
            for problem in _expression(each.value, f"{field}.headers[{number}].value", each.type)
        ),
        *(
            problem
            for number, each in enumerate(match.query_params)
            for problem in _expression(each.value, f"{field}.queryParams[{number}].value", each.type)
        ),
    ]
    if problems:
        return Outcome(None, tuple(problems))
    return Outcome(
        RouteMatch(
            path_kind=PathKind(match.path.type),
            path=match.path.value if match.path.type == "RegularExpression" else _plain(match.path.value),
            headers=_headers(match),
            query=tuple(
                ValueMatch(each.name, each.value, each.type == "RegularExpression") for each in match.query_params
            ),
            method=match.method or "",
        )
    )


def _tunnel(match: HTTPRouteMatch, field: str) -> tuple[Problem, ...]:
    if match.method != "CONNECT":
        return ()
    text = f"{field}: CONNECT asks for a tunnel, which no route can give; nothing matches it; take the match out."
    return (Problem("Accepted", "UnsupportedValue", text),)


def _headers(match: HTTPRouteMatch) -> tuple[ValueMatch, ...]:
    """Of names that differ only in case the first counts, the others are ignored (`HTTPHeaderMatch.name`)."""
    found: dict[str, ValueMatch] = {}
    for each in match.headers:
        found.setdefault(each.name.lower(), ValueMatch(each.name, each.value, each.type == "RegularExpression"))
    return tuple(found.values())


_ESCAPED_PLAIN = re.compile("%(?:2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)", re.IGNORECASE)


def _plain(path: str) -> str:
    """Write a path as requests arrive at routes: what needs no escape has none (RFC 3986, section 6.2.2.2)."""
    return _ESCAPED_PLAIN.sub(lambda found: chr(int(found[0][1:], 16)), path)


_RE2 = re2.Options()
_RE2.log_errors = False
# Envoy compares bytes: to it a letter that is not ASCII is two or more, and \x{100} does not exist.
_RE2.encoding = re2.Options.Encoding.LATIN1


def _expression(value: str, field: str, kind: str) -> tuple[Problem, ...]:
    """Return what is wrong with a regular expression for RE2, which Envoy uses; nothing if `kind` is another."""
    if kind != "RegularExpression":
        return ()
    if not value:
        return (Problem("Accepted", "UnsupportedValue", f"{field} is empty: nothing matches it; write an expression."),)
    try:
        size = re2.compile(value.encode(), _RE2).programsize
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        text = (
            f"{field}: {value!r} is not a regular expression of RE2: {words}; the match is left out until it is mended."
        )
        return (Problem("Accepted", "UnsupportedValue", text),)
    if size > MAX_REGEX_PROGRAM_SIZE:
        # Envoy would refuse not this one alone, but all routes of the port.
        text = (
            f"{field}: the expression costs too much: its RE2 program has a size of {size}, and "
            f"{MAX_REGEX_PROGRAM_SIZE} is the most; repeat less in it, or split it; the match is left out until it is "
            f"mended."
        )
        return (Problem("Accepted", "UnsupportedValue", text),)
    return ()


ROUTE = RouteKind(
    HTTPRoute,
    protocols=("HTTP", "HTTPS"),
    rules=rules,
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
