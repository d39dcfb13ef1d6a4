"""Where a route sends a request, and what the request is when it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, RouteAction, WeightedCluster
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from headgate_proto.envoy.extensions.router.cluster_specifiers.priority_group.v3.priority_group_pb2 import (
    ClusterWeight as GroupWeight,
)
from headgate_proto.envoy.extensions.router.cluster_specifiers.priority_group.v3.priority_group_pb2 import (
    PriorityGroupClusterSpecifier,
)
from translator.explain.clusters import ClusterTarget, target
from translator.explain.filters import Levels, enabled_filters
from translator.explain.headers import ChangesHeaders, changed, request_changes, response_changes
from translator.explain.matches import Seen
from translator.explain.mutations import cors_edits, mutations, request_edits, response_edits
from translator.explain.result import Destination
from translator.explain.rewrites import forwarded_host, rewritten_host, rewritten_path
from xds import Snapshot

ClusterWeight = WeightedCluster.ClusterWeight

NOT_FOUND: Final = 404
MISSING: Final = {
    RouteAction.SERVICE_UNAVAILABLE: 503,
    RouteAction.NOT_FOUND: 404,
    RouteAction.INTERNAL_SERVER_ERROR: 500,
}


@dataclass(frozen=True, slots=True)
class LeavingRequest:
    """A request at a route that forwards it.

    Attributes:
        snapshot: the resources of the Gateway.
        request: the request, as the route sees it.
        route: the route.
        messages: the messages that change headers, the first to do so first; those of a backend come before.
        manager: the connection manager.
        levels: the messages that configure the filters of the route, or of `weight`.
        weight: the one backend that the request goes to; None for any of the route.
    """

    snapshot: Snapshot
    request: Seen
    route: Route
    messages: tuple[ChangesHeaders, ...]
    manager: HttpConnectionManager
    levels: Levels
    weight: ClusterWeight | None = None


def destinations(leaving: LeavingRequest) -> Iterator[Destination]:
    """Yield the clusters that a request may go to."""
    action = leaving.route.route
    kind = action.WhichOneof("cluster_specifier")
    if kind == "cluster":
        yield _destination(leaving, action.cluster, 1.0, None)
        return
    if kind == "inline_cluster_specifier_plugin":
        first = next(iter(groups(action)), ())
        total = sum(each.weight.value for each in first)
        for group in first:
            yield _destination(leaving, group.cluster_name, group.weight.value / total, None)
        return
    if leaving.weight is not None:
        yield _destination(leaving, leaving.weight.name, 1.0, leaving.weight)
        return
    weighted = [each for each in action.weighted_clusters.clusters if each.weight.value]
    total = sum(each.weight.value for each in weighted)
    for each in weighted:
        yield _destination(leaving, each.name, each.weight.value / total, each)
    if not weighted:
        yield Destination("", 1.0, status=503, problem="the route names no cluster")


def groups(action: RouteAction) -> Iterator[Sequence[GroupWeight]]:
    """Yield the clusters of each attempt of a request; nothing for a route that has no groups of them."""
    packed = action.inline_cluster_specifier_plugin.extension.typed_config
    found = PriorityGroupClusterSpecifier()
    if action.HasField("inline_cluster_specifier_plugin") and packed.Unpack(found):
        yield from (group.clusters for group in found.priority_groups)


def _destination(leaving: LeavingRequest, name: str, share: float, weight: ClusterWeight | None) -> Destination:
    action, request = leaving.route.route, leaving.request
    found = target(leaving.snapshot, name)
    messages = leaving.messages if weight is None else (weight, *leaving.messages)
    filters = tuple(enabled_filters(leaving.manager, leaving.levels))
    mutated = tuple(mutations(filters, leaving.levels))
    before = request_edits(mutated, request.headers)
    changes = (*before, *request_changes(messages))
    host = weight.host_rewrite_literal if weight is not None and weight.host_rewrite_literal else request.authority
    at_router = replace(request, authority=host, headers=changed(request.headers, changes))
    rewritten = rewritten_host(action, at_router, found.resolved)
    changes = (*changes, *forwarded_host(action, at_router, rewritten))
    made = Destination(
        name,
        share,
        found.backend,
        found.endpoints,
        host if rewritten is None else rewritten,
        rewritten_path(action, leaving.route.match, request.path),
        changed(request.headers, changes),
        changes,
        (*response_changes(messages), *response_edits(mutated), *cors_edits(filters, leaving.levels, request)),
        filters,
    )
    if not found.exists:
        status = MISSING[action.cluster_not_found_response_code]
        problem = f"a backend of the rule cannot be used, so its share gets {status}"
        if status == NOT_FOUND:  # only what reads models sends requests nowhere with this status
            problem = "the route has no rule for the model that the request names"
        return replace(made, status=status, problem=problem)
    return made if found.endpoints else replace(made, status=503, problem=_no_endpoints(found))


def _no_endpoints(found: ClusterTarget) -> str:
    return f"{found.backend or found.cluster} has no ready endpoint"


def connections(snapshot: Snapshot, proxy: TcpProxy) -> Iterator[Destination]:
    """Yield the clusters that connections are forwarded to as they are."""
    weights: Iterable[tuple[str, int]] = [(each.name, each.weight) for each in proxy.weighted_clusters.clusters]
    if proxy.cluster:
        weights = [(proxy.cluster, 1)]
    total = sum(weight for _, weight in weights)
    for name, weight in weights:
        found = target(snapshot, name)
        problem = "" if found.endpoints else f"{_no_endpoints(found)}: the connection is closed"
        yield Destination(name, weight / total, found.backend, found.endpoints, problem=problem)
