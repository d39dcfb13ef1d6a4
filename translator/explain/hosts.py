"""Names: the filter chain of a TLS server name, and the virtual host of a Host header."""

from __future__ import annotations

from collections.abc import Iterable

from headgate_proto.envoy.config.listener.v3.listener_components_pb2 import FilterChain
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3.route_components_pb2 import VirtualHost
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration


def filter_chain(listener: Listener, server_name: str) -> FilterChain | None:
    """Return the filter chain of connections with a server name ("" without TLS); None if none takes them.

    An exact name comes before the longest wildcard, and this before a chain for any name.
    """
    by_name: dict[str, FilterChain] = {}
    for chain in listener.filter_chains:
        for name in chain.filter_chain_match.server_names or ("",):
            by_name.setdefault(name.lower(), chain)
    for name in _wider(server_name.lower()):
        if (found := by_name.get(name)) is not None:
            return found
    return listener.default_filter_chain if listener.HasField("default_filter_chain") else None


def _wider(name: str) -> Iterable[str]:
    """Yield a server name, then the wildcards that cover it, the longest first, then "" for any."""
    if name:
        yield name
        labels = name.split(".")
        yield from (f"*.{'.'.join(labels[place:])}" for place in range(1, len(labels)))
    yield ""


def virtual_host(configuration: RouteConfiguration, host: str) -> VirtualHost | None:
    """Return the virtual host of a Host header; None if none takes it.

    An exact domain comes before the longest wildcard, and this before ``*``.
    """
    name = (without_port(host) if configuration.ignore_port_in_host_matching else host).lower()
    best: tuple[int, VirtualHost] | None = None
    for each in configuration.virtual_hosts:
        rank = max((_rank(domain.lower(), name) for domain in each.domains), default=-1)
        if rank >= 0 and (best is None or rank > best[0]):
            best = rank, each
    return best[1] if best is not None else None


def _rank(domain: str, name: str) -> int:
    """Return how well a domain fits a name: the longer the better; -1 if it does not."""
    if domain == name:
        return len(name) + 1
    if domain == "*":
        return 0
    if domain.startswith("*") and len(name) > len(domain) - 1 and name.endswith(domain[1:]):
        return len(domain)
    return -1


def without_port(host: str) -> str:
    """Return a Host without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and "]" not in port and (port.isdigit() or not port) else host
