"""The targets that policies name, and those who may have them (GEP-713)."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Final, NamedTuple
from zlib import crc32

from translator.db import Db
from translator.engine.query import index, query
from translator.inputs import INVALID, Invalid
from translator.kinds import Level
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.gateway_api.policy import Policy, PolicyTargetReference
from translator.objects.headgate.policy import PolicyTarget, TargetedPolicySpec, TargetSelector
from translator.objects.kubernetes.service import Service
from translator.permissions.reference_grants import grant_for, is_granted
from translator.refs import Ref


class AttachedPolicy(NamedTuple):
    """A policy at a section of an object, "" for all of it; of one section the one that sorts first wins.

    A policy that names the object wins over one that selects it by labels, then the older one, then the first by
    "namespace/name" (GEP-713, "Conflict resolution"). For one that a filter of a route names, `section` is the path of
    that filter, which is no name of a section.
    """

    section: str
    by_labels: bool
    creation_time: str
    name: str
    policy: Ref


class WantedTargets(NamedTuple):
    """The targets that a policy asks for, and when it was created."""

    targets: tuple[PolicyTargetReference, ...] = ()
    selectors: tuple[TargetSelector, ...] = ()
    creation_time: str = ""


def wanted_targets(db: Db, policy: Ref) -> WantedTargets:
    """Return the targets of a policy; of one that was never valid those that are readable, if it fails closed.

    The indexes are over invalid objects too, of all kinds: those of other kinds have no targets.
    """
    kind = db.registry.policy_of(policy.kind)
    if kind is None:
        return WantedTargets()
    found = db.get(Policy, policy)
    if found is not None:
        return WantedTargets(found.spec.target_refs, selectors_of(found), found.creation_time)
    invalid = db.invalid(policy)
    if invalid is None or not refuses(db, policy):
        return WantedTargets()
    known = invalid.partial
    return WantedTargets(known.targets, known.selectors, known.creation_time)


def selectors_of(policy: Policy) -> tuple[TargetSelector, ...]:
    """Return the selectors of targets of a policy; kinds of the Gateway API have none."""
    return policy.spec.target_selectors if isinstance(policy.spec, TargetedPolicySpec) else ()


def is_targeted(db: Db, policy_kind: str) -> bool:
    """Return whether policies of a kind have targets as Headgate's own have them (`TargetedPolicySpec`)."""
    return issubclass(db.registry.policy(policy_kind).model.spec_model(), TargetedPolicySpec)


def refuses(db: Db, policy: Ref) -> bool:
    """Return whether an attached policy has requests refused, because it was never valid and fails closed.

    A policy with units fails closed if it names one that does.
    """
    kind = db.registry.policy(policy.kind)
    if not kind.closed or db.get(Policy, policy) is not None:
        return False
    units = db.registry.closed_units.get(policy.kind)
    invalid = db.invalid(policy)
    return units is None or (invalid is not None and not units.isdisjoint(written_fields(db, policy, invalid)))


def written_fields(db: Db, policy: Ref, invalid: Invalid) -> frozenset[str]:
    """Return which fields of its spec an invalid policy says something about, by their names in the model."""
    return db.registry.policy(policy.kind).model.spec_model().fields_of(invalid.partial.fields)


def is_permitted(db: Db, policy: Ref, target: Ref, *, by_labels: bool = False) -> bool:
    """Return whether a policy may be for an object: in its own namespace, or where a ReferenceGrant permits it.

    The operator's namespaces of policies (`Settings.policy_namespaces`) need none to select by labels.
    """
    if policy.namespace == target.namespace or (by_labels and policy.namespace in db.settings.policy_namespaces):
        return True
    return is_granted(db, *grant_for(db, policy, target))


def _namespaces(db: Db, policy: Ref) -> Iterator[str]:
    yield policy.namespace
    yield from (target(policy, each).namespace for each in wanted_targets(db, policy).targets)


