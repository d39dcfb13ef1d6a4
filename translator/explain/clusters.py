"""Clusters of a snapshot, and the endpoints that requests can go to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.core.v3.address_pb2 import Address
from headgate_proto.envoy.config.core.v3.health_check_pb2 import DEGRADED, HEALTHY, UNKNOWN
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from headgate_proto.envoy.extensions.clusters.aggregate.v3.cluster_pb2 import ClusterConfig
from translator.envoy.names import object_of_cluster
from xds import CLUSTER, ENDPOINT, Reference, Snapshot

BY_ITSELF = "what the cluster finds by the request"
USABLE = (HEALTHY, UNKNOWN, DEGRADED)


@dataclass(frozen=True, slots=True)
class ClusterTarget:
    """What a cluster's name leads to.

    Attributes:
        cluster: the name.
        exists: whether there is such a cluster.
        endpoints: the addresses of its endpoints, or the name that Envoy resolves.
        resolved: the name that Envoy resolves; "" if it need not.
        member: of a cluster that is others in their order, the first of these that has endpoints; "" of any other.
    """

    cluster: str
    exists: bool = False
    endpoints: tuple[str, ...] = ()
    resolved: str = ""
    member: str = ""

    @property
    def backend(self) -> str:
        """The object and its port, which the name of a backend's cluster says."""
        return object_of_cluster(self.member or self.cluster) if self.exists else ""


def target(snapshot: Snapshot, name: str) -> ClusterTarget:
    """Return what a cluster's name leads to."""
    resource = snapshot.get(Reference(CLUSTER, name))
    if resource is None:
        return ClusterTarget(name)
    cluster = Cluster.FromString(resource.body)
    members = ClusterConfig()
    if cluster.cluster_type.typed_config.Unpack(members):
        return _first_usable(snapshot, name, members.clusters)
    if cluster.HasField("cluster_type"):
        return ClusterTarget(name, True, (BY_ITSELF,))
    assignment = cluster.load_assignment
    if cluster.type == Cluster.EDS:
        found = snapshot.get(Reference(ENDPOINT, cluster.eds_cluster_config.service_name or name))
        assignment = ClusterLoadAssignment.FromString(found.body) if found is not None else assignment
    endpoints = tuple(
        _text(each.endpoint.address)
        for group in assignment.endpoints
        for each in group.lb_endpoints
        if each.health_status in USABLE and not _is_nowhere(each.endpoint.address)
    )
    resolves = cluster.type in (Cluster.STRICT_DNS, Cluster.LOGICAL_DNS)
    return ClusterTarget(name, True, endpoints, endpoints[0].rpartition(":")[0] if resolves and endpoints else "")


def _is_nowhere(address: Address) -> bool:
    """Whether no connection can be made to an address: providers of AI have such ones, at which attempts fail."""
    return address.HasField("socket_address") and address.socket_address.port_value == 0


def _first_usable(snapshot: Snapshot, name: str, members: Iterable[str]) -> ClusterTarget:
    """Return what a cluster leads to that is others in their order; which are healthy only Envoy knows."""
    found = (target(snapshot, each) for each in members)
    first = next((each for each in found if each.endpoints), ClusterTarget(name, True))
    return replace(first, cluster=name, member=first.cluster)


def _text(address: Address) -> str:
    found = address.socket_address
    host = f"[{found.address}]" if ":" in found.address else found.address
    return f"{host}:{found.port_value}" if address.HasField("socket_address") else address.pipe.path
