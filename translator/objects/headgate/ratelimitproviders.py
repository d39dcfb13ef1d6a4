"""The members `rateLimit` and `rateLimitQuota` of GatewayExtensions: services that policies ask for limits."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import StringConstraints

from translator.objects.headgate.services import GrpcService
from translator.objects.headgate.timeouts import ErrorStatus
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import PRINTABLE, Boolean, PositiveMilliseconds

DOMAIN: Final = "headgate"
"""The domain of descriptors, unless a GatewayExtension says another: the one that Headgate's own service knows."""
OWN_DOMAIN: Final = CelRule(
    "!has(self.domain) || has(self.grpcService) || self.domain == 'headgate'",
    "must not be set without grpcService: Headgate's own service knows one domain; remove it",
    "domain",
)

Domain = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)]


class RateLimitProvider(CheckedFields):
    """A rate limit service, in Envoy's protocol, and what becomes of requests that it refuses or cannot tell of."""

    rules: ClassVar[tuple[CelRule, ...]] = (OWN_DOMAIN,)

    grpc_service: Annotated[GrpcService | None, Doc(envoy="RateLimit.rate_limit_service")] = None
    """The service. By default Headgate's own, which is deployed beside the proxies of each Gateway that needs it."""
    domain: Annotated[Domain | None, Doc(envoy="RateLimit.domain")] = None
    """The domain of the descriptors, which the configuration of a service has to have. By default `headgate`."""
    fail_open: Annotated[Boolean, Doc(envoy="RateLimit.failure_mode_deny")] = True
    """Whether requests are served while the service does not answer; otherwise they get 500."""
    timeout: Annotated[PositiveMilliseconds | None, Doc(envoy="RateLimit.timeout")] = None
    """How long the service may take. By default `grpcService.requestTimeout`, or 100ms."""
    x_rate_limit_headers: Annotated[
        Literal["Off", "DraftVersion03"], Doc(envoy="RateLimit.enable_x_ratelimit_headers")
    ] = "Off"
    """Whether responses tell the tightest limit and what is left of it, in X-RateLimit-Limit, -Remaining and -Reset."""
    retry_after: Annotated[Boolean, Doc(envoy="RateLimit.enable_retry_after_header")] = False
    """Whether refusals tell after how many seconds there is something left, in the header Retry-After."""
    status_code: Annotated[ErrorStatus, Doc(envoy="RateLimit.rate_limited_status")] = 429
    """The status of refused requests. Retry-After is sent with 429 only."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a domain that Headgate's own service does not know: nothing would be limited."""
        if self.grpc_service is None and self.domain not in (None, DOMAIN):
            yield FieldViolation(("domain",), OWN_DOMAIN.message)


class RateLimitQuotaProvider(Fields):
    """A service that assigns quotas, in Envoy's protocol RLQS."""

    grpc_service: Annotated[GrpcService, Doc(envoy="RateLimitQuotaFilterConfig.rlqs_server")]
    """The service."""
    domain: Annotated[Domain, Doc(envoy="RateLimitQuotaFilterConfig.domain")] = DOMAIN
    """The domain of the buckets."""
