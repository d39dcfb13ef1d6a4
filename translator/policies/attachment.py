"""Attachment of policies: their targets, and the policies of a target in their order (GEP-713)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from zlib import crc32

from translator.db import Db
from translator.engine.query import NotSyncedError, index, query
from translator.inputs import INVALID
from translator.kinds import Level
from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.gateway_api.policy import Policy, PolicyTargetReference
from translator.objects.gateway_api.route import Route
from translator.refs import Ref


class AttachedPolicy(NamedTuple):
    """A policy at a section of an object, "" for all of it; of one section the one that sorts first wins.

    That is the older, then the first by "namespace/name" (GEP-713, "Conflict resolution").
    """

    section: str
    creation_time: str
    name: str
    policy: Ref


class _Claim(NamedTuple):
    """The targets of a policy, and when it was created."""

    targets: tuple[PolicyTargetReference, ...] = ()
    creation_time: str = ""


def _claim(db: Db, policy: Ref) -> _Claim:
    """Return the targets of a policy; of one that was never valid those that are readable, if its kind fails closed.

    The indexes are over invalid objects too, of all kinds: those of other kinds have no targets.
    """
    kind = db.registry.policy_of(policy.kind)
    if kind is None:
        return _Claim()
    found = db.get(Policy, policy)
    if found is not None:
        return _Claim(found.spec.target_refs, found.creation_time)
    invalid = db.invalid(policy) if kind.closed else None
    return _Claim() if invalid is None else _Claim(invalid.partial.targets, invalid.partial.creation_time)


def refuses(db: Db, policy: Ref) -> bool:
    """Return whether an attached policy has requests refused, because it was never valid and its kind fails closed."""
    return db.registry.policy(policy.kind).closed and db.get(Policy, policy) is None


def _partition(_: Db, policy: Ref) -> tuple[str, ...]:
    return (policy.namespace,)  # targets are in the policy's namespace


@index(Policy, INVALID, partitions=_partition, partition_of=lambda target: target.namespace)
def attached_policies(db: Db, policy: Ref) -> Iterator[tuple[Ref, AttachedPolicy]]:
    """File policies under the objects that they target."""
    targets, creation_time = _claim(db, policy)
    for each in targets:
        if level(db, policy.kind, each) is not None:
            name = f"{policy.namespace}/{policy.name}"
            section = each.section_name or ""
            yield target(policy, each), AttachedPolicy(section, creation_time, name, policy)


SHARDS: Final = 256
"""The parts into which the routes of a namespace are divided: the first policy of a part concerns its routes only."""

LISTENERS: Final = -1
"""In place of a shard: the Gateways and ListenerSets of a namespace."""


class PolicyShard(NamedTuple):
    """A part of the routes or of the backends of a namespace, by their names, or its Gateways and ListenerSets."""

    namespace: str
    number: int

    @property
    def side(self) -> tuple[str, bool]:
        """The namespace, and whether it is a part of the backends."""
        return self.namespace, self.number >= SHARDS


def shard(ref: Ref) -> PolicyShard:
    """Return the shard of a route, Gateway or ListenerSet."""
    number = LISTENERS if ref.kind in (Gateway.kind, ListenerSet.kind) else crc32(ref.name.encode()) % SHARDS
    return PolicyShard(ref.namespace, number)


def backend_shard(ref: Ref) -> PolicyShard:
    """Return the shard of a backend, which is none of routes."""
    return PolicyShard(ref.namespace, SHARDS + crc32(ref.name.encode()) % SHARDS)


BACKENDS: Final = PolicyShard("", SHARDS)
"""All backends of all namespaces."""


def _sides(db: Db, policy: Ref) -> Iterator[tuple[str, bool]]:
    kind = db.registry.policy_of(policy.kind)
    if kind is not None and Level.BACKEND in kind.levels:
        yield policy.namespace, True
        yield BACKENDS.side
    elif kind is not None:
        yield policy.namespace, False


@index(Policy, INVALID, partitions=_sides, partition_of=lambda shard: shard.side)
def targeted_shards(db: Db, policy: Ref) -> Iterator[tuple[PolicyShard, Ref]]:
    """File policies under the shards of their targets."""
    for each in _claim(db, policy).targets:
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


@query(firewall=True)
def may_have_backend_policies(db: Db) -> bool:
    """Return whether there may be a policy for a backend: while there is none, nobody asks for the shards of backends.

    While that is not known, they ask, so that it holds up only those whose backends may have the policy (ADR 12).
    """
    try:
        return db.count(targeted_shards, BACKENDS) > 0
    except NotSyncedError:
        return True


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
    elif model is ListenerSet:
        found = Level.LISTENER if reference.section_name else Level.LISTENER_SET
    elif reference.kind in db.registry.rules:  # policies are about requests, which other routes know nothing of
        found = Level.RULE if reference.section_name else Level.ROUTE
    elif (backends := db.registry.backend_of(reference.group, reference.kind)) is not None:
        found = Level.BACKEND if backends.takes_policies else None
    return found if found in db.registry.policy(policy_kind).levels else None


def policies_at(db: Db, ref: Ref, section: str = "") -> tuple[Ref, ...]:
    """Return the policies at an object, or at a section of it, the one that wins last."""
    found = [each.policy for each in db.select(attached_policies, ref) if each.section == section]
    return tuple(reversed(found))


def referenced_policies(db: Db, filters: Iterable[RouteFilter], namespace: str) -> tuple[Ref, ...]:
    """Return the policies that filters of a rule or backendRef name, the one that wins last; `namespace` is theirs."""
    named = (each.extension_ref for each in filters if each.extension_ref is not None)
    found = [
        Ref(each.kind, namespace, each.name)
        for each in named
        if (kind := db.registry.policy_of(each.kind)) is not None and kind.model.group == each.group
    ]
    return tuple(reversed(found))


def names_policies(db: Db, route: Ref) -> bool:
    """Return whether filters of a route, or of its backendRefs, name policies."""
    found = db.get(Route, route)
    for rule in getattr(found.spec, "rules", ()) if found is not None else ():
        sites = (rule, *rule.backend_refs)
        if any(referenced_policies(db, getattr(each, "filters", ()), route.namespace) for each in sites):
            return True
    return False
