"""The hooks of settings: the messages that a setting writes into, one protocol each.

A setting derives from the protocols whose messages it writes, so that mypy compares the signatures; which ones a type
derives from is looked up once. Messages are written from the outside in and may be changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from headgate_proto.envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, VirtualHost, WeightedCluster
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from headgate_proto.envoy.extensions.filters.udp.udp_proxy.v3.udp_proxy_pb2 import UdpProxyConfig
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext
from translator.envoy.filter_entries import FilterEntry
from translator.envoy.http_filter import HttpFilter
from translator.ir.backend import Backend
from translator.ir.http import RouteMatch
from translator.ir.l4 import L4Chain
from translator.ir.listener import ListenerContext


class ListenerHook(Protocol):
    """Writes into the ``Listener`` of a port, once it is complete."""

    __slots__ = ()

    def apply_to_listener(self, listener: Listener) -> None:
        """Write this setting."""


class FilterChainHook(Protocol):
    """Writes into a ``FilterChain`` of a listener, once it is complete."""

    __slots__ = ()

    def apply_to_filter_chain(self, chain: FilterChain) -> None:
        """Write this setting."""


class DownstreamTlsHook(Protocol):
    """Writes into the ``DownstreamTlsContext`` of a filter chain that terminates TLS, once it is complete."""

    __slots__ = ()

    def apply_to_downstream_tls(self, context: DownstreamTlsContext) -> None:
        """Write this setting."""


class HttpFiltersHook(Protocol):
    """Has HTTP filters in the connection managers of its listeners, beside those that all have."""

    __slots__ = ()

    def http_filters(self) -> Iterator[HttpFilter]:
        """Yield the filters, each with its stage."""


class ConnectionManagerHook(Protocol):
    """Writes into the ``HttpConnectionManager`` of a filter chain, once it is complete."""

    __slots__ = ()

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write this setting."""


class RouteConfigurationHook(Protocol):
    """Writes into the head of a ``RouteConfiguration``, which has no virtual hosts yet; its routes inherit it."""

    __slots__ = ()

    def apply_to_route_configuration(self, configuration: RouteConfiguration) -> None:
        """Write this setting."""


class VirtualHostHook(Protocol):
    """Writes into the head of a ``VirtualHost``, which has no routes yet; its routes inherit it."""

    __slots__ = ()

    def apply_to_virtual_host(self, host: VirtualHost) -> None:
        """Write this setting."""


class RouteHook(Protocol):
    """Writes into each ``Route`` of a rule, after its match and action."""

    __slots__ = ()

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write this setting into a route that serves `match` on `origin`."""


class PreflightHook(Protocol):
    """Answers the CORS preflights that `RuleSetting.preflights` gives."""

    __slots__ = ()

    def apply_to_preflight(self, route: Route, match: RouteMatch) -> None:
        """Write the answer to the preflights that `match` is for into a ``Route`` with that match."""


class WeightedClusterHook(Protocol):
    """Writes into the ``ClusterWeight`` of one backendRef."""

    __slots__ = ()

    def apply_to_weighted_cluster(self, cluster_weight: WeightedCluster.ClusterWeight) -> None:
        """Write this setting."""


class ClusterHook(Protocol):
    """Writes into the ``Cluster`` of a backend; the setting is part of the hash in the cluster's name."""

    __slots__ = ()

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write this setting; `backend` is what the cluster is of."""


class FilterHook(Protocol):
    """Configures HTTP filters for routes, beside others that may configure the same ones.

    Nothing writes the configurations of filters by itself: those of all settings of a route are composed, and a route
    says only what it does not inherit (`translator.envoy.filter_configs`).

    Attributes:
        protects: in a closed unit, whether requests may only be moved to its routes from those with the same.
    """

    __slots__ = ()
    protects: ClassVar[bool] = True

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield what this setting gives the filters."""


class NetworkFilterHook(Protocol):
    """Has filters before the ``TcpProxy`` that forwards the connections of a route: they see each connection first."""

    __slots__ = ()

    def network_filters(self, chain: L4Chain) -> Iterator[Filter]:
        """Yield the filters of a chain, in their order."""


