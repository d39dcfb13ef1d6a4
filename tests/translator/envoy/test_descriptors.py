"""Limits of connections and sessions, lowered to the file descriptors that an Envoy may have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate_proto.envoy.extensions.resource_monitors.downstream_connections.v3 import downstream_connections_pb2
from translator.envoy.descriptors import RESERVED, limited, sufficient
from translator.envoy.overload import MAX_DOWNSTREAM_CONNECTIONS, overload_manager
from translator.envoy.udp_proxy import MAX_SESSIONS


def downstream_connections(descriptors: int | None) -> int:
    """Return the number of connections of clients that the overload manager allows."""
    found = downstream_connections_pb2.DownstreamConnectionsConfig()
    assert overload_manager(descriptors=descriptors).resource_monitors[1].typed_config.Unpack(found)
    return found.max_active_downstream_connections


@given(st.integers(RESERVED + 3 * 64, 1 << 30), st.integers(1, 64))
def test_limits_fit_the_descriptors(descriptors: int, ports: int) -> None:
    """Connections, as many to backends, and the sessions of all ports of UDP leave the reserve free."""
    connections = downstream_connections(descriptors)
    sessions = ports * limited(MAX_SESSIONS, descriptors, ports)
    assert 2 * connections + sessions <= descriptors - RESERVED


def test_enough_descriptors_lower_no_limit() -> None:
    """As many descriptors as a limit needs leave it as it is, one less lowers it; so does no number at all."""
    enough = sufficient(MAX_DOWNSTREAM_CONNECTIONS)
    assert downstream_connections(enough) == downstream_connections(None) == MAX_DOWNSTREAM_CONNECTIONS
    assert downstream_connections(enough - 1) == MAX_DOWNSTREAM_CONNECTIONS - 1


@given(st.integers(0, RESERVED))
def test_a_limit_is_never_0(descriptors: int) -> None:
    """However few descriptors there are, one connection is allowed: 0 would mean no limit, or no service."""
    assert downstream_connections(descriptors) == 1
