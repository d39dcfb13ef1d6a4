"""The field `healthCheck` of BackendConfigPolicies: Envoy's ``Cluster.health_checks``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.core.v3 import health_check_pb2
from headgate_proto.envoy.config.core.v3.base_pb2 import RequestMethod
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from headgate_proto.envoy.extensions.health_check.event_sinks.file.v3.file_pb2 import HealthCheckEventFileSink
from headgate_proto.envoy.type.v3.http_pb2 import CodecClientType
from headgate_proto.envoy.type.v3.range_pb2 import Int64Range
from translator.envoy.cluster import speaks_http2
from translator.envoy.hooks import ClusterHook, EndpointsHook
from translator.extensions.backend_settings import BackendConfig
from translator.ir.backend import TLS, Backend, BackendSetting
from translator.kinds import BackendSettings
from translator.objects.headgate.healthchecks import HealthCheck, HealthCheckEvents, HttpHealthCheck, TcpHealthCheck
from translator.objects.headgate.overrides import StatusCodeMatch
from translator.outcome import Outcome, Problem

TIMEOUT: Final = 1000
"""Milliseconds that an endpoint may take to answer."""
INTERVAL: Final = 5000
"""Milliseconds between two checks."""
UNHEALTHY: Final = 3
"""Failures in a row."""
HEALTHY: Final = 2
"""Successes in a row."""
EVENTS: Final = "/dev/stdout"


@dataclass(frozen=True, slots=True)
class HealthChecking(BackendSetting, ClusterHook, EndpointsHook):
    """Asks endpoints whether they are healthy.

    Attributes:
        found: what the policy says.
    """

    order: ClassVar[int] = TLS  # behind what chooses the protocol, in which it asks
    found: HealthCheck

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the check; an endpoint that is taken off goes at once, healthy or not."""
        found, http2 = self.found, speaks_http2(cluster)
        if found.grpc is not None and not http2:
            return  # Envoy would refuse the cluster
        cluster.ignore_health_on_host_removal = True
        made = cluster.health_checks.add()
        _write_times(made, found)
        if found.event_log is not None:
            _write_events(made, found.event_log)
        if found.http is not None:
            _write_http(made.http_health_check, found.http)
            if http2:
                made.http_health_check.codec_client_type = CodecClientType.HTTP2
        elif found.grpc is not None:
            made.grpc_health_check.service_name = found.grpc.service_name or ""
            made.grpc_health_check.authority = found.grpc.authority or ""
        elif found.tcp is not None:
            _write_tcp(made.tcp_health_check, found.tcp)

    def apply_to_endpoints(self, assignment: ClusterLoadAssignment) -> None:
        """Write the port that is asked, which Envoy reads of endpoints only."""
        if self.found.port is None:
            return
        for locality in assignment.endpoints:
            for each in locality.lb_endpoints:
                each.endpoint.health_check_config.port_value = self.found.port


def _write_times(made: health_check_pb2.HealthCheck, found: HealthCheck) -> None:
    made.timeout.FromMilliseconds(found.timeout or TIMEOUT)
    interval = found.interval or INTERVAL
    made.interval.FromMilliseconds(interval)
    # Until a cluster has had a request, Envoy would check once a minute.
    made.no_traffic_interval.FromMilliseconds(interval)
    made.unhealthy_threshold.value = found.unhealthy_threshold or UNHEALTHY
    made.healthy_threshold.value = found.healthy_threshold or HEALTHY
    if found.initial_jitter is not None:
        made.initial_jitter.FromMilliseconds(found.initial_jitter)


def _write_tcp(made: health_check_pb2.HealthCheck.TcpHealthCheck, found: TcpHealthCheck) -> None:
    made.SetInParent()
    if found.send is not None:
        made.send.text = found.send.encode().hex()
    if found.receive is not None:
        made.receive.add(text=found.receive.encode().hex())


def _write_events(made: health_check_pb2.HealthCheck, found: HealthCheckEvents) -> None:
    sink = HealthCheckEventFileSink(event_log_path=EVENTS)
    logger = made.event_logger.add()
    logger.name = "envoy.health_check.event_sink.file"
    logger.typed_config.Pack(sink, deterministic=True)
    made.always_log_health_check_failures = bool(found.always_log_failures)


def _write_http(made: health_check_pb2.HealthCheck.HttpHealthCheck, found: HttpHealthCheck) -> None:
    made.path, made.host = found.path, found.host or ""
    if found.method is not None:
        made.method = cast(Any, RequestMethod.Value(found.method))
    _write_statuses(made.expected_statuses, found.expected_statuses)
    _write_statuses(made.retriable_statuses, found.retriable_statuses)
    if found.request_body is not None:
        made.send.text = found.request_body.encode().hex()
    if found.expected_body is not None:
        made.receive.add(text=found.expected_body.encode().hex())
        made.response_buffer_size.value = 0  # without a limit: it may be anywhere


def _write_statuses(
    made: RepeatedCompositeFieldContainer[Int64Range], found: tuple[StatusCodeMatch, ...] | None
) -> None:
    for each in found or ():
        first, last = each.bounds
        made.add(start=first, end=last + 1)


def read(config: BackendConfig) -> BackendSettings:
    """Read how endpoints are checked; never at a port of Headgate's own, which this machine may have."""
    found = config.spec.health_check
    if found is None:
        return Outcome(())
    if own := next((each for each in config.db.settings.own if each.port == found.port), None):
        text = f"spec.healthCheck.port: {own.use} is or may be at port {own.port}, so it is left out; use another port."
        return Outcome((), (Problem("Accepted", "Invalid", text),))
    return Outcome((HealthChecking(found),))
