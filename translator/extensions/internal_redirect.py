"""Redirects of backends that the proxy follows by itself, by TrafficPolicies (`internalRedirect`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.internal_redirect.safe_cross_scheme.v3.safe_cross_scheme_config_pb2 import (
    SafeCrossSchemeConfig,
)
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.headgate.forwarding import InternalRedirect
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome

SAFE_CROSS_SCHEME: Final = "envoy.internal_redirect_predicates.safe_cross_scheme"
"""Refuses redirects from http to https: a client without TLS must not read what only clients with TLS may."""


@dataclass(frozen=True, slots=True)
class FollowRedirects(RuleSetting, RouteHook):
    """The redirects that the proxy follows.

    Envoy's predicate ``previous_routes`` is not used: it refuses the second redirect to one route, however many may be
    followed; the limit of these is what ends a loop.
    """

    forwarding: ClassVar[bool] = True
    sends_on: ClassVar[bool] = True
    codes: tuple[int, ...] = (302,)
    most: int = 1
    cross_scheme: bool = False
    copied: tuple[str, ...] = ()

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``InternalRedirectPolicy``."""
        policy = route.route.internal_redirect_policy
        policy.max_internal_redirects.value = self.most
        policy.redirect_response_codes.extend(self.codes)
        policy.response_headers_to_copy.extend(self.copied)
        if self.cross_scheme:
            policy.allow_cross_scheme_redirect = True
            predicate = policy.predicates.add(name=SAFE_CROSS_SCHEME)
            predicate.typed_config.Pack(SafeCrossSchemeConfig(), deterministic=True)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective redirects."""
    found = context.effective.value
    assert isinstance(found, InternalRedirect)
    setting = FollowRedirects(
        found.redirect_response_codes or (302,),
        found.max_redirects or 1,
        bool(found.allow_cross_scheme_redirect),
        found.response_headers_to_copy or (),
    )
    return Outcome((setting,))


EXTENSION = Extension(
    "internal redirects", units=(PolicyUnit(TrafficPolicy, "internal_redirect", read, FollowRedirects),)
)
