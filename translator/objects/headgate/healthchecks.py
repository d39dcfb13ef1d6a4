"""The field `healthCheck` of BackendConfigPolicies: requests by which proxies find out which endpoints are healthy."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from translator.objects.headgate.headers import Host
from translator.objects.headgate.overrides import StatusCodeMatch
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one, raise_violations
from translator.objects.schema.documentation import Doc, TypeName
from translator.objects.schema.scalars import COOKIE_PATH, Boolean, Milliseconds, PortNumber, PositiveMilliseconds

Path = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=COOKIE_PATH)]
Payload = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Statuses = Annotated[tuple[StatusCodeMatch, ...] | None, Field(min_length=1, max_length=16)]
Threshold = Annotated[StrictInt, Field(ge=1, le=1000)]
_ONE_SECOND: Final = CelRule("duration(self) >= duration('1s')", "must be a second or more")


def _at_least_a_second(value: int) -> int:
    if value < 1000:
        raise_violations([FieldViolation((), _ONE_SECOND.message)])
    return value


_at_least_a_second.rules = (_ONE_SECOND,)  # type: ignore[attr-defined]  # for custom resource definitions
Seconds = Annotated[PositiveMilliseconds, AfterValidator(_at_least_a_second), TypeName("duration of 1s or more")]
"""A duration of a second or more."""

Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]


class HttpHealthCheck(CheckedFields):
    """Asks by a request of HTTP, in the protocol that the backend speaks."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.requestBody) || (has(self.method) && self.method in ['POST', 'PUT', 'PATCH'])",
            "needs a method that has a body: set method to POST, PUT or PATCH, or remove it",
            "requestBody",
        ),
    )

    path: Annotated[Path, Doc(envoy="HttpHealthCheck.path")]
    """The path, with a query if need be."""
    host: Annotated[Host | None, Doc(envoy="HttpHealthCheck.host")] = None
    """The Host. By default the name of the proxy's cluster."""
    method: Annotated[Method | None, Doc(envoy="HttpHealthCheck.method")] = None
    """The method. By default GET."""
    expected_statuses: Annotated[Statuses, Doc(envoy="HttpHealthCheck.expected_statuses")] = None
    """The statuses of healthy endpoints. By default 200."""
    retriable_statuses: Annotated[Statuses, Doc(envoy="HttpHealthCheck.retriable_statuses")] = None
    """Statuses that count towards `unhealthyThreshold`; any other that is not expected makes an endpoint unhealthy at
    once."""
    request_body: Annotated[Payload | None, Doc(envoy="HttpHealthCheck.send")] = None
    """The body of the request."""
    expected_body: Annotated[Payload | None, Doc(envoy="HttpHealthCheck.receive")] = None
    """What is somewhere in the body of a healthy endpoint's response."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if the method has no body."""
        if self.request_body is not None and self.method not in ("POST", "PUT", "PATCH"):
            yield FieldViolation(("requestBody",), self.rules[0].message)


class GrpcHealthCheck(Fields):
    """Asks by gRPC's own protocol of health checks (`grpc.health.v1.Health`); the backend has to speak HTTP/2."""

    service_name: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=253)] | None,
        Doc(envoy="GrpcHealthCheck.service_name"),
    ] = None
    """The service that is asked for. By default the server as a whole."""
    authority: Annotated[Host | None, Doc(envoy="GrpcHealthCheck.authority")] = None
    """The authority of the call. By default the name of the proxy's cluster."""


class TcpHealthCheck(Fields):
    """Connects; written ``{}`` it does no more."""

    send: Annotated[Payload | None, Doc(envoy="TcpHealthCheck.send")] = None
    """What is sent."""
    receive: Annotated[Payload | None, Doc(envoy="TcpHealthCheck.receive")] = None
    """What is somewhere in the answer of a healthy endpoint."""


class HealthCheckEvents(Fields):
    """A log of endpoints that become healthy or unhealthy, in JSON, on the standard output of proxies."""

    always_log_failures: Annotated[Boolean | None, Doc(envoy="HealthCheck.always_log_health_check_failures")] = None
    """Whether each failure is logged, not only the first. By default false."""


class HealthCheck(CheckedFields):
    """Has each proxy ask each endpoint whether it is healthy; only such ones get requests."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one("http", "grpc", "tcp", message="exactly one of http, grpc and tcp must be set"),
    )

    timeout: Annotated[PositiveMilliseconds | None, Doc(envoy="HealthCheck.timeout")] = None
    """How long an endpoint may take to answer. By default 1s."""
    interval: Annotated[Seconds | None, Doc(envoy="HealthCheck.interval, no_traffic_interval")] = None
    """The time between two checks, of 1s or more. By default 5s."""
    unhealthy_threshold: Annotated[Threshold | None, Doc(envoy="HealthCheck.unhealthy_threshold")] = None
    """How many failures in a row make an endpoint unhealthy; with `http`, a status that is not expected does at once,
    unless it is one of `retriableStatuses`. By default 3."""
    healthy_threshold: Annotated[Threshold | None, Doc(envoy="HealthCheck.healthy_threshold")] = None
    """How many successes in a row make it healthy again; the first check of all needs one. By default 2."""
    initial_jitter: Annotated[Milliseconds | None, Doc(envoy="HealthCheck.initial_jitter")] = None
    """The first checks are spread over so long a time. By default 0s."""
    port: Annotated[PortNumber | None, Doc(envoy="Endpoint.health_check_config.port_value")] = None
    """The port that is asked. By default that of requests."""
    event_log: HealthCheckEvents | None = None
    """A log of what changes; it may be written ``{}``."""
    http: HttpHealthCheck | None = None
    """Asks by a request of HTTP."""
    grpc: Annotated[GrpcHealthCheck | None, Doc(envoy="HealthCheck.grpc_health_check")] = None
    """Asks by gRPC."""
    tcp: Annotated[TcpHealthCheck | None, Doc(envoy="HealthCheck.tcp_health_check")] = None
    """Connects."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is one kind of check."""
        if sum(each is not None for each in (self.http, self.grpc, self.tcp)) != 1:
            yield FieldViolation((), self.rules[0].message)
