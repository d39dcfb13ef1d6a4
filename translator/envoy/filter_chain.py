"""Envoy's ``FilterChain`` with its network filters, made from the IR's filter chains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from headgate_proto.envoy.config.core.v3 import protocol_pb2
from headgate_proto.envoy.config.listener.v3 import listener_components_pb2
from headgate_proto.envoy.extensions.filters.http.router.v3 import router_pb2
from headgate_proto.envoy.extensions.filters.network.connection_limit.v3 import connection_limit_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from headgate_proto.envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from translator.envoy.access_log import log_by_default
from translator.envoy.config_source import ADS, sds
from translator.envoy.descriptors import limited
from translator.envoy.filtered_chain import CONNECTION_MANAGER_NAME, run_filters, share_local_address
from translator.envoy.hooks import (
    CONNECTION_MANAGER,
    DOWNSTREAM_TLS,
    FILTER_CHAIN,
    HTTP_FILTERS,
    NETWORK_FILTER,
    SOURCE,
    TCP_PROXY,
)
from translator.envoy.http_filter import HttpFilter, Stage, encode_filters
from translator.envoy.http_filters import BUFFER
from translator.envoy.local_reply import local_replies
from translator.envoy.names import CLOSED, cluster_name, listener_name, table_name
from translator.envoy.overload import MAX_DOWNSTREAM_CONNECTIONS
from translator.envoy.scoped_routes import serve_by_scope
from translator.ir.l4 import L4Chain
from translator.ir.listener import FilterChain, HttpChain, ListenerSetting, PeerValidation, SocketPort
from translator.ir.sources import all_allow

WHOLE_REQUESTS: Final = frozenset({BUFFER})
"""The filters that wait for the end of a request, which one that opens a WebSocket does not have."""
HttpFilters = Iterable[HttpFilter]
Manager = hcm_pb2.HttpConnectionManager

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

CONNECT_ATTEMPTS = 3
"""How many endpoints are tried for a connection that is forwarded: as for a request (`translator.envoy.retry`)."""


def filter_chain(
    spec: FilterChain, http_filters: HttpFilters, descriptors: int | None = None
) -> listener_components_pb2.FilterChain:
    """Make a filter chain.

    Args:
        spec: what it matches, and what serves it.
        http_filters: those of every connection manager.
        descriptors: how many file descriptors the proxy may have; None if that need not be considered.
    """
    chain, name = spec.chain, spec.match.server_name
    made = listener_components_pb2.FilterChain()
    if name:
        made.filter_chain_match.server_names.append(name)
    if isinstance(chain, L4Chain) and not chain.reachable:
        made.name = _l4_name(chain, name)
        return made  # without filters Envoy closes connections at once
    if spec.secrets:
        made.transport_socket.name = "envoy.transport_sockets.tls"
        made.transport_socket.typed_config.Pack(_tls(spec), deterministic=True)
        made.transport_socket_connect_timeout.seconds = HANDSHAKE_SECONDS
    if isinstance(chain, L4Chain):
        made.name = _l4_name(chain, name)
        settings = (*spec.settings, *chain.settings)
        _forward(made, chain, settings, f"{'tls' if name else 'tcp'}-{chain.port}", descriptors)
    else:
        made.name = table_name(chain.table)
        _serve(made, chain, http_filters, descriptors)
    for each in FILTER_CHAIN.of(spec.settings):
        each.apply_to_filter_chain(made)
    return made


def _serve(
    made: listener_components_pb2.FilterChain, chain: HttpChain, http_filters: HttpFilters, descriptors: int | None
) -> None:
    """Add the filters that serve connections as HTTP."""
    _limit_connections(made, _stat_prefix(chain), descriptors)
    if chain.filtered:
        share_local_address(made)
        of_clients = [each for each in chain.settings if not each.of_routes]
        own = replace(chain, settings=tuple(of_clients))
        manager = connection_manager(own, ())
        run_filters(manager, chain.table, encode_filters(_of_settings(each for each in of_clients if each.of_clients)))
    else:
        manager = connection_manager(chain, http_filters)
    made.filters.add(name=CONNECTION_MANAGER_NAME).typed_config.Pack(manager, deterministic=True)


def routes_manager(chain: HttpChain, http_filters: HttpFilters) -> Manager:
    """Make the second of the connection managers of listeners with filters, which has the routes.

    Args:
        chain: the chain of which the first one serves clients.
        http_filters: those of every connection manager.
    """
    of_routes = tuple(each for each in chain.settings if not each.of_clients)
    return connection_manager(replace(chain, settings=of_routes), http_filters)


def _of_settings(settings: Iterable[ListenerSetting]) -> Iterator[HttpFilter]:
    for each in HTTP_FILTERS.of(settings):
        yield from each.http_filters()


def filter_chain_pair(
    spec: FilterChain, http_filters: HttpFilters, descriptors: int | None = None
) -> Iterator[listener_components_pb2.FilterChain]:
    """Yield a filter chain, for the clients that are let in, and one that closes the connections of all others.

    The parameters are those of `filter_chain`.
    """
    made = filter_chain(spec, http_filters, descriptors)
    hooks = SOURCE.of(spec.chain.settings) if isinstance(spec.chain, L4Chain) else []
    if not hooks:
        yield made
        return
    decisions = all_allow([each.sources() for each in hooks])
    refused = listener_components_pb2.FilterChain(name=f"{made.name}/refused")
    refused.filter_chain_match.CopyFrom(made.filter_chain_match)
    for cidr, allow in decisions.items():
        chain = made if allow else refused
        found = chain.filter_chain_match.source_prefix_ranges.add()
        address, _, length = cidr.partition("/")
        found.address_prefix, found.prefix_len.value = address, int(length)
    yield from (each for each in (made, refused) if each.filter_chain_match.source_prefix_ranges)


def _l4_name(chain: L4Chain, server_name: str) -> str:
    name = listener_name(SocketPort(chain.port))
    return f"{name}/{server_name}" if server_name else name


def _forward(
    made: listener_components_pb2.FilterChain,
    chain: L4Chain,
    settings: tuple[object, ...],
    prefix: str,
    descriptors: int | None,
) -> None:
    """Add the filters that forward connections; `prefix` is that of their statistics."""
    _limit_connections(made, prefix, descriptors)
    for hook in NETWORK_FILTER.of(settings):
        made.filters.extend(hook.network_filters(chain))
    proxy = tcp_proxy_pb2.TcpProxy(stat_prefix=prefix)
    proxy.idle_timeout.seconds = IDLE_CONNECTION_SECONDS
    proxy.max_connect_attempts.value = CONNECT_ATTEMPTS
    names = [cluster_name(each.backend) if each.backend is not None else CLOSED for each in chain.backends]
    if len(names) == 1:
        proxy.cluster = names[0]
    else:
        for name, each in zip(names, chain.backends, strict=True):
            proxy.weighted_clusters.clusters.add(name=name, weight=each.weight)
    for setting in TCP_PROXY.of(settings):
        setting.apply_to_tcp_proxy(proxy)
    made.filters.add(name="envoy.filters.network.tcp_proxy").typed_config.Pack(proxy, deterministic=True)


def _limit_connections(made: listener_components_pb2.FilterChain, prefix: str, descriptors: int | None) -> None:
    # The same share of the proxy's connections, however many these are.
    connections = limited(MAX_DOWNSTREAM_CONNECTIONS, descriptors)
    limit = connection_limit_pb2.ConnectionLimit(stat_prefix=prefix)
    limit.max_connections.value = max(1, connections * MAX_CHAIN_CONNECTIONS // MAX_DOWNSTREAM_CONNECTIONS)
    made.filters.add(name="envoy.filters.network.connection_limit").typed_config.Pack(limit, deterministic=True)


def _stat_prefix(chain: HttpChain) -> str:
    return f"{'https' if chain.table.tls else 'http'}-{chain.table.port}"


def _tls(spec: FilterChain) -> tls_pb2.DownstreamTlsContext:
    made = tls_pb2.DownstreamTlsContext()
    common = made.common_tls_context
    if isinstance(spec.chain, HttpChain):
        common.alpn_protocols.extend(("h2", "http/1.1"))
    common.tls_params.tls_minimum_protocol_version = common_pb2.TlsParameters.TLSv1_2
    common.tls_certificate_sds_secret_configs.extend(sds(name) for name in spec.secrets)
    if spec.validation is not None:
        _validate_peers(made, spec.validation)
    for each in DOWNSTREAM_TLS.of(spec.settings):
        each.apply_to_downstream_tls(made)
    return made


def _validate_peers(context: tls_pb2.DownstreamTlsContext, validation: PeerValidation) -> None:
    """Validate certificates of clients; without the trust bundle Envoy refuses all connections."""
    ask_for_certificates(context, validation.required)
    if validation.required:
        context.common_tls_context.validation_context_sds_secret_config.CopyFrom(sds(validation.bundle))
        return
    combined = context.common_tls_context.combined_validation_context
    combined.default_validation_context.trust_chain_verification = (
        common_pb2.CertificateValidationContext.ACCEPT_UNTRUSTED
    )
    combined.validation_context_sds_secret_config.CopyFrom(sds(validation.bundle))


def ask_for_certificates(context: tls_pb2.DownstreamTlsContext, required: bool) -> None:
    """Ask clients for a certificate; `required` is whether only those with one may connect."""
    context.require_client_certificate.value = required
    # Envoy does not know of a session that a client resumes whether its certificate was validated.
    context.disable_stateless_session_resumption = True
    context.disable_stateful_session_resumption = True


def connection_manager(chain: HttpChain, http_filters: HttpFilters) -> Manager:
    """Make the HTTP connection manager of a chain: what it serves clients by.

    Args:
        chain: the chain.
        http_filters: those of every connection manager; the chain's settings may add others.
    """
    made = Manager(stat_prefix=_stat_prefix(chain))
    if not chain.scoped:
        made.rds.route_config_name = table_name(chain.table)
        made.rds.config_source.CopyFrom(ADS)
    made.http_filters.extend(encode_filters((*http_filters, *_of_settings(chain.settings), ROUTER)))
    made.local_reply_config.CopyFrom(local_replies())
    log_by_default(made)
    upgrade = made.upgrade_configs.add(upgrade_type="websocket")
    upgrade.filters.extend(each for each in made.http_filters if each.name not in WHOLE_REQUESTS)
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
    for each in CONNECTION_MANAGER.of(setting.of_table(chain.table) for setting in chain.settings):
        each.apply_to_connection_manager(made)
    if chain.scoped:
        serve_by_scope(made, chain.table)
    return made
