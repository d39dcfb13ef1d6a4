"""Faults on purpose: the unit `faultInjection` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headgate_proto.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from translator.envoy import http_filters
from translator.envoy.filter_entries import FilterConfig, FilterEntry
from translator.envoy.fractions import write_share
from translator.envoy.hooks import FilterHook
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.matchers import header_matcher
from translator.ir.http import MILLION, RuleSetting
from translator.languages.regex import check_regex
from translator.objects.headgate.faults import FaultAbort, FaultDelay, FaultInjection, FaultRateLimit
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem

BITS_OF_KIB = 1024 * 8


@dataclass(frozen=True, slots=True)
class Faults(RuleSetting, FilterHook):
    """Delays, errors and slow responses of a share of requests."""

    faults: FaultInjection

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the ``HTTPFault``."""
        found, fault = self.faults, HTTPFault()
        # By a header of the request that clients choose, there would be statistics without limit.
        fault.disable_downstream_cluster_stats = True
        if found.delay is not None:
            fault.delay.fixed_delay.FromMilliseconds(found.delay.fixed_delay or 0)
            write_share(fault.delay.percentage, _share(found.delay))
        if found.abort is not None:
            _write_abort(fault, found.abort)
        if found.response_rate_limit is not None:
            bits = (found.response_rate_limit.kbits_per_second or 0) * 1000
            fault.response_rate_limit.fixed_limit.limit_kbps = max(1, round(bits / BITS_OF_KIB))
            write_share(fault.response_rate_limit.percentage, _share(found.response_rate_limit))
        if found.max_active_faults is not None:
            fault.max_active_faults.value = found.max_active_faults
        fault.headers.extend(header_matcher(each) for each in found.headers or ())
        yield FilterConfig(http_filters.FAULT, fault)


def _write_abort(fault: HTTPFault, found: FaultAbort) -> None:
    if found.grpc_status is not None:
        fault.abort.grpc_status = found.grpc_status
    else:
        fault.abort.http_status = found.http_status or 0
    if found.body is not None:
        fault.abort.response_body = found.body
    write_share(fault.abort.percentage, _share(found))


def _share(found: FaultDelay | FaultAbort | FaultRateLimit) -> int:
    return MILLION if found.percentage is None else found.percentage


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective faults: those that all policies together do not say in full are refused."""
    found = context.effective.value
    assert isinstance(found, FaultInjection)
    if found.disable is not None:
        return Outcome(())
    if faults := [*_faults(found)]:
        return Outcome(None, tuple(Problem("Accepted", "Invalid", f"{context.field}{each}.") for each in faults))
    return Outcome((Faults(found),))


def _faults(found: FaultInjection) -> Iterator[str]:
    """Yield what is wrong, after the path of the unit."""
    delay, abort, limit = found.delay, found.abort, found.response_rate_limit
    if delay is None and abort is None and limit is None:
        yield " has none of delay, abort and responseRateLimit: add one, or set disable"
    if delay is not None and delay.fixed_delay is None:
        yield ".delay.fixedDelay is required: add it"
    if abort is not None and abort.http_status is None and abort.grpc_status is None:
        yield ".abort has neither httpStatus nor grpcStatus: add one of them"
    if limit is not None and limit.kbits_per_second is None:
        yield ".responseRateLimit.kbitsPerSecond is required: add it"
    for place, each in enumerate(found.headers or ()):
        if each.regex is not None and (fault := check_regex(each.regex)):
            yield f".headers[{place}].regex: {fault}"


EXTENSION = Extension(
    "fault injection", units=(PolicyUnit(TrafficPolicy, "fault_injection", read, Faults, inherit=TABLE),)
)
