"""The queries that end in clusters and their endpoints."""

from __future__ import annotations

from collections.abc import Iterator

from translator.db import Db
from translator.engine.query import index, query
from translator.envoy import cluster as clusters
from translator.gateway import attachment
from translator.ir.backend import Backend
from translator.objects.gateway_api.route import Route
from translator.refs import Ref
from translator.routes.policies import effective_rules
from xds import ENDPOINT, Resource


@index(Route, partitions=attachment.candidates)
def backends(db: Db, route: Ref) -> Iterator[tuple[Ref, Backend]]:
    """File every backend that a route can send requests to under the Gateways that it is attached to."""
    stacks = dict.fromkeys(
        (parent.gateway, binding.stack) for parent in attachment.attachment(db, route) for binding in parent.bindings
    )
    used: dict[tuple[Ref, Backend], None] = {}
    for gateway, stack in stacks:
        for rule in effective_rules(db, route, stack):
            used |= dict.fromkeys((gateway, each) for each in rule.value.all_backends)
    yield from used


@query
def cluster_resource(db: Db, backend: Backend) -> Resource | None:
    """Return the ``Cluster`` of a backend."""
    return Resource.pack(clusters.cluster(backend))


@query
def endpoints_resource(db: Db, backend: Backend) -> Resource | None:
    """Return the ``ClusterLoadAssignment`` of a backend; there for every backend, if need be empty."""
    endpoints = db.registry.backend(backend.key.kind).endpoints
    message = clusters.load_assignment(backend, endpoints(db, backend))
    return Resource.of(ENDPOINT, message.cluster_name, message.SerializeToString(deterministic=True))
