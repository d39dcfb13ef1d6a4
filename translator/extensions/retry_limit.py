"""The most retries at once to a backend, by policies of routes or of the backend itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from translator.envoy.hooks import ClusterHook
from translator.ir.backend import Backend, BackendSetting

BUDGET_MILLIONTHS: Final = 200_000
"""The share of a backend's requests that may be retries at once, where there is a budget that does not say it."""

BUDGET_CONCURRENCY: Final = 3
"""How many retries there may be in any case, where there is a budget that does not say it."""


@dataclass(frozen=True, slots=True)
class RetryLimit(BackendSetting, ClusterHook):
    """The most retries at once to a backend: a share of its active requests, in millionths, or a number if more."""

    millionths: int
    concurrency: int

    @property
    def limits_retries(self) -> bool:
        """Whether it limits retries: it does."""
        return True

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the ``RetryBudget`` of the circuit breakers."""
        budget = cluster.circuit_breakers.thresholds[0].retry_budget
        budget.budget_percent.value = self.millionths / 10_000
        budget.min_retry_concurrency.value = self.concurrency


def retry_limit(percent: int | None, min_concurrency: int | None) -> RetryLimit:
    """Return a limit by a share in millionths and a number, each of which has a default."""
    return RetryLimit(
        BUDGET_MILLIONTHS if percent is None else percent,
        BUDGET_CONCURRENCY if min_concurrency is None else min_concurrency,
    )
