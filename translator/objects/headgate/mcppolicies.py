"""The unit `mcp` of TrafficPolicies: which tools agents may call, and who may."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StringConstraints

from translator.objects.headgate.authorization import Action, ClaimMatch, HeaderValues, Value
from translator.objects.headgate.jwt import Audiences, Jwks
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import OAUTH_SCOPE, RESOURCE_URL, TOOL_PATTERN, Boolean

MOST_PATTERNS: Final = 256
"""The most patterns of a list of tools."""
MOST_TOOL_RULES: Final = 64
"""The most rules of an authorization."""

ResourceUrl = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=RESOURCE_URL)]
"""An absolute URL without a query."""
ToolPattern = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=TOOL_PATTERN)]
"""The name of a tool; `*` stands for any part of it."""
ToolPatterns = Annotated[
    tuple[ToolPattern, ...], Field(min_length=1, max_length=MOST_PATTERNS), unique(None, "is there twice: remove it")
]


class McpTools(CheckedFields):
    """Which tools there are for agents, whoever they are: others are not listed, and calls of them get 403."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.allow) || has(self.deny)", "at least one of allow and deny must be set"),
    )

    allow: Annotated[ToolPatterns | None, Doc(envoy="RBAC.matcher: DynamicMetadataInput")] = None
    """The tools, by their names: `search`, `github__*`. By default all."""
    deny: Annotated[ToolPatterns | None, Doc(envoy="RBAC.matcher: DynamicMetadataInput")] = None
    """Tools that there are not, even if `allow` has them."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if nothing is set."""
        if self.allow is None and self.deny is None:
            yield FieldViolation((), "must have at least one of allow and deny")


class McpRule(Fields):
    """A rule: if all that it names holds, its action decides."""

    tools: Annotated[ToolPatterns | None, Doc(envoy="RBAC.matcher: DynamicMetadataInput")] = None
    """Calls of these tools. A rule without is for all that agents ask for: tools, resources, prompts, streams."""
    provider: Annotated[Value | None, Doc(envoy="RBAC.matcher: DynamicMetadataInput")] = None
    """The provider of `jwtAuth` whose token has the claims and scopes. By default the only one that there is."""
    claims: Annotated[
        tuple[ClaimMatch, ...] | None, Field(min_length=1, max_length=16), Doc(envoy="RBAC.matcher: Metadata")
    ] = None
    """Claims of the token, all of which have to match."""
    scopes: Annotated[
        tuple[Value, ...] | None, Field(min_length=1, max_length=16), Doc(envoy="RBAC.matcher: Metadata")
    ] = None
    """Scopes, all of which the claim ``scope`` or ``scp`` has to have."""
    headers: Annotated[
        tuple[HeaderValues, ...] | None,
        Field(min_length=1, max_length=16),
        Doc(envoy="RBAC.matcher: HttpRequestHeaderMatchInput"),
    ] = None
    """Headers of the request, all of which have to match."""
    action: Annotated[Action, Doc(envoy="Action.action")]
    """What becomes of a request for which all of that holds."""


class McpAuthorization(Fields):
    """Who may call which tools: what no rule allows gets 403."""

    rules_: Annotated[tuple[McpRule, ...], Field(alias="rules", min_length=1, max_length=MOST_TOOL_RULES)]
    """Rules, in their order: the first that matches decides. What agents need to find out what they may do is allowed
    where no rule denies it: handshakes, pings, notifications, and lists of tools, which have those that they may
    call."""


class McpOAuth(CheckedFields):
    """Agents need a token of an authorization server, and are told where they get one (MCP, "Authorization").

    What Gateways enforce cannot have it: routes have one kind of tokens.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.resource) || has(self.audiences)", "at least one of resource and audiences must be set"),
    )

    issuer: Annotated[ResourceUrl, Doc(envoy="JwtProvider.issuer")]
    """The URL of the authorization server, which is the claim `iss` of its tokens."""
    audiences: Annotated[Audiences, Doc(envoy="JwtProvider.audiences", default="`resource`")] = None
    """The claim `aud` has to hold one of these."""
    jwks: Jwks
    """The keys by which tokens are verified."""
    resource: Annotated[
        ResourceUrl | None,
        Doc(envoy="Lua.filter_context", default="`/mcp` at the scheme and host of the request"),
    ] = None
    """The URL of the endpoint, as agents know it: they ask for tokens for it."""
    scopes: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=OAUTH_SCOPE)], ...] | None,
        Field(min_length=1, max_length=32),
        unique(None, "is there twice: remove it"),
        Doc(envoy="Lua.filter_context, LocalResponsePolicy.response_headers_to_add"),
    ] = None
    """The scopes that agents ask for. Which ones they need, rules say."""
    issuer_metadata: Annotated[Boolean | None, Doc(envoy="Lua.filter_context", default="false")] = None
    """Whether the metadata of the issuer are at `/.well-known/oauth-authorization-server` too, for agents that look for
    these at the server, as they did until the version 2025-03-26."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if nothing says whom tokens are for."""
        if self.resource is None and self.audiences is None:
            yield FieldViolation((), "must have at least one of resource and audiences")


class McpPolicy(Disableable):
    """Requests have to be of the Model Context Protocol, and are checked by the tool that they call."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.disable) || has(self.tools) || has(self.authorization) || has(self.oauth)",
            "at least one of tools, authorization, oauth and disable must be set",
        ),
    )

    tools: Annotated[McpTools | None, Doc(envoy="Mcp, RBAC.matcher, Lua")] = None
    """Which tools there are."""
    authorization: Annotated[McpAuthorization | None, ATOMIC, Doc(envoy="Mcp, RBAC.matcher, Lua")] = None
    """Who may call them."""
    oauth: Annotated[McpOAuth | None, ATOMIC] = None
    """Has agents need a token, and tells them where they get one; in place of `jwtAuth`."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if nothing is set."""
        yield from super().violations()
        if self.disable is None and self.tools is None and self.authorization is None and self.oauth is None:
            yield FieldViolation((), "must have at least one of tools, authorization, oauth and disable")
