"""The queries that end in the cluster of a port of UDP, and in its endpoints."""

from __future__ import annotations

from translator.db import Db
from translator.engine.query import query
from translator.envoy.udp_proxy import datagram_assignment, datagram_cluster
from translator.ir.backend import Backend, BackendEndpoint
from translator.ir.listener import RouteConfigKey, SocketPort
from translator.resources.listeners import l4_chain
from xds import ENDPOINT, Resource


@query
def datagram_cluster_resource(db: Db, port: SocketPort) -> Resource | None:
    """Return the ``Cluster`` of a port of UDP; no route changes it."""
    return Resource.pack(datagram_cluster(port))


@query
def datagram_endpoints_resource(db: Db, table: RouteConfigKey) -> Resource | None:
    """Return the ``ClusterLoadAssignment`` of a port of UDP: the endpoints of all backends of its oldest route."""
    shares = [(each.backend, each.weight, _endpoints(db, each.backend)) for each in l4_chain(db, table, "").backends]
    message = datagram_assignment(table.socket_port, shares)
    return Resource.of(ENDPOINT, message.cluster_name, message.SerializeToString(deterministic=True))


def _endpoints(db: Db, backend: Backend | None) -> tuple[BackendEndpoint, ...]:
    if backend is None:
        return ()
    if backend.hostname:
        return (BackendEndpoint(backend.hostname, backend.port),)
    return db.registry.backend(backend.key.kind).endpoints(db, backend)
