"""The effective values of policies: those of all levels merged, the most specific first to be heard.

A stack is the policies of several levels, the least specific first; of each level the one that wins last. What follows
from a stack is computed once, however many routes have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from pydantic.fields import FieldInfo

from translator.db import Db
from translator.delegation.paths import DEPTH, Path, rule_of
from translator.engine.query import query
from translator.kinds import Level
from translator.objects.gateway_api.policy import Policy
from translator.objects.schema.base import Fields
from translator.objects.schema.merging import is_atomic
from translator.policies.attachment import (
    any_policies,
    composes_filters,
    has_policies,
    names_policies,
    policies_at,
)
from translator.policies.merging import DISABLE, Contribution, Effective, merge, merge_beside
from translator.policies.targets import PolicyShard, refuses, shard, written_fields
from translator.refs import ListenerRef, Ref


class StackedPolicy(NamedTuple):
    """A policy at a level.

    Attributes:
        port: the port for which it says something, if that is meant; 0 for what it says for all ports.
        depth: at the levels of parents, how many routes are above the parent.
        place: at these levels, the kind, namespace and name of the parent, and the name of its rule, with slashes.
    """

    level: Level
    policy: Ref
    port: int = 0
    depth: int = 0
    place: str = ""

    @property
    def rank(self) -> int:
        """The place of the level among all: what is for a port is more specific than what is for all."""
        if self.level in PARENTS:
            return parent_rank(self.depth, self.level)
        return RANKS * self.level + bool(self.port)


Stack = tuple[StackedPolicy, ...]
"""Policies, the least specific first."""

PARENTS: Final = (Level.PARENT_ROUTE, Level.PARENT_RULE)
"""The levels of parents: of the route furthest up first, and behind its rule those of the next."""
RANKS: Final = 4 * (DEPTH + 1)
"""So many ranks a level has: each route that is a parent has one, its rule, and what that rule itself says."""
ENFORCING_LEVELS: Final = frozenset({Level.GATEWAY, Level.LISTENER_SET, Level.LISTENER, *PARENTS})
"""The levels at which a policy can be enforced."""
ENFORCED: Final = "enforced"
"""The field of a spec that says so."""


def stacked(level: Level, policies: tuple[Ref, ...]) -> Stack:
    """Return policies of one level, in their order, as a stack."""
    return tuple(StackedPolicy(level, each) for each in policies)


def parent_rank(depth: int, level: Level) -> int:
    """Return the rank of a route or rule that delegates, with so many above it; `RULE_FIELDS` is what the rule says."""
    within = {Level.PARENT_ROUTE: 0, Level.PARENT_RULE: 1, Level.RULE_FIELDS: 2}
    return RANKS * Level.PARENT_ROUTE + 4 * depth + within[level]


def inherited(db: Db, gateway: Ref, listener: ListenerRef) -> Stack:
    """Return the policies that all routes of a listener inherit: its Gateway's, its ListenerSet's, then its own."""
    return _inherited(db, gateway, listener) if may_have_policies(db, gateway, listener) else ()


def may_have_policies(db: Db, gateway: Ref, listener: ListenerRef) -> bool:
    """Return whether there may be policies of a listener, its ListenerSet or its Gateway: else nobody asks for them."""
    return any_policies(db, shard(gateway)) or (
        listener.owner.namespace != gateway.namespace and any_policies(db, shard(listener.owner))
    )


@query(firewall=True)
def _inherited(db: Db, gateway: Ref, listener: ListenerRef) -> Stack:
    return tuple(each for each in at_listener(db, gateway, listener) if not is_of_listeners(db, each.policy))


def at_listener(db: Db, gateway: Ref, listener: ListenerRef) -> Stack:
    """Return all policies of a listener, its ListenerSet and its Gateway."""
    of_set = policies_at(db, listener.owner) if listener.owner != gateway else ()
    return (
        *stacked(Level.GATEWAY, policies_at(db, gateway)),
        *stacked(Level.LISTENER_SET, of_set),
        *stacked(Level.LISTENER, policies_at(db, listener.owner, listener.name)),
    )


def is_of_listeners(db: Db, policy: Ref) -> bool:
    """Return whether a policy is for listeners themselves; no route hears of it."""
    return db.registry.policy(policy.kind).of_listeners


def stack_of_route(db: Db, route: Ref, rule: str = "") -> Stack:
    """Return the policies of a route, and of a rule of it by its name, without what they inherit."""
    of_rule = policies_at(db, route, rule) if rule else ()
    return (*stacked(Level.ROUTE, policies_at(db, route)), *stacked(Level.RULE, of_rule))


def route_stack(db: Db, route: Ref, gateway: Ref, listener: ListenerRef) -> Stack | None:
    """Return the policies of a listener and its Gateway that a route has to know; None if no policy concerns it."""
    some, others = shard_stack(db, shard(route), gateway, listener)
    concerned = (some and has_policies(db, route)) or names_policies(db, route) or composes_filters(db, route)
    return inherited(db, gateway, listener) if concerned else others


def child_stack(db: Db, route: Ref, path: Path, gateway: Ref, listener: ListenerRef) -> Stack | None:
    """Return the same as `route_stack` of a child, which parents' policies and filters concern too."""
    found = route_stack(db, route, gateway, listener)
    concerned = found is None and any(concerns_children(db, each.parent) for each in path)
    return inherited(db, gateway, listener) if concerned else found


