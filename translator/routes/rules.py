"""The rules of a route, whatever its kind."""

from __future__ import annotations

from translator.db import Db
from translator.engine.query import query
from translator.ir.http import Rule
from translator.ir.l4 import L4Rule
from translator.outcome import Outcome
from translator.refs import Ref


def rules(db: Db, route: Ref) -> tuple[Outcome[Rule], ...]:
    """Return each rule of a route of HTTP with the problems in it; one that cannot be served as asked answers 500.

    A route of another kind has none of these.
    """
    read = db.registry.rules.get(route.kind)
    return read(db, route) if read is not None else ()


def l4_rules(db: Db, route: Ref, passthrough: bool) -> tuple[Outcome[L4Rule], ...]:
    """Return each rule of a route that forwards connections, with the problems in it; none of a route of HTTP.

    Args:
        db: the database.
        route: the route.
        passthrough: whether the connections are TLS that the listener passes through.
    """
    read = db.registry.l4_rules.get(route.kind)
    return read(db, route, passthrough) if read is not None else ()


@query
def has_served_rule(db: Db, route: Ref) -> bool:
    """Return whether something of a route is served: not when every rule asks for what cannot be had."""
    return not all(_dropped(each) for each in rules(db, route))


def _dropped(rule: Outcome[Rule]) -> bool:
    unsupported = any(each.condition == "Accepted" for each in rule.problems)
    return unsupported and (not rule.value.matches or bool(rule.value.error))
