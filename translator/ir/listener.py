"""Listeners in the intermediate representation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple

from translator.ir.backend import Backend, BackendKey
from translator.ir.l4 import L4Chain, L4Setting

REVOCATION_LIST: Final = "RevocationList"
"""The kind in references to revocation lists, among those to objects with CA certificates: they are of ConfigMaps."""


class ListenerTraits(NamedTuple):
    """What settings have to know of a listener that they are for.

    Attributes:
        tls: whether it terminates TLS.
        filtered: whether it has filters of its own, and so two connection managers.
    """

    tls: bool
    filtered: bool = False


class ListenerSetting:
    """A setting of a listener: a frozen dataclass that implements hooks of `translator.envoy.hooks`.

    Attributes:
        answers_preflights: whether it has the gateway answer the CORS preflights of all routes of the listener.
        of_clients: of a listener with filters, which has two connection managers, whether it is for the one alone that
            clients speak to.
        of_routes: whether it is for the one alone that has the routes.
        speaks_http3: whether it has the listener speak HTTP/3 too.
        of_socket: whether it sets options of the listening socket, which one that is open does not take over.
    """

    __slots__ = ()
    answers_preflights: ClassVar[bool] = False
    of_clients: ClassVar[bool] = False
    of_routes: ClassVar[bool] = False
    speaks_http3: ClassVar[bool] = False
    of_socket: ClassVar[bool] = False

    @property
    def excludes_http3(self) -> str:
        """Why the listener cannot speak HTTP/3 beside it, as a clause; "" if it can."""
        return ""

    def fault_at(self, listener: ListenerTraits) -> str:
        """Return why a listener cannot have it and closes its connections instead, and the way out; "" if it can."""
        return ""

    @property
    def for_routes(self) -> tuple[object, ...]:
        """Return what routes with policies have to know of it: values that can be hashed (`ListenerContext.facts`)."""
        return ()

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Return what the listener itself calls: their clusters and endpoints are served."""
        return ()

    def of_table(self, table: RouteConfigKey) -> ListenerSetting:
        """Return the setting as it is where a table's routes are: of one Gateway, one port, and so on."""
        return self

    @property
    def trust_bundles(self) -> tuple[tuple[BackendKey, ...], ...]:
        """Return the objects with CA certificates that the listener gets by SDS: those of each bundle."""
        return ()

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of a body it has the proxy hold; 0 if it holds none."""
        return 0


class ListenerContext(NamedTuple):
    """The listener as its routes see it: the port and scheme that clients use.

    Attributes:
        proxyless: whether its clients are gRPC's own xDS clients, which apply the routes themselves.
        facts: what its settings say that settings of routes depend on (`ListenerSetting.for_routes`).
        denies_alpha: whether routes may not have filters that Envoy calls alpha.
    """

    port: int
    tls: bool
    proxyless: bool = False
    facts: tuple[object, ...] = ()
    denies_alpha: bool = False

    @property
    def scheme(self) -> str:
        """``https`` or ``http``."""
        return "https" if self.tls else "http"


@lru_cache(maxsize=1024)  # one value for all routes of a listener
def _context(port: int, tls: bool) -> ListenerContext:
    return ListenerContext(port, tls)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its private key, PEM; the key never shows in a repr."""

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """CA certificates, PEM: the trust anchors for the certificates of peers; and lists of certificates they revoked."""

    certificates: bytes
    revocation_lists: bytes = b""


class RouteConfigKey(NamedTuple):
    """The routes of listeners: all HTTP listeners of a port share them, any other listener has its own.

    Those of HTTP are one RouteConfiguration, or one for each scope (`translator.ir.route_scope`).

    Attributes:
        gateway: ``namespace/name`` of the Gateway.
        port: the port of the listeners.
        tls: whether they terminate TLS.
        hostname: the hostname of a listener that takes connections by their server name, "" for any.
        passthrough: whether they forward TLS as it is.
        protocol: the transport protocol of the port.
    """

    gateway: str
    port: int
    tls: bool = False
    hostname: str = ""
    passthrough: bool = False
    protocol: str = "TCP"

    @property
    def socket_port(self) -> SocketPort:
        """The port of the sockets."""
        return SocketPort(self.port, self.protocol)

    @property
    def origin(self) -> ListenerContext:
        """The port and scheme of the clients."""
        return _context(self.port, self.tls)


class TablePart(NamedTuple):
    """The routes of one scope of a table, or those of all scopes (`translator.ir.route_scope.EVERY`)."""

    table: RouteConfigKey
    scope: int


