"""The field `loadBalancer` of BackendConfigPolicies: Envoy's ``Cluster.load_balancing_policy``."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.extensions.load_balancing_policies.least_request.v3.least_request_pb2 import LeastRequest
from headgate_proto.envoy.extensions.load_balancing_policies.random.v3.random_pb2 import Random
from headgate_proto.envoy.extensions.load_balancing_policies.round_robin.v3.round_robin_pb2 import RoundRobin
from translator.envoy.hooks import ClusterHook
from translator.extensions.backend_settings import BackendConfig
from translator.ir.backend import Backend, BackendSetting
from translator.kinds import BackendSettings
from translator.objects.headgate.loadbalancing import LoadBalancer
from translator.outcome import Outcome


@dataclass(frozen=True, slots=True)
class LoadBalancing(BackendSetting, ClusterHook):
    """How an endpoint is chosen.

    Attributes:
        found: what the policy says.
    """

    found: LoadBalancer

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the policy."""
        cluster.ClearField("lb_policy")
        name, message = algorithm(self.found)
        config = cluster.load_balancing_policy.policies.add().typed_extension_config
        config.name = f"envoy.load_balancing_policies.{name}"
        config.typed_config.Pack(message, deterministic=True)


def algorithm(found: LoadBalancer) -> tuple[str, Message]:
    """Return the algorithm, as the name of Envoy's extension and its configuration."""
    if found.round_robin is not None:
        return "round_robin", RoundRobin()
    if found.random is not None:
        return "random", Random()
    least = LeastRequest()
    if found.least_request is not None and found.least_request.choice_count is not None:
        least.choice_count.value = found.least_request.choice_count
    return "least_request", least


def read(config: BackendConfig) -> BackendSettings:
    """Read how endpoints are chosen."""
    found = config.spec.load_balancer
    return Outcome(() if found is None else (LoadBalancing(found),))
