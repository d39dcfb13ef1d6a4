"""Envoy's ``Listener``, made from the IR's listeners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from headgate_proto.envoy.config.core.v3 import address_pb2
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from translator.envoy import filter_chain as filter_chains
from translator.envoy.access_log import log_connections_by_default
from translator.envoy.hooks import LISTENER
from translator.envoy.http_filter import HttpFilter
from translator.envoy.names import cluster_name, listener_name
from translator.envoy.udp_proxy import forward_datagrams
from translator.ir.l4 import L4Chain
from translator.ir.listener import PortListener, SocketPort
from translator.refs import Ref

PER_CONNECTION_BUFFER_BYTES = 32768
"""How many bytes Envoy holds of a connection that the other side is too slow to read."""


def listener(
    spec: PortListener, http_filters: Sequence[HttpFilter], descriptors: int | None = None
) -> listener_pb2.Listener:
    """Make the listener of a port.

    Args:
        spec: what is served on the port.
        http_filters: those that extensions need, in any order.
        descriptors: how many file descriptors the proxy may have; None if that need not be considered.
    """
    made = listener_pb2.Listener(name=listener_name(spec.port, spec.socket))
    first, *others = spec.addresses
    made.address.CopyFrom(_address(first, spec.port))
    for each in others:
        made.additional_addresses.add().address.CopyFrom(_address(each, spec.port))
    if spec.port.protocol == "UDP":
        forward_datagrams(made, spec.port, spec.datagrams)
    else:
        _serve_connections(made, spec, http_filters, descriptors)
    for setting in LISTENER.of(spec.settings):
        setting.apply_to_listener(made)
    return made


class Forwarded(NamedTuple):
    """A backend that a listener forwards connections to, and the rule that it is of."""

    route: Ref
    rule: str
    cluster: str


def forwarded(spec: PortListener) -> Iterator[Forwarded]:
    """Yield the backends of a listener's routes of connections, by which a NACK of a cluster is attributed to these."""
    for each in spec.chains:
        chain = each.chain
        if isinstance(chain, L4Chain) and chain.route is not None:
            for backend in (share.backend for share in chain.backends if share.backend is not None):
                rule = f"{chain.rule} ({Ref(*backend.key)} port {backend.port})"
                yield Forwarded(Ref(*chain.route), rule, cluster_name(backend))


def _serve_connections(
    made: listener_pb2.Listener, spec: PortListener, http_filters: Sequence[HttpFilter], descriptors: int | None
) -> None:
    made.per_connection_buffer_limit_bytes.value = PER_CONNECTION_BUFFER_BYTES
    if spec.exclusive:
        made.enable_reuse_port.value = False
    if any(each.secrets or each.match.server_name for each in spec.chains):
        inspector = made.listener_filters.add(name="envoy.filters.listener.tls_inspector")
        inspector.typed_config.Pack(tls_inspector_pb2.TlsInspector())
        # For the ClientHello, before the handshake's own.
        made.listener_filters_timeout.seconds = filter_chains.HANDSHAKE_SECONDS
    if any(isinstance(each.chain, L4Chain) for each in spec.chains):
        log_connections_by_default(made)
    for chain in spec.chains:
        made.filter_chains.extend(filter_chains.filter_chain_pair(chain, http_filters, descriptors))


def _address(address: str, port: SocketPort) -> address_pb2.Address:
    made = address_pb2.Address()
    made.socket_address.address, made.socket_address.port_value = address, port.number
    if port.protocol == "UDP":
        made.socket_address.protocol = address_pb2.SocketAddress.UDP
    return made
