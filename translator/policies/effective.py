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
from translator.policies.attachment import any_policies, policies_at, shard
from translator.policies.merging import Effective, merge
from translator.refs import Ref

Stack = tuple[Ref, ...]
"""Policies, the least specific first."""


def inherited(db: Db, gateway: Ref, listener: str) -> Stack:
    """Return the policies that all routes of a listener inherit: those of its Gateway, then its own."""
    return _inherited(db, gateway, listener) if any_policies(db, shard(gateway)) else ()


@query(firewall=True)
def _inherited(db: Db, gateway: Ref, listener: str) -> Stack:
    return (*policies_at(db, gateway), *policies_at(db, gateway, listener))


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
