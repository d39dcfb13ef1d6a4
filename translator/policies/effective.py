"""The effective values of policies: those of all levels merged, the most specific first to be heard.

A stack is the policies of several levels, the least specific first; of each level the one that wins last. What follows
from a stack is computed once, however many routes have it.
"""

from __future__ import annotations

from collections.abc import Iterator

from translator.db import Db
from translator.engine.query import query
from translator.objects.gateway_api.policy import Policy
from translator.objects.schema.base import Fields
from translator.policies.attachment import (
    PolicyShard,
    any_policies,
    attached_policies,
    policies_at,
    refuses,
    shard,
)
from translator.policies.merging import Effective, merge
from translator.refs import ListenerRef, Ref

Stack = tuple[Ref, ...]
"""Policies, the least specific first."""


def inherited(db: Db, gateway: Ref, listener: ListenerRef) -> Stack:
    """Return the policies that all routes of a listener inherit: its Gateway's, its ListenerSet's, then its own."""
    some = any_policies(db, shard(gateway)) or (
        listener.owner.namespace != gateway.namespace and any_policies(db, shard(listener.owner))
    )
    return _inherited(db, gateway, listener) if some else ()


@query(firewall=True)
def _inherited(db: Db, gateway: Ref, listener: ListenerRef) -> Stack:
    of_set = policies_at(db, listener.owner) if listener.owner != gateway else ()
    return (*policies_at(db, gateway), *of_set, *policies_at(db, listener.owner, listener.name))


def route_stack(db: Db, route: Ref, gateway: Ref, listener: ListenerRef) -> Stack | None:
    """Return the policies of a listener and its Gateway that a route has to know; None if no policy concerns it."""
    some, others = shard_stack(db, shard(route), gateway, listener)
    return inherited(db, gateway, listener) if some and db.select(attached_policies, route) else others


def own_stack(db: Db, route: Ref) -> Stack | None:
    """Return the policies of what a route is attached to where that has none; None if it has none of its own either."""
    return () if any_policies(db, shard(route)) and db.select(attached_policies, route) else None


@query(firewall=True)
def shard_stack(db: Db, part: PolicyShard, gateway: Ref, listener: ListenerRef) -> tuple[bool, Stack | None]:
    """Return whether routes of a shard have policies, and `route_stack` of those that have none: one read a route."""
    return any_policies(db, part), written_out(db, gateway, listener) or None


@query(firewall=True)
def written_out(db: Db, gateway: Ref, listener: ListenerRef) -> Stack:
    """Return those policies of a listener and its Gateway that each route has to say: it does not inherit all of them.

    Where it inherits all, no route hears that a policy comes or goes.
    """
    units = db.registry.written_units
    return tuple(
        each
        for each in inherited(db, gateway, listener)
        if refuses(db, each)
        or any(effective(db, (each,), field).value is not None for kind, field in units if kind == each.kind)
    )


def of_kind(stack: Stack, kind: str) -> Stack:
    """Return those policies of a stack that are of a kind."""
    return tuple(each for each in stack if each.kind == kind)


@query
def effective(db: Db, stack: Stack, field: str) -> Effective:
    """Return the effective value of a field of the policies' specs; they are all of one kind."""
    return merge(_values(db, stack, field))


def _values(db: Db, stack: Stack, field: str) -> Iterator[tuple[Ref, Fields]]:
    for ref in stack:
        found = db.get(Policy, ref)
        value = getattr(found.spec, field) if found is not None else None
        if value is not None:
            yield ref, value
