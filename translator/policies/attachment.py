"""Attachment of policies: their targets, and the policies of a target in their order (GEP-713)."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Final, NamedTuple
from zlib import crc32

from translator.db import Db
from translator.engine.query import index, query
from translator.kinds import Level
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.policy import Policy, PolicyTargetReference
from translator.refs import Ref


class AttachedPolicy(NamedTuple):
    """A policy at a section of an object, "" for all of it; of one section the one that sorts first wins.

    That is the older, then the first by "namespace/name" (GEP-713, "Conflict resolution").
    """

    section: str
    creation_time: str
    name: str
    policy: Ref


def _partition(_: Db, policy: Ref) -> tuple[str, ...]:
    return (policy.namespace,)  # targets are in the policy's namespace


@index(Policy, partitions=_partition, partition_of=attrgetter("namespace"))
def attached_policies(db: Db, policy: Ref) -> Iterator[tuple[Ref, AttachedPolicy]]:
    """File policies under the objects that they target."""
    found = db.get(Policy, policy)
    if found is None:
        return
    for each in found.spec.target_refs:
        if level(db, policy.kind, each) is not None:
            name = f"{policy.namespace}/{policy.name}"
            section = each.section_name or ""
            yield target(policy, each), AttachedPolicy(section, found.creation_time, name, policy)


SHARDS: Final = 256
"""The parts into which the routes of a namespace are divided: the first policy of a part concerns its routes only."""

GATEWAYS: Final = -1
"""In place of a shard: the Gateways of a namespace."""


class PolicyShard(NamedTuple):
    """A part of the routes or of the backends of a namespace, by their names, or its Gateways."""

    namespace: str
    number: int


def shard(ref: Ref) -> PolicyShard:
    """Return the shard of a route or Gateway."""
    number = GATEWAYS if ref.kind == Gateway.kind else crc32(ref.name.encode()) % SHARDS
    return PolicyShard(ref.namespace, number)


def backend_shard(ref: Ref) -> PolicyShard:
    """Return the shard of a backend, which is none of routes."""
    return PolicyShard(ref.namespace, SHARDS + crc32(ref.name.encode()) % SHARDS)


BACKENDS: Final = PolicyShard("", SHARDS)
"""All backends of all namespaces."""


def _namespaces(db: Db, policy: Ref) -> tuple[str, ...]:
    of_backends = Level.BACKEND in db.registry.policy(policy.kind).levels
    return (policy.namespace, BACKENDS.namespace) if of_backends else (policy.namespace,)


@index(Policy, partitions=_namespaces, partition_of=attrgetter("namespace"))
def targeted_shards(db: Db, policy: Ref) -> Iterator[tuple[PolicyShard, Ref]]:
    """File policies under the shards of their targets."""
    found = db.get(Policy, policy)
    for each in found.spec.target_refs if found is not None else ():
        at, ref = level(db, policy.kind, each), target(policy, each)
        if at is Level.BACKEND:
            yield backend_shard(ref), policy
            yield BACKENDS, policy
        elif at is not None:
            yield shard(ref), policy


@query(firewall=True)
def any_policies(db: Db, shard: PolicyShard) -> bool:
    """Return whether an object of a shard has a policy: while none has, nobody looks for those of each."""
    return db.count(targeted_shards, shard) > 0


def target(policy: Ref, reference: PolicyTargetReference) -> Ref:
    """Return the object that a policy targets."""
    return Ref(reference.kind, policy.namespace, reference.name)


def level(db: Db, policy_kind: str, reference: PolicyTargetReference) -> Level | None:
    """Return the level of a target; None if policies of the kind cannot be at it."""
    model = db.registry.kinds.get(reference.kind)
    if model is None or model.group != reference.group:
        return None
    found = None
    if model is Gateway:
        found = Level.LISTENER if reference.section_name else Level.GATEWAY
    elif reference.kind in db.registry.rules:  # policies are about requests, which other routes know nothing of
        found = Level.RULE if reference.section_name else Level.ROUTE
    elif db.registry.backend_of(reference.group, reference.kind) is not None:
        found = Level.BACKEND
    return found if found in db.registry.policy(policy_kind).levels else None


def policies_at(db: Db, ref: Ref, section: str = "") -> tuple[Ref, ...]:
    """Return the policies at an object, or at a section of it, the one that wins last."""
    found = [each.policy for each in db.select(attached_policies, ref) if each.section == section]
    return tuple(reversed(found))
