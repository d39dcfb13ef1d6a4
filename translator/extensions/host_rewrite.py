"""Rewrites of the Host header, shared by header modifiers and URL rewrites."""

from __future__ import annotations

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RouteAction
from translator.objects.gateway_api.filters import HTTPURLRewriteFilter, RouteFilter


def set_host(action: RouteAction, host: str) -> None:
    """Write a rule's Host into a ``RouteAction``, but for backends that have one of their own.

    Envoy would let the route's win over a backend's.
    """
    weighted_clusters = action.weighted_clusters.clusters
    if any(each.host_rewrite_literal for each in weighted_clusters):
        for each in weighted_clusters:
            each.host_rewrite_literal = each.host_rewrite_literal or host
    else:
        action.host_rewrite_literal = host


def rewrites_host(found: RouteFilter) -> bool:
    """Return whether a filter rewrites the hostname."""
    return isinstance(found.member, HTTPURLRewriteFilter) and found.member.hostname is not None


def sets_host(found: RouteFilter) -> bool:
    """Whether a filter sets the Host of requests."""
    modifier = found.request_header_modifier
    return modifier is not None and any(each.name.lower() == "host" for each in modifier.set)
