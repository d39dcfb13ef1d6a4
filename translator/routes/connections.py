"""What policies ask for of the connections or datagrams of a route."""

from __future__ import annotations

from translator.db import Db
from translator.ir.l4 import L4Setting
from translator.policies.effective import Stack, effective, stack_of_route
from translator.refs import Ref
from translator.routes.units import never_valid, of, units_of


def connection_settings(db: Db, route: Ref, rule: str, stack: Stack | None) -> tuple[L4Setting, ...] | None:
    """Return what policies ask for of the connections or datagrams of a rule; None if none may be forwarded.

    Args:
        db: the database.
        route: the route, of connections or datagrams.
        rule: the name of the rule.
        stack: the policies of a listener and its Gateway that the route has to know (`route_stack`).
    """
    if stack is None:
        return ()
    whole = (*stack, *stack_of_route(db, route, rule))
    found: list[L4Setting] = []
    for unit in units_of(db, whole):
        if unit.connections is not None:
            if unit.closed and never_valid(db, of(whole, unit), unit) is not None:
                return None
            for each in effective(db, of(whole, unit), unit.field).parts:
                found += unit.connections(each.value) if each.value is not None else ()
    return tuple(found)
