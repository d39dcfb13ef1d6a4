"""Conditions of routes that are served as they are written, which is probably not what was meant.

They are there only as long as they are True.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from translator.conditions import NO_ENDPOINTS, RULES_OVERLAP, Condition, bounded
from translator.db import Db
from translator.gateway.attachment import ParentStatus
from translator.ir.backend import Backend
from translator.ir.http import ModelKind, RouteMatch, Rule, RuleSetting, WeightedBackend
from translator.ir.l4 import L4Backend, L4Rule
from translator.refs import Ref
from translator.routes.by_model import route_protection
from translator.routes.overlaps import Overlap, overlaps
from translator.routes.rules import l4_rules, rules


def hints(db: Db, route: Ref, parent: ParentStatus) -> Iterator[Condition]:
    """Yield what is probably not meant of a route at a parent that accepts it."""
    found = tuple(overlaps(db, route, parent))
    count = sum(not each.value.implied for each in rules(db, route))
    lost = [*_lost(route, found, count or 1), *_beside(db, route, found, count or 1)]
    if lost:
        reason = "Conflicted" if any(each.match and each.match.model for each in found) else "EqualMatches"
        yield Condition(RULES_OVERLAP, "True", reason, bounded(lost))
    empty = list(_empty(db, route, parent))
    if empty:
        yield Condition(NO_ENDPOINTS, "True", "EndpointsNotFound", bounded(empty))


def _beside(db: Db, route: Ref, found: Iterable[Overlap], count: int) -> Iterator[str]:
    """Yield what it means for a route that another one of the same kind and path reads the model of its requests."""
    others = (each.winner.route for each in found if each.place >= count)
    for other in dict.fromkeys(each for each in others if each != route):
        yield f"{other} has the same path and comes first: only its models are in the list of models."
        asked, known = (
            {type(one) for each in rules(db, ref) for one in each.value.for_first_route} for ref in (route, other)
        )
        if not asked <= known:
            yield f"the pickers of InferencePools that this route names are not asked, since {other} names none."
        if route_protection(db, route) != route_protection(db, other):
            text = f"requests get the filters of {other}, whose policies protect otherwise: those of this route get 403"
            yield f"{text}; have the policies target both, or use another pathPrefix or hostname."


def _lost(route: Ref, found: Iterable[Overlap], count: int) -> list[str]:
    """Return a sentence for each match that gets no requests, with all domains for which one rule gets them.

    Args:
        route: the route.
        found: its overlaps.
        count: how many rules its spec has.
    """
    domains: dict[tuple[str, str], dict[str, None]] = {}
    for each in found:
        if each.place >= count:
            continue
        if each.match is None:
            what, way_out = "no connections", "gets them all; remove one of the routes, or put all backends into one"
        else:
            what = f"no requests by its match {_words(each.match)}"
            way_out = "has an equal match; change or remove one of them"
        texts = f"spec.rules[{each.place}] gets {what}", f"since {_winner(route, each)}, {way_out}."
        hosts = domains.setdefault(texts, {})
        if each.domain or each.match is not None:
            hosts[each.domain or "any hostname"] = None
    found_for = ((*texts, f" for {', '.join(hosts)}" if hosts else "") for texts, hosts in domains.items())
    return [f"{what}{where}, {why}" for what, why, where in found_for]


def _winner(route: Ref, found: Overlap) -> str:
    winner = found.winner
    if winner.route == route:
        return f"rule {winner.rule} of this route, which is earlier"
    if winner.rank[:2] != found.rank[:2]:
        why = "whose hostname is more specific"
    elif winner.rank.creation_time != found.rank.creation_time:
        why = "which is older"
    else:
        why = "which comes first by name"
    return f"rule {winner.rule} of {winner.route}, {why}"


def _words(match: RouteMatch) -> str:
    """Return a match as text; values of headers and parameters are left out."""
    texts = [f"{match.path_kind.value} {match.path}", *([match.method] if match.method else [])]
    texts += [f"header {each.name}" for each in match.headers]
    texts += [f"query parameter {each.name}" for each in match.query]
    if match.model is not None:
        star = "*" if match.model.kind is ModelKind.PREFIX else ""
        texts.append(f"model {match.model.value}{star}" if match.model.value else "any model")
    return ", ".join(texts)


def _empty(db: Db, route: Ref, parent: ParentStatus) -> Iterator[str]:
    for place, rule in _rules(db, route, parent):
        for field, backend in _backends(rule, f"spec.rules[{place}]"):
            if backend.named:
                continue  # Envoy finds its endpoints; it need be of no object
            is_empty = db.registry.backend(backend.key.kind).is_empty
            if is_empty is not None and is_empty(db, backend):
                where = f" for port {backend.port}" if backend.port else ""
                text = f"{Ref(*backend.key)} has no endpoints{where}"
                yield f"{field}: {text}; start its pods, or correct its selector."


def _rules(db: Db, route: Ref, parent: ParentStatus) -> Iterator[tuple[int, Rule | L4Rule]]:
    for place, rule in enumerate(rules(db, route)):
        yield place, rule.value
    for passthrough in dict.fromkeys(each.table.passthrough for each in parent.bindings):
        for place, connections in enumerate(l4_rules(db, route, passthrough)):
            yield place, connections.value


def _backends(rule: Rule | L4Rule, field: str) -> Iterator[tuple[str, Backend]]:
    """Yield the backends that a rule sends requests or connections to, each with its field."""
    settings = rule.settings if isinstance(rule, Rule) else ()
    if isinstance(rule, Rule) and (rule.error or not rule.matches or rule.answers):
        return
    backends: tuple[WeightedBackend | L4Backend, ...] = rule.backends
    for number, each in enumerate(backends):
        own = each.settings if isinstance(each, WeightedBackend) else ()
        if each.backend is not None and each.weight and not any(setting.terminal for setting in own):
            yield f"{field}.backendRefs[{number}]", each.backend
        if each.weight:
            yield from _of_settings(own, f"{field}.backendRefs[{number}]")
    yield from _of_settings(settings, field)


def _of_settings(settings: Iterable[RuleSetting], field: str) -> Iterator[tuple[str, Backend]]:
    for setting in settings:
        for backend in setting.backends:
            yield f"{field}.filters", backend
