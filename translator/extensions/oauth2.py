"""Logins of browsers by OAuth 2.0 and OpenID Connect: the unit `oauth2` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from headgate_proto.envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from headgate_proto.envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import PerRouteConfig
from translator.envoy import http_filters
from translator.envoy.filter_entries import DiscoveredPart, FilterConfig, FilterEntry, OwnPath, SecretUse
from translator.envoy.hooks import FilterHook
from translator.envoy.oauth2 import id_token_header, oauth2_per_route, token_authentication
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.matchers import header_matcher, match_problems
from translator.extensions.oauth2_provider import Provider, conflict, path_of, read_provider
from translator.ir.backend import Backend
from translator.ir.http import RuleSetting
from translator.ir.oauth2 import OAuth2Client, TokenVerification
from translator.objects.headgate.matches import HeaderMatch
from translator.objects.headgate.oauth2 import OAuth2Policy, RequestMatches
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome
from translator.providers import ProviderKind, provider_of


@dataclass(frozen=True, slots=True)
class OAuth2(RuleSetting, FilterHook):
    """Which logins requests need.

    Attributes:
        client: the client of the provider.
        deny_redirect: requests that get 401 in place of a redirection.
        pass_through: requests that need no login.
        allow_failed: requests that go on if they are not logged in.
    """

    client: OAuth2Client
    deny_redirect: tuple[HeaderMatch, ...] = ()
    pass_through: tuple[HeaderMatch, ...] = ()
    allow_failed: tuple[HeaderMatch, ...] = ()

    @property
    def backends(self) -> tuple[Backend, ...]:
        """What serves the token endpoint."""
        return (self.client.backend,)

    @property
    def adds_secret(self) -> bool:
        """Whether backends get a token, which may be one that clients cannot read."""
        return self.client.forward_access_token or bool(self.client.id_token_header)

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the ``OAuth2PerRoute``, its secrets and paths."""
        client = self.client
        matchers = (self.deny_redirect, self.pass_through, self.allow_failed)
        yield FilterConfig(http_filters.OAUTH2, oauth2_per_route(client, *(_matchers(each) for each in matchers)))
        yield SecretUse(client.secret)
        yield SecretUse(client.hmac)
        yield OwnPath(client.redirect_path)
        yield OwnPath(client.logout_path)


@dataclass(frozen=True, slots=True)
class OAuth2Tokens(RuleSetting, FilterHook):
    """The verification of the tokens that a login hands on.

    Attributes:
        client: the client of the provider, whose tokens are verified.
        optional: whether there are requests without a login.
    """

    client: OAuth2Client
    optional: bool = False

    @property
    def _verification(self) -> TokenVerification:
        assert self.client.verification is not None, "whoever makes it knows that"
        return self.client.verification

    @property
    def backends(self) -> tuple[Backend, ...]:
        """What serves the keys."""
        return (self._verification.backend,)

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the requirement, and what it stands for."""
        client, header = self.client, id_token_header(self.client)
        key = f"{client.name}/{header}/{int(client.forward_access_token)}{int(self.optional)}"
        yield FilterConfig(http_filters.OAUTH2_TOKENS, PerRouteConfig(requirement_name=key))
        config = token_authentication(client, self._verification, key, self.optional)
        yield DiscoveredPart(http_filters.OAUTH2_TOKENS, key, config)


def _matchers(found: tuple[HeaderMatch, ...]) -> list[HeaderMatcher]:
    return [header_matcher(each) for each in found]


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective login."""
    found = context.effective.value
    assert isinstance(found, OAuth2Policy)
    if found.disable is not None:
        return Outcome(())
    assert found.extension_ref is not None, "by the rules of the model"
    owner, field = context.origin("extensionRef"), context.field
    provided: Outcome[Provider | None] = provider_of(
        context.db, owner, found.extension_ref, "oauth2", f"{field}.extensionRef"
    )
    matches = {"denyRedirect": found.deny_redirect, "passThrough": found.pass_through}
    matches["allowFailed"] = found.allow_failed
    wrong = [
        problem
        for name, each in matches.items()
        for problem in match_problems(_headers(each), f"{field}.{name}.headers")
    ]
    if provided.value is None or wrong:
        return Outcome(None, (*provided.problems, *wrong))
    client = overridden(provided.value.client, found)
    if problem := conflict(client, field):
        return Outcome(None, (problem,))
    deny = _headers(found.deny_redirect) or provided.value.deny_redirect
    login = OAuth2(client, deny, _headers(found.pass_through), _headers(found.allow_failed))
    if client.verification is None:
        return Outcome((login,))
    return Outcome((login, OAuth2Tokens(client, optional=bool(login.pass_through or login.allow_failed))))


def _headers(found: RequestMatches | None) -> tuple[HeaderMatch, ...]:
    return found.headers if found is not None else ()


def overridden(client: OAuth2Client, found: OAuth2Policy) -> OAuth2Client:
    """Return a client with what a policy says in place of its provider."""
    if found.redirect_uri is not None:
        client = replace(client, redirect_uri=found.redirect_uri, redirect_path=path_of(found.redirect_uri))
    if found.scopes is not None:
        client = replace(client, scopes=found.scopes)
    if found.resources is not None:
        client = replace(client, resources=found.resources)
    if found.forward_access_token is not None:
        client = replace(client, forward_access_token=found.forward_access_token)
    if found.forward_id_token is not None:
        client = replace(client, id_token_header=found.forward_id_token.header)
    return client


EXTENSION = Extension(
    "OAuth 2.0",
    units=(PolicyUnit(TrafficPolicy, "oauth2", read, (OAuth2, OAuth2Tokens), closed=True, inherit=TABLE),),
    providers=(ProviderKind("oauth2", read_provider),),
)
"""Logins by TrafficPolicies, at the providers of GatewayExtensions."""
