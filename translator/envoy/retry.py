"""What is tried again without being asked for."""

from __future__ import annotations

from headgate_proto.envoy.config.route.v3 import route_components_pb2
from headgate_proto.envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2

SELECTIONS = 20
"""How often Envoy picks again, by chance, until it has an endpoint that was not tried; three fail once in 16 times."""


def avoid_tried_hosts(policy: route_components_pb2.RetryPolicy) -> None:
    """Make a policy try another endpoint each time, if there is one."""
    predicate = policy.retry_host_predicate.add(name="envoy.retry_host_predicates.previous_hosts")
    predicate.typed_config.Pack(previous_hosts_pb2.PreviousHostsPredicate())
    policy.host_selection_retry_max_attempts = SELECTIONS


def _safe() -> route_components_pb2.RetryPolicy:
    policy = route_components_pb2.RetryPolicy(retry_on="connect-failure,refused-stream,reset-before-request")
    policy.num_retries.value = 2
    avoid_tried_hosts(policy)
    return policy


SAFE = _safe()
"""Requests that cannot have reached a backend are tried again, so that an endpoint that goes costs no request."""
