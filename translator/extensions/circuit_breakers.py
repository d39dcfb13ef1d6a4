"""The field `circuitBreakers` of BackendConfigPolicies: Envoy's ``Cluster.circuit_breakers``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from translator.envoy.hooks import ClusterHook
from translator.extensions.backend_settings import BackendConfig
from translator.extensions.retry_limit import retry_limit
from translator.ir.backend import Backend, BackendSetting
from translator.kinds import BackendSettings
from translator.objects.headgate.circuitbreakers import CircuitBreakers
from translator.outcome import Outcome

LIMITS: Final = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
"""The limits that Envoy has by the same names."""


@dataclass(frozen=True, slots=True)
class CircuitLimits(BackendSetting, ClusterHook):
    """How much there may be at once.

    Attributes:
        found: what the policy says.
    """

    found: CircuitBreakers

    @property
    def limits_retries(self) -> bool:
        """Whether it limits retries: then no budget of a rule replaces that."""
        return self.found.max_retries is not None

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the limits; no more connections than the proxy's file descriptors allow."""
        thresholds = cluster.circuit_breakers.thresholds[0]
        for name in LIMITS:
            if (limit := getattr(self.found, name)) is not None:
                value = getattr(thresholds, name)
                value.value = min(limit, value.value) if name == "max_connections" else limit
        if self.found.track_remaining is not None:
            thresholds.track_remaining = self.found.track_remaining
        each = self.found.per_endpoint
        if each is not None and each.max_connections is not None:
            cluster.circuit_breakers.per_host_thresholds.add().max_connections.value = each.max_connections


def read(config: BackendConfig) -> BackendSettings:
    """Read how much there may be at once; a budget of retries is that of the backend, whatever routes say."""
    found = config.spec.circuit_breakers
    if found is None:
        return Outcome(())
    limits = CircuitLimits(found)
    if found.retry_budget is None:
        return Outcome((limits,))
    return Outcome((limits, retry_limit(found.retry_budget.percent, found.retry_budget.min_concurrency)))
