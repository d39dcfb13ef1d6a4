"""The unit `bandwidthLimit` of TrafficPolicies (Envoy's ``bandwidth_limit`` filter)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.http.bandwidth_limit.v3.bandwidth_limit_pb2 import (
    BandwidthLimit as BandwidthLimitFilter,
)
from translator.envoy.filter_entries import FilterConfig
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import BANDWIDTH_LIMIT
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import RuleSetting
from translator.objects.headgate.timeouts import KIB, BandwidthLimit
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome

STAT_PREFIX: Final = "bandwidth_limit"
"""What the names of the filter's statistics begin with, those of all routes together."""


@dataclass(frozen=True, slots=True)
class Bandwidth(RuleSetting, FilterHook):
    """The bandwidth of what a route forwards, which all requests at once share.

    Attributes:
        kibibytes: the KiB a second.
        requests: whether it is that of requests.
        responses: whether it is that of responses.
        trailers: what the names of trailers with the delays begin with; None for no trailers.
    """

    forwarding: ClassVar[bool] = True
    kibibytes: int
    requests: bool
    responses: bool
    trailers: str | None = None

    def filter_configs(self) -> Iterator[FilterConfig]:
        """Yield the limit."""
        found = BandwidthLimitFilter(stat_prefix=STAT_PREFIX)
        found.enable_mode = _MODES[self.requests, self.responses]
        found.limit_kbps.value = self.kibibytes
        if self.trailers is not None:
            found.enable_response_trailers = True
            found.response_trailer_prefix = self.trailers
        yield FilterConfig(BANDWIDTH_LIMIT, found)


_MODES: Final = {
    (True, False): BandwidthLimitFilter.REQUEST,
    (False, True): BandwidthLimitFilter.RESPONSE,
    (True, True): BandwidthLimitFilter.REQUEST_AND_RESPONSE,
}


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective bandwidth."""
    found = context.effective.value
    assert isinstance(found, BandwidthLimit)
    limited = found.request or found.response
    if limited is None:
        return Outcome(())
    told = found.response.response_trailers if found.response is not None else None
    trailers = (told.prefix or "") if told is not None else None
    size = limited.limit.value // KIB
    return Outcome((Bandwidth(size, found.request is not None, found.response is not None, trailers),))


EXTENSION = Extension(
    "bandwidth limit", units=(PolicyUnit(TrafficPolicy, "bandwidth_limit", read, Bandwidth, inherit=TABLE),)
)
