"""Resources for pushes: a route configuration of some size, and the endpoints of clusters."""

from __future__ import annotations

from headgate_proto.envoy.config.endpoint.v3 import endpoint_pb2
from headgate_proto.envoy.config.route.v3 import route_pb2
from xds import Resource

KEY = "bench"
ROUTES = "routes"
CLUSTERS = 100
"""The number of clusters, each with `ENDPOINTS` endpoints."""
ENDPOINTS = 20


def table(size: int, number: int) -> Resource:
    """Return a route configuration of about `size` bytes, different for each number."""
    message = route_pb2.RouteConfiguration(name=ROUTES)
    host = message.virtual_hosts.add(name="all", domains=["*"])
    for index in range(size // 50):
        route = host.routes.add()
        route.match.prefix = f"/number-{number:06}/route-{index:05}"
        route.route.cluster = f"cluster-{index:05}"
    return Resource.pack(message)


def assignment(cluster: int, number: int = 0) -> Resource:
    """Return the endpoints of a cluster; the port of one of them depends on the number."""
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=f"cluster-{cluster:05}")
    locality = message.endpoints.add()
    for index in range(ENDPOINTS):
        address = locality.lb_endpoints.add().endpoint.address.socket_address
        address.address, address.port_value = f"10.0.{cluster}.{index}", 8080 + (number if index == 0 else 0)
    return Resource.pack(message)


def world(size: int) -> list[Resource]:
    """Return the initial resources: the route configuration of that size, and the endpoints of all clusters."""
    return [table(size, 0), *(assignment(cluster) for cluster in range(CLUSTERS))]