@query(firewall=True)
def parents_stack(db: Db, path: Path) -> Stack:
    """Return the policies of the routes and rules by which a route is a child, the furthest up first."""
    found: list[StackedPolicy] = []
    for depth, step in enumerate(path):
        parent = step.parent
        if not (any_policies(db, shard(parent)) and has_policies(db, parent)):
            continue
        rule = rule_of(db, step)
        name = (rule.name or "") if rule is not None else ""
        here = "/".join(parent)
        found += (StackedPolicy(Level.PARENT_ROUTE, each, 0, depth, here) for each in policies_at(db, parent))
        for each in policies_at(db, parent, name) if name else ():
            found.append(StackedPolicy(Level.PARENT_RULE, each, 0, depth, f"{here}/{name}"))
    return tuple(found)


@query(firewall=True)
def concerns_children(db: Db, parent: Ref) -> bool:
    """Return whether policies of a route, or its filters that are composed with policies, concern its children."""
    return (any_policies(db, shard(parent)) and has_policies(db, parent)) or composes_filters(db, parent)


def own_stack(db: Db, route: Ref) -> Stack | None:
    """Return the policies of what a route is attached to where that has none; None if it has none of its own either."""
    own = any_policies(db, shard(route)) and has_policies(db, route)
    return () if own or names_policies(db, route) or composes_filters(db, route) else None


@query(firewall=True)
def shard_stack(db: Db, part: PolicyShard, gateway: Ref, listener: ListenerRef) -> tuple[bool, Stack | None]:
    """Return whether routes of a shard have policies, and `route_stack` of those that have none: one read a route."""
    return any_policies(db, part), written_out(db, gateway, listener) or None


@query(firewall=True)
def written_out(db: Db, gateway: Ref, listener: ListenerRef) -> Stack:
    """Return the policies of a listener and its Gateway, if each route has to say something of them.

    That is what it does not inherit in Envoy, and what is enforced: it wins over what a route says by itself. Where
    there is nothing of that, no route hears that a policy comes or goes.
    """
    found = inherited(db, gateway, listener)
    return found if any(is_written_out(db, each.policy) for each in found) else ()


@query(firewall=True)
def is_written_out(db: Db, policy: Ref) -> bool:
    """Return whether routes have to say something of a policy of a listener or Gateway."""
    found, fields = db.get(Policy, policy), set_fields(db, policy)
    if found is not None and is_enforced(found):
        return True
    if found is not None and any(
        kind == policy.kind and field in fields and by_place(found.spec.unit_value(field))
        for kind, field, by_place in db.registry.units_by_place
    ):
        return True
    if any(kind == policy.kind and field in fields for kind, field in db.registry.written_units):
        return True
    naming = db.registry.naming_units.items()
    return found is not None and any(
        kind == policy.kind and field in fields and names(found.spec.unit_value(field))
        for (kind, field), names in naming
    )


