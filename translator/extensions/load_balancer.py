"""The field `loadBalancer` of BackendConfigPolicies: ``Cluster.load_balancing_policy``, and weights of zones."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from headgate_proto.envoy.extensions.load_balancing_policies.override_host.v3.override_host_pb2 import OverrideHost
from translator.envoy.hooks import ClusterHook, EndpointsHook
from translator.extensions.backend_settings import BackendConfig
from translator.extensions.load_balancing_algorithms import (
    add_policy,
    write_algorithm,
    write_fallback,
)
from translator.ir.backend import Backend, BackendSetting
from translator.kinds import BackendSettings
from translator.objects.headgate.loadbalancing import LoadBalancer
from translator.outcome import Outcome, Problem


@dataclass(frozen=True, slots=True)
class LoadBalancing(BackendSetting, ClusterHook, EndpointsHook):
    """How an endpoint is chosen.

    Attributes:
        found: what the policy says.
    """

    found: LoadBalancer

    @property
    def hashes(self) -> bool:
        """Return whether it is by the hash of requests, and the policy does not say of which part of them."""
        hashing = (self.found.ring_hash, self.found.maglev)
        return any(each is not None and not each.hash_policies for each in hashing)

    @property
    def uses_zones(self) -> bool:
        """Return whether zones have weights, or that of the proxy is preferred; `utilization` knows of neither."""
        return self.compares_zones or (self.found.weighs_zones and self.found.utilization is None)

    @property
    def compares_zones(self) -> bool:
        """Return whether the zone of the proxy is preferred."""
        return self.found.zone_aware is not None

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the policy, and what Envoy has beside it for all algorithms."""
        found, policy = self.found, cluster.load_balancing_policy
        cluster.ClearField("lb_policy")
        if found.endpoint_override is not None:
            override = OverrideHost()
            override.override_host_sources.add(header=found.endpoint_override.header)
            write_fallback(override.fallback_policy, found.endpoint_override.fallback or "LeastRequest", found)
            add_policy(policy, "override_host", override)
        else:
            write_algorithm(policy, found)
        common = cluster.common_lb_config
        if found.healthy_panic_threshold is not None:
            common.healthy_panic_threshold.value = found.healthy_panic_threshold
        if found.update_merge_window is not None:
            common.update_merge_window.FromMilliseconds(found.update_merge_window)
        if found.close_connections_on_host_set_change is not None:
            common.close_connections_on_host_set_change = found.close_connections_on_host_set_change

    def apply_to_endpoints(self, assignment: ClusterLoadAssignment) -> None:
        """Write the weights of zones, without which Envoy would give them nothing."""
        if not self.found.weighs_zones:
            return
        weights = {each.zone: each.weight for each in self.found.weighted_zones or ()}
        for each in assignment.endpoints:
            alike = 1 if weights else len(each.lb_endpoints)
            each.load_balancing_weight.value = weights.get(each.locality.zone, alike)


def read(config: BackendConfig) -> BackendSettings:
    """Read how endpoints are chosen."""
    found = config.spec.load_balancer
    if found is None:
        return Outcome(())
    maglev = found.maglev
    if maglev is not None and maglev.table_size is not None and not _is_prime(maglev.table_size):
        text = f"spec.loadBalancer.maglev.tableSize: {maglev.table_size} is not a prime; set one, such as 65537."
        return Outcome((), (Problem("Accepted", "Invalid", text),))
    return Outcome((LoadBalancing(found),))


def _is_prime(number: int) -> bool:
    return all(number % each for each in range(2, isqrt(number) + 1))
