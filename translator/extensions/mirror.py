"""Request mirrors (Gateway API, `HTTPRequestMirrorFilter`; percentages: GEP-3171)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.type.v3 import percent_pb2
from translator.backends.reference import backend
from translator.envoy.hooks import RouteHook
from translator.envoy.names import cluster_name
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader
from translator.ir.backend import Backend
from translator.ir.http import MILLION, RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.filters import HTTPRequestMirrorFilter
from translator.outcome import Outcome, Problem

TYPE = "RequestMirror"


@dataclass(frozen=True, slots=True)
class Mirror(RuleSetting, RouteHook):
    """Copies of `millionths` of the requests go to `target`, whose answers are dropped."""

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    target: Backend
    millionths: int = MILLION

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The target."""
        return (self.target,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> Mirror:
        """Change the target."""
        return replace(self, target=change(self.target))

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Add a ``RequestMirrorPolicy``."""
        policy = route.route.request_mirror_policies.add(cluster=cluster_name(self.target))
        # The copy shall look like the request: no "-shadow" behind its Host.
        policy.disable_shadow_host_suffix_append = True
        # Envoy compares the number by which the share was chosen.
        if (numbers := match.numbers.fraction(self.millionths)) < match.numbers.end:
            fraction = policy.runtime_fraction.default_value
            fraction.numerator = numbers
            fraction.denominator = percent_pb2.FractionalPercent.MILLION


def _share(found: HTTPRequestMirrorFilter) -> int:
    if found.fraction is not None:
        return round(Fraction(found.fraction.numerator, found.fraction.denominator) * MILLION)
    return MILLION if found.percent is None else found.percent * (MILLION // 100)


def read(site: FilterContext) -> FilterOutcome:
    """Read the mirrors of a site; one whose target is broken is reported, and requests go on without it."""
    mirrors: list[Mirror] = []
    problems: list[Problem] = []
    for field, found in site.members(HTTPRequestMirrorFilter):
        target = backend(site.db, site.group, site.route, found.backend_ref, f"{field}.requestMirror.backendRef")
        problems += target.problems
        if target.value is not None:
            mirrors.append(Mirror(target.value, _share(found)))
    return Outcome(tuple(mirrors), tuple(problems))


EXTENSION = Extension(
    "request mirrors",
    filters=(FilterReader(read, types=(TYPE,), on_backends=True),),
    conformance=(
        "HTTPRouteRequestMirror",
        "HTTPRouteRequestMultipleMirrors",
        "HTTPRouteRequestPercentageMirror",
    ),
)
