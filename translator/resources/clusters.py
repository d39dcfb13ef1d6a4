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
from translator.routes.rules import rules
from xds import ENDPOINT, Resource


@index(Route, partitions=attachment.candidates)
def backends(db: Db, route: Ref) -> Iterator[tuple[Ref, Backend]]:
    """File every backend that a route can send requests to under the Gateways that it is attached to."""
    gateways = dict.fromkeys(each.gateway for each in attachment.attachment(db, route) if each.bindings)
    if gateways:
        used = dict.fromkeys(backend for each in rules(db, route) for backend in each.value.all_backends)
        for gateway in gateways:
            for backend in used:
                yield gateway, backend


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