class SourceHook(Protocol):
    """Decides by the address of a client whether its connection is forwarded, before a byte goes either way.

    Envoy's filters of connections are not early enough: where the backend speaks first, the client hears it.
    """

    __slots__ = ()

    def sources(self) -> Mapping[str, bool]:
        """Return whether clients of ranges of addresses are let in; the narrowest range decides.

        There is one for each address: ``0.0.0.0/0`` and ``::/0`` are among them.
        """


class TcpProxyHook(Protocol):
    """Writes into the ``TcpProxy`` that forwards the connections of a route."""

    __slots__ = ()

    def apply_to_tcp_proxy(self, proxy: TcpProxy) -> None:
        """Write this setting."""


class UdpProxyHook(Protocol):
    """Writes into the ``UdpProxyConfig`` of a port, which forwards the datagrams of a route."""

    __slots__ = ()

    def apply_to_udp_proxy(self, proxy: UdpProxyConfig) -> None:
        """Write this setting."""


class EndpointsHook(Protocol):
    """Writes into the ``ClusterLoadAssignment`` of a backend; the setting is part of the hash in the cluster's name."""

    __slots__ = ()

    def apply_to_endpoints(self, assignment: ClusterLoadAssignment) -> None:
        """Write this setting."""


P = TypeVar("P")


class Hook(Generic[P]):
    """One of the hooks, to ask settings for; `P` is its protocol."""

    def __init__(self, protocol: type) -> None:
        """Take the protocol: mypy lets nobody pass a protocol as a ``type[P]``."""
        self.protocol = protocol
        self._known: dict[type, bool] = {}  # at most one entry a class

    def of(self, settings: Iterable[Any]) -> list[P]:
        """Return those settings that implement this hook, in their order."""
        return [each for each in settings if self.implemented_by(type(each))]

    def implemented_by(self, setting: type) -> bool:
        """Return whether a type of settings derives from the protocol."""
        known = self._known.get(setting)
        if known is None:
            known = self._known[setting] = self.protocol in setting.__mro__
        return known


LISTENER: Final = Hook[ListenerHook](ListenerHook)
FILTER_CHAIN: Final = Hook[FilterChainHook](FilterChainHook)
DOWNSTREAM_TLS: Final = Hook[DownstreamTlsHook](DownstreamTlsHook)
HTTP_FILTERS: Final = Hook[HttpFiltersHook](HttpFiltersHook)
CONNECTION_MANAGER: Final = Hook[ConnectionManagerHook](ConnectionManagerHook)
ROUTE_CONFIGURATION: Final = Hook[RouteConfigurationHook](RouteConfigurationHook)
VIRTUAL_HOST: Final = Hook[VirtualHostHook](VirtualHostHook)
ROUTE: Final = Hook[RouteHook](RouteHook)
PREFLIGHT: Final = Hook[PreflightHook](PreflightHook)
WEIGHTED_CLUSTER: Final = Hook[WeightedClusterHook](WeightedClusterHook)
CLUSTER: Final = Hook[ClusterHook](ClusterHook)
FILTER: Final = Hook[FilterHook](FilterHook)
NETWORK_FILTER: Final = Hook[NetworkFilterHook](NetworkFilterHook)
SOURCE: Final = Hook[SourceHook](SourceHook)
TCP_PROXY: Final = Hook[TcpProxyHook](TcpProxyHook)
UDP_PROXY: Final = Hook[UdpProxyHook](UdpProxyHook)
ENDPOINTS: Final = Hook[EndpointsHook](EndpointsHook)
HOOKS: Final[tuple[Hook[Any], ...]] = (
    LISTENER,
    FILTER_CHAIN,
    DOWNSTREAM_TLS,
    HTTP_FILTERS,
    CONNECTION_MANAGER,
    ROUTE_CONFIGURATION,
    VIRTUAL_HOST,
    ROUTE,
    PREFLIGHT,
    WEIGHTED_CLUSTER,
    CLUSTER,
    FILTER,
    NETWORK_FILTER,
    SOURCE,
    TCP_PROXY,
    UDP_PROXY,
    ENDPOINTS,
)
"""All hooks."""
