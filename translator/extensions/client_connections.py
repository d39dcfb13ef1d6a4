"""Units of ListenerPolicies for the connections of clients: PROXY headers, the kernel's settings, limits, timeouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig
from headgate_proto.envoy.config.core.v3.socket_option_pb2 import SocketOption
from headgate_proto.envoy.config.listener.v3.listener_components_pb2 import FilterChain, ListenerFilter
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.extensions.filters.listener.proxy_protocol.v3 import proxy_protocol_pb2
from headgate_proto.envoy.extensions.filters.network.connection_limit.v3 import connection_limit_pb2
from translator.envoy.hooks import FilterChainHook, ListenerHook
from translator.envoy.keepalive import KeepaliveProbes
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.gateway.protocols import OF_CONNECTIONS, OF_TLS
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.clientconnections import ClientConnectionLimit, ClientKeepalive, ProxyProtocol
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.outcome import Outcome

_VERSIONS: Final = {"V1": ProxyProtocolConfig.V1, "V2": ProxyProtocolConfig.V2}
_SOL_SOCKET: Final = 1
_BUFFERS: Final = {"SO_SNDBUF": 7, "SO_RCVBUF": 8}
"""The numbers of Linux."""


@dataclass(frozen=True, slots=True)
class ProxyHeaders(ListenerSetting, ListenerHook):
    """Has connections begin with a PROXY header.

    Attributes:
        optional: whether connections without it are served too.
        refused: the versions that are not taken.
    """

    optional: bool
    refused: tuple[str, ...]

    @property
    def excludes_http3(self) -> str:
        """No load balancer says in QUIC whose connection it is: clients of HTTP/3 would come by its address."""
        return "proxyProtocol is set for the port, and HTTP/3 has no PROXY header"

    def apply_to_listener(self, listener: Listener) -> None:
        """Write the listener filter, before all others: they see what follows the header."""
        config = proxy_protocol_pb2.ProxyProtocol(allow_requests_without_proxy_protocol=self.optional)
        config.disallowed_versions.extend(_VERSIONS[each] for each in self.refused)
        first = ListenerFilter(name="envoy.filters.listener.proxy_protocol")
        first.typed_config.Pack(config, deterministic=True)
        listener.listener_filters.insert(0, first)


def read_proxy_protocol(context: PolicyContext) -> ListenerOutcome:
    """Read whether connections begin with a PROXY header."""
    found = context.effective.value
    assert isinstance(found, ProxyProtocol)
    if found.disable is not None:
        return Outcome(())
    refused = tuple(each for each in _VERSIONS if found.versions is not None and each not in found.versions)
    return Outcome((ProxyHeaders(bool(found.allow_requests_without_proxy_protocol), refused),))


@dataclass(frozen=True, slots=True)
class Keepalive(ListenerSetting, ListenerHook):
    """Has the kernel find dead connections."""

    of_socket: ClassVar[bool] = True
    probes: KeepaliveProbes

    def apply_to_listener(self, listener: Listener) -> None:
        """Write ``tcp_keepalive``."""
        self.probes.write(listener.tcp_keepalive)


def read_keepalive(context: PolicyContext) -> ListenerOutcome:
    """Read how dead connections are found."""
    found = context.effective.value
    assert isinstance(found, ClientKeepalive)
    probes = KeepaliveProbes.of(found.keep_alive_probes, found.keep_alive_time, found.keep_alive_interval)
    return Outcome((Keepalive(probes),))


@dataclass(frozen=True, slots=True)
class SocketBuffers(ListenerSetting, ListenerHook):
    """How many bytes the kernel holds of a connection, each way."""

    of_socket: ClassVar[bool] = True
    limit: int

    def apply_to_listener(self, listener: Listener) -> None:
        """Write the options of the listening socket, before it listens: the sockets of connections take them over."""
        for name, number in _BUFFERS.items():
            listener.socket_options.add(
                description=name,
                level=_SOL_SOCKET,
                name=number,
                int_value=self.limit,
                state=SocketOption.STATE_PREBIND,
            )


def read_socket_buffers(context: PolicyContext) -> ListenerOutcome:
    """Read how many bytes the kernel holds."""
    return Outcome((SocketBuffers(context.effective.value),))


@dataclass(frozen=True, slots=True)
class AcceptedAtOnce(ListenerSetting, ListenerHook):
    """How many connections are accepted before others are served again."""

    count: int

    def apply_to_listener(self, listener: Listener) -> None:
        """Write ``max_connections_to_accept_per_socket_event``."""
        listener.max_connections_to_accept_per_socket_event.value = self.count


def read_accepted_at_once(context: PolicyContext) -> ListenerOutcome:
    """Read how many connections are accepted at once."""
    return Outcome((AcceptedAtOnce(context.effective.value),))


@dataclass(frozen=True, slots=True)
class MostConnections(ListenerSetting, FilterChainHook):
    """How many connections there may be at once.

    Attributes:
        value: the most.
        delay: for how many milliseconds one too many is held before it is closed.
    """

    value: int
    delay: int

    def apply_to_filter_chain(self, chain: FilterChain) -> None:
        """Write into the ``ConnectionLimit`` that every chain has; nobody gets more than its share of the proxy."""
        for each in chain.filters:
            limit = connection_limit_pb2.ConnectionLimit()
            if each.typed_config.Unpack(limit):
                limit.max_connections.value = min(self.value, limit.max_connections.value)
                if self.delay:
                    limit.delay.FromMilliseconds(self.delay)
                each.typed_config.Pack(limit, deterministic=True)


def read_connection_limit(context: PolicyContext) -> ListenerOutcome:
    """Read how many connections there may be."""
    found = context.effective.value
    assert isinstance(found, ClientConnectionLimit)
    if found.disable is not None or found.value is None:
        return Outcome(())
    return Outcome((MostConnections(found.value, found.close_delay or 0),))


@dataclass(frozen=True, slots=True)
class HandshakeTimeout(ListenerSetting, FilterChainHook):
    """For how many milliseconds a TLS handshake may last."""

    limit: int

    def apply_to_filter_chain(self, chain: FilterChain) -> None:
        """Write ``transport_socket_connect_timeout`` of a chain that has handshakes."""
        if chain.HasField("transport_socket"):
            chain.transport_socket_connect_timeout.FromMilliseconds(self.limit)


def read_handshake_timeout(context: PolicyContext) -> ListenerOutcome:
    """Read how long a TLS handshake may last."""
    return Outcome((HandshakeTimeout(context.effective.value),))


EXTENSION = Extension(
    "connections of clients",
    units=(
        # Without it, clients would count as whoever forwards their connections, and be let in by its address.
        PolicyUnit(
            ListenerPolicy,
            "proxy_protocol",
            read_proxy_protocol,
            ProxyHeaders,
            closed=True,
            protocols=OF_CONNECTIONS,
        ),
        PolicyUnit(ListenerPolicy, "tcp_keepalive", read_keepalive, Keepalive, protocols=OF_CONNECTIONS),
        PolicyUnit(ListenerPolicy, "socket_buffer_limit", read_socket_buffers, SocketBuffers, protocols=OF_CONNECTIONS),
        PolicyUnit(
            ListenerPolicy,
            "max_accept_per_socket_event",
            read_accepted_at_once,
            AcceptedAtOnce,
            protocols=OF_CONNECTIONS,
        ),
        PolicyUnit(
            ListenerPolicy, "connection_limit", read_connection_limit, MostConnections, protocols=OF_CONNECTIONS
        ),
        PolicyUnit(
            ListenerPolicy,
            "transport_socket_connect_timeout",
            read_handshake_timeout,
            HandshakeTimeout,
            protocols=OF_TLS,
        ),
    ),
)
"""What ListenerPolicies say about the connections of clients."""