@lru_cache(maxsize=1 << 14)  # one value for all domains of a scope
def table_part(table: RouteConfigKey, scope: int) -> TablePart:
    """Return a part of a table."""
    return TablePart(table, scope)


class SocketPort(NamedTuple):
    """A port of a transport protocol: TCP and UDP have ports of their own.

    Attributes:
        number: the number of the port.
        protocol: ``TCP`` or ``UDP``.
    """

    number: int
    protocol: str = "TCP"

    @classmethod
    def of(cls, number: int, protocol: str) -> SocketPort:
        """Return the port of a listener, by its protocol: all but UDP are protocols on top of TCP."""
        return cls(number, "UDP" if protocol == "UDP" else "TCP")

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


class ServiceTable(NamedTuple):
    """The routes of one port of a Service for gRPC's own xDS clients: those that are in one namespace.

    Attributes:
        service: ``namespace/name`` of the Service.
        port: its port.
        namespace: the namespace of the routes: that of the Service, or that of the clients.
    """

    service: str
    port: int
    namespace: str


PROXYLESS = ListenerContext(0, tls=False, proxyless=True)
"""What routes see of gRPC's own xDS clients, which is the same for all ports."""


class ChainMatch(NamedTuple):
    """The connections that a filter chain takes: those of any, or of clients that ask for a server name (SNI).

    Attributes:
        server_name: a hostname, or ``*.example.com``; "" for any.
    """

    server_name: str = ""


@dataclass(frozen=True, slots=True)
class HttpChain:
    """Serves connections as HTTP.

    Attributes:
        table: the RouteConfiguration.
        underscores: whether requests may have header names with underscores.
        filtered: whether a listener has filters: requests pass these, and then a second connection manager, behind an
            internal listener, which chooses their routes.
        scoped: whether each scope of the table has a RouteConfiguration (`translator.ir.route_scope`); not if
            it is filtered.
        settings: what shapes the HTTP connection manager besides.
    """

    table: RouteConfigKey
    underscores: bool = False
    settings: tuple[ListenerSetting, ...] = ()
    filtered: bool = False
    scoped: bool = False


class PeerValidation(NamedTuple):
    """The validation of the certificates that clients present.

    Attributes:
        bundle: the name of the trust bundle.
        required: whether only clients with a valid certificate may connect; otherwise all may, and are still asked.
    """

    bundle: str
    required: bool


@dataclass(frozen=True, slots=True)
class FilterChain:
    """Some of the connections of a port, and how they are served.

    Attributes:
        match: which connections.
        chain: what serves them.
        secrets: the names of the certificates that terminate TLS; none where nothing does.
        validation: how client certificates are validated; None if clients are not asked for one.
        settings: what shapes the chain besides; those of an HTTP connection manager are in its `chain`.
    """

    match: ChainMatch
    chain: HttpChain | L4Chain
    secrets: tuple[str, ...] = ()
    validation: PeerValidation | None = None
    settings: tuple[ListenerSetting, ...] = ()


@dataclass(frozen=True, slots=True)
class PortListener:
    """An Envoy listener: everything that a Gateway serves on one port.

    Attributes:
        port: the port of its socket.
        addresses: what to bind, one or more IP addresses.
        chains: for a port of HTTPS listeners one per listener, for a port of HTTP listeners exactly one; for a port of
            UDP, which has no connections, none.
        exclusive: no other program may share the port, which Envoy allows by default.
        settings: what shapes the listener besides.
        datagrams: what shapes the sessions of a port of UDP besides.
        socket: a text for what is particular about its socket, where Envoy cannot open another one in its place; "" if
            it is like any. A listener with another socket has another name, and replaces the one before.
    """

    gateway: str
    port: SocketPort
    addresses: tuple[str, ...]
    chains: tuple[FilterChain, ...] = ()
    exclusive: bool = False
    settings: tuple[ListenerSetting, ...] = ()
    datagrams: tuple[L4Setting, ...] = ()
    socket: str = ""

    @property
    def all_settings(self) -> tuple[ListenerSetting, ...]:
        """The settings of the listener and of its filter chains, each once."""
        of_chains = (
            setting
            for each in self.chains
            for setting in (*each.settings, *(each.chain.settings if isinstance(each.chain, HttpChain) else ()))
        )
        return tuple(dict.fromkeys((*self.settings, *of_chains)))

    @property
    def http3_chains(self) -> tuple[FilterChain, ...]:
        """The filter chains that speak HTTP/3 too."""
        return tuple(
            each
            for each in self.chains
            if isinstance(each.chain, HttpChain) and any(setting.speaks_http3 for setting in each.chain.settings)
        )
