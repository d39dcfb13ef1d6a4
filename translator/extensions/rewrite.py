"""URL rewrites (Gateway API, `HTTPURLRewriteFilter`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader
from translator.extensions.host_rewrite import set_host, sets_host
from translator.extensions.path_modifier import PathModifier, path_modifier
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.filters import HTTPURLRewriteFilter
from translator.outcome import Outcome

TYPE = "URLRewrite"


@dataclass(frozen=True, slots=True)
class Rewrite(RuleSetting, RouteHook):
    """A rewrite of Host ("" keeps it) and path."""

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    hostname: str = ""
    path: PathModifier | None = None

    def over(self, wide: RuleSetting) -> Rewrite:
        """Rewrite what this leaves alone as the rule says."""
        assert isinstance(wide, Rewrite)
        return Rewrite(self.hostname or wide.hostname, self.path or wide.path)

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write into the ``RouteAction``."""
        if self.hostname:
            set_host(route.route, self.hostname)
        if self.path is not None:
            self.path.apply(route.route, match, "")


def read(site: FilterContext) -> FilterOutcome:
    """Read the rewrite of a site; of its hostname and the Host of a header modifier, the later in the list counts."""
    for place, each in enumerate(site.filters):
        found = each.member
        if isinstance(found, HTTPURLRewriteFilter):
            hostname = "" if any(map(sets_host, site.filters[place:])) else found.hostname or ""
            return Outcome((Rewrite(hostname, path_modifier(found.path)),))
    return Outcome(())


EXTENSION = Extension(
    "URL rewrites",
    filters=(FilterReader(read, types=(TYPE,), on_backends=True),),
    conformance=(
        "HTTPRouteBackendURLRewrite",
        "HTTPRouteHostRewrite",
        "HTTPRoutePathRewrite",
    ),
)
