"""Small Envoy resources for tests."""

from __future__ import annotations

from google.protobuf.message import Message

from headgate.security.authority import KeyPair
from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.core.v3 import config_source_pb2, extension_pb2
from headgate_proto.envoy.config.endpoint.v3 import endpoint_pb2
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.config.route.v3 import route_pb2, scoped_route_pb2
from headgate_proto.envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from headgate_proto.envoy.extensions.filters.http.router.v3 import router_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from xds.resources.resource import Resource


def source(method: config_source_pb2.ApiConfigSource.ApiType | None = None) -> config_source_pb2.ConfigSource:
    """Return a config source: the aggregated stream, or the service of the type in a variant."""
    if method is None:
        return config_source_pb2.ConfigSource(
            ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
        )
    made = config_source_pb2.ConfigSource(resource_api_version=config_source_pb2.V3)
    made.api_config_source.api_type = method
    made.api_config_source.transport_api_version = config_source_pb2.V3
    made.api_config_source.grpc_services.add().envoy_grpc.cluster_name = "xds"
    return made


ADS = source()


def cluster(
    name: str, *, secret: str = "", eds: bool = True, timeout: int = 1, source: config_source_pb2.ConfigSource = ADS
) -> Resource:
    """Return a cluster with endpoints by EDS; if a secret is given, with TLS and its CA by SDS."""
    message = cluster_pb2.Cluster(name=name)
    message.connect_timeout.seconds = timeout
    if eds:
        message.type = cluster_pb2.Cluster.EDS
        message.eds_cluster_config.eds_config.CopyFrom(source)
        message.eds_cluster_config.eds_config.initial_fetch_timeout.seconds = 2
    if secret:
        context = tls_pb2.UpstreamTlsContext()
        config = context.common_tls_context.validation_context_sds_secret_config
        config.name = secret
        config.sds_config.CopyFrom(source)
        config.sds_config.initial_fetch_timeout.seconds = 2
        message.transport_socket.name = "tls"
        message.transport_socket.typed_config.Pack(context)
    return Resource.pack(message)


def endpoints(name: str, *ports: int, host: str = "127.0.0.1") -> Resource:
    """Return the assignment of a cluster: one endpoint for each port."""
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    if ports:
        locality = message.endpoints.add()
        for port in ports:
            address = locality.lb_endpoints.add().endpoint.address.socket_address
            address.address, address.port_value = host, port
    return Resource.pack(message)


def routes(name: str, clusters: dict[str, str]) -> Resource:
    """Return a route configuration for all hosts: the cluster for each path prefix."""
    message = route_pb2.RouteConfiguration(name=name)
    host = message.virtual_hosts.add(name="all", domains=["*"])
    for prefix in sorted(clusters, key=len, reverse=True):
        route = host.routes.add()
        route.match.prefix = prefix
        route.route.cluster = clusters[prefix]
    return Resource.pack(message)


def named_routes(name: str, to: str, requirement: str = "", prefix: str = "/") -> Resource:
    """Return a route configuration whose one route names a requirement of the filter `jwt`, if there is one."""
    message = route_pb2.RouteConfiguration.FromString(routes(name, {prefix: to}).body)
    if requirement:
        config = config_pb2.PerRouteConfig(requirement_name=requirement)
        message.virtual_hosts[0].routes[0].typed_per_filter_config["jwt"].Pack(config)
    return Resource.pack(message)


def requirements(name: str, *names: str, keys: str = "") -> Resource:
    """Return a filter whose requirements every request meets; with a provider that gets its keys from a cluster."""
    config = config_pb2.JwtAuthentication()
    for each in names:
        config.requirement_map[each].allow_missing_or_failed.SetInParent()
    if keys:
        uri = config.providers["provider"].remote_jwks.http_uri
        uri.uri, uri.cluster, uri.timeout.seconds = "http://keys/", keys, 1
    message = extension_pb2.TypedExtensionConfig(name=name)
    message.typed_config.Pack(config, deterministic=True)
    return Resource.pack(message)


def listener(name: str, port: int, route: str, source: config_source_pb2.ConfigSource = ADS) -> Resource:
    """Return an HTTP listener on loopback with routes by RDS."""
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix=name)
    manager.rds.route_config_name = route
    manager.rds.config_source.CopyFrom(source)
    return _http_listener(name, port, manager)


