"""Default retries: of requests that no backend has processed."""

from __future__ import annotations

from headgate_proto.envoy.config.route.v3 import route_components_pb2
from headgate_proto.envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2

SELECTIONS = 20
"""How often Envoy picks again, by chance, until it has an endpoint that was not tried; three fail once in 16 times."""


UNPROCESSED = "connect-failure,refused-stream,reset-before-request"
"""What cannot have been processed, so that trying again is safe for every method (`HTTPRouteRetry`)."""

BUFFER_BYTES = 1024 * 1024
"""How much of a request's body is kept for another try, and for filters that hold bodies, unless they hold more.

A longer request is tried once. Envoy gives up, with 507, a request that gets longer while no try is on its way: so this
is more than clients can send until there is a connection.
"""


def avoid_tried_hosts(policy: route_components_pb2.RetryPolicy, selections: int = SELECTIONS) -> None:
    """Make a policy try another endpoint each time, if there is one; it is chosen by chance, up to so many times."""
    predicate = policy.retry_host_predicate.add(name="envoy.retry_host_predicates.previous_hosts")
    predicate.typed_config.Pack(previous_hosts_pb2.PreviousHostsPredicate())
    policy.host_selection_retry_max_attempts = selections


def try_at_once(policy: route_components_pb2.RetryPolicy) -> None:
    """Make a policy try again without a pause, in which the client would go on sending."""
    policy.retry_back_off.base_interval.FromMilliseconds(1)
    policy.retry_back_off.max_interval.FromMilliseconds(1)


def _safe() -> route_components_pb2.RetryPolicy:
    policy = route_components_pb2.RetryPolicy(retry_on=UNPROCESSED)
    policy.num_retries.value = 2
    avoid_tried_hosts(policy)
    try_at_once(policy)
    return policy


SAFE = _safe()
"""Requests that cannot have reached a backend are tried again, so that an endpoint that goes costs no request."""
