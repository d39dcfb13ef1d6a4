"""Request mirrors (Gateway API, `HTTPRequestMirrorFilter`; percentages: GEP-3171)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from headgate_proto.envoy.type.v3 import percent_pb2
from translator.backends.service import backend
from translator.envoy.names import cluster_name
from translator.extension import Feature, FilterContext, FilterOutcome
from translator.ir.backend import Backend
from translator.ir.http import RouteFeature, RouteMatch
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.filters import HTTPRequestMirrorFilter
from translator.outcome import Outcome, Problem

TYPE = "RequestMirror"
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Mirror(RouteFeature):
    """Copies of `millionths` of the requests go to `target`, whose answers are dropped."""

    forwarding: ClassVar[bool] = True
    target: Backend
    millionths: int = MILLION

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The target."""
        return (self.target,)

    def apply(self, route: Any, origin: ListenerContext, match: RouteMatch) -> None:
        """Add a ``RequestMirrorPolicy``."""
        policy = route.route.request_mirror_policies.add(cluster=cluster_name(self.target))
        # The copy shall look like the request: no "-shadow" behind its Host.
        policy.disable_shadow_host_suffix_append = True
        if self.millionths != MILLION:
            fraction = policy.runtime_fraction.default_value
            fraction.numerator = self.millionths
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


FEATURE = Feature(
    "request mirrors",
    read,
    filters=(TYPE,),
    conformance=(
        "HTTPRouteRequestMirror",
        "HTTPRouteRequestMultipleMirrors",
        "HTTPRouteRequestPercentageMirror",
    ),
)
