"""The field `circuitBreakers` of a BackendConfigPolicy: how much there may be at once."""

from collections.abc import Iterator
from typing import Annotated, Final

from translator.objects.headgate.types import Share
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, Count, PositiveCount

THRESHOLDS: Final = "Cluster.circuit_breakers.thresholds"


class UpstreamRetryBudget(Fields):
    """The most retries at once, by the requests, so that retries do not overload a backend that fails."""

    percent: Annotated[Share | None, Doc(envoy=f"{THRESHOLDS}.retry_budget.budget_percent")] = None
    """The retries, as a share of all active requests and retries: a whole number of percent, or a string like '0.5%'.
    By default 20."""
    min_concurrency: Annotated[Count | None, Doc(envoy=f"{THRESHOLDS}.retry_budget.min_retry_concurrency")] = None
    """How many there may be in any case. By default 3."""


class PerEndpointLimits(Fields):
    """Limits of each endpoint."""

    max_connections: Annotated[
        PositiveCount | None, Doc(envoy="Cluster.circuit_breakers.per_host_thresholds.max_connections")
    ] = None
    """The most connections to each endpoint. By default there is no limit."""


class CircuitBreakers(CheckedFields):
    """How much each proxy does at once with a backend; what is beyond is refused with 503, so that it is spared.

    With several proxies the backend gets as many times of it.
    """

    rules = (
        CelRule(
            "!has(self.retryBudget) || !has(self.maxRetries)",
            "must not be set together with maxRetries: remove one of them",
            "retryBudget",
        ),
    )

    max_connections: Annotated[PositiveCount | None, Doc(envoy=f"{THRESHOLDS}.max_connections")] = None
    """The most connections: requests that would need another one wait. By default there is no limit but that of the
    proxy's file descriptors."""
    max_pending_requests: Annotated[Count | None, Doc(envoy=f"{THRESHOLDS}.max_pending_requests")] = None
    """The most requests that wait for a connection. By default there is no limit."""
    max_requests: Annotated[Count | None, Doc(envoy=f"{THRESHOLDS}.max_requests")] = None
    """The most requests that are answered at once. By default there is no limit."""
    max_retries: Annotated[Count | None, Doc(envoy=f"{THRESHOLDS}.max_retries")] = None
    """The most retries at once, whatever policies of routes say. By default there is no limit."""
    retry_budget: Annotated[UpstreamRetryBudget | None, Doc(envoy=f"{THRESHOLDS}.retry_budget")] = None
    """The most retries as a share of the requests, whatever policies of routes say; not together with `maxRetries`."""
    per_endpoint: PerEndpointLimits | None = None
    """Limits of each endpoint, beside those of all together."""
    track_remaining: Annotated[Boolean | None, Doc(envoy=f"{THRESHOLDS}.track_remaining")] = None
    """Whether Envoy's statistics tell how much is left until each limit. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if both forms of a limit of retries are set."""
        if self.retry_budget is not None and self.max_retries is not None:
            yield FieldViolation(("retryBudget",), self.rules[0].message)


CircuitBreakerLimits = Annotated[CircuitBreakers | None, Doc(envoy="Cluster.circuit_breakers")]
