"""Pods by their labels, as endpoints: those of folders, and of a cluster those that are selected (`PodSelection`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

from translator.db import Db
from translator.engine.query import index, query
from translator.objects.kubernetes.workloads import MANAGED_BY, Pod, PodSelection
from translator.refs import Ref


class PodLabel(NamedTuple):
    """A label of pods in a namespace."""

    namespace: str
    key: str
    value: str


class ServingPod(NamedTuple):
    """What of a pod matters to those who send it requests.

    Attributes:
        address: its IP address.
        zone: where it is; "" where that is not known.
        terminating: whether it is about to go.
    """

    address: str
    zone: str
    terminating: bool


@index(Pod.kind, partitions=lambda _, ref: (ref.namespace,), partition_of=attrgetter("namespace"))
def labelled_pods(db: Db, ref: Ref) -> Iterator[tuple[PodLabel, Ref]]:
    """File pods under each of their labels, but for the proxies."""
    found = db.get(Pod, ref)
    labels = found.metadata.labels if found is not None else {}
    name, _, own = MANAGED_BY.partition("=")
    if labels.get(name) != own:
        for key, value in labels.items():
            yield PodLabel(ref.namespace, key, value), ref


def pods_with(db: Db, namespace: str, labels: Mapping[str, str]) -> tuple[Ref, ...]:
    """Return the pods of a namespace that have all labels, of which there is one at least, sorted by name.

    Raises:
        NotSyncedError: they are not known yet.
    """
    db.input(PodSelection.kind, PodSelection.of(namespace, labels))  # has them read, in a cluster
    found = [db.select(labelled_pods, PodLabel(namespace, key, value)) for key, value in sorted(labels.items())]
    return tuple(sorted(set(found[0]).intersection(*found[1:])))


@query
def serving_pod(db: Db, ref: Ref) -> ServingPod | None:
    """Return a pod that takes requests: it is ready; None if it does not. What else changes of it changes nothing."""
    found = db.get(Pod, ref)
    if found is None or not found.status.pod_ip:
        return None
    ready = any(each.type == "Ready" and each.status == "True" for each in found.status.conditions)
    return ServingPod(found.status.pod_ip, found.zone, found.terminating) if ready else None
