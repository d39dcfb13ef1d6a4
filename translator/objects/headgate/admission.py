"""The unit `admissionControl` of TrafficPolicies."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, StrictInt

from translator.objects.headgate.overrides import StatusCodeMatch
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, Fields, FieldViolation, raise_violations, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Count, PositiveMilliseconds

TWICE: Final = "is in the list already: remove it"
Percent = Annotated[StrictInt, Field(ge=1, le=100)]
_WHOLE: Final = CelRule("duration(self).getMilliseconds() % 1000 == 0", "must be a whole number of seconds")


def _whole_seconds(interval: int) -> int:
    if interval % 1000:
        raise_violations([FieldViolation((), _WHOLE.message)])
    return interval


_whole_seconds.rules = (_WHOLE,)  # type: ignore[attr-defined]  # for custom resource definitions


class HttpSuccess(Fields):
    """Which responses of HTTP are a success."""

    status_codes: Annotated[tuple[StatusCodeMatch, ...], Field(min_length=1, max_length=16)]
    """Their statuses."""


class GrpcSuccess(Fields):
    """Which responses of gRPC are a success."""

    status_codes: Annotated[
        tuple[Annotated[StrictInt, Field(ge=0, le=16)], ...], Field(min_length=1, max_length=17), unique(None, TWICE)
    ]
    """Their statuses, 0 to 16."""


class SuccessCriteria(Fields):
    """Which responses are a success."""

    http: HttpSuccess | None = None
    """Those of HTTP. By default statuses below 500."""
    grpc: GrpcSuccess | None = None
    """Those of gRPC. By default all but 4, 8, 10, 13, 14 and 15, which are faults of a server or of its load."""


class AdmissionControl(Disableable):
    """Refuses a share of requests before they reach a backend that fails, the more the more often it does."""

    sampling_window: Annotated[
        Annotated[PositiveMilliseconds, AfterValidator(_whole_seconds)] | None,
        Doc(envoy="AdmissionControl.sampling_window"),
    ] = None
    """The time of which responses count, in whole seconds. By default 30s."""
    min_success_rate: Annotated[Percent | None, Doc(envoy="AdmissionControl.sr_threshold")] = None
    """The share of successes, in percent, below which requests are refused. By default 95."""
    rejection_aggression: Annotated[Percent | None, Doc(envoy="AdmissionControl.aggression")] = None
    """How soon many are refused: with 1 as many as fail below `minSuccessRate`, with more a greater share. By default
    1."""
    min_request_rate: Annotated[Count | None, Doc(envoy="AdmissionControl.rps_threshold")] = None
    """The requests a second below which none is refused. By default 0."""
    max_rejection_percent: Annotated[Percent | None, Doc(envoy="AdmissionControl.max_rejection_probability")] = None
    """The greatest share of requests that is refused, in percent, so that a recovery is noticed. By default 80."""
    success_criteria: Annotated[SuccessCriteria | None, Doc(envoy="AdmissionControl.success_criteria")] = None
    """Which responses are a success."""
