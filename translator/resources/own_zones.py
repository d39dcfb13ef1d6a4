"""The zones of a Gateway's own proxies, from which Envoy computes how many requests leave its zone."""

from __future__ import annotations

from collections.abc import Iterable

from translator.db import Db
from translator.engine.query import NotSyncedError, query
from translator.envoy.cluster import proxies_assignment
from translator.infrastructure.parameters import parameters
from translator.infrastructure.workload_health import running
from translator.ir.backend import BackendEndpoint, BackendSetting
from translator.objects.kubernetes.workloads import ZONE
from translator.refs import Ref
from xds import ENDPOINT, Resource

HERE = BackendEndpoint("127.0.0.1", 1)
"""Stands for the one proxy of a machine; nothing is sent to it."""


def compares_zones(settings: Iterable[BackendSetting]) -> bool:
    """Return whether Envoy must know in which zones the proxies are, by one of the settings of a backend."""
    return any(each.compares_zones for each in settings)


@query
def proxies(db: Db, gateway: Ref) -> tuple[BackendEndpoint, ...]:
    """Return the proxies of a Gateway whose zone is known, in the order of their addresses.

    An edit of a pod that moves none of them changes nothing. None are known while pods are not: the preference for a
    zone must not hold up everything else (ADR 12).
    """
    if db.settings.standalone:
        return (HERE._replace(zone=db.settings.zone),) if db.settings.zone else ()
    try:
        found = [
            BackendEndpoint(each.status.pod_ip, 1, each.zone)
            for each in running(db, gateway)
            if each.zone and each.status.pod_ip
        ]
    except NotSyncedError:
        return ()
    return tuple(sorted(found))


@query
def zone_obstacle(db: Db, gateway: Ref) -> str:
    """Return why no proxy of a Gateway can prefer its zone; "" if one can, or nothing is known of proxies yet."""
    if db.settings.offline or proxies(db, gateway):
        return ""
    if db.settings.standalone:
        return "the zone of this machine is not known; start `headgate run` with --zone"
    chosen = parameters(db, gateway).value
    if chosen is not None and chosen.self_managed:
        return "its proxies are self-managed, and Headgate does not know in which zones they are; remove it"
    try:
        there = any(each.status.pod_ip for each in running(db, gateway))
    except NotSyncedError:
        return ""
    way = "Kubernetes sets it by PodTopologyLabels (1.35), or commonLabels of GatewayParameters do"
    return f"none of the pods of its proxies has the label {ZONE}; {way}" if there else ""


@query
def no_proxies_resource(db: Db) -> Resource | None:
    """Return the empty ``ClusterLoadAssignment`` of Gateways none of whose backends prefers a zone.

    A proxy that connects again and has it needs no response, which it would need to a name of nothing.
    """
    message = proxies_assignment(())
    return Resource.of(ENDPOINT, message.cluster_name, message.SerializeToString(deterministic=True))


@query
def proxies_resource(db: Db, gateway: Ref) -> Resource | None:
    """Return the ``ClusterLoadAssignment`` of a Gateway's own proxies; their ports say nothing."""
    message = proxies_assignment(proxies(db, gateway))
    return Resource.of(ENDPOINT, message.cluster_name, message.SerializeToString(deterministic=True))
