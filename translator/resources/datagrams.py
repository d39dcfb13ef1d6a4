"""The queries that end in the cluster of a port of UDP, and in its endpoints."""

from __future__ import annotations

from translator.backends.reference import backend_endpoints
from translator.db import Db
from translator.engine.query import query
from translator.envoy.udp_proxy import datagram_assignment, datagram_cluster
from translator.gateway.ports import gateway_ports
from translator.ir.listener import RouteConfigKey, SocketPort
from translator.refs import Ref
from translator.resources.listeners import is_served, l4_chain
from xds import ENDPOINT, Resource


@query
def datagram_cluster_resource(db: Db, gateway: Ref, port: SocketPort) -> Resource | None:
    """Return the ``Cluster`` of a port of UDP; no route changes it."""
    descriptors = db.settings.descriptors
    if descriptors is None:
        return Resource.pack(datagram_cluster(port))
    return Resource.pack(datagram_cluster(port, descriptors, _shares(db, gateway)))


@query
def _shares(db: Db, gateway: Ref) -> int:
    """Return into how many shares the sessions of a Gateway are divided: one for each port of UDP.

    The number is rounded up to a power of two, so that it seldom changes: a changed cluster ends its sessions.
    """
    served = sum(each.protocol == "UDP" and is_served(db, gateway, each) for each in gateway_ports(db, gateway))
    return 1 << max(0, served - 1).bit_length()


@query
def datagram_endpoints_resource(db: Db, table: RouteConfigKey) -> Resource | None:
    """Return the ``ClusterLoadAssignment`` of a port of UDP: the endpoints of all backends of its oldest route."""
    shares = [
        (each.backend, each.weight, backend_endpoints(db, each.backend) if each.backend is not None else ())
        for each in l4_chain(db, table, "").backends
    ]
    message = datagram_assignment(table.socket_port, shares)
    return Resource.of(ENDPOINT, message.cluster_name, message.SerializeToString(deterministic=True))
