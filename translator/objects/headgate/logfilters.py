"""Filters of access logs and local replies: which requests, responses and connections they are for."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.languages import cel
from translator.objects.gateway_api.matches import HTTPHeaderMatch
from translator.objects.headgate.types import Share
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, Count

MOST_FILTERS: Final = 16
"""Most filters of which all, or one, have to match."""
SINGLE: Final = (
    "must have exactly one member: put each of several into an item of andFilter or orFilter, or write celFilter"
)

Comparison = Literal["EQ", "NE", "GE", "LE"]
ResponseFlag = Literal[
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI", "IH",
    "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR", "UDO",
]  # fmt: skip
GrpcStatus = Literal[
    "OK", "CANCELED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
]  # fmt: skip


class StatusCodeFilter(Fields):
    """Compares the status of the response."""

    op: Comparison
    """Whether it is equal (EQ) or not (NE), or at least (GE) or at most (LE) that."""
    value: Annotated[int, Field(strict=True, ge=0, le=599)]
    """The status; that of a request without a response is 0."""


class DurationFilter(Fields):
    """Compares the time from the first byte of the request to the last one of the response, or that of a connection."""

    op: Comparison
    """Whether it is equal (EQ) or not (NE), or at least (GE) or at most (LE) that."""
    value: Count
    """The time in milliseconds."""


class HeaderFilter(Fields):
    """Compares a header of the request."""

    header: HTTPHeaderMatch
    """The header, and its value: as a whole (Exact), or by a regular expression of RE2 for the whole value
    (RegularExpression)."""


class ResponseFlagFilter(Fields):
    """Takes responses by Envoy's flags."""

    flags: Annotated[tuple[ResponseFlag, ...], Field(max_length=32)] = ()
    """The flags, of which one has to be set; without any, any flag."""


class GrpcStatusFilter(Fields):
    """Takes gRPC responses by their status."""

    statuses: Annotated[tuple[GrpcStatus, ...], Field(min_length=1, max_length=17)]
    """The statuses."""
    exclude: Boolean | None = None
    """Whether all others are meant instead. By default false."""


class CelFilter(Fields):
    """Takes what a condition holds for."""

    match: Annotated[str, StringConstraints(min_length=1, max_length=cel.MAX_BYTES)]
    """The condition: an expression in CEL, such as `response.code >= 400 && request.path.startsWith('/api')`."""


class SampleFilter(Fields):
    """Takes a share of all."""

    percent_sampled: Share
    """The share, by the request id where there is one: a request and those that follow from it are alike."""


class OneFilter(CheckedFields):
    """Has exactly one member, which says what is taken."""

    rules: ClassVar[tuple[CelRule, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Make the rule of a subclass, which knows the members."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.rules = (exactly_one(*(info.alias or name for name, info in cls.model_fields.items()), message=SINGLE),)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            yield FieldViolation((), SINGLE)


class ConnectionFilter(OneFilter):
    """Which connections are meant."""

    duration_filter: Annotated[DurationFilter | None, Doc(envoy="AccessLogFilter.duration_filter")] = None
    """Those that took so long."""
    response_flag_filter: Annotated[ResponseFlagFilter | None, Doc(envoy="AccessLogFilter.response_flag_filter")] = None
    """Those with one of Envoy's response flags."""
    cel_filter: Annotated[CelFilter | None, Doc(envoy="AccessLogFilter.extension_filter, ExpressionFilter")] = None
    """Those for which a condition holds."""
    runtime_filter: Annotated[SampleFilter | None, Doc(envoy="AccessLogFilter.runtime_filter")] = None
    """A share of them."""


class SingleFilter(ConnectionFilter):
    """Which requests are meant, by one thing."""

    status_code_filter: Annotated[StatusCodeFilter | None, Doc(envoy="AccessLogFilter.status_code_filter")] = None
    """Those whose response has such a status."""
    not_health_check_filter: Annotated[Literal[True] | None, Doc(envoy="AccessLogFilter.not_health_check_filter")] = (
        None
    )
    """Those that are no health checks of the proxy."""
    traceable_filter: Annotated[Literal[True] | None, Doc(envoy="AccessLogFilter.traceable_filter")] = None
    """Those that are traced."""
    header_filter: Annotated[HeaderFilter | None, Doc(envoy="AccessLogFilter.header_filter")] = None
    """Those with such a header."""
    grpc_status_filter: Annotated[GrpcStatusFilter | None, Doc(envoy="AccessLogFilter.grpc_status_filter")] = None
    """Those whose gRPC response has such a status."""


class LogFilter(SingleFilter):
    """Which requests are meant: by one thing, or by several, of which all or one have to match."""

    and_filter: Annotated[
        tuple[SingleFilter, ...] | None,
        Field(min_length=2, max_length=MOST_FILTERS),
        Doc(envoy="AccessLogFilter.and_filter"),
    ] = None
    """Those that all of these take."""
    or_filter: Annotated[
        tuple[SingleFilter, ...] | None,
        Field(min_length=2, max_length=MOST_FILTERS),
        Doc(envoy="AccessLogFilter.or_filter"),
    ] = None
    """Those that one of these takes."""


class ConnectionLogFilter(ConnectionFilter):
    """Which connections are meant: by one thing, or by several, of which all or one have to match."""

    and_filter: Annotated[
        tuple[ConnectionFilter, ...] | None,
        Field(min_length=2, max_length=MOST_FILTERS),
        Doc(envoy="AccessLogFilter.and_filter"),
    ] = None
    """Those that all of these take."""
    or_filter: Annotated[
        tuple[ConnectionFilter, ...] | None,
        Field(min_length=2, max_length=MOST_FILTERS),
        Doc(envoy="AccessLogFilter.or_filter"),
    ] = None
    """Those that one of these takes."""
