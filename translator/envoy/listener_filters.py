"""Filters of listeners: two HTTP connection managers, of which the first runs them and the second chooses the route.

Envoy chooses the filters of a request by its route, once, before any of them runs: what a filter changes would lead to
a route whose own filters are missing. So the first manager has the listener's filters and one route for each listener;
it hands requests on to an internal listener, which has no socket, and a connection manager with the routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption, TransportSocket
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.config.route.v3 import route_pb2
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import (
    FilterChainConfigPerRoute,
)
from headgate_proto.envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import OriginalDst
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from headgate_proto.envoy.extensions.http.original_ip_detection.custom_header.v3.custom_header_pb2 import (
    CustomHeaderConfig,
)
from headgate_proto.envoy.extensions.transport_sockets.internal_upstream.v3.internal_upstream_pb2 import (
    InternalUpstreamTransport,
)
from headgate_proto.envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from translator.envoy.cluster import CONNECT_TIMEOUT_SECONDS, PER_CONNECTION_BUFFER_BYTES, UNLIMITED, http_options
from translator.envoy.filter_configs import abort
from translator.envoy.filter_entries import SlotFilter
from translator.envoy.filtered_chain import CONNECTION_MANAGER_NAME, FILTERS, HOST
from translator.envoy.names import filters_table_name
from translator.envoy.retry import BUFFER_BYTES, SAFE
from translator.envoy.route_configuration import domains
from translator.ir.listener import RouteConfigKey

CLIENT_ADDRESS: Final = "x-envoy-external-address"
"""The header in which the first manager tells the second one, and backends, the address that it has found."""
IDLE_SECONDS: Final = 3600
"""How long neither side of a stream may send anything in the first manager: the second one ends streams before."""


class HostFilters(NamedTuple):
    """The filters of the listener with a hostname.

    Attributes:
        hostname: the hostname; "" for any.
        places: of each filter what it is in Envoy; None for one that cannot be had, which answers with 500.
        held_bytes: how many bytes of a body they hold.
    """

    hostname: str
    places: tuple[tuple[SlotFilter, ...] | None, ...]
    held_bytes: int = 0


def filters_configuration(
    table: RouteConfigKey, hosts: Iterable[HostFilters], internal: str
) -> route_pb2.RouteConfiguration:
    """Make the routes of the first connection manager: one for each listener, with its filters.

    A host of no listener gets 404 there; `internal` is the name of the internal listener.
    """
    made = route_pb2.RouteConfiguration(name=filters_table_name(table), ignore_port_in_host_matching=True)
    for each in hosts:
        host = made.virtual_hosts.add(name=each.hostname or "*", domains=domains(each.hostname))
        host.retry_policy.CopyFrom(SAFE)
        host.request_body_buffer_limit.value = max(BUFFER_BYTES, each.held_bytes)
        route = host.routes.add(name="listener")
        route.match.prefix = "/"
        route.route.cluster = internal
        route.route.host_rewrite = f"%FILTER_STATE({HOST}:PLAIN)%"
        route.route.timeout.FromMilliseconds(0)
        route.route.idle_timeout.seconds = IDLE_SECONDS
        address = route.request_headers_to_add.add(append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
        address.header.key, address.header.value = CLIENT_ADDRESS, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
        if each.places:
            _write_filters(route.typed_per_filter_config, each.places)
    return made


def _write_filters(configs: Any, places: Sequence[tuple[SlotFilter, ...] | None]) -> None:
    chain = FilterChainConfigPerRoute()
    for place, filters in enumerate(places):
        if filters is None:
            chain.filter_chain.filters.add(name=f"{place}/closed").typed_config.Pack(abort(), deterministic=True)
            continue
        for each in sorted(filters, key=lambda found: -found.weight):
            name = f"{place}/{each.name}"
            chain.filter_chain.filters.add(name=name).typed_config.Pack(each.config, deterministic=True)
            if each.route_config is not None:
                configs[name].Pack(each.route_config, deterministic=True)
    configs[FILTERS].Pack(chain, deterministic=True)


def internal_listener(name: str, manager: hcm_pb2.HttpConnectionManager) -> listener_pb2.Listener:
    """Make the listener behind the filters, with the connection manager that has the routes.

    Args:
        name: its name.
        manager: a connection manager for clients, which is changed: the client's address is what the first one wrote.
    """
    made = listener_pb2.Listener(name=name)
    made.internal_listener.SetInParent()
    made.per_connection_buffer_limit_bytes.value = PER_CONNECTION_BUFFER_BYTES
    made.ignore_global_conn_limit = True  # its connections are part of clients' that are counted
    _add(made.listener_filters, "envoy.filters.listener.original_dst", OriginalDst())
    manager.stat_prefix += "-routes"
    manager.use_remote_address.value = False
    detection = manager.original_ip_detection_extensions.add(name="envoy.http.original_ip_detection.custom_header")
    detection.typed_config.Pack(CustomHeaderConfig(header_name=CLIENT_ADDRESS), deterministic=True)
    # The first one has removed or written it; here no connection has a certificate.
    manager.forward_client_cert_details = hcm_pb2.HttpConnectionManager.ALWAYS_FORWARD_ONLY
    _add(made.filter_chains.add().filters, CONNECTION_MANAGER_NAME, manager)
    return made


def internal_cluster(name: str) -> cluster_pb2.Cluster:
    """Make the cluster that the internal listener of a name is, by the protocol that the client speaks."""
    made = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.STATIC)
    made.connect_timeout.seconds = CONNECT_TIMEOUT_SECONDS
    made.per_connection_buffer_limit_bytes.value = PER_CONNECTION_BUFFER_BYTES
    limits = made.circuit_breakers.thresholds.add()
    for field in ("max_connections", "max_pending_requests", "max_requests", "max_retries"):
        getattr(limits, field).value = UNLIMITED
    endpoint = made.load_assignment.endpoints.add().lb_endpoints.add().endpoint
    made.load_assignment.cluster_name = name
    endpoint.address.envoy_internal_address.server_listener_name = name
    plain = TransportSocket(name="envoy.transport_sockets.raw_buffer")
    plain.typed_config.Pack(RawBuffer(), deterministic=True)
    made.transport_socket.name = "envoy.transport_sockets.internal_upstream"
    made.transport_socket.typed_config.Pack(InternalUpstreamTransport(transport_socket=plain), deterministic=True)
    with http_options(made) as options:
        options.use_downstream_protocol_config.http_protocol_options.SetInParent()
        options.use_downstream_protocol_config.http2_protocol_options.SetInParent()
    return made


def _add(filters: Any, name: str, config: Message) -> None:
    filters.add(name=name).typed_config.Pack(config, deterministic=True)
