"""MCP servers as Envoy sees them: what their routes and clusters do to requests.

A server gets the headers of the protocol, and of others those that its Backend names: an allow list, written as an
expression for all other names, since Envoy's filter removes what matches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook, RouteHook
from translator.envoy.injected_secret import generic_injector
from translator.envoy.upstream_filters import add_filter
from translator.extensions.rewrite_policies import PATH_FIELDS
from translator.ir.backend import LAST, Backend, BackendSetting
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.ir.secret import GenericSecret
from translator.languages.regex import other_words

HEADERS: Final = "headgate.mcp.headers"
"""The name of the filter that removes headers."""
CREDENTIAL: Final = "headgate.mcp.credential"
"""The name of the filter that adds the credential."""
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
    """

    for_clients_only: ClassVar[bool] = True
    order: ClassVar[int] = LAST
    routes_only: ClassVar[str] = (
        "a Backend of mcp is for the backendRefs of routes, whose requests get the path of the server; refer to "
        "another backend"
    )
    forwarded: tuple[str, ...] = ()
    credential: Credential | None = None

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
            add_filter(options, HEADERS, made)
            if (found := self.credential) is not None:
                injector = generic_injector(CREDENTIAL, found.secret, found.header, found.prefix)
                add_filter(options, CREDENTIAL, injector.config)


def other_headers(forwarded: Iterable[str]) -> str:
    """Return the expression for the names of headers that a server does not get."""
    return other_words((*PROTOCOL, *WHO, *TRACING, *forwarded), PREFIXES)


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
        action = route.route
        for each in PATH_FIELDS:
            action.ClearField(each)
        action.path_rewrite = self.path.replace("%", "%%")  # it is a format of Envoy's
        if not action.HasField("idle_timeout"):
            action.idle_timeout.FromMilliseconds(self.timeout)
        if self.host:
            for share in action.weighted_clusters.clusters:
                share.ClearField("host_rewrite_literal")
            action.host_rewrite_literal = self.host
