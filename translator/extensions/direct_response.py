"""Answers without a backend: the extension `DirectResponse`, named by a route's ExtensionRef filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader
from translator.extensions.local_response import LocalResponse, direct_response
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.headgate.directresponse import DirectResponse
from translator.outcome import Outcome, not_resolved
from translator.refs import Ref

TYPE: Final = "ExtensionRef"
LOCATION: Final = "location"
CREATED: Final = 201


@dataclass(frozen=True, slots=True)
class Respond(RuleSetting, RouteHook):
    """A fixed answer."""

    terminal: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    response: LocalResponse

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``DirectResponseAction``, and the headers of its response."""
        route.direct_response.status = self.response.status
        self.response.body.write(route.direct_response)
        route.response_headers_to_remove.extend(self.response.remove)
        if _has_location(self.response.status):
            route.response_headers_to_remove.append(LOCATION)
        route.response_headers_to_add.extend(self.response.headers())


def _has_location(status: int) -> bool:
    """Whether Envoy gives direct responses with this status a Location: that of the request, to which it would lead."""
    return status == CREATED or 300 <= status < 400


def accepts(found: RouteFilter) -> bool:
    """Whether the filter names a DirectResponse."""
    ref = found.extension_ref
    return ref is not None and (ref.group, ref.kind) == (DirectResponse.group, DirectResponse.kind)


def read(site: FilterContext) -> FilterOutcome:
    """Read the direct responses of a site, in the route's namespace."""
    responses: list[Respond] = []
    for field, each in site.filters_of(TYPE):
        if accepts(each):
            assert each.extension_ref is not None
            ref = Ref(DirectResponse.kind, site.route.namespace, each.extension_ref.name)
            found = site.db.get(DirectResponse, ref)
            if found is None:
                text = f"{field}.extensionRef: {ref} does not exist; create it or correct the reference."
                return not_resolved("BackendNotFound", text)
            response = direct_response(site.db, ref, found.spec, f"{field}.extensionRef")
            if response.value is None:
                return Outcome(None, response.problems)
            responses.append(Respond(response.value))
    return Outcome(tuple(responses))


EXTENSION = Extension(
    "direct responses",
    objects=(DirectResponse,),
    filters=(FilterReader(read, types=(TYPE,), accepts=accepts, on_backends=True),),
)