@index(Policy, INVALID, partitions=_namespaces, partition_of=lambda target: target.namespace)
def attached_policies(db: Db, policy: Ref) -> Iterator[tuple[Ref, AttachedPolicy]]:
    """File policies under the objects that they name as targets."""
    found = wanted_targets(db, policy)
    for each in found.targets:
        ref = target(policy, each)
        if level(db, policy.kind, each) is not None and is_permitted(db, policy, ref):
            yield ref, attached(policy, each.section_name or "", found.creation_time)


class Names(NamedTuple):
    """The key of the names of the objects of a kind in a namespace."""

    kind: str
    namespace: str


@index(Policy, partitions=_namespaces, partition_of=attrgetter("namespace"))
def missing_targets(db: Db, policy: Ref) -> Iterator[tuple[Names, Ref]]:
    """File policies under the kinds and namespaces of those targets of theirs that do not exist."""
    for each in wanted_targets(db, policy).targets:
        ref = target(policy, each)
        if level(db, policy.kind, each) is not None and db.get(db.registry.kinds[ref.kind], ref) is None:
            yield Names(ref.kind, ref.namespace), policy


@query(firewall=True)
def is_missed(db: Db, names: Names) -> bool:
    """Return whether a policy has a target of a kind in a namespace that does not exist: only then names are listed."""
    return db.count(missing_targets, names) > 0


def attached(policy: Ref, section: str, creation_time: str, *, by_labels: bool = False) -> AttachedPolicy:
    """Return a policy as it is attached at a section of an object."""
    return AttachedPolicy(section, by_labels, creation_time, f"{policy.namespace}/{policy.name}", policy)


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
    """Return the shard of a backend, which is none of routes; those of Services are apart from those of other kinds."""
    first = SHARDS if ref.kind == Service.kind else 2 * SHARDS
    return PolicyShard(ref.namespace, first + crc32(ref.name.encode()) % SHARDS)


BACKENDS: Final = PolicyShard("", SHARDS)
"""All backends of all namespaces."""


def _sides(db: Db, policy: Ref) -> Iterator[tuple[str, bool]]:
    kind = db.registry.policy_of(policy.kind)
    if kind is not None:
        of_backends = Level.BACKEND in kind.levels
        yield from ((namespace, of_backends) for namespace in _namespaces(db, policy))
        if of_backends:
            yield BACKENDS.side


@index(Policy, INVALID, partitions=_sides, partition_of=lambda shard: shard.side)
def targeted_shards(db: Db, policy: Ref) -> Iterator[tuple[PolicyShard, Ref]]:
    """File policies under the shards of the targets that they name."""
    for each in wanted_targets(db, policy).targets:
        at, ref = level(db, policy.kind, each), target(policy, each)
        if not is_permitted(db, policy, ref):
            continue
        if at is Level.BACKEND:
            yield backend_shard(ref), policy
            yield BACKENDS, policy
        elif at is not None:
            yield shard(ref), policy


def target(policy: Ref, reference: PolicyTargetReference) -> Ref:
    """Return the object that a policy targets."""
    namespace = reference.namespace if isinstance(reference, PolicyTarget) else None
    return Ref(reference.kind, namespace or policy.namespace, reference.name)


def takes_routes(db: Db, policy_kind: str, route_kind: str) -> bool:
    """Return whether policies of a kind may target routes of a kind: those of requests, or of connections too."""
    of_connections = route_kind in db.registry.l4_rules and policy_kind in db.registry.connection_policies
    return route_kind in db.registry.rules or of_connections


def level(db: Db, policy_kind: str, reference: PolicyTargetReference | TargetSelector) -> Level | None:
    """Return the level of a target, or of what a selector selects; None if policies of the kind cannot be at it."""
    model = db.registry.kinds.get(reference.kind)
    if model is None or model.group != reference.group:
        return None
    found = None
    if model is Gateway:
        found = Level.LISTENER if reference.section_name else Level.GATEWAY
    elif model is ListenerSet:
        found = Level.LISTENER if reference.section_name else Level.LISTENER_SET
    elif takes_routes(db, policy_kind, reference.kind):
        found = Level.RULE if reference.section_name else Level.ROUTE
    elif (backends := db.registry.backend_of(reference.group, reference.kind)) is not None:
        found = Level.BACKEND if backends.takes_policies else None
    return found if found in db.registry.policy(policy_kind).levels else None