@query(firewall=True)
def replaces_inherited(db: Db, policy: Ref) -> bool:
    """Return whether nothing that less specific policies say is effective where a policy is attached."""
    found = db.get(Policy, policy)
    return found is not None and replaces(found)


@query(firewall=True)
def set_fields(db: Db, policy: Ref) -> frozenset[str]:
    """Return the fields of the spec of a policy that are set; of one that was never valid, those that can be read."""
    found = db.get(Policy, policy)
    if found is not None:
        return found.spec.set_units()
    invalid = db.invalid(policy) if refuses(db, policy) else None
    return frozenset() if invalid is None else written_fields(db, policy, invalid)


@query(firewall=True)
def ports_of(db: Db, policy: Ref) -> tuple[int, ...]:
    """Return the ports for which a policy says something beside what is for all."""
    found = db.get(Policy, policy)
    return found.spec.ports if found is not None else ()


def of_kind(stack: Stack, kind: str) -> Stack:
    """Return those policies of a stack that are of a kind."""
    return tuple(each for each in stack if each.policy.kind == kind)


@query
def effective(db: Db, stack: Stack, field: str) -> Effective:
    """Return the effective value of a field of the policies' specs; they are all of one kind."""
    kind = stack[0].policy.kind
    merging = merge_beside if (kind, field) in db.registry.units_beside else merge
    return merging(_contributions(db, stack, field), _info(db, kind, field))


def effective_beside(
    db: Db, stack: Stack, field: str, route: Ref, value: Fields | None, above: tuple[Contribution, ...] = ()
) -> Effective:
    """Return the effective value of a field where a rule of a route itself says something that is worth `value`.

    Args:
        db: the database.
        stack: the policies.
        field: the field of their specs.
        route: the route.
        value: what the rule says; None for nothing.
        above: what rules say that delegate to it.
    """
    own = Contribution(StackedPolicy(Level.RULE_FIELDS, route).rank, route, value)
    found = sorted((*_contributions(db, stack, field), *above, own), key=lambda each: each.level)
    return merge(found, _info(db, stack[0].policy.kind, field))


@query
def enforced_alone(db: Db, stack: Stack, field: str) -> Effective:
    """Return what is enforced of a field of the policies' specs, as if nobody else said anything about it."""
    found = (each for each in _contributions(db, stack, field) if each.enforced)
    return merge(found, _info(db, stack[0].policy.kind, field))


def settles(db: Db, stacked_policy: StackedPolicy, field: str) -> bool:
    """Return whether nothing that less specific policies say about a field is effective beside a policy's value."""
    found = db.get(Policy, stacked_policy.policy)
    if found is None:
        return False
    value = found.spec.unit_value(field, stacked_policy.port)
    info = _info(db, stacked_policy.policy.kind, field)
    return replaces(found) or is_atomic(info) or getattr(value, DISABLE, None) is not None


def _info(db: Db, kind: str, field: str) -> FieldInfo:
    return db.registry.policy(kind).model.spec_model().unit_info(field)


def _contributions(db: Db, stack: Stack, field: str) -> Iterator[Contribution]:
    for each in stack:
        found = db.get(Policy, each.policy)
        if found is not None:
            enforced = is_enforced(found) and each.level in ENFORCING_LEVELS
            value = found.spec.unit_value(field, each.port)
            yield Contribution(each.rank, each.policy, value, replaces(found), enforced)


def replaces(policy: Policy) -> bool:
    """Return whether nothing that less specific policies say is effective where a policy is attached."""
    return getattr(policy.spec, "inheritance", None) == "Replace"


def is_enforced(policy: Policy) -> bool:
    """Return whether what a policy says at a Gateway or listener is final for all routes there."""
    return bool(getattr(policy.spec, ENFORCED, False))
