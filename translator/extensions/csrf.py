"""Forged requests of foreign pages (CSRF), which are refused: the unit `csrf` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headgate_proto.envoy.extensions.filters.http.csrf.v3.csrf_pb2 import CsrfPolicy
from translator.envoy import http_filters
from translator.envoy.filter_entries import FilterConfig, FilterEntry
from translator.envoy.fractions import write_share
from translator.envoy.hooks import FilterHook
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.matchers import write_string_match
from translator.ir.http import MILLION, RuleSetting
from translator.languages.regex import check_regex
from translator.objects.headgate.browsers import CSRFPolicy, OriginMatch
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem


@dataclass(frozen=True, slots=True)
class Csrf(RuleSetting, FilterHook):
    """Which requests are checked.

    Attributes:
        enabled: the share that is checked, in millionths.
        shadowed: the share of which it is only counted, in millionths.
        origins: other hosts whose pages may make requests.
    """

    enabled: int
    shadowed: int
    origins: tuple[OriginMatch, ...]

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the ``CsrfPolicy``."""
        policy = CsrfPolicy()
        write_share(policy.filter_enabled.default_value, self.enabled)
        write_share(policy.shadow_enabled.default_value, self.shadowed)
        for each in self.origins:
            write_string_match(policy.additional_origins.add(), each)
        yield FilterConfig(http_filters.CSRF, policy)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective CSRF protection."""
    found = context.effective.value
    assert isinstance(found, CSRFPolicy)
    if found.disable is not None:
        return Outcome(())
    origins = found.additional_origins or ()
    for place, each in enumerate(origins):
        if each.regex is not None and (fault := check_regex(each.regex)):
            text = f"{context.field}.additionalOrigins[{place}].regex: {fault}."
            return Outcome(None, (Problem("Accepted", "Invalid", text),))
    enabled = MILLION if found.percentage_enabled is None else found.percentage_enabled
    return Outcome((Csrf(enabled, found.percentage_shadowed or 0, origins),))


EXTENSION = Extension(
    "CSRF protection", units=(PolicyUnit(TrafficPolicy, "csrf", read, Csrf, closed=True, inherit=TABLE),)
)
