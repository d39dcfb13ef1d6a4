"""URL rewrites (Gateway API, `HTTPURLRewriteFilter`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from translator.extension import Feature, FilterContext, FilterOutcome
from translator.extensions.host_rewrite import set_host, sets_host
from translator.extensions.path_modifier import PathModifier, path_modifier
from translator.ir.http import RouteFeature, RouteMatch
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.filters import HTTPURLRewriteFilter
from translator.outcome import Outcome

TYPE = "URLRewrite"


@dataclass(frozen=True, slots=True)
class Rewrite(RouteFeature):
    """A rewrite of Host ("" keeps it) and path."""

    forwarding: ClassVar[bool] = True
    hostname: str = ""
    path: PathModifier | None = None

    def apply(self, route: Any, origin: ListenerContext, match: RouteMatch) -> None:
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


FEATURE = Feature(
    "URL rewrites",
    read,
    filters=(TYPE,),
    conformance=(
        "HTTPRouteHostRewrite",
        "HTTPRoutePathRewrite",
    ),
)
