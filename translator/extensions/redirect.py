"""Redirects (Gateway API, `HTTPRequestRedirectFilter`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.config.route.v3.route_components_pb2 import RedirectAction, Route
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader
from translator.extensions.path_modifier import PathModifier, path_modifier
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.filters import HTTPRequestRedirectFilter
from translator.outcome import Outcome

TYPE = "RequestRedirect"

STATUS = {
    301: RedirectAction.MOVED_PERMANENTLY,
    302: RedirectAction.FOUND,
    303: RedirectAction.SEE_OTHER,
    307: RedirectAction.TEMPORARY_REDIRECT,
    308: RedirectAction.PERMANENT_REDIRECT,
}

DEFAULT_PORTS = {"http": 80, "https": 443}

WITHOUT_PORT = "%CEL(re.extract(response.headers['location'], '^({scheme}://[^/?#]*):{port}(\\\\C*)$', '\\\\1\\\\2'))%"
"""The Location that Envoy made, without its port; where the expression fails, Envoy leaves the header as it is."""


@dataclass(frozen=True, slots=True)
class Redirect(RuleSetting, RouteHook):
    """A redirect; empty parts and port 0 keep those of the request."""

    terminal: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    status: int = 302
    scheme: str = ""
    hostname: str = ""
    port: int = 0
    path: PathModifier | None = None

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``RedirectAction``."""
        action = route.redirect
        action.response_code = STATUS[self.status]
        action.scheme_redirect = self.scheme
        action.host_redirect = self.hostname
        self._write_port(route, origin)
        if self.path is not None:
            self.path.apply(action, match, "path_redirect")

    def _write_port(self, route: Route, origin: ListenerContext) -> None:
        """Write the port given, else that of the scheme given, else the listener's; a default port is not named.

        Without a hostname Envoy keeps the Host of the request, with the port that the client wrote there, unless it is
        given another port, which it then names: a default one is taken out of the Location again.
        """
        scheme = self.scheme or origin.scheme
        port = self.port or (DEFAULT_PORTS[self.scheme] if self.scheme else origin.port)
        if port != DEFAULT_PORTS[scheme]:
            route.redirect.port_redirect = port
        elif not self.hostname:
            route.redirect.port_redirect = port
            option = route.response_headers_to_add.add()
            option.header.key, option.header.value = "location", WITHOUT_PORT.format(scheme=scheme, port=port)
            option.append_action = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD


def read(site: FilterContext) -> FilterOutcome:
    """Read the redirect of a site."""
    for _, found in site.members(HTTPRequestRedirectFilter):
        redirect = Redirect(
            status=found.status_code,
            scheme=(found.scheme or "").lower(),
            hostname=found.hostname or "",
            port=found.port or 0,
            path=path_modifier(found.path),
        )
        return Outcome((redirect,))
    return Outcome(())


EXTENSION = Extension(
    "redirects",
    filters=(FilterReader(read, types=(TYPE,), on_backends=True),),
    conformance=(
        "HTTPRoute303RedirectStatusCode",
        "HTTPRoute307RedirectStatusCode",
        "HTTPRoute308RedirectStatusCode",
        "HTTPRoutePathRedirect",
        "HTTPRoutePortRedirect",
        "HTTPRouteSchemeRedirect",
    ),
)
