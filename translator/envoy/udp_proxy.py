"""Envoy's UDP proxy: a listener, a cluster, and its endpoints for each port of UDP.

Envoy's UDP proxy has no weights of clusters. So each port has a cluster of its own, whose localities are the backends,
by their weights. Nothing of a route is in the listener or the cluster, but for what its policies set: a change of
routes changes the endpoints only, and ends no session but those with endpoints that are gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.endpoint.v3 import endpoint_pb2
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.extensions.filters.udp.udp_proxy.v3 import route_pb2, udp_proxy_pb2
from translator.envoy.cluster import endpoint
from translator.envoy.config_source import ADS
from translator.envoy.descriptors import limited
from translator.envoy.hooks import UDP_PROXY
from translator.envoy.names import cluster_name, listener_name
from translator.ir.backend import Backend, BackendEndpoint
from translator.ir.l4 import L4Setting
from translator.ir.listener import SocketPort

Share = tuple[Backend | None, int, tuple[BackendEndpoint, ...]]
"""A backend, its weight, and its endpoints; None where the reference is broken."""

IDLE_SESSION_SECONDS: Final = 60
"""How long a session, the datagrams between one client and its backend, may have none: Envoy's own default."""
MAX_SESSIONS: Final = 40_000
"""How many sessions a port has at once, each with a socket of its own: as many as a listener of TCP has connections."""
MAX_DATAGRAM_BYTES: Final = 65527
"""The longest payload that UDP has (by IPv6); Envoy drops datagrams of more than 1,500 bytes unless it is told."""
NOWHERE: Final = BackendEndpoint("127.0.0.1", 0)
"""Where datagrams go that no backend gets: no socket has port 0, and the kernel sends nothing to it."""


def forward_datagrams(listener: listener_pb2.Listener, port: SocketPort, settings: Iterable[L4Setting] = ()) -> None:
    """Complete the listener of a port of UDP; `settings` shape the sessions of its route."""
    name = listener_name(port)
    # Its datagrams are shared among the threads of the proxy by their source, so Envoy insists.
    listener.enable_reuse_port.value = True
    listener.udp_listener_config.downstream_socket_config.max_rx_datagram_size.value = MAX_DATAGRAM_BYTES
    proxy = udp_proxy_pb2.UdpProxyConfig(stat_prefix=name)
    route = proxy.matcher.on_no_match.action
    route.name = "route"
    route.typed_config.Pack(route_pb2.Route(cluster=name), deterministic=True)
    proxy.idle_timeout.seconds = IDLE_SESSION_SECONDS
    proxy.upstream_socket_config.max_rx_datagram_size.value = MAX_DATAGRAM_BYTES
    for setting in UDP_PROXY.of(settings):
        setting.apply_to_udp_proxy(proxy)
    added = listener.listener_filters.add(name="envoy.filters.udp_listener.udp_proxy")
    added.typed_config.Pack(proxy, deterministic=True)


def datagram_cluster(port: SocketPort, descriptors: int | None = None, ports: int = 1) -> cluster_pb2.Cluster:
    """Make the cluster of a port of UDP, with a bound for its sessions.

    Args:
        port: the port.
        descriptors: how many file descriptors the proxy may have; None if that need not be considered.
        ports: how many ports of UDP divide the descriptors for sessions among them.
    """
    made = cluster_pb2.Cluster(name=listener_name(port), type=cluster_pb2.Cluster.EDS)
    made.eds_cluster_config.eds_config.CopyFrom(ADS)
    made.lb_policy = cluster_pb2.Cluster.ROUND_ROBIN
    made.common_lb_config.locality_weighted_lb_config.SetInParent()
    made.circuit_breakers.thresholds.add().max_connections.value = limited(MAX_SESSIONS, descriptors, ports)
    return made


def datagram_assignment(port: SocketPort, shares: Iterable[Share]) -> endpoint_pb2.ClusterLoadAssignment:
    """Make the endpoints of a port of UDP.

    The share of what has no endpoints goes nowhere (`UDPRouteRule.backendRefs`). Where nothing has any, there are no
    endpoints at all: Envoy drops the datagrams, and makes no sessions for them.
    """
    made = endpoint_pb2.ClusterLoadAssignment(cluster_name=listener_name(port))
    weights: Counter[str] = Counter()
    endpoints: dict[str, tuple[BackendEndpoint, ...]] = {}
    for backend, weight, found in shares:
        # By its name: Envoy ends the sessions of an endpoint whose locality is another.
        region = cluster_name(backend) if backend is not None and found else ""
        weights[region] += weight
        endpoints[region] = found if region else (NOWHERE,)
    if endpoints.keys() - {""}:
        for region, weight in weights.items():
            locality = made.endpoints.add()
            locality.locality.region = region
            locality.load_balancing_weight.value = weight
            locality.lb_endpoints.extend(map(endpoint, endpoints[region]))
    return made
