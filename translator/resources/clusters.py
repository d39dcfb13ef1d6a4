"""The queries that end in clusters and their endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

from translator.db import Db
from translator.engine.query import index, query
from translator.envoy import cluster as clusters
from translator.gateway import attachment
from translator.gateway.client_certificate import presented_certificate
from translator.gateway.reference_grants import Grantee, GrantTarget, granted
from translator.ir.backend import Backend
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.references import GATEWAY_GROUP, backend_references
from translator.objects.gateway_api.route import Route
from translator.policies.attachment import any_policies, backend_shard, may_have_backend_policies
from translator.refs import Ref
from translator.routes.policies import effective_rules
from xds import ENDPOINT, Resource


class BackendUse(NamedTuple):
    """A Gateway that a route is attached to, and the port of the backend that the route names."""

    gateway: Ref
    port: int


def _partitions(db: Db, route: Ref) -> Iterator[Ref | str]:
    yield from attachment.candidates(db, route)
    found = db.get(Route, route)
    for each in backend_references(found.spec) if found is not None else ():
        yield each.namespace or route.namespace


def _partition_of(key: Ref) -> Ref | str:
    return key if key.kind == Gateway.kind else key.namespace


@index(Route, partitions=_partitions, partition_of=_partition_of)
def backends(db: Db, route: Ref) -> Iterator[tuple[Ref, Backend | BackendUse]]:
    """File every backend that a route can send requests to under the Gateways that it is attached to.

    Those of connections and datagrams are not filed: they are in the IR of the ports, of the routes that serve.
    Whether a Gateway presents a certificate to them is no part of it: `gateway_backends` says so.

    These Gateways are filed too under those objects that the route names as backends and that may have policies,
    whether or not they can be served: they are the ancestors of such policies.
    """
    stacks = dict.fromkeys(
        (parent.gateway, binding.stack, binding.table.passthrough)
        for parent in attachment.attachment(db, route)
        for binding in parent.bindings
    )
    used: dict[tuple[Ref, Backend], None] = {}
    for gateway, stack, _ in stacks:
        for rule in effective_rules(db, route, stack, None):
            used |= dict.fromkeys((gateway, each) for each in rule.value.all_backends)
    yield from used
    if stacks and may_have_backend_policies(db):
        yield from _uses(db, route, dict.fromkeys(gateway for gateway, _, passthrough in stacks if not passthrough))


def _uses(db: Db, route: Ref, gateways: Iterable[Ref]) -> Iterator[tuple[Ref, BackendUse]]:
    found = db.get(Route, route)
    used: dict[tuple[Ref, BackendUse], None] = {}
    for each in backend_references(found.spec) if found is not None else ():
        ref = Ref(each.kind, each.namespace or route.namespace, each.name)
        if db.registry.backend_of(each.group, each.kind) is None or not any_policies(db, backend_shard(ref)):
            continue
        grantee = Grantee(GATEWAY_GROUP, route.kind, route.namespace, ref.namespace)
        if granted(db, grantee, GrantTarget(each.group, each.kind, each.name)):
            used |= dict.fromkeys((ref, BackendUse(gateway, each.port or 0)) for gateway in gateways)
    yield from used


def gateway_backends(db: Db, gateway: Ref) -> Sequence[Backend]:
    """Return the backends that a Gateway's routes send requests to."""
    found = cast(Sequence[Backend], db.select(backends, gateway))
    certificate = presented_certificate(db, gateway)
    return found if certificate is None else [each.presenting(certificate) for each in found]


def backend_uses(db: Db, backend: Ref) -> Sequence[BackendUse]:
    """Return the Gateways whose routes name a backend; empty while there is no policy for it."""
    return cast(Sequence[BackendUse], db.select(backends, backend))


@query
def closed_resource(db: Db) -> Resource | None:
    """Return the ``Cluster`` without endpoints, for connections that are closed."""
    return Resource.pack(clusters.closed_cluster())


@query
def cluster_resource(db: Db, backend: Backend) -> Resource | None:
    """Return the ``Cluster`` of a backend."""
    return Resource.pack(clusters.cluster(backend, db.settings.descriptors))


@query
def endpoints_resource(db: Db, backend: Backend) -> Resource | None:
    """Return the ``ClusterLoadAssignment`` of a backend; there for every backend, if need be empty."""
    endpoints = db.registry.backend(backend.key.kind).endpoints
    message = clusters.load_assignment(backend, endpoints(db, backend))
    return Resource.of(ENDPOINT, message.cluster_name, message.SerializeToString(deterministic=True))
