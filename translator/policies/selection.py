"""Selection of the targets of policies by labels.

That is looked at from the targets' side, so that a label of one of 10,000 routes
costs that route only: the selectors are filed under the first label that they ask for, and each object looks for those
of its own labels. While no policy selects objects of a kind in a namespace, none looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, Final, NamedTuple

from translator.db import Db
from translator.engine.query import Index, index, query
from translator.inputs import INVALID
from translator.objects.gateway_api.backend import BackendObject
from translator.objects.gateway_api.listener import ListenerOwner
from translator.objects.gateway_api.policy import Policy
from translator.objects.gateway_api.route import Route
from translator.objects.headgate.policy import TargetSelector
from translator.objects.kubernetes.service import Service
from translator.objects.schema.base import KubernetesObject
from translator.permissions.namespaces import namespace_labels
from translator.policies.targets import (
    BACKENDS,
    SHARDS,
    AttachedPolicy,
    Names,
    PolicyShard,
    attached,
    backend_shard,
    is_missed,
    is_permitted,
    level,
    shard,
    wanted_targets,
)
from translator.refs import Ref


class Reach(NamedTuple):
    """Objects of a kind in a namespace, "" for all of them: those that have a label, or any, if `key` is empty."""

    kind: str
    namespace: str
    key: str = ""
    value: str = ""


class SelectorRef(NamedTuple):
    """Names a selector of targets: the policy that has it, and its place in that policy's list."""

    creation_time: str
    policy: Ref
    place: int


ANY_LABEL = ("*", "*")
"""In place of a label: the selectors that ask for none, but for what an expression says. No label is called so."""


def _reached(db: Db, policy: Ref) -> Iterator[str]:
    for each in wanted_targets(db, policy).selectors:
        yield policy.namespace if each.reach.from_ == "Same" else ""


@index(Policy, INVALID, partitions=_reached, partition_of=attrgetter("namespace"))
def selectors(db: Db, policy: Ref) -> Iterator[tuple[Reach, SelectorRef]]:
    """File selectors under what they reach, and under the first of the labels that they ask for."""
    found = wanted_targets(db, policy)
    for place, each in enumerate(found.selectors):
        if level(db, policy.kind, each) is None:
            continue
        namespace = policy.namespace if each.reach.from_ == "Same" else ""
        label = min(each.match_labels.items(), default=ANY_LABEL)
        for reach in (Reach(each.kind, namespace), Reach(each.kind, namespace, *label)):
            yield reach, SelectorRef(found.creation_time, policy, place)


@query(firewall=True)
def may_select(db: Db, kind: str, namespace: str) -> bool:
    """Return whether a policy selects objects of a kind in a namespace: while none does, nobody compares labels."""
    return any(db.count(selectors, Reach(kind, each)) > 0 for each in (namespace, ""))


@query(firewall=True)
def is_looked_for(db: Db, kind: str, namespace: str) -> bool:
    """Return whether objects of a kind in a namespace are filed at all: one read of each, while there is nothing."""
    return may_select(db, kind, namespace) or is_missed(db, Names(kind, namespace))


@query(firewall=True)
def target_selector(db: Db, policy: Ref, place: int) -> TargetSelector | None:
    """Return a selector of a policy: what it selects does not hear of what else changes in the policy."""
    found = wanted_targets(db, policy).selectors
    return found[place] if place < len(found) else None


class Selection(NamedTuple):
    """The key under which the objects are filed that a policy selects."""

    policy: Ref


class SelectedObject(NamedTuple):
    """An object that a policy selects.

    Attributes:
        place: the place of the selector in the policy.
        permitted: whether the policy may be for the object; otherwise it has no effect there.
        object: the object.
    """

    place: int
    permitted: bool
    object: Ref


FiledPolicy = tuple[Ref | PolicyShard | Selection | Names, AttachedPolicy | Ref | SelectedObject]


def _partition_of(key: Ref | PolicyShard | Selection | Names) -> str:
    return "" if isinstance(key, Selection) else key.namespace


