"""Envoy's ``Cluster`` and ``ClusterLoadAssignment``, made from the IR's backends."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from itertools import groupby

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from headgate_proto.envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from translator.envoy.config_source import ADS
from translator.envoy.names import cluster_name
from translator.ir.backend import Backend, BackendEndpoint, Protocol

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONNECT_TIMEOUT_SECONDS = 5
PER_CONNECTION_BUFFER_BYTES = 32768
UNLIMITED = 1024 * 1024
"""Envoy's own limit of 1,024 requests at once would answer 503 where nobody asked for a limit."""


def cluster(backend: Backend) -> cluster_pb2.Cluster:
    """Make the cluster of a backend: its endpoints by EDS, or a name that Envoy resolves."""
    made = cluster_pb2.Cluster(name=cluster_name(backend))
    made.connect_timeout.seconds = CONNECT_TIMEOUT_SECONDS
    made.per_connection_buffer_limit_bytes.value = PER_CONNECTION_BUFFER_BYTES
    made.lb_policy = cluster_pb2.Cluster.LEAST_REQUEST
    limits = made.circuit_breakers.thresholds.add()
    for field in ("max_connections", "max_pending_requests", "max_requests", "max_retries"):
        getattr(limits, field).value = UNLIMITED
    if backend.hostname:
        made.type = discovery_type(backend.hostname)
        made.dns_lookup_family = cluster_pb2.Cluster.V4_PREFERRED
        made.load_assignment.CopyFrom(load_assignment(backend, [BackendEndpoint(backend.hostname, backend.port)]))
    else:
        made.type = cluster_pb2.Cluster.EDS
        made.eds_cluster_config.eds_config.CopyFrom(ADS)
    if options := _http_options(backend):
        made.typed_extension_protocol_options[HTTP_OPTIONS].Pack(options, deterministic=True)
    return made


def _http_options(backend: Backend) -> http_protocol_options_pb2.HttpProtocolOptions | None:
    """Make what is not Envoy's default of HTTP/1.1 without a limit; None if nothing is."""
    http2 = backend.protocol == Protocol.H2C.value
    if not http2 and not backend.max_stream_duration:
        return None
    options = http_protocol_options_pb2.HttpProtocolOptions()
    config = options.explicit_http_config
    (config.http2_protocol_options if http2 else config.http_protocol_options).SetInParent()
    if backend.max_stream_duration:
        options.common_http_protocol_options.max_stream_duration.FromMilliseconds(backend.max_stream_duration)
    return options


def load_assignment(backend: Backend, endpoints: Iterable[BackendEndpoint]) -> endpoint_pb2.ClusterLoadAssignment:
    """Make the assignment of a backend's cluster: if need be an empty one, since a cluster without cannot warm."""
    made = endpoint_pb2.ClusterLoadAssignment(cluster_name=cluster_name(backend))
    for zone, group in groupby(sorted(endpoints, key=lambda each: each.zone), key=lambda each: each.zone):
        locality = made.endpoints.add()
        if zone:
            locality.locality.zone = zone
        for each in group:
            locality.lb_endpoints.append(_endpoint(each))
    return made


def _endpoint(endpoint: BackendEndpoint) -> endpoint_components_pb2.LbEndpoint:
    made = endpoint_components_pb2.LbEndpoint()
    address = made.endpoint.address.socket_address
    address.address, address.port_value = endpoint.address, endpoint.port
    return made


def discovery_type(host: str) -> cluster_pb2.Cluster.DiscoveryType:
    """Say how Envoy finds a host that it is told by name: an IP address is where it is, any other it resolves."""
    try:
        ip_address(host)
    except ValueError:
        return cluster_pb2.Cluster.STRICT_DNS
    return cluster_pb2.Cluster.STATIC
