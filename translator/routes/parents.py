"""What rules that delegate say about units of policies, for the rules of their children."""

from __future__ import annotations

from typing import Any

from translator.db import Db
from translator.extension import PolicyUnit
from translator.kinds import Level
from translator.objects.gateway_api.rules import RouteRule
from translator.policies.effective import Stack, parent_rank, set_fields
from translator.policies.merging import Contribution
from translator.routes.delegated import ParentRule


def said_above(above: tuple[ParentRule, ...], unit: PolicyUnit) -> tuple[Contribution, ...]:
    """Return what the fields and filters of rules that delegate say, as values of a unit."""
    if unit.own is None:
        return ()
    said = ((each, unit.own(each.rule)) for each in above)
    return tuple(
        Contribution(parent_rank(each.depth, Level.RULE_FIELDS), each.route, value)
        for each, value in said
        if value is not None
    )


def is_said_below(db: Db, above: tuple[ParentRule, ...], spec: RouteRule[Any], own: Stack, unit: PolicyUnit) -> bool:
    """Return whether a rule has a filter of its parents only, and a policy below that says something else about it.

    Args:
        db: the database.
        above: the rules that delegate to it.
        spec: the rule.
        own: its policies, with those of its parents.
        unit: a unit whose value such a filter cannot be written as.
    """
    if unit.own is not None or not above:
        return False
    own_types = {each.type for each in spec.filters}
    ranks = [
        parent_rank(each.depth, Level.RULE_FIELDS)
        for each in above
        if any(one.type not in own_types and one.type.lower() == unit.field for one in each.rule.filters)
    ]
    return bool(ranks) and any(each.rank > ranks[-1] and unit.field in set_fields(db, each.policy) for each in own)
