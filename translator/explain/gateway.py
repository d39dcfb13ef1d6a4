"""A request at one Gateway: its listener, filter chain and virtual host, then what its routes make of the request."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from headgate_proto.envoy.config.core.v3.address_pb2 import SocketAddress
from headgate_proto.envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions
from headgate_proto.envoy.config.listener.v3.listener_components_pb2 import FilterChain
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from translator.envoy.listener import Forwarded
from translator.envoy.scoped_routes import configurations_of
from translator.explain.destinations import connections
from translator.explain.hosts import filter_chain, virtual_host, without_port
from translator.explain.matches import Seen
from translator.explain.paths import normalise
from translator.explain.request import Header, Headers, Request
from translator.explain.result import Explanation, RequestOutcome, RuleFacts
from translator.explain.routes import HostScope, outcomes, unmatched
from xds import LISTENER, ROUTE, Reference, Snapshot

MOST_NAMES: Final = 10


def listeners(snapshot: Snapshot) -> dict[int, Listener]:
    """Return the listeners of a Gateway for connections, by their ports."""
    found = (Listener.FromString(each.body) for each in snapshot.resources(LISTENER).values())
    tcp = (each for each in found if each.address.socket_address.protocol == SocketAddress.TCP)
    return {each.address.socket_address.port_value: each for each in tcp}


def explain_at(gateway: str, snapshot: Snapshot, request: Request) -> Explanation:
    """Return what becomes of a request at a Gateway.

    Args:
        gateway: the "namespace/name" of the Gateway.
        snapshot: its resources.
        request: the request.
    """
    found = listeners(snapshot)
    listener = found.get(request.port)
    if listener is None:
        ports = ", ".join(map(str, sorted(found))) or "no port"
        return Explanation(gateway, problem=f"Gateway {gateway} serves no port {request.port}; it serves {ports}")
    made = Explanation(gateway, listener.name)
    chain = filter_chain(listener, request.server_name if request.scheme == "https" else "")
    if chain is None:
        return replace(made, problem=_no_chain(listener, request))
    made = replace(made, filter_chain=chain.name)
    for each in chain.filters:
        config = each.typed_config
        proxy, manager = TcpProxy(), HttpConnectionManager()
        if config.Unpack(proxy):
            clusters = tuple(connections(snapshot, proxy))
            outcome = RequestOutcome(1.0, rule=_forwarding_rule(snapshot, listener, proxy), destinations=clusters)
            return replace(made, problem=_scheme_problem(chain, request, forwards=True), outcomes=(outcome,))
        if config.Unpack(manager):
            if problem := _scheme_problem(chain, request, forwards=False):
                return replace(made, problem=problem)
            return _at_manager(made, snapshot, manager, request)
    return replace(made, problem="the connection is closed: no route with a usable backend is attached to the listener")


def _forwarding_rule(snapshot: Snapshot, listener: Listener, proxy: TcpProxy) -> RuleFacts | None:
    """Return the rule whose backends connections are forwarded to."""
    resource = snapshot.get(Reference(LISTENER, listener.name))
    origin = resource.origin if resource is not None and isinstance(resource.origin, tuple) else ()
    clusters = {proxy.cluster, *(each.name for each in proxy.weighted_clusters.clusters)}
    rules = (each for each in origin if isinstance(each, Forwarded) and each.cluster in clusters)
    return next((RuleFacts(str(each.route), each.rule.partition(" ")[0]) for each in rules), None)


def _no_chain(listener: Listener, request: Request) -> str:
    names = sorted({name for each in listener.filter_chains for name in each.filter_chain_match.server_names})
    served = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
    if request.scheme == "http" or not request.server_name:
        why = "without TLS" if request.scheme == "http" else "without a TLS server name"
        return f"port {request.port} takes no connections {why}; it serves {served}"
    nearest = get_close_matches(request.server_name, names, 1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    return (
        f"port {request.port} closes connections to the TLS server name {request.server_name}{hint}; it serves {served}"
    )


def _scheme_problem(chain: FilterChain, request: Request, *, forwards: bool) -> str:
    tls = chain.HasField("transport_socket")
    if tls and request.scheme == "http":
        return f"port {request.port} terminates TLS: use https"
    if not tls and request.scheme == "https" and not forwards:
        return f"port {request.port} does not speak TLS: use http"
    return ""


def _at_manager(made: Explanation, snapshot: Snapshot, manager: HttpConnectionManager, request: Request) -> Explanation:
    """Explain a request that reaches a connection manager."""
    underscores = [each.name for each in request.headers if "_" in each.name]
    if (
        underscores
        and manager.common_http_protocol_options.headers_with_underscores_action == HttpProtocolOptions.REJECT_REQUEST
    ):
        problem = f"requests with an underscore in the name of a header are refused: {underscores[0]}"
        return replace(made, outcomes=(RequestOutcome(1.0, status=400, problem=problem),))
    path = normalise(request.path, manager)
    if path.error:
        return replace(made, path=path.path, outcomes=(RequestOutcome(1.0, status=400, problem=path.error),))
    (name,) = configurations_of(manager, request.host)
    seen = Seen(request.method, request.scheme, request.host, path.path, _received(request))
    made = replace(made, path=path.path, route_configuration=name, grpc=seen.is_grpc)
    if path.redirect:
        return replace(made, outcomes=(RequestOutcome(1.0, status=307, location=path.path),))
    configuration = _configuration(snapshot, name)
    host = virtual_host(configuration, seen.authority)
    if host is None:
        return replace(made, outcomes=(unmatched(manager, seen, 1.0, _no_host(snapshot, manager, seen)),))
    scope = HostScope(snapshot, manager, configuration, host, seen, request.size, request.model)
    return replace(made, virtual_host=host.name, outcomes=tuple(outcomes(scope)))


def _received(request: Request) -> Headers:
    """Return the headers of a request with those that Envoy writes for every request of clients, as far as known."""
    kept = tuple(each for each in request.headers if each.name != "x-forwarded-proto")
    return (*kept, Header("x-forwarded-proto", request.scheme))


def _configuration(snapshot: Snapshot, name: str) -> RouteConfiguration:
    resource = snapshot.get(Reference(ROUTE, name))
    return RouteConfiguration.FromString(resource.body) if resource is not None else RouteConfiguration()


def _no_host(snapshot: Snapshot, manager: HttpConnectionManager, seen: Seen) -> str:
    name = without_port(seen.authority)
    parts = (_configuration(snapshot, each).virtual_hosts for each in configurations_of(manager, None))
    hosts = {each.name for part in parts for each in part}
    known = sorted(each for each in hosts if not each.startswith("misdirected/"))
    nearest = get_close_matches(name, known, 1)
    hint = f" (did you mean {nearest[0]}?)" if nearest else ""
    served = ", ".join(known[:MOST_NAMES]) + (", …" if len(known) > MOST_NAMES else "")
    return f"no listener serves the host {name}{hint}; served are {served or 'no hosts'}"
