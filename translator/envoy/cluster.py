"""Envoy's ``Cluster`` and ``ClusterLoadAssignment``, made from the IR's backends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import ip_address
from itertools import groupby

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from headgate_proto.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from translator.envoy.config_source import ADS
from translator.envoy.descriptors import limited
from translator.envoy.hooks import CLUSTER, ENDPOINTS
from translator.envoy.names import CLOSED, PROXIES, cluster_name
from translator.ir.backend import Backend, BackendEndpoint, Protocol

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONNECT_TIMEOUT_SECONDS = 5
PER_CONNECTION_BUFFER_BYTES = 32768
UNLIMITED = 1024 * 1024
"""Envoy's own limit of 1,024 requests at once would answer 503 where nobody asked for a limit."""


def cluster(backend: Backend, descriptors: int | None = None) -> cluster_pb2.Cluster:
    """Make the cluster of a backend: its endpoints by EDS, or a name that Envoy resolves.

    Args:
        backend: the backend.
        descriptors: how many file descriptors the proxy may have; None if that need not be considered.
    """
    made = cluster_pb2.Cluster()
    made.CopyFrom(_any_cluster(descriptors))
    made.name = cluster_name(backend)
    if backend.named:
        made.type = discovery_type(each.address for each in backend.named)
        made.dns_lookup_family = cluster_pb2.Cluster.V4_PREFERRED
        made.load_assignment.CopyFrom(load_assignment(backend, backend.named))
    elif backend.has_assignment:
        made.type = cluster_pb2.Cluster.EDS
        made.eds_cluster_config.eds_config.CopyFrom(ADS)
    if backend.protocol == Protocol.H2C.value:
        with http_options(made) as options:
            options.explicit_http_config.http2_protocol_options.SetInParent()
    for each in CLUSTER.of(backend.settings):
        each.apply_to_cluster(made, backend)
    return made


@lru_cache(maxsize=8)
def _any_cluster(descriptors: int | None) -> cluster_pb2.Cluster:
    """Return what all clusters have alike."""
    made = cluster_pb2.Cluster(lb_policy=cluster_pb2.Cluster.LEAST_REQUEST)
    made.connect_timeout.seconds = CONNECT_TIMEOUT_SECONDS
    made.per_connection_buffer_limit_bytes.value = PER_CONNECTION_BUFFER_BYTES
    limits = made.circuit_breakers.thresholds.add()
    for field in ("max_pending_requests", "max_requests", "max_retries"):
        getattr(limits, field).value = UNLIMITED
    limits.max_connections.value = limited(UNLIMITED, descriptors)
    return made


def closed_cluster() -> cluster_pb2.Cluster:
    """Make the cluster without endpoints: Envoy closes the connections that it would forward to it."""
    return cluster_pb2.Cluster(name=CLOSED, type=cluster_pb2.Cluster.STATIC)


@contextmanager
def http_options(cluster: cluster_pb2.Cluster) -> Iterator[HttpProtocolOptions]:
    """Give the ``HttpProtocolOptions`` of a cluster to change; it has none where all is Envoy's default, HTTP/1.1."""
    options = HttpProtocolOptions()
    packed = cluster.typed_extension_protocol_options[HTTP_OPTIONS]
    packed.Unpack(options)
    yield options
    if not options.WhichOneof("upstream_protocol_options"):
        options.explicit_http_config.http_protocol_options.SetInParent()
    packed.Pack(options, deterministic=True)


def options_of(cluster: cluster_pb2.Cluster) -> HttpProtocolOptions:
    """Return a copy of the ``HttpProtocolOptions`` of a cluster, empty ones if it has none."""
    options = HttpProtocolOptions()
    if HTTP_OPTIONS in cluster.typed_extension_protocol_options:
        cluster.typed_extension_protocol_options[HTTP_OPTIONS].Unpack(options)
    return options


def speaks_http2(cluster: cluster_pb2.Cluster) -> bool:
    """Return whether requests go to a cluster by HTTP/2."""
    return options_of(cluster).explicit_http_config.HasField("http2_protocol_options")


def speaks_http3(cluster: cluster_pb2.Cluster) -> bool:
    """Return whether requests go to a cluster by HTTP/3, if only where UDP gets through."""
    options = options_of(cluster)
    explicit, auto = options.explicit_http_config, options.auto_config
    return explicit.HasField("http3_protocol_options") or auto.HasField("http3_protocol_options")


def spoken(cluster: cluster_pb2.Cluster) -> tuple[str, ...]:
    """Return what is spoken to a cluster, by the names of ALPN; empty where Envoy says it for each connection."""
    options = options_of(cluster)
    if options.WhichOneof("upstream_protocol_options") in ("use_downstream_protocol_config", "auto_config"):
        return ()
    if options.explicit_http_config.HasField("http3_protocol_options"):
        return ()
    return ("h2",) if options.explicit_http_config.HasField("http2_protocol_options") else ("http/1.1",)


def load_assignment(backend: Backend, endpoints: Iterable[BackendEndpoint]) -> endpoint_pb2.ClusterLoadAssignment:
    """Make the assignment of a backend's cluster: if need be an empty one, since a cluster without cannot warm.

    It has zones only if a setting uses them: once it knows in which zones the proxies are, Envoy prefers its own for
    every cluster of six endpoints in several zones, and a policy for one backend would change where requests to others
    go.
    """
    if not any(each.uses_zones for each in backend.settings):
        endpoints = (each._replace(zone="") for each in endpoints)
    made = _assignment(cluster_name(backend), endpoints)
    for setting in ENDPOINTS.of(backend.settings):
        setting.apply_to_endpoints(made)
    return made


def proxies_assignment(proxies: Iterable[BackendEndpoint]) -> endpoint_pb2.ClusterLoadAssignment:
    """Make the assignment of the cluster of a Gateway's own proxies, by zone."""
    return _assignment(PROXIES, proxies)


def _assignment(name: str, endpoints: Iterable[BackendEndpoint]) -> endpoint_pb2.ClusterLoadAssignment:
    made = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    found = sorted(endpoints, key=_place)
    # Envoy takes no assignment in which a priority has no endpoints.
    used = sorted({each.priority for each in found})
    for (priority, zone), group in groupby(found, key=_place):
        locality = made.endpoints.add(priority=used.index(priority))
        if zone:
            locality.locality.zone = zone
        for each in group:
            locality.lb_endpoints.append(endpoint(each))
    return made


def _place(endpoint: BackendEndpoint) -> tuple[int, str]:
    return endpoint.priority, endpoint.zone


def endpoint(found: BackendEndpoint) -> endpoint_components_pb2.LbEndpoint:
    """Make an endpoint of an assignment."""
    made = endpoint_components_pb2.LbEndpoint()
    if found.address.startswith("/"):
        made.endpoint.address.pipe.path = found.address
    else:
        address = made.endpoint.address.socket_address
        address.address, address.port_value = found.address, found.port
    if found.weight:
        made.load_balancing_weight.value = found.weight
    return made


def discovery_type(hosts: Iterable[str]) -> cluster_pb2.Cluster.DiscoveryType:
    """Say how Envoy finds hosts that it is told by name: IP addresses are where they are, any other it resolves."""
    try:
        for each in hosts:
            ip_address(each)
    except ValueError:
        return cluster_pb2.Cluster.STRICT_DNS
    return cluster_pb2.Cluster.STATIC
