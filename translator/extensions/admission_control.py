"""The unit `admissionControl` of TrafficPolicies (Envoy's filter of that name)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.extensions.filters.http.admission_control.v3.admission_control_pb2 import (
    AdmissionControl as AdmissionControlFilter,
)
from translator.envoy.filter_entries import FilterEntry
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import ADMISSION
from translator.envoy.named_chains import named_chain
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.state_place import StatefulSetting, state_place
from translator.objects.headgate.admission import AdmissionControl, SuccessCriteria
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome

RUNTIME: Final = "headgate.admission_control"
"""What the keys begin with by which Envoy wants the numbers to be found in its runtime, where they are not."""


@dataclass(frozen=True, slots=True)
class RequestAdmission(StatefulSetting, FilterHook):
    """Refuses requests while their backend fails; its state are counts of responses.

    Attributes:
        control: what policies say.
    """

    forwarding: ClassVar[bool] = True
    control: AdmissionControl

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the chain."""
        if not self.place.is_open:
            yield from named_chain(ADMISSION, self.place.name, admission_control(self.control))


def admission_control(found: AdmissionControl) -> AdmissionControlFilter:
    """Write the configuration of the filter."""
    made = AdmissionControlFilter()
    if found.sampling_window is not None:
        made.sampling_window.FromMilliseconds(found.sampling_window)
    if found.min_success_rate is not None:
        made.sr_threshold.default_value.value = found.min_success_rate
        made.sr_threshold.runtime_key = f"{RUNTIME}.min_success_rate"
    if found.rejection_aggression is not None:
        made.aggression.default_value = found.rejection_aggression
        made.aggression.runtime_key = f"{RUNTIME}.rejection_aggression"
    if found.min_request_rate is not None:
        made.rps_threshold.default_value = found.min_request_rate
        made.rps_threshold.runtime_key = f"{RUNTIME}.min_request_rate"
    if found.max_rejection_percent is not None:
        made.max_rejection_probability.default_value.value = found.max_rejection_percent
        made.max_rejection_probability.runtime_key = f"{RUNTIME}.max_rejection_percent"
    made.success_criteria.SetInParent()
    _write_success(made.success_criteria, found.success_criteria or SuccessCriteria())
    return made


def _write_success(criteria: AdmissionControlFilter.SuccessCriteria, found: SuccessCriteria) -> None:
    if found.http is not None:
        for each in found.http.status_codes:
            first, last = each.bounds
            criteria.http_criteria.http_success_status.add(start=first, end=last + 1)
    if found.grpc is not None:
        criteria.grpc_criteria.grpc_success_status.extend(found.grpc.status_codes)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective admission control."""
    found = context.effective.value
    assert isinstance(found, AdmissionControl)
    return Outcome(() if found.disable is not None else (RequestAdmission(state_place(context, "", False), found),))


EXTENSION = Extension(
    "admission control", units=(PolicyUnit(TrafficPolicy, "admission_control", read, RequestAdmission, inherit=TABLE),)
)
