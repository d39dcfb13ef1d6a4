"""The rules of a route, whatever its kind."""

from __future__ import annotations

from translator.db import Db
from translator.engine.query import query
from translator.ir.http import Rule
from translator.outcome import Outcome
from translator.refs import Ref


def rules(db: Db, route: Ref) -> tuple[Outcome[Rule], ...]:
    """Return each rule of a route with the problems in it; a rule that cannot be served as asked answers 500."""
    return db.registry.rules[route.kind](db, route)


@query
def has_served_rule(db: Db, route: Ref) -> bool:
    """Return whether something of a route is served: not when every rule asks for what cannot be had."""
    return not all(_dropped(each) for each in rules(db, route))


def _dropped(rule: Outcome[Rule]) -> bool:
    unsupported = any(each.condition == "Accepted" for each in rule.problems)
    return unsupported and (not rule.value.matches or bool(rule.value.error))
