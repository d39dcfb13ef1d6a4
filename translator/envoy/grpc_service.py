"""Envoy's ``GrpcService``: how filters call services by gRPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from headgate_proto.envoy.config.core.v3 import base_pb2, grpc_service_pb2
from translator.envoy.names import cluster_name
from translator.ir.backend import Backend

GRPC_RETRY: Final = "connect-failure,refused-stream,reset,unavailable,resource-exhausted"
"""The failures after which a service is called again."""

BASE_INTERVAL: Final = 25
"""The pause before the second call, in milliseconds."""


class CallRetry(NamedTuple):
    """How often a call is made again that failed: pauses in milliseconds, 0 for the default."""

    attempts: int
    base_interval: int = 0
    max_interval: int = 0


class GrpcCall(NamedTuple):
    """A service that filters call by gRPC.

    Attributes:
        backend: the service.
        authority: the host that it is called by; "" for the name of its cluster.
        timeout: how long a call may take, in milliseconds; 0 for no limit.
        retry: how often a call is made again; None for never.
    """

    backend: Backend
    authority: str = ""
    timeout: int = 0
    retry: CallRetry | None = None

    def with_backend(self, change: Callable[[Backend], Backend]) -> GrpcCall:
        """Change the service."""
        return self._replace(backend=change(self.backend))


def grpc_service(call: GrpcCall) -> grpc_service_pb2.GrpcService:
    """Write how a service is called."""
    made = grpc_service_pb2.GrpcService()
    made.envoy_grpc.cluster_name = cluster_name(call.backend)
    made.envoy_grpc.authority = call.authority
    if call.timeout:
        made.timeout.FromMilliseconds(call.timeout)
    if call.retry is not None:
        made.retry_policy.CopyFrom(retry_policy(call.retry))
    return made


def retry_policy(retry: CallRetry, reasons: str = GRPC_RETRY) -> base_pb2.RetryPolicy:
    """Write how often a call is made again, and after which failures: those of gRPC unless others are given."""
    made = base_pb2.RetryPolicy(retry_on=reasons)
    made.num_retries.value = retry.attempts
    # Envoy's own pauses between calls of filters are of a second, which is longer than most of these may take.
    base = retry.base_interval or BASE_INTERVAL
    made.retry_back_off.base_interval.FromMilliseconds(base)
    made.retry_back_off.max_interval.FromMilliseconds(max(base, retry.max_interval or 10 * base))
    return made
