"""Tokens that requests need (RFC 7519): the unit `jwtAuth` of TrafficPolicies, by Envoy's ``jwt_authn`` filter.

The filter is a resource of its own for each Gateway (ECDS), so that fetched keys outlive changes of routes; a route
names a requirement in it. That name is the policy's, and stays the same while the policy and its issuers change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from headgate_proto.envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import JwtAuthentication, PerRouteConfig
from translator.envoy import http_filters
from translator.envoy.filter_entries import DiscoveredPart, FilterConfig, FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.jwt_messages import ambiguous, requirement, token_headers, write_issuer
from translator.extensions.jwt_providers import MEMBER, PAYLOAD, PROVIDER, Issuer, Issuers, RemoteKeys, read_issuers
from translator.extensions.read_credentials import read_credentials
from translator.ir.backend import Backend
from translator.ir.http import RuleSetting
from translator.objects.headgate.jwt import JwtAuth
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem
from translator.providers import ProviderContext, provider_of

STRICT: Final = "Strict"
AMBIGUOUS: Final = "headgate.jwt.ambiguous"
"""The name of the filters that refuse headers which can be read in two ways."""
FIRST: Final = 2**31 - 1
"""The weight of those: before all that users have in their slot."""


@dataclass(frozen=True, slots=True)
class TokenCheck(RuleSetting, FilterHook):
    """Requests need a token.

    Attributes:
        policy: the policy that says it, as ``namespace/name``.
        issuers: whose tokens.
        mode: which requests pass, of `translator.objects.headgate.jwt.Mode`.
        require_all: whether a token of each issuer is needed.
        audiences: one of which it has to be for; empty for what the issuers say.
    """

    policy: str
    issuers: tuple[Issuer, ...]
    mode: str = STRICT
    require_all: bool = False
    audiences: tuple[str, ...] = ()

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Where keys are fetched from."""
        return tuple(dict.fromkeys(each.keys.backend for each in self.issuers if isinstance(each.keys, RemoteKeys)))

    def with_backends(self, change: Callable[[Backend], Backend]) -> TokenCheck:
        """Change where keys are fetched from."""
        return replace(self, issuers=tuple(_changed(each, change) for each in self.issuers))

    @property
    def name(self) -> str:
        """The name of the requirement: another one where other filters find the claims elsewhere."""
        return self.policy if all(each.metadata_key == PAYLOAD for each in self.issuers) else f"{self.policy}/named"

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the requirement and its name, and what refuses headers that can be read in two ways."""
        yield FilterConfig(http_filters.JWT, PerRouteConfig(requirement_name=self.name))
        part = JwtAuthentication()
        for each in self.issuers:
            write_issuer(part.providers[each.key], each)
        needed = requirement(self.issuers, self.mode, self.require_all, self.audiences)
        part.requirement_map[self.name].CopyFrom(needed)
        yield DiscoveredPart(http_filters.JWT, self.name, part)
        for place, refusal in enumerate(ambiguous(self.issuers)):
            yield SlotFilter(http_filters.BEFORE_AUTHN, f"{AMBIGUOUS}.{place}", refusal, FIRST)
        sources = [each.spec.token_source for each in self.issuers if each.spec.token_source is not None]
        headers = [name for each in self.issuers for name, _ in token_headers(each.spec)]
        yield from read_credentials("jwt", headers, [name for each in sources for name in each.query_params or ()])


def _changed(issuer: Issuer, change: Callable[[Backend], Backend]) -> Issuer:
    if not isinstance(issuer.keys, RemoteKeys):
        return issuer
    return replace(issuer, keys=replace(issuer.keys, backend=change(issuer.keys.backend)))


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective requirement of a token."""
    found = context.effective.value
    assert isinstance(found, JwtAuth)
    if found.disable is not None:
        return Outcome(())
    policy = context.origin("")
    read: Outcome[Issuers | None]
    if found.extension_ref is not None:
        read = provider_of(context.db, policy, found.extension_ref, MEMBER, f"{context.field}.extensionRef")
    else:
        inline = ProviderContext(context.db, policy, context.field, found)
        read = read_issuers(inline, found.providers or (), None)
    if read.value is None:
        return Outcome(None, read.problems)
    issuers, audiences = read.value.issuers, found.audiences or ()
    for each in issuers:
        if audiences and each.spec.audiences is not None and not set(audiences).intersection(each.spec.audiences):
            text = f"{context.field}.audiences: the provider {each.spec.name} has none of them; name one that it has."
            return Outcome(None, (Problem("Accepted", "Invalid", text),))
    mode = found.mode or read.value.mode or STRICT
    name = f"{policy.namespace}/{policy.name}"
    return Outcome((TokenCheck(name, issuers, mode, bool(found.require_all), audiences),))


EXTENSION = Extension(
    "JSON Web Tokens",
    units=(PolicyUnit(TrafficPolicy, "jwt_auth", read, TokenCheck, closed=True, inherit=TABLE),),
    providers=(PROVIDER,),
)
