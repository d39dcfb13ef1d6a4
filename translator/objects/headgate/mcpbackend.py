"""Servers of the Model Context Protocol (MCP) as backends: what agents call tools at."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.mcpopenapi import McpOpenApi
from translator.objects.headgate.policy import MatchLabels
from translator.objects.headgate.references import SecretReference
from translator.objects.headgate.staticbackend import HostName
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ALL_CHANGEABLE, ChangeableHeader
from translator.objects.schema.scalars import (
    AUTHORIZER_PATH,
    PRINTABLE_OR_EMPTY,
    DnsLabel,
    HeaderName,
    PortNumber,
    PositiveMilliseconds,
)

MOST_TARGETS: Final = 32
"""The most servers of a Backend, those too that it selects."""
MOST_FORWARDED: Final = 32
"""The most headers that a server gets beside those of the protocol."""
MCP_PATH: Final = "/mcp"
"""The path of servers that say none."""

OF_ONE: Final = "must not be set for Services that are selected: it is of one service; name that by backendRef"
_AGAIN: Final = "is there twice: remove one of them"


class McpHost(Fields):
    """A server by its address."""

    host: Annotated[HostName, Doc(envoy="Endpoint.address.socket_address.address")]
    """An IP address, or a DNS name that the proxies resolve. It is the Host of requests."""
    port: Annotated[PortNumber, Doc(envoy="Endpoint.address.socket_address.port_value")]
    """The port to connect to."""


class McpAuth(Fields):
    """The credential that a server asks for; what clients send in its header is removed."""

    secret_ref: Annotated[SecretReference, Doc(envoy="Generic.credential")]
    """A Secret with the credential, by default under the key `apiKey`."""
    header_name: Annotated[ChangeableHeader | None, Doc(envoy="Generic.header", default="authorization")] = None
    """The header."""
    prefix: Annotated[
        Annotated[str, StringConstraints(max_length=256, pattern=PRINTABLE_OR_EMPTY)] | None,
        Doc(envoy="Generic.header_value_prefix", default="`Bearer ` in Authorization, or nothing"),
    ] = None
    """What stands before the credential."""


class McpSelector(CheckedFields):
    """Selects Services of the Backend's namespace by their labels: those with a port whose appProtocol is ``mcp``."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("size(self.matchLabels) > 0", "needs a label: all Services would be servers", "matchLabels"),
    )

    match_labels: MatchLabels
    """Labels that a Service must have, with these values."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a selector that selects all Services."""
        if not self.match_labels:
            yield FieldViolation(("matchLabels",), self.rules[0].message)


class McpTarget(CheckedFields):
    """An MCP server, or several that are selected."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one("backendRef", "static", "selector"),
        CelRule("!has(self.openapi) || !has(self.selector)", OF_ONE, "openapi"),
    )

    name: Annotated[DnsLabel, Doc(envoy="McpRouter.McpBackend.name")]
    """The name of the server. Beside other servers its tools are named after it: `name__tool`. Selected Services have
    their own names."""
    backend_ref: Annotated[BackendObjectReference | None, Doc(envoy="RouteAction.cluster")] = None
    """A Service, or a Backend with policies of its own; those of another namespace need a ReferenceGrant there, from
    Backend."""
    static: McpHost | None = None
    """An address. Policies that target this Backend, such as a BackendTLSPolicy, are for these."""
    selector: McpSelector | None = None
    """Services by their labels: each is a server, which comes and goes with its Service."""
    openapi: McpOpenApi | None = None
    """Has operations of a service of HTTP be the tools: it knows nothing of the protocol. It has to be the only target.
    """
    path: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=AUTHORIZER_PATH)] | None,
        Doc(envoy="RouteAction.path_rewrite, McpCluster.path", default="/mcp"),
    ] = None
    """The path of the server, whatever that of the request; the query stays where there is one server. With `openapi`,
    what the paths of all operations begin with, by default nothing."""
    timeout: Annotated[
        PositiveMilliseconds | None, Doc(envoy="RouteAction.idle_timeout, McpCluster.timeout", default="30s")
    ] = None
    """Of a single server, how long nothing may be heard of it: a call that is silent for so long gets 504, and a stream
    of events ends. Of one of several, how long a call may take."""
    auth: McpAuth | None = None
    """The credential that the server asks for. Without it the server gets none."""
    forward_headers: Annotated[
        tuple[HeaderName, ...] | None,
        Field(max_length=MOST_FORWARDED),
        unique(None, _AGAIN),
        ALL_CHANGEABLE,
        Doc(envoy="HeaderMutation.remove_on_match, McpRouter.HeaderForwarding"),
    ] = None
    """Headers that the server gets, beside those of the protocol, of tracing, and of who the client is. All others are
    removed, those too that policies add: the client's Authorization and cookies go to no server unless they are
    here."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless it is at one place."""
        if sum(each is not None for each in (self.backend_ref, self.static, self.selector)) != 1:
            yield FieldViolation((), f"{self.rules[0].message}: add it, or remove the others")
        if self.openapi is not None and self.selector is not None:
            yield FieldViolation(("openapi",), OF_ONE)


class McpBackend(Fields):
    """MCP servers: agents call their tools, read their resources and get their prompts."""

    targets: Annotated[tuple[McpTarget, ...], Field(min_length=1, max_length=MOST_TARGETS), unique("name", _AGAIN)]
    """The servers. Of several, agents see all tools, resources and prompts, under names with those of their servers."""
