"""The field `outlierDetection` of BackendConfigPolicies: Envoy's ``Cluster.outlier_detection``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.cluster.v3 import outlier_detection_pb2
from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from translator.envoy.hooks import ClusterHook
from translator.extensions.backend_settings import BackendConfig
from translator.ir.backend import Backend, BackendSetting
from translator.kinds import BackendSettings
from translator.objects.headgate import outliers
from translator.outcome import Outcome

NUMBERS: Final[Mapping[str, str]] = {
    "consecutive5xx": "consecutive_5xx",
    "enforcing_consecutive5xx": "enforcing_consecutive_5xx",
    "consecutive_gateway_errors": "consecutive_gateway_failure",
    "enforcing_consecutive_gateway_errors": "enforcing_consecutive_gateway_failure",
    "consecutive_local_origin_failure": "consecutive_local_origin_failure",
    "enforcing_consecutive_local_origin_failure": "enforcing_consecutive_local_origin_failure",
    "failure_percentage_threshold": "failure_percentage_threshold",
    "failure_percentage_minimum_hosts": "failure_percentage_minimum_hosts",
    "failure_percentage_request_volume": "failure_percentage_request_volume",
    "enforcing_failure_percentage": "enforcing_failure_percentage",
    "max_ejection_percent": "max_ejection_percent",
    "always_eject_one_endpoint": "always_eject_one_host",
}
"""By the names of fields in the model, those in Envoy's message."""
TIMES: Final = ("interval", "base_ejection_time", "max_ejection_time")


@dataclass(frozen=True, slots=True)
class OutlierEjection(BackendSetting, ClusterHook):
    """Ejects endpoints whose requests fail.

    Attributes:
        found: what the policy says.
    """

    found: outliers.OutlierDetection

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write it.

        Envoy would also compare the rates of success, would only count what else is asked for, and would eject none of
        fewer than ten endpoints.
        """
        made, found = cluster.outlier_detection, self.found
        made.enforcing_success_rate.value = 0
        made.always_eject_one_host.value = True
        if found.consecutive_gateway_errors:
            made.enforcing_consecutive_gateway_failure.value = 100
        if found.failure_percentage_threshold is not None:
            made.enforcing_failure_percentage.value = 100
        if found.split_external_local_origin_errors is not None:
            made.split_external_local_origin_errors = found.split_external_local_origin_errors
            made.enforcing_local_origin_success_rate.value = 0
        for name, field in NUMBERS.items():
            if (number := getattr(found, name)) is not None:
                getattr(made, field).value = number
        for name in TIMES:
            if (time := getattr(found, name)) is not None:
                getattr(made, name).FromMilliseconds(time)
        _write_zero(made, found)


def _write_zero(made: outlier_detection_pb2.OutlierDetection, found: outliers.OutlierDetection) -> None:
    """Have numbers of 0 mean that nobody is ejected: Envoy would take them as the first failure."""
    if found.consecutive5xx == 0:
        made.enforcing_consecutive_5xx.value = 0
    if found.consecutive_gateway_errors == 0:
        made.enforcing_consecutive_gateway_failure.value = 0
    if found.consecutive_local_origin_failure == 0:
        made.enforcing_consecutive_local_origin_failure.value = 0


def read(config: BackendConfig) -> BackendSettings:
    """Read which endpoints are ejected."""
    found = config.spec.outlier_detection
    return Outcome(() if found is None else (OutlierEjection(found),))
