"""Resources for gRPC's own xDS clients: what they cannot read of those for Envoy, in the form that they can.

They take the ``api_listener`` of a ``Listener`` (gRFC A27), and of routes the matches that calls can have (A28),
``max_stream_duration`` (A31) and retries by codes of gRPC (A44). They reject a ``RouteConfiguration`` with another kind
of match of a path, and a ``Cluster`` with another policy than ROUND_ROBIN and RING_HASH.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3 import route_components_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.envoy.config_source import ADS
from translator.envoy.filter_chain import ROUTER
from translator.envoy.hooks import ClusterHook, EndpointsHook
from translator.envoy.http_filter import encode_filters
from translator.ir.backend import Backend, BackendKey, BackendSetting, Protocol
from translator.ir.http import PathKind, RouteMatch, RuleSetting

NOBODY: Final = Backend(BackendKey("Service", "", "nobody"), 0)
"""A backend without endpoints, in place of a broken one: clients wait for seconds for a cluster that does not exist."""

UNAVAILABLE: Final = "unavailable"


@dataclass(frozen=True, slots=True)
class GrpcChannel(BackendSetting, ClusterHook, EndpointsHook):
    """Calls to a backend by the channels of gRPC clients."""

    proxyless: ClassVar[bool] = True

    @property
    def uses_zones(self) -> bool:
        """Return True: clients have zones of their own."""
        return True

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the policy and the type of a ``Cluster`` that clients know."""
        cluster.lb_policy = Cluster.ROUND_ROBIN
        if cluster.type != Cluster.EDS:
            cluster.type = Cluster.LOGICAL_DNS

    def apply_to_endpoints(self, assignment: ClusterLoadAssignment) -> None:
        """Weigh each locality by its endpoints: clients ignore those without a weight."""
        for each in assignment.endpoints:
            each.locality.SetInParent()
            each.load_balancing_weight.value = len(each.lb_endpoints)


@dataclass(frozen=True, slots=True)
class GrpcBackends(RuleSetting):
    """Has the backends of a rule called by the channels of gRPC clients."""

    @property
    def proxyless_fault(self) -> str:
        """Nothing: it is for these clients."""
        return ""

    def shape(self, backend: Backend, match: RouteMatch) -> Backend:
        """Return the backend with the settings for clients, which speak HTTP/2 whatever it says."""
        return replace(backend, protocol=Protocol.H2C.value, settings=(*backend.settings, GrpcChannel()))


def write_for_clients(route: route_components_pb2.Route) -> None:
    """Write the match, the timeout and the retries of a complete route in the form of gRPC."""
    _write_match(route.match)
    if route.HasField("route"):
        _write_action(route.route)


def _write_match(match: route_components_pb2.RouteMatch) -> None:
    match.ClearField("grpc")  # all calls are
    kept = [each for each in match.headers if each.name != ":method"]  # all calls are a POST
    del match.headers[:]
    match.headers.extend(kept)
    if match.HasField("path_separated_prefix"):
        path = match.path_separated_prefix
        if path.count("/") == 1:
            match.prefix = f"{path}/"
        else:
            match.path = path


def _write_action(action: route_components_pb2.RouteAction) -> None:
    longest = action.max_stream_duration.max_stream_duration
    limits = [each for each in (action.timeout.ToMilliseconds(), longest.ToMilliseconds()) if each]
    action.ClearField("timeout")
    action.ClearField("idle_timeout")
    action.ClearField("cluster_not_found_response_code")
    action.ClearField("max_stream_duration")
    if limits:
        action.max_stream_duration.max_stream_duration.FromMilliseconds(min(limits))
    if action.HasField("retry_policy"):
        _write_retries(action)


def _write_retries(action: route_components_pb2.RouteAction) -> None:
    former = route_components_pb2.RetryPolicy()
    former.CopyFrom(action.retry_policy)
    action.ClearField("retry_policy")
    if former.num_retries.value:
        action.retry_policy.retry_on = UNAVAILABLE
        action.retry_policy.num_retries.value = former.num_retries.value
        if former.HasField("retry_back_off"):
            action.retry_policy.retry_back_off.CopyFrom(former.retry_back_off)


def no_call(match: RouteMatch) -> str:
    """Return why no call of gRPC matches, as text after the match's field; "" if some do."""
    if match.method not in ("", "POST"):
        return f".method: each call of gRPC is a POST, and no {match.method}"
    if match.query:
        return ".queryParams: calls of gRPC have no query parameters"
    if match.path_kind is not PathKind.REGEX and not _is_path_of_calls(match):
        return ".path.value: the path of a call of gRPC is /SERVICE/METHOD"
    return ""


def _is_path_of_calls(match: RouteMatch) -> bool:
    elements = match.path.split("/")[1:]
    if match.path_kind is PathKind.EXACT:
        return len(elements) == 2 and all(elements)
    while elements and not elements[-1]:
        elements.pop()
    return len(elements) <= 2 and all(elements)


def client_listener(name: str) -> Listener:
    """Make the listener of a target, which has the name by which clients ask for it, as its routes have."""
    manager = HttpConnectionManager()
    manager.rds.route_config_name = name
    manager.rds.config_source.CopyFrom(ADS)
    manager.http_filters.extend(encode_filters((ROUTER,)))
    made = Listener(name=name)
    made.api_listener.api_listener.Pack(manager, deterministic=True)
    return made
