"""The unit `faultInjection` of TrafficPolicies."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field, StrictInt, StringConstraints

from translator.objects.headgate.matches import HeaderMatch
from translator.objects.headgate.responses import BODILESS
from translator.objects.headgate.types import Disableable, Share, StatusCode
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import PositiveMilliseconds


class FaultDelay(Fields):
    """Has requests wait before they go on."""

    fixed_delay: PositiveMilliseconds | None = None
    """How long. One of the policies that are merged has to have it."""
    percentage: Share | None = None
    """The share of the requests: a whole number of percent, or a string like '0.5%'. By default 100."""


class FaultAbort(CheckedFields):
    """Responds to requests with an error in place of their backend."""

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("http_status", "grpc_status"),)
    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("!has(self.httpStatus) || !has(self.grpcStatus)", "httpStatus and grpcStatus exclude each other"),
        CelRule(
            "!has(self.httpStatus) || !(self.httpStatus in [204, 205, 304])",
            "must be another status: Envoy sends a body, which responses of 204, 205 and 304 do not have",
            "httpStatus",
        ),
    )

    http_status: StatusCode | None = None
    """A status of HTTP, from 200 to 599, but for 204, 205 and 304, which have no body."""
    grpc_status: Annotated[StrictInt, Field(ge=0, le=16)] | None = None
    """A status of gRPC, from 0 to 16, in place of `httpStatus`."""
    percentage: Share | None = None
    """The share of the requests: a whole number of percent, or a string like '0.5%'. By default 100."""
    body: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    """The body of the response; to clients of gRPC, its message. By default a sentence that says what happened."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of two statuses, and of a status without a body, which Envoy would send one with."""
        if self.http_status is not None and self.grpc_status is not None:
            yield FieldViolation(("grpcStatus",), "must not be set together with httpStatus: remove one of them")
        if self.http_status in BODILESS:
            text = "must be another status: Envoy sends a body, which responses of 204, 205 and 304 do not have"
            yield FieldViolation(("httpStatus",), text)


class FaultRateLimit(Fields):
    """Sends the bodies of responses slowly."""

    kbits_per_second: Annotated[StrictInt, Field(ge=8, le=2**32 - 1)] | None = None
    """How fast, in kilobits (1,000 bits) a second, at least 8; it is rounded to KiB, in which Envoy counts. One of the
    policies that are merged has to have it."""
    percentage: Share | None = None
    """The share of the requests: a whole number of percent, or a string like '0.5%'. By default 100."""


class FaultInjection(Disableable):
    """Faults, to see how clients cope: delays, errors and slow responses."""

    delay: Annotated[FaultDelay | None, Doc(envoy="HTTPFault.delay")] = None
    """Has requests wait before they go on."""
    abort: Annotated[FaultAbort | None, Doc(envoy="HTTPFault.abort")] = None
    """Responds to requests with an error in place of their backend."""
    response_rate_limit: Annotated[FaultRateLimit | None, Doc(envoy="HTTPFault.response_rate_limit")] = None
    """Sends the bodies of responses slowly."""
    max_active_faults: Annotated[
        Annotated[StrictInt, Field(ge=0, le=2**32 - 1)] | None, Doc(envoy="HTTPFault.max_active_faults")
    ] = None
    """The most faults at one time, at each worker of a proxy; the requests beyond them are served as usual. By default
    there is no limit."""
    headers: Annotated[tuple[HeaderMatch, ...] | None, Field(max_length=16), Doc(envoy="HTTPFault.headers")] = None
    """Only requests that match all of these get faults."""
