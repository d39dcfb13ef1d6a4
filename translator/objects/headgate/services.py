"""Services that the proxy calls about requests."""

from typing import Annotated

from pydantic import Field

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.schema.base import Fields
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import PositiveMilliseconds, PreciseHostname


class ServiceRetry(Fields):
    """How often a call is made again that failed before there was a response."""

    attempts: Annotated[int, Field(strict=True, ge=0, le=100), Doc(envoy="RetryPolicy.num_retries")] = 1
    """How many more calls are made at most."""
    backoff_base_interval: Annotated[
        PositiveMilliseconds | None, Doc(envoy="RetryPolicy.retry_back_off.base_interval")
    ] = None
    """The pause before the second call, about; it doubles from one to the next. By default 25ms."""
    backoff_max_interval: Annotated[
        PositiveMilliseconds | None, Doc(envoy="RetryPolicy.retry_back_off.max_interval")
    ] = None
    """The longest pause. By default ten times the shortest."""


class GrpcService(Fields):
    """A service that the proxy calls by gRPC."""

    backend_ref: BackendObjectReference
    """The service: of another namespace only where a ReferenceGrant permits it."""
    authority: Annotated[PreciseHostname | None, Doc(envoy="GrpcService.EnvoyGrpc.authority")] = None
    """The host that the service is called by. By default the name of its cluster in Envoy."""
    request_timeout: Annotated[PositiveMilliseconds | None, Doc(envoy="GrpcService.timeout")] = None
    """How long a call may take."""
    retry: Annotated[ServiceRetry | None, Doc(envoy="GrpcService.retry_policy")] = None
    """How often a call is made again. By default never."""
