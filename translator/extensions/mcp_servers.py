"""MCP servers as Envoy sees them: what their routes and clusters do to requests.

A server gets the headers of the protocol, and of others those that its Backend names: an allow list, written as an
expression for all other names, since Envoy's filter removes what matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Final, NamedTuple

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.http.mcp_router.v3.mcp_router_pb2 import McpRouter, ValidationPolicy
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from translator.envoy.ai.mcp_filters import IDENTITY, federating_filter, room_filter, server_filter, several_filter
from translator.envoy.backend_routes import add_backend_filters, send_host
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook, RouteHook
from translator.envoy.http_filters import GUARD
from translator.envoy.injected_secret import credential_injector, generic_credential
from translator.envoy.names import cluster_name
from translator.envoy.upstream_filters import add_filter
from translator.extensions.rewrite_policies import PATH_FIELDS
from translator.ir.backend import LAST, Backend, BackendKey, BackendSetting
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.ir.secret import GenericSecret
from translator.languages.regex import other_words

HEADERS: Final = "headgate.mcp.headers"
"""The name of the filter that removes headers."""
CREDENTIAL: Final = "headgate.mcp.credential"
"""The name of the filter that adds the credential."""
ROOM: Final = "headgate.mcp.room"
ANSWERS: Final = "headgate.mcp.answers"
"""The names of the filters that have answers wait until they are whole."""
GRACE: Final = 1_000
"""How much longer than the timeouts of several servers nothing may be heard of any, in milliseconds."""
READER: Final = "headgate.mcp.reader"
ROUTER: Final = "headgate.mcp.router"
"""The names of the filters for several servers."""
PROTOCOL: Final = ("accept", "accept-encoding", "content-encoding", "content-length", "content-type", "last-event-id",
                   "transfer-encoding")  # fmt: skip
"""The headers of the protocol (MCP, "Streamable HTTP"), beside those whose names begin with ``mcp-``."""
WHO: Final = ("origin", "user-agent", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto")
"""The headers that say where a request is from; none of them is a credential."""
TRACING: Final = ("b3", "traceparent", "tracestate", "x-request-id")
"""The headers of tracing, beside those whose names begin with ``x-b3-``."""
PREFIXES: Final = (":", "mcp-", "x-b3-")
"""What the names of further headers begin with; those with a colon are of HTTP itself."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a server asks for.

    Attributes:
        secret: the credential.
        header: the header.
        prefix: what stands before it.
    """

    secret: GenericSecret
    header: str
    prefix: str


@dataclass(frozen=True, slots=True)
class McpServer(BackendSetting, ClusterHook):
    """The cluster of a server: it removes headers, and adds the credential.

    Attributes:
        forwarded: the headers that the server gets beside those of all.
        credential: what it asks for; None if nothing.
        beside_others: whether it is one of several.
    """

    for_clients_only: ClassVar[bool] = True
    order: ClassVar[int] = LAST
    routes_only: ClassVar[str] = (
        "a Backend of mcp is for the backendRefs of routes, whose requests get the path of the server; refer to "
        "another backend"
    )
    forwarded: tuple[str, ...] = ()
    credential: Credential | None = None
    beside_others: bool = False

    @property
    def secret_texts(self) -> tuple[GenericSecret, ...]:
        """The credential."""
        return (self.credential.secret,) if self.credential is not None else ()

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the filters of the cluster."""
        made = HeaderMutation()
        removed = made.mutations.request_mutations.add().remove_on_match
        removed.key_matcher.safe_regex.regex = other_headers(self.forwarded)
        with http_options(cluster) as options:
            if self.beside_others:
                add_filter(options, ROOM, room_filter())
                add_filter(options, ANSWERS, server_filter())
            add_filter(options, HEADERS, made)
            if (found := self.credential) is not None:
                injector = credential_injector(generic_credential(found.secret, found.header, found.prefix))
                add_filter(options, CREDENTIAL, injector)


def other_headers(forwarded: Iterable[str]) -> str:
    """Return the expression for the names of headers that a server does not get."""
    return other_words((*PROTOCOL, *WHO, *TRACING, *forwarded), PREFIXES)