def _partitions(_: Db, ref: Ref) -> tuple[str, ...]:
    return ref.namespace, ""


@index(Route, ListenerOwner, partitions=_partitions, partition_of=_partition_of)
def selected_policies(db: Db, ref: Ref) -> Iterator[FiledPolicy]:
    """File the policies that select an object under the object and its shard, and the object under each of them.

    Where a policy names an object that does not exist, those that do are filed too: one of them may be meant.
    """
    yield from _filed(db, ref, shard(ref))


# Services and backends of other kinds are apart: what holds up one, such as a kind that cannot be listed, does not hold
# up the other.
@index(Service, partitions=_partitions, partition_of=_partition_of)
def policies_of_services(db: Db, ref: Ref) -> Iterator[FiledPolicy]:
    """File the same for a Service, and under `BACKENDS`."""
    yield from _filed(db, ref, backend_shard(ref), BACKENDS)


@index(BackendObject, partitions=_partitions, partition_of=_partition_of)
def policies_of_backends(db: Db, ref: Ref) -> Iterator[FiledPolicy]:
    """File the same for a backend of another kind."""
    yield from _filed(db, ref, backend_shard(ref), BACKENDS)


SELECTED: Final = (selected_policies, policies_of_services, policies_of_backends)
"""The indexes of what policies select."""


def selected_of(db: Db, kind: str) -> Index[Any, Any]:
    """Return the one of these indexes that objects of a kind are filed in."""
    if kind == Service.kind:
        return policies_of_services
    model = db.registry.kinds.get(kind)
    of_backends = model is not None and db.registry.backend_of(model.group, kind) is not None
    return policies_of_backends if of_backends else selected_policies


def selected_in(shard: PolicyShard) -> Index[Any, Any]:
    """Return the one of these indexes that the objects of a shard are filed in."""
    if shard.number >= 2 * SHARDS:
        return policies_of_backends
    return policies_of_services if shard.number >= SHARDS else selected_policies


def selected_objects(db: Db, policy: Ref, kinds: Iterable[str]) -> tuple[SelectedObject, ...]:
    """Return the objects that a policy selects, of the kinds that its selectors name."""
    indexes = dict.fromkeys(selected_of(db, each) for each in kinds)
    found = (each for one in indexes for each in db.select(one, Selection(policy)))
    return tuple(each for each in found if isinstance(each, SelectedObject))


def _filed(db: Db, ref: Ref, *shards: PolicyShard) -> Iterator[FiledPolicy]:
    if not is_looked_for(db, ref.kind, ref.namespace):
        return
    if is_missed(db, names := Names(ref.kind, ref.namespace)):
        yield names, ref
    found = db.get(db.registry.kinds[ref.kind], ref) if may_select(db, ref.kind, ref.namespace) else None
    for selector_ref, selector in _selecting(db, found) if found is not None else ():
        creation_time, policy, place = selector_ref
        permitted = is_permitted(db, policy, ref, by_labels=True)
        yield Selection(policy), SelectedObject(place, permitted, ref)
        if permitted:
            yield ref, attached(policy, selector.section_name or "", creation_time, by_labels=True)
            yield from ((each, ref) for each in shards)


def _selecting(db: Db, found: KubernetesObject) -> Iterator[tuple[SelectorRef, TargetSelector]]:
    """Yield the selectors that select an object."""
    for label in (ANY_LABEL, *found.metadata.labels.items()):
        for namespace in (found.metadata.namespace, ""):
            for each in db.select(selectors, Reach(found.kind, namespace, *label)):
                selector = target_selector(db, each.policy, each.place)
                if selector is not None and _selects(db, each.policy, selector, found):
                    yield each, selector


def _selects(db: Db, policy: Ref, selector: TargetSelector, found: KubernetesObject) -> bool:
    namespace = found.metadata.namespace
    if found.group != selector.group or not selector.matches(found.metadata.labels):
        return False
    if (labels := selector.reach.selector) is not None:
        return labels.matches(namespace_labels(db, namespace))
    return selector.reach.from_ == "All" or namespace == policy.namespace
