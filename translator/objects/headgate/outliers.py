"""The field `outlierDetection` of BackendConfigPolicies: endpoints whose responses fail get no requests for a while."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field, StrictInt

from translator.objects.headgate.admission import Percent
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, Count, PositiveMilliseconds

Enforcing = Annotated[StrictInt, Field(ge=0, le=100)]


BASE_MILLISECONDS: Final = 30_000
"""How long an endpoint is ejected the first time where nobody says it: Envoy's own default."""


class OutlierDetection(CheckedFields):
    """Ejects endpoints whose requests fail: they get none for a while. Each proxy does so by itself."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.maxEjectionTime) || duration(self.maxEjectionTime) >="
            " duration(has(self.baseEjectionTime) ? self.baseEjectionTime : '30s')",
            "must not be shorter than baseEjectionTime, which is 30s by default: lengthen it, or shorten that",
            "maxEjectionTime",
        ),
    )

    consecutive5xx: Annotated[
        Count | None, Field(alias="consecutive5xx"), Doc(envoy="OutlierDetection.consecutive_5xx")
    ] = None
    """How many failures in a row eject an endpoint: statuses of 500 and above, and connections that fail; with 0 none
    do. By default 5."""
    enforcing_consecutive5xx: Annotated[
        Enforcing | None,
        Field(alias="enforcingConsecutive5xx"),
        Doc(envoy="OutlierDetection.enforcing_consecutive_5xx"),
    ] = None
    """The share of such ejections that are made, in percent; the others are counted only. By default 100."""
    consecutive_gateway_errors: Annotated[Count | None, Doc(envoy="OutlierDetection.consecutive_gateway_failure")] = (
        None
    )
    """How many statuses 502, 503 and 504 in a row, or connections that fail, eject an endpoint. By default
    0: none do."""
    enforcing_consecutive_gateway_errors: Annotated[
        Enforcing | None, Doc(envoy="OutlierDetection.enforcing_consecutive_gateway_failure")
    ] = None
    """The share of such ejections that are made, in percent. By default 100."""
    split_external_local_origin_errors: Annotated[
        Boolean | None, Doc(envoy="OutlierDetection.split_external_local_origin_errors")
    ] = None
    """Whether failures of connections count apart, for `consecutiveLocalOriginFailure`, and statuses alone for the
    others. By default false."""
    consecutive_local_origin_failure: Annotated[
        Count | None, Doc(envoy="OutlierDetection.consecutive_local_origin_failure")
    ] = None
    """How many failures of connections in a row eject an endpoint, if they count apart. By default 5."""
    enforcing_consecutive_local_origin_failure: Annotated[
        Enforcing | None, Doc(envoy="OutlierDetection.enforcing_consecutive_local_origin_failure")
    ] = None
    """The share of such ejections that are made, in percent. By default 100."""
    failure_percentage_threshold: Annotated[
        Percent | None, Doc(envoy="OutlierDetection.failure_percentage_threshold")
    ] = None
    """The share of failures in an `interval`, in percent, that ejects an endpoint. By default none does."""
    failure_percentage_minimum_hosts: Annotated[
        Count | None, Doc(envoy="OutlierDetection.failure_percentage_minimum_hosts")
    ] = None
    """How many endpoints must have had enough requests for that. By default 5."""
    failure_percentage_request_volume: Annotated[
        Count | None, Doc(envoy="OutlierDetection.failure_percentage_request_volume")
    ] = None
    """How many requests in an `interval` are enough. By default 50."""
    enforcing_failure_percentage: Annotated[
        Enforcing | None, Doc(envoy="OutlierDetection.enforcing_failure_percentage")
    ] = None
    """The share of such ejections that are made, in percent. By default 100."""
    interval: Annotated[PositiveMilliseconds | None, Doc(envoy="OutlierDetection.interval")] = None
    """How often shares of failures are looked at, and whether the time of an ejection is over. By default 10s."""
    base_ejection_time: Annotated[PositiveMilliseconds | None, Doc(envoy="OutlierDetection.base_ejection_time")] = None
    """How long an endpoint is ejected the first time; each further time so much longer. By default 30s."""
    max_ejection_time: Annotated[PositiveMilliseconds | None, Doc(envoy="OutlierDetection.max_ejection_time")] = None
    """The longest ejection. By default 5m, or `baseEjectionTime` if that is more."""
    max_ejection_percent: Annotated[Enforcing | None, Doc(envoy="OutlierDetection.max_ejection_percent")] = None
    """The most endpoints that are ejected at once, in percent. By default 10."""
    always_eject_one_endpoint: Annotated[Boolean | None, Doc(envoy="OutlierDetection.always_eject_one_host")] = None
    """Whether one endpoint may always be ejected, although that is more than `maxEjectionPercent`, as it is by default
    of fewer than 10. By default true."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if the longest ejection is shorter than the first: Envoy would refuse the cluster."""
        base = BASE_MILLISECONDS if self.base_ejection_time is None else self.base_ejection_time
        if self.max_ejection_time is not None and self.max_ejection_time < base:
            yield FieldViolation(("maxEjectionTime",), self.rules[0].message)
