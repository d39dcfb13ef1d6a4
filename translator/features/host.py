"""Another Host for the backend, which header modifiers and rewrites share."""

from __future__ import annotations

from typing import Any


def set_host(action: Any, host: str) -> None:
    """Write a rule's Host into a ``RouteAction``, but for backends that have one of their own.

    Envoy would let the route's win over a backend's.
    """
    shares = action.weighted_clusters.clusters
    if any(each.host_rewrite_literal for each in shares):
        for each in shares:
            each.host_rewrite_literal = each.host_rewrite_literal or host
    else:
        action.host_rewrite_literal = host
