"""The health of a Gateway's proxies: running pods, readiness, and problems of all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Final

from translator.backends.own_service import OwnService
from translator.backends.service import Slices, slices
from translator.db import Db
from translator.engine.query import index, query
from translator.infrastructure.names import GATEWAY_NAME, label_value, own_service_name, resource_name
from translator.infrastructure.own_service import INSTANCE, NAME, OWN_SERVICES, app_name
from translator.infrastructure.pod_failures import pod_failures
from translator.objects.kubernetes.endpointslice import EndpointSlice
from translator.objects.kubernetes.service import Service
from translator.objects.kubernetes.workloads import DaemonSet, Deployment, Pod, Workload, WorkloadCondition
from translator.outcome import Problem
from translator.refs import Ref

MOST_FAILURES: Final = 3
"""Most different failures of pods in a condition."""

_APPLICATIONS: Final = frozenset(map(app_name, OWN_SERVICES))

SHORTAGES: Final = ("exceeded quota", "Insufficient ", "Unschedulable")
"""Words in messages that mean a lack of resources."""


@index(Pod.kind, partitions=lambda _, pod: (pod.namespace,), partition_of=itemgetter(0))
def pods(db: Db, pod: Ref) -> Iterator[tuple[tuple[str, str], Ref]]:
    """Index the proxies' pods by namespace and label of their Gateway."""
    found = db.get(Pod, pod)
    if found is not None and GATEWAY_NAME in found.metadata.labels:
        yield (pod.namespace, found.metadata.labels[GATEWAY_NAME]), pod


@index(Pod.kind, partitions=lambda _, pod: (pod.namespace,), partition_of=itemgetter(0))
def service_pods(db: Db, pod: Ref) -> Iterator[tuple[tuple[str, str, str], Ref]]:
    """Index the pods of Headgate's own services by namespace, name of the application and name of the service."""
    found = db.get(Pod, pod)
    labels = found.metadata.labels if found is not None else {}
    if labels.get(NAME) in _APPLICATIONS and INSTANCE in labels:
        yield (pod.namespace, labels[NAME], labels[INSTANCE]), pod


def running(db: Db, gateway: Ref) -> Iterator[Pod]:
    """Yield the pods of a Gateway's proxies, except those that are terminating."""
    return _there(db, db.select(pods, (gateway.namespace, label_value(gateway.name))))


def _there(db: Db, refs: Iterable[Ref]) -> Iterator[Pod]:
    for ref in refs:
        found = db.get(Pod, ref)
        if found is not None and not found.terminating:
            yield found


@query
def workload_problems(db: Db, gateway: Ref) -> tuple[Problem, ...]:
    """Return why proxies of a Gateway do not start; nothing while they are starting."""
    texts = [*_of_workload(db, gateway), *_of_pods(running(db, gateway))]
    if not texts:
        return ()
    text = " ".join(texts)
    short = any(words in text for words in SHORTAGES)
    return (Problem("Programmed", "NoResources" if short else "Pending", text),)


@query
def has_ready_endpoint(db: Db, gateway: Ref) -> bool:
    """Return whether a proxy is a ready endpoint of the Gateway's Service; assumed for self-managed proxies.

    A ready pod is not enough: it gets no traffic until it is in an EndpointSlice.
    """
    service = Ref(Service.kind, gateway.namespace, resource_name(gateway))
    return not _workloads(db, gateway) or any(_has_ready(db, each) for each in db.select(slices, Slices(service)))


def service_problem(db: Db, gateway: Ref, service: OwnService) -> str:
    """Return why a service of a Gateway is not available, or some of its pods fail; "" if all is well."""
    ref = Ref(Deployment.kind, gateway.namespace, own_service_name(service.prefix, gateway))
    found = db.get(Deployment, ref)
    bad = [each for each in found.status.conditions if _bad(each) or _unavailable(each)] if found is not None else []
    failures = list(_of_pods(_there(db, db.select(service_pods, (gateway.namespace, app_name(service), ref.name)))))
    if not bad:
        return " ".join(failures)
    texts = (f"{each.reason}: {each.message}" for each in bad)
    reasons = "; ".join(each.rstrip(".") for each in (*texts, *failures))
    return f"The {service.noun} is not available ({ref}: {reasons}): {service.without}."


def _has_ready(db: Db, ref: Ref) -> bool:
    found = db.get(EndpointSlice, ref)
    return found is not None and any(each.ready for each in found.endpoints)


def _workloads(db: Db, gateway: Ref) -> list[Workload]:
    models: tuple[type[Workload], ...] = (Deployment, DaemonSet)
    found = (db.get(each, Ref(each.kind, gateway.namespace, resource_name(gateway))) for each in models)
    return [each for each in found if each is not None]


def _of_workload(db: Db, gateway: Ref) -> Iterator[str]:
    for found in _workloads(db, gateway):
        for each in found.status.conditions:
            if _bad(each):
                yield f"{found.kind} {found.metadata.name}: {each.reason}: {each.message.rstrip('.')}."

        yield from _of_daemons(found)


def _of_daemons(found: Workload) -> Iterator[str]:
    """Yield the problem of denied pods, which a DaemonSet reports only in Events; a missing pod may still start."""
    wanted, there = found.status.desired_number_scheduled, found.status.current_number_scheduled
    if there < wanted and (not there or wanted - there > 1):
        name = f"{found.kind} {found.metadata.name}"
        look = f"kubectl describe daemonset {found.metadata.name} --namespace {found.metadata.namespace}"
        yield f"{name}: {there} of {wanted} pods are there; its events tell why (`{look}`)."


def _unavailable(condition: WorkloadCondition) -> bool:
    return (condition.type, condition.status) == ("Available", "False")


def _bad(condition: WorkloadCondition) -> bool:
    return (condition.type, condition.status) in (("ReplicaFailure", "True"), ("Progressing", "False"))


def _of_pods(found: Iterable[Pod]) -> Iterator[str]:
    """Yield the failures of pods, each once, with the first pod that has it."""
    failing: dict[str, list[str]] = {}
    for pod in found:
        reason = next(pod_failures(pod), "")
        if reason:
            failing.setdefault(reason, []).append(pod.metadata.name)
    for reason, (first, *others) in islice(failing.items(), MOST_FAILURES):
        more = f" and {len(others)} more" if others else ""
        yield f"Pod {first}{more}: {reason.rstrip('.')}."
