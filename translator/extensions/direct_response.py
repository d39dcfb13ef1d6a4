"""Answers without a backend: the extension `DirectResponse`, named by a route's ExtensionRef filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from translator.extension import Feature, FilterContext, FilterOutcome
from translator.ir.http import RouteFeature, RouteMatch
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.headgate.directresponse import DirectResponse
from translator.outcome import Outcome, Problem
from translator.refs import Ref

TYPE = "ExtensionRef"


@dataclass(frozen=True, slots=True)
class Respond(RouteFeature):
    """A fixed answer."""

    terminal: ClassVar[bool] = True
    status: int
    body: str = ""

    def apply(self, route: Any, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``DirectResponseAction``."""
        route.direct_response.status = self.status
        if self.body:
            route.direct_response.body.inline_string = self.body


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
                return Outcome(None, (Problem("ResolvedRefs", "BackendNotFound", text),))
            responses.append(Respond(found.spec.status, found.spec.body))
    return Outcome(tuple(responses))


FEATURE = Feature("direct responses", read, filters=(TYPE,), accepts=accepts, kinds=(DirectResponse,))
