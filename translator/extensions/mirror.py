"""Request mirrors (Gateway API, `HTTPRequestMirrorFilter`; percentages: GEP-3171)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, RouteAction
from headgate_proto.envoy.type.v3 import percent_pb2
from translator.backends.reference import backend, backend_of_policy, for_calls
from translator.envoy.hooks import RouteHook
from translator.envoy.names import cluster_name
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader, PolicyContext, PolicyUnit
from translator.ir.backend import Backend
from translator.ir.http import MILLION, RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.filters import HTTPRequestMirrorFilter
from translator.objects.gateway_api.rules import RouteRule
from translator.objects.headgate.forwarding import RequestMirror
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem

TYPE = "RequestMirror"


@dataclass(frozen=True, slots=True)
class Mirror(RuleSetting, RouteHook):
    """Copies of `millionths` of the requests go to `target`, whose answers are dropped.

    Attributes:
        host: the Host of the copies; "" for that of the request.
        suffix: whether "-shadow" is appended to that.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    target: Backend
    millionths: int = MILLION
    host: str = ""
    suffix: bool = False

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
        policy.disable_shadow_host_suffix_append = not self.suffix
        policy.host_rewrite_literal = self.host
        _write_share(policy, self.millionths, match)


@dataclass(frozen=True, slots=True)
class MirrorTuning(RuleSetting, RouteHook):
    """What policies say of the mirrors that a rule has by itself.

    Attributes:
        millionths: the share of requests that are copied, where a mirror has none; None for all.
        enforced: whether a mirror must not have a share of its own.
        host: the Host of the copies; "" for that of the request.
        suffix: whether "-shadow" is appended to that.
    """

    forwarding: ClassVar[bool] = True
    millionths: int | None = None
    enforced: bool = False
    host: str = ""
    suffix: bool = False

    @property
    def is_final(self) -> bool:
        """It changes what the rule's mirrors have written."""
        return True

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Change each ``RequestMirrorPolicy``."""
        for policy in route.route.request_mirror_policies:
            policy.disable_shadow_host_suffix_append = not self.suffix
            policy.host_rewrite_literal = self.host
            if self.millionths is not None and (self.enforced or not policy.HasField("runtime_fraction")):
                policy.ClearField("runtime_fraction")
                _write_share(policy, self.millionths, match)


def _write_share(policy: RouteAction.RequestMirrorPolicy, millionths: int, match: RouteMatch) -> None:
    # Envoy compares the number by which the share of a backend was chosen.
    if (numbers := match.numbers.fraction(millionths)) < match.numbers.end:
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
        path = f"{field}.requestMirror.backendRef"
        target = for_calls(backend(site.db, site.group, site.route, found.backend_ref, path), path)
        problems += target.problems
        if target.value is not None:
            mirrors.append(Mirror(target.value, _share(found)))
    return Outcome(tuple(mirrors), tuple(problems))


def read_policy(context: PolicyContext) -> FilterOutcome:
    """Read the effective mirror of policies, or what they say of the mirrors that a rule has by itself."""
    found = context.effective.value
    assert isinstance(found, RequestMirror)
    reference = found.backend_ref
    if reference is None:
        return Outcome(())
    origin = context.origin("backendRef")
    host, suffix = found.host_rewrite_literal or "", found.disable_shadow_host_suffix_append is False
    if origin.kind != context.kind:
        share = found.share if context.origin("share").kind == context.kind else None
        tuning = MirrorTuning(share, "share" in context.effective.enforced, host, suffix)
        return Outcome((tuning,) if tuning != MirrorTuning() else ())
    target = backend_of_policy(context.db, origin, reference, f"{context.field}.backendRef")
    if target.value is None:
        return Outcome(None, target.problems)
    millionths = MILLION if found.share is None else found.share
    return Outcome((Mirror(target.value, millionths, host, suffix),), target.problems)


def own(rule: RouteRule[Any]) -> RequestMirror | None:
    """Return what the first mirror of a rule itself says, which stands for all of them."""
    found = next((each.request_mirror for each in rule.filters if each.request_mirror is not None), None)
    if found is None:
        return None
    if found.percent is None and found.fraction is None:
        return RequestMirror.model_construct(backend_ref=found.backend_ref)
    return RequestMirror.model_construct(backend_ref=found.backend_ref, share=_share(found))


EXTENSION = Extension(
    "request mirrors",
    units=(PolicyUnit(TrafficPolicy, "request_mirror", read_policy, MirrorTuning, own=own),),
    filters=(FilterReader(read, types=(TYPE,), on_backends=True),),
    conformance=(
        "HTTPRouteRequestMirror",
        "HTTPRouteRequestMultipleMirrors",
        "HTTPRouteRequestPercentageMirror",
    ),
)