def inline_listener(name: str, port: int, to: str) -> Resource:
    """Return an HTTP listener on loopback with one inline route, to a cluster."""
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix=name)
    host = manager.route_config.virtual_hosts.add(name="all", domains=["*"])
    route = host.routes.add()
    route.match.prefix, route.route.cluster = "/", to
    return _http_listener(name, port, manager)


def scoped_listener(name: str, port: int) -> Resource:
    """Return an HTTP listener on loopback with scopes by SRDS, selected by the header `x-scope`."""
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix=name)
    manager.scoped_routes.name = "scopes"
    manager.scoped_routes.rds_config_source.CopyFrom(ADS)
    manager.scoped_routes.scoped_rds.scoped_rds_config_source.CopyFrom(ADS)
    header = manager.scoped_routes.scope_key_builder.fragments.add().header_value_extractor
    header.name, header.index = "x-scope", 0
    return _http_listener(name, port, manager)


def _http_listener(name: str, port: int, manager: http_connection_manager_pb2.HttpConnectionManager) -> Resource:
    """Return a listener on loopback with the router as its only HTTP filter."""
    manager.http_filters.add(name="envoy.filters.http.router").typed_config.Pack(router_pb2.Router())
    message = listener_pb2.Listener(name=name)
    message.address.socket_address.address = "127.0.0.1"
    message.address.socket_address.port_value = port
    _add_filter(message, manager)
    return Resource.pack(message)


def path(to: str, timeout: int = 1) -> list[Resource]:
    """Return a listener and its route to a cluster."""
    return [cluster(to, timeout=timeout), endpoints(to), routes("r", {"/": to}), listener("l", 80, "r")]


def scope(name: str, key: str, route: str) -> Resource:
    """Return a scope with a key of one fragment, and its route configuration."""
    message = scoped_route_pb2.ScopedRouteConfiguration(name=name, route_configuration_name=route)
    message.key.fragments.add(string_key=key)
    return Resource.pack(message)


def checked_cluster(name: str) -> Resource:
    """Return a cluster by EDS that is warm once its endpoints have answered a first health check."""
    message = cluster_pb2.Cluster.FromString(cluster(name).body)
    check = message.health_checks.add()
    check.timeout.seconds, check.interval.seconds = 10, 60
    check.healthy_threshold.value = check.unhealthy_threshold.value = 1
    check.http_health_check.path = "/health"
    return Resource.pack(message)


def _add_filter(message: listener_pb2.Listener, manager: Message) -> None:
    http = message.filter_chains.add().filters.add(name="envoy.filters.network.http_connection_manager")
    http.typed_config.Pack(manager)


def ca(name: str, pem: str) -> Resource:
    """Return a Secret with a CA certificate."""
    message = secret_pb2.Secret(name=name)
    message.validation_context.trusted_ca.inline_string = pem
    return Resource.pack(message)


def invalid_cluster(name: str) -> Resource:
    """Return a cluster with valid fields that Envoy rejects: its type provides no load balancer."""
    message = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.STATIC)
    message.lb_policy = cluster_pb2.Cluster.CLUSTER_PROVIDED
    return Resource.pack(message)


def certificate(name: str, pair: KeyPair) -> Resource:
    """Return a Secret with a certificate and its key."""
    message = secret_pb2.Secret(name=name)
    message.tls_certificate.certificate_chain.inline_bytes = pair.certificate
    message.tls_certificate.private_key.inline_bytes = pair.key
    return Resource.pack(message)


def https_listener(name: str, port: int, route: str, secret: str) -> Resource:
    """Return an HTTPS listener on loopback with its certificate by SDS."""
    message = listener_pb2.Listener.FromString(listener(name, port, route).body)
    context = tls_pb2.DownstreamTlsContext()
    config = context.common_tls_context.tls_certificate_sds_secret_configs.add(name=secret, sds_config=ADS)
    config.sds_config.initial_fetch_timeout.seconds = 1
    message.filter_chains[0].transport_socket.name = "tls"
    message.filter_chains[0].transport_socket.typed_config.Pack(context)
    return Resource.pack(message)