@dataclass(frozen=True, slots=True)
class NoEndpoints(BackendSetting, ClusterHook):
    """A cluster without endpoints: Envoy answers at once what it would send there."""

    discovers: ClassVar[bool] = True

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write that there is nothing to discover."""
        cluster.type = Cluster.STATIC


NOBODY: Final = Backend(BackendKey("Backend", "headgate", "nobody"), 0, settings=(NoEndpoints(),))
"""A server that there is not, which is beside a single one."""


class NamedServer(NamedTuple):
    """A server beside others.

    Attributes:
        name: its name, which its tools have.
        backend: where it is.
        path: its path.
        timeout: how long a call may take, in milliseconds.
        host: the Host of requests; "" for what they have.
        forwarded: the headers that it gets beside those of all.
    """

    name: str
    backend: Backend
    path: str
    timeout: int
    host: str = ""
    forwarded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SeveralServers(BackendSetting):
    """A Backend of several servers, in the place of the first: its routes send each request where it belongs.

    Attributes:
        servers: the servers.
    """

    for_clients_only: ClassVar[bool] = True
    routes_only: ClassVar[str] = McpServer.routes_only
    servers: tuple[NamedServer, ...]

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return what has the route send requests to the servers."""
        spoken = (
            each._replace(backend=replace(each.backend, protocol=each.backend.protocol or protocol))
            for each in self.servers
        )
        return (ToServers(tuple(spoken)),)


@dataclass(frozen=True, slots=True)
class ToServers(RuleSetting, RouteHook):
    """Requests are answered by several servers as if they were one.

    Envoy's filter sends them on by itself, so it comes last of all filters. It looks like this in its slot: the guard,
    which would come later; who the agent is; the reader of the protocol; the router of servers.

    Attributes:
        servers: the servers.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    alpha: ClassVar[bool] = True
    servers: tuple[NamedServer, ...]

    @property
    def is_final(self) -> bool:
        """It is: nothing else of the route is used."""
        return True

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The servers, and the one that there is not."""
        return (*dict.fromkeys(each.backend for each in self.servers), *((NOBODY,) if len(self.servers) == 1 else ()))

    def with_backends(self, change: Callable[[Backend], Backend]) -> ToServers:
        """Return it with its servers changed."""
        return replace(self, servers=tuple(each._replace(backend=change(each.backend)) for each in self.servers))

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``McpRouter`` into the slot of backends."""
        router = McpRouter()
        identity = router.session_identity
        identity.identity.dynamic_metadata.key.key = IDENTITY
        identity.identity.dynamic_metadata.key.path.add().key = "id"
        identity.validation.mode = ValidationPolicy.ENFORCE
        for each in self.servers:
            server = router.servers.add(name=each.name)
            cluster = server.mcp_cluster
            cluster.cluster, cluster.path = cluster_name(each.backend), each.path
            cluster.timeout.FromMilliseconds(each.timeout)
            cluster.host_rewrite_literal = each.host
            for header in sorted({*WHO, *TRACING, *each.forwarded}):
                server.header_forwarding.allowed_headers.patterns.add(exact=header)
        if len(self.servers) == 1:
            # Of a single server the filter leaves names as they are: policies about names would be about others.
            router.servers.add(name=NOBODY.key.name).mcp_cluster.cluster = cluster_name(NOBODY)
        filters = (
            (GUARD, RBAC()),
            (IDENTITY, several_filter()),
            (READER, federating_filter()),
            (ROUTER, router),
        )
        add_backend_filters(route, filters)
        if not route.route.HasField("idle_timeout"):
            # The router does not end a stream of events that its server has cut off.
            route.route.idle_timeout.FromMilliseconds(max(each.timeout for each in self.servers) + GRACE)


@dataclass(frozen=True, slots=True)
class OneServer(BackendSetting):
    """A Backend of one server: its routes send requests to the server's path.

    Attributes:
        path: the path.
        timeout: how long the server may be silent, in milliseconds.
        host: the Host of requests; "" for what they have.
    """

    path: str
    timeout: int
    host: str = ""

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return what has the route send requests to the server."""
        return (ToServer(self.path, self.timeout, self.host),)


@dataclass(frozen=True, slots=True)
class ToServer(RuleSetting, RouteHook):
    """Requests go to the path of a server, and may take as long as something is heard of it.

    Attributes:
        path: the path.
        timeout: how long the server may be silent, in milliseconds.
        host: the Host of requests; "" for what they have.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    path: str
    timeout: int
    host: str = ""

    @property
    def is_final(self) -> bool:
        """It is: a rule's own rewrites are for what does not know the path of its server."""
        return True

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the path, the silence and the Host."""
        write_target(route, self.timeout, self.host)
        route.route.path_rewrite = self.path.replace("%", "%%")  # it is a format of Envoy's


def write_target(route: Route, timeout: int, host: str) -> None:
    """Write how long a server may be silent, and the Host; a path that the route would have is none of the server's."""
    action = route.route
    for each in PATH_FIELDS:
        action.ClearField(each)
    if not action.HasField("idle_timeout"):
        action.idle_timeout.FromMilliseconds(timeout)
    if host:
        send_host(route, host)
