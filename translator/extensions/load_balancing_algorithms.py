"""The algorithms of load balancing, as the configurations of Envoy's extensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message
from pydantic.alias_generators import to_snake

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import LoadBalancingPolicy
from headgate_proto.envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3 import (
    client_side_weighted_round_robin_pb2,
)
from headgate_proto.envoy.extensions.load_balancing_policies.common.v3.common_pb2 import (
    ConsistentHashingLbConfig,
    LocalityLbConfig,
    SlowStartConfig,
)
from headgate_proto.envoy.extensions.load_balancing_policies.least_request.v3 import least_request_pb2
from headgate_proto.envoy.extensions.load_balancing_policies.maglev.v3 import maglev_pb2
from headgate_proto.envoy.extensions.load_balancing_policies.random.v3 import random_pb2
from headgate_proto.envoy.extensions.load_balancing_policies.ring_hash.v3 import ring_hash_pb2
from headgate_proto.envoy.extensions.load_balancing_policies.round_robin.v3 import round_robin_pb2
from translator.extensions.hash_messages import write_hash_policy
from translator.objects.headgate.loadbalancing import (
    ALGORITHMS,
    MAX_RING,
    LeastRequest,
    LoadBalancer,
    Maglev,
    PreferLocal,
    RingHash,
    RoundRobin,
    SlowStart,
    Utilization,
)

ClientSideWeightedRoundRobin = client_side_weighted_round_robin_pb2.ClientSideWeightedRoundRobin

RUNTIME: Final = "headgate.slow_start.aggression"
"""The key by which Envoy wants the number to be found in its runtime, where it is not."""


def write_algorithm(policy: LoadBalancingPolicy, found: LoadBalancer) -> None:
    """Write the algorithm, with what is said of zones; without one that of the fewest requests."""
    name = next((each for each in ALGORITHMS if getattr(found, each) is not None), ALGORITHMS[0])
    message = WRITERS[name](getattr(found, name))
    _write_zones(message, found)
    add_policy(policy, "client_side_weighted_round_robin" if name == "utilization" else name, message)


def write_fallback(policy: LoadBalancingPolicy, name: str, found: LoadBalancer) -> None:
    """Write the algorithm for requests that name no endpoint: LeastRequest, RoundRobin or Random."""
    message = FALLBACKS[name]()
    _write_zones(message, found)
    add_policy(policy, to_snake(name), message)


def add_policy(policy: LoadBalancingPolicy, extension: str, message: Message) -> None:
    """Add the configuration of one of Envoy's extensions."""
    config = policy.policies.add().typed_extension_config
    config.name = f"envoy.load_balancing_policies.{extension}"
    config.typed_config.Pack(message, deterministic=True)


def _write_zones(message: Any, found: LoadBalancer) -> None:
    if isinstance(message, ClientSideWeightedRoundRobin):
        return
    hashes = isinstance(message, ring_hash_pb2.RingHash | maglev_pb2.Maglev)
    if found.weighs_zones:
        (message if hashes else message.locality_lb_config).locality_weighted_lb_config.SetInParent()
    elif found.zone_aware is not None and not hashes:
        _write_own_zone(message.locality_lb_config.zone_aware_lb_config, found.zone_aware.prefer_local)


def _write_own_zone(message: LocalityLbConfig.ZoneAwareLbConfig, found: PreferLocal) -> None:
    message.SetInParent()
    if found.min_endpoints_threshold is not None:
        message.min_cluster_size.value = found.min_endpoints_threshold
    if found.routing_enabled is not None:
        message.routing_enabled.value = found.routing_enabled
    if found.force is not None:
        message.force_local_zone.SetInParent()
        if found.force.min_endpoints_in_zone_threshold is not None:
            message.force_local_zone.min_size.value = found.force.min_endpoints_in_zone_threshold


def _write_slow_start(message: SlowStartConfig, found: SlowStart) -> None:
    message.slow_start_window.FromMilliseconds(found.window)
    if found.aggression is not None:
        message.aggression.default_value = found.aggression / 1000
        message.aggression.runtime_key = RUNTIME
    if found.min_weight_percent is not None:
        message.min_weight_percent.value = found.min_weight_percent


def _least_request(found: LeastRequest | None) -> Message:
    made = least_request_pb2.LeastRequest()
    if found is not None and found.choice_count is not None:
        made.choice_count.value = found.choice_count
    if found is not None and found.slow_start is not None:
        _write_slow_start(made.slow_start_config, found.slow_start)
    return made


def _round_robin(found: RoundRobin) -> Message:
    made = round_robin_pb2.RoundRobin()
    if found.slow_start is not None:
        _write_slow_start(made.slow_start_config, found.slow_start)
    return made


def _random(_: object) -> Message:
    return random_pb2.Random()


def _ring_hash(found: RingHash) -> Message:
    made = ring_hash_pb2.RingHash()
    if found.minimum_ring_size is not None:
        made.minimum_ring_size.value = found.minimum_ring_size
    # Weights of endpoints make the ring larger than it is to be at least.
    made.maximum_ring_size.value = found.maximum_ring_size or MAX_RING
    _write_hashing(made.consistent_hashing_lb_config, found)
    return made


def _maglev(found: Maglev) -> Message:
    made = maglev_pb2.Maglev()
    if found.table_size is not None:
        made.table_size.value = found.table_size
    _write_hashing(made.consistent_hashing_lb_config, found)
    return made


def _write_hashing(message: ConsistentHashingLbConfig, found: RingHash | Maglev) -> None:
    message.use_hostname_for_hashing = bool(found.use_hostname_for_hashing)
    for each in found.hash_policies or ():
        write_hash_policy(message.hash_policy.add(), each)


def _utilization(found: Utilization) -> Message:
    made = ClientSideWeightedRoundRobin()
    for name in ("blackout_period", "weight_expiration_period", "weight_update_period"):
        if (time := getattr(found, name)) is not None:
            getattr(made, name).FromMilliseconds(time)
    if found.error_utilization_penalty is not None:
        made.error_utilization_penalty.value = found.error_utilization_penalty / 100
    made.metric_names_for_computing_utilization.extend(found.metric_names or ())
    if (reports := found.out_of_band) is not None:
        made.enable_oob_load_report.value = True
        if reports.reporting_period is not None:
            made.oob_reporting_period.FromMilliseconds(reports.reporting_period)
        if reports.port is not None:
            made.oob_reporting_config.port_value = reports.port
    return made


FALLBACKS: Final[Mapping[str, Callable[[], Message]]] = {
    "LeastRequest": least_request_pb2.LeastRequest,
    "RoundRobin": round_robin_pb2.RoundRobin,
    "Random": random_pb2.Random,
}
"""The configurations of algorithms that are fallbacks."""

WRITERS: Final[Mapping[str, Callable[[Any], Message]]] = {
    "least_request": _least_request,
    "round_robin": _round_robin,
    "random": _random,
    "ring_hash": _ring_hash,
    "maglev": _maglev,
    "utilization": _utilization,
}
"""By the names of algorithms in the model, what makes their configurations."""
