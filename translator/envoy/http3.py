"""HTTP/3: a listener on UDP beside one on TCP, with those of its filter chains that speak it.

It is made of the listener on TCP, whole as it is, so that whatever shapes that one shapes it too. Envoy (1.40)
validates the certificates of clients by QUIC as by TLS, and runs filters of connections before the connection manager;
a chain without one, which would close connections, it refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from headgate_proto.envoy.config.core.v3 import address_pb2, protocol_pb2
from headgate_proto.envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from headgate_proto.envoy.extensions.transport_sockets.quic.v3 import quic_transport_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from translator.envoy.filter_chain import (
    CONNECTION_WINDOW_BYTES,
    HANDSHAKE_SECONDS,
    MAX_CONCURRENT_STREAMS,
    STREAM_WINDOW_BYTES,
)
from translator.envoy.http_filter import HttpFilter
from translator.envoy.listener import listener
from translator.envoy.names import http3_listener_name
from translator.ir.listener import PortListener

ALPN: Final = "h3"
IDLE_SECONDS: Final = 300
"""How long a connection may be silent: Envoy's own default, said here since clients ask for longer."""


def http3_listener(
    spec: PortListener, http_filters: Sequence[HttpFilter], descriptors: int | None = None
) -> listener_pb2.Listener:
    """Make the listener on UDP; the parameters are those of `translator.envoy.listener.listener`."""
    made = listener(replace(spec, chains=spec.http3_chains), http_filters, descriptors)
    made.name = http3_listener_name(spec.port)
    for address in (made.address, *(each.address for each in made.additional_addresses)):
        address.socket_address.protocol = address_pb2.SocketAddress.UDP
    _drop_what_is_of_tcp(made)
    # Its datagrams are shared among the threads of the proxy by their connection, so Envoy insists.
    made.enable_reuse_port.value = True
    quic = made.udp_listener_config.quic_options
    quic.crypto_handshake_timeout.seconds = HANDSHAKE_SECONDS
    quic.idle_timeout.seconds = IDLE_SECONDS
    _limit(quic.quic_protocol_options)
    made.udp_listener_config.downstream_socket_config.prefer_gro.value = True
    for chain in made.filter_chains:
        _speak_quic(chain)
    return made


def _drop_what_is_of_tcp(made: listener_pb2.Listener) -> None:
    """Drop the filters for the first bytes of connections, and the options of sockets of which each is a client's."""
    for field in (
        "listener_filters",
        "listener_filters_timeout",
        "socket_options",
        "tcp_keepalive",
        "max_connections_to_accept_per_socket_event",
    ):
        made.ClearField(field)


def _limit(options: protocol_pb2.QuicProtocolOptions) -> None:
    """Hold as much of a client as by HTTP/2."""
    options.max_concurrent_streams.value = MAX_CONCURRENT_STREAMS
    options.initial_stream_window_size.value = STREAM_WINDOW_BYTES
    options.initial_connection_window_size.value = CONNECTION_WINDOW_BYTES


def _speak_quic(chain: listener_components_pb2.FilterChain) -> None:
    chain.ClearField("transport_socket_connect_timeout")
    tls = tls_pb2.DownstreamTlsContext()
    chain.transport_socket.typed_config.Unpack(tls)
    common = tls.common_tls_context
    del common.alpn_protocols[:]
    common.alpn_protocols.append(ALPN)
    # QUIC has TLS 1.3 and nothing else.
    for field in ("tls_minimum_protocol_version", "tls_maximum_protocol_version", "cipher_suites"):
        common.tls_params.ClearField(field)
    made = quic_transport_pb2.QuicDownstreamTransport(downstream_tls_context=tls)
    # Whoever has recorded the first bytes of a connection could send them again, with all that they change.
    made.enable_early_data.value = False
    made.enable_resumption.value = not tls.disable_stateless_session_resumption
    chain.transport_socket.name = "envoy.transport_sockets.quic"
    chain.transport_socket.typed_config.Pack(made, deterministic=True)
    manager = hcm_pb2.HttpConnectionManager()
    chain.filters[-1].typed_config.Unpack(manager)
    manager.codec_type = hcm_pb2.HttpConnectionManager.HTTP3
    manager.stat_prefix += "-http3"
    manager.http3_protocol_options.SetInParent()
    chain.filters[-1].typed_config.Pack(manager, deterministic=True)
