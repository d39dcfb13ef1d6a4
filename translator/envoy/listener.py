"""Envoy's ``Listener`` with filter chains and HTTP connection managers, made from the IR's listeners."""

from __future__ import annotations

from collections.abc import Iterable

from headgate_proto.envoy.config.core.v3 import address_pb2, protocol_pb2
from headgate_proto.envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from headgate_proto.envoy.extensions.filters.http.router.v3 import router_pb2
from headgate_proto.envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from headgate_proto.envoy.extensions.filters.network.connection_limit.v3 import connection_limit_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from translator.envoy.config_source import ADS, sds
from translator.envoy.hooks import CONNECTION_MANAGER, LISTENER
from translator.envoy.http_filter import HttpFilter, Stage, encode_filters
from translator.envoy.local_reply import local_replies
from translator.envoy.names import listener_name, table_name
from translator.ir.listener import FilterChain, PortListener

Filters = Iterable[hcm_pb2.HttpFilter]
Manager = hcm_pb2.HttpConnectionManager

PER_CONNECTION_BUFFER_BYTES = 32768
MAX_CONCURRENT_STREAMS = 100
STREAM_WINDOW_BYTES = 64 * 1024
CONNECTION_WINDOW_BYTES = 1024 * 1024
HEADERS_SECONDS = 10
HANDSHAKE_SECONDS = 10
IDLE_CONNECTION_SECONDS = 3600
IDLE_STREAM_SECONDS = 300
MAX_CHAIN_CONNECTIONS = 40_000
"""Envoy's own advice for what faces the internet ("Configuring Envoy as an edge proxy"): how long a client may take to
send a request's headers or to finish a TLS handshake, how long it may be silent, and how many connections one filter
chain may have of those that the proxy has (`translator.envoy.overload`), so that no listener can have all."""


ROUTER = HttpFilter(
    Stage.ROUTER,
    "envoy.filters.http.router",
    lambda: router_pb2.Router(suppress_envoy_headers=True),  # how long a backend took is not for clients to know
    disabled=False,
)


def listener(spec: PortListener, http_filters: Iterable[HttpFilter]) -> listener_pb2.Listener:
    """Make the listener of a port; `http_filters` are those that extensions need, in any order."""
    filters = encode_filters((*http_filters, ROUTER))
    made = listener_pb2.Listener(name=listener_name(spec.port))
    first, *others = spec.addresses
    made.address.CopyFrom(_address(first, spec.port))
    for each in others:
        made.additional_addresses.add().address.CopyFrom(_address(each, spec.port))
    made.per_connection_buffer_limit_bytes.value = PER_CONNECTION_BUFFER_BYTES
    if spec.exclusive:
        made.enable_reuse_port.value = False
    if spec.chains[0].table.tls:
        inspector = made.listener_filters.add(name="envoy.filters.listener.tls_inspector")
        inspector.typed_config.Pack(tls_inspector_pb2.TlsInspector())
        made.listener_filters_timeout.seconds = HANDSHAKE_SECONDS  # for the ClientHello, before the handshake's own
    for chain in spec.chains:
        made.filter_chains.append(_filter_chain(chain, filters))
    for setting in LISTENER.of(spec.settings):
        setting.apply_to_listener(made)
    return made


def _address(address: str, port: int) -> address_pb2.Address:
    made = address_pb2.Address()
    made.socket_address.address, made.socket_address.port_value = address, port
    return made


def _filter_chain(chain: FilterChain, http_filters: Filters) -> listener_components_pb2.FilterChain:
    made = listener_components_pb2.FilterChain(name=table_name(chain.table))
    if chain.table.tls:
        if chain.table.hostname:
            made.filter_chain_match.server_names.append(chain.table.hostname)
        made.transport_socket.name = "envoy.transport_sockets.tls"
        made.transport_socket.typed_config.Pack(_tls(chain), deterministic=True)
        made.transport_socket_connect_timeout.seconds = HANDSHAKE_SECONDS
    made.filters.add(name="envoy.filters.network.connection_limit").typed_config.Pack(
        _connection_limit(chain), deterministic=True
    )
    made.filters.add(name="envoy.filters.network.http_connection_manager").typed_config.Pack(
        _manager(chain, http_filters), deterministic=True
    )
    return made


def _connection_limit(chain: FilterChain) -> connection_limit_pb2.ConnectionLimit:
    made = connection_limit_pb2.ConnectionLimit(stat_prefix=_stat_prefix(chain))
    made.max_connections.value = MAX_CHAIN_CONNECTIONS
    return made


def _stat_prefix(chain: FilterChain) -> str:
    return f"{'https' if chain.table.tls else 'http'}-{chain.table.port}"


def _tls(chain: FilterChain) -> tls_pb2.DownstreamTlsContext:
    made = tls_pb2.DownstreamTlsContext()
    common = made.common_tls_context
    common.alpn_protocols.extend(("h2", "http/1.1"))
    common.tls_params.tls_minimum_protocol_version = common_pb2.TlsParameters.TLSv1_2
    common.tls_certificate_sds_secret_configs.extend(sds(name) for name in chain.secrets)
    return made


def _manager(chain: FilterChain, http_filters: Filters) -> Manager:
    made = Manager(stat_prefix=_stat_prefix(chain))
    made.rds.route_config_name = table_name(chain.table)
    made.rds.config_source.CopyFrom(ADS)
    made.http_filters.extend(http_filters)
    made.local_reply_config.CopyFrom(local_replies())
    made.upgrade_configs.add(upgrade_type="websocket")
    made.use_remote_address.value = True
    # The header is the backend's; Envoy's own name would stand there whatever a filter sets or removes.
    made.server_header_transformation = Manager.PASS_THROUGH
    # Routes are matched, and policies decided, on paths in one form only.
    made.normalize_path.value = True
    made.merge_slashes = True
    made.path_with_escaped_slashes_action = Manager.UNESCAPE_AND_REDIRECT
    made.request_headers_timeout.seconds = HEADERS_SECONDS
    made.stream_idle_timeout.seconds = IDLE_STREAM_SECONDS
    http = made.common_http_protocol_options
    http.idle_timeout.seconds = IDLE_CONNECTION_SECONDS
    if not chain.underscores:
        # Many a backend takes X_Real_Ip for X-Real-Ip, which the proxy has cleaned.
        http.headers_with_underscores_action = protocol_pb2.HttpProtocolOptions.REJECT_REQUEST
    http2 = made.http2_protocol_options
    http2.max_concurrent_streams.value = MAX_CONCURRENT_STREAMS
    http2.initial_stream_window_size.value = STREAM_WINDOW_BYTES
    http2.initial_connection_window_size.value = CONNECTION_WINDOW_BYTES
    for each in CONNECTION_MANAGER.of(chain.settings):
        each.apply_to_connection_manager(made)
    return made
