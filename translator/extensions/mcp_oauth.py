"""Tokens of agents: the field `oauth` of the unit `mcp` (MCP, "Authorization").

Tokens are verified as those of `jwtAuth` are. Beside that, an agent without one is told where the metadata of the
resource are (RFC 9728), and gets these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.extensions.http.custom_response.local_response_policy.v3.local_response_policy_pb2 import (
    LocalResponsePolicy,
)
from headgate_proto.envoy.type.matcher.v3.http_inputs_pb2 import HttpResponseHeaderMatchInput
from headgate_proto.envoy.type.matcher.v3.status_code_input_pb2 import (
    HttpResponseLocalReplyMatchInput,
    HttpResponseStatusCodeMatchInput,
)
from translator.envoy.ai.mcp_filters import oauth_filter
from translator.envoy.filter_entries import CustomResponse, FilterEntry, OwnPath, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import BEFORE_AUTHN
from translator.envoy.names import cluster_name
from translator.envoy.own_paths import place_of
from translator.envoy.predicates import all_of, response
from translator.extension import FilterOutcome, PolicyContext
from translator.extensions.jwt_auth import FIRST, TokenCheck
from translator.extensions.jwt_providers import read_issuers
from translator.extensions.url_backends import url_backend
from translator.ir.backend import Backend
from translator.ir.http import Rule, RuleSetting
from translator.languages.formats import literal
from translator.objects.headgate.jwt import JwtProvider
from translator.objects.headgate.mcpbackend import MCP_PATH
from translator.objects.headgate.mcppolicies import McpOAuth
from translator.outcome import Outcome, Problem
from translator.providers import ProviderContext

NAME: Final = "headgate.mcp.oauth"
"""The name of the filter that answers with metadata."""
PROVIDER: Final = "oauth"
"""The provider of tokens, by which rules may name it."""
OF_RESOURCE: Final = "/.well-known/oauth-protected-resource"
OF_ISSUER: Final = "/.well-known/oauth-authorization-server"
OPENID: Final = "/.well-known/openid-configuration"
RANK: Final = 5
"""Behind responses that users have chosen."""


@dataclass(frozen=True, slots=True)
class AgentTokens(RuleSetting, FilterHook):
    """Agents need a token, and are told where they get one.

    Attributes:
        check: the verification of tokens.
        issuer: who gives them.
        origin: scheme and host of the resource; "" for those of the request.
        path: its path.
        scopes: what agents ask for.
        service: the issuer's server, if its metadata are served.
    """

    check: TokenCheck
    issuer: str
    origin: str
    path: str
    scopes: tuple[str, ...] = ()
    service: Backend | None = None

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Where keys and metadata are fetched from."""
        return (*self.check.backends, *((self.service,) if self.service is not None else ()))

    def with_backends(self, change: Callable[[Backend], Backend]) -> AgentTokens:
        """Change where they are fetched from."""
        service = change(self.service) if self.service is not None else None
        return replace(self, check=self.check.with_backends(change), service=service)

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the verification, the paths of metadata with the filter that answers, and where those are."""
        yield from self.check.filter_configs()
        yield OwnPath(self._metadata_path, self.path)
        if self.service is not None:
            yield OwnPath(OF_ISSUER, self.path)
        yield SlotFilter(BEFORE_AUTHN, NAME, oauth_filter(self._context()), FIRST)
        policy = LocalResponsePolicy()
        added = policy.response_headers_to_add.add(append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
        added.header.key, added.header.value = "www-authenticate", self._challenge
        local = response(HttpResponseLocalReplyMatchInput(), "true")
        unauthorized = response(HttpResponseStatusCodeMatchInput(), "401")
        yield CustomResponse(all_of((local, unauthorized)), policy, RANK)
        # Envoy answers 403 to a token for another audience, with which an agent would never get another.
        forbidden = response(HttpResponseStatusCodeMatchInput(), "403")
        invalid = response(HttpResponseHeaderMatchInput(header_name="www-authenticate"), "")
        invalid.single_predicate.value_match.contains = 'error="invalid_token"'
        another = LocalResponsePolicy()
        another.CopyFrom(policy)
        another.status_code.value = 401
        yield CustomResponse(all_of((local, forbidden, invalid)), another, RANK)

    @property
    def _metadata_path(self) -> str:
        return f"{OF_RESOURCE}{self.path}" if self.path != "/" else OF_RESOURCE

    @property
    def _challenge(self) -> str:
        origin = literal(self.origin) if self.origin else "%REQ(:SCHEME)%://%REQ(:AUTHORITY)%"
        scopes = f', scope="{literal(" ".join(self.scopes))}"' if self.scopes else ""
        return f'Bearer resource_metadata="{origin}{literal(self._metadata_path)}"{scopes}'

    def _context(self) -> dict[str, Any]:
        said: dict[str, Any] = {"authorization_servers": [self.issuer], "bearer_methods_supported": ["header"]}
        if self.scopes:
            said["scopes_supported"] = list(self.scopes)
        made: dict[str, Any] = {
            "path": self._metadata_path,
            "origin": self.origin,
            "resource": self.path,
            "members": json.dumps(said)[1:-1],
        }
        if self.service is not None:
            parts = urlsplit(self.issuer)
            own = parts.path.rstrip("/")
            made |= {
                "cluster": cluster_name(self.service),
                "host": parts.netloc,
                "paths": [f"{OF_ISSUER}{own}", f"{own}{OPENID}"],
            }
        return made


def read(context: PolicyContext, found: McpOAuth) -> FilterOutcome:
    """Read how agents get tokens; None if they cannot be verified."""
    field, policy = f"{context.field}.oauth", context.origin("oauth")
    if context.place is not None:
        text = f"{field}: cannot be enforced beside what routes say; set it in a policy that is not enforced."
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    audiences = found.audiences or ((found.resource,) if found.resource is not None else None)
    provider = JwtProvider.model_construct(name=PROVIDER, issuer=found.issuer, audiences=audiences, jwks=found.jwks)
    inline = ProviderContext(context.db, policy, field, found)
    read = read_issuers(inline, (provider,), None)
    problems = list(_placed(read.problems, field))
    service = None
    if found.issuer_metadata:
        resolved = url_backend(context.db, found.issuer, f"{field}.issuer")
        problems += resolved.problems
        service = resolved.value
    if read.value is None or problems:
        return Outcome(None, tuple(problems))
    issuers = tuple(replace(each, owner=f"{each.owner}/mcp") for each in read.value.issuers)
    check = TokenCheck(f"{policy.namespace}/{policy.name}/mcp", issuers)
    parts = urlsplit(found.resource or "")
    origin = f"{parts.scheme}://{parts.netloc}" if found.resource is not None else ""
    path = (parts.path or "/") if found.resource is not None else MCP_PATH
    return Outcome((AgentTokens(check, found.issuer, origin, path, found.scopes or (), service),))


def misplaced(settings: tuple[RuleSetting, ...], rule: Rule) -> str:
    """Return why a rule does not tell agents where they get tokens; "" if it does, or has not to."""
    for each in settings:
        if isinstance(each, AgentTokens) and place_of(rule.matches, each.path) is None:
            return NOT_OWN.format(path=each.path)
    return ""


NOT_OWN: Final = (
    "spec.mcp.oauth.resource has the path {path}, for which no match of the route is: its metadata are not served "
    "here; set it to the URL at which agents find the route"
)


def _placed(problems: tuple[Problem, ...], field: str) -> Iterator[Problem]:
    """Yield problems of the only provider where it is written."""
    for each in problems:
        yield each._replace(message=each.message.replace(f"{field}.providers[0].", f"{field}."))
