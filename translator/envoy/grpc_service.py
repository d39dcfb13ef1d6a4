"""Envoy's ``GrpcService``: how filters call services by gRPC."""

from __future__ import annotations

from typing import NamedTuple

from headgate_proto.envoy.config.core.v3 import base_pb2, grpc_service_pb2
from translator.envoy.names import cluster_name
from translator.ir.backend import Backend


class CallRetry(NamedTuple):
    """How often a call is made again that failed: pauses in milliseconds, 0 for Envoy's own."""

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


def retry_policy(retry: CallRetry) -> base_pb2.RetryPolicy:
    """Write how often a call is made again."""
    made = base_pb2.RetryPolicy()
    made.num_retries.value = retry.attempts
    if retry.base_interval or retry.max_interval:
        made.retry_back_off.base_interval.FromMilliseconds(retry.base_interval or 25)
        if retry.max_interval:
            made.retry_back_off.max_interval.FromMilliseconds(retry.max_interval)
    return made
