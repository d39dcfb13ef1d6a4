"""References of each type are found at any depth; resources from other sources are no references."""

from google.protobuf.any_pb2 import Any

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.endpoint.v3 import endpoint_pb2
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.config.route.v3 import route_pb2, scoped_route_pb2
from headgate_proto.envoy.extensions.clusters.aggregate.v3 import cluster_pb2 as aggregate_pb2
from headgate_proto.envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from headgate_proto.envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from tests.xds.sample_resources import cluster, endpoints, listener
from xds.resources import references
from xds.resources.resource import Reference
from xds.resources.types import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LOCALITY_ENDPOINT,
    ROUTE,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
)


def test_a_route_configuration_needs_its_clusters() -> None:
    """Clusters of routes, weighted clusters and mirrors of route, virtual host and configuration are found."""
    made = route_pb2.RouteConfiguration(name="r")
    made.request_mirror_policies.add(cluster="mirror-all")
    host = made.virtual_hosts.add(name="v", domains=["*"])
    host.request_mirror_policies.add(cluster="mirror-host")
    host.routes.add().route.cluster = "plain"
    host.routes.add().route.request_mirror_policies.add(cluster="mirror")
    host.routes.add().route.weighted_clusters.clusters.add(name="weighted")
    host.routes.add().redirect.host_redirect = "elsewhere"
    host.routes.add().route.cluster_header = "x-cluster"
    names = {"mirror-all", "mirror-host", "plain", "mirror", "weighted"}
    assert references.of(made) == {(CLUSTER, name) for name in names}


def test_a_listener_needs_routes_secrets_and_clusters() -> None:
    """Routes by RDS, certificates by SDS, TCP clusters, filters by ECDS and the clusters of filters are found."""
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix="x")
    manager.rds.route_config_name = "r"
    manager.rds.config_source.ads.SetInParent()
    found = manager.http_filters.add(name="by-ecds")
    found.config_discovery.config_source.ads.SetInParent()
    authz = ext_authz_pb2.ExtAuthz()
    authz.grpc_service.envoy_grpc.cluster_name = "authz"
    manager.http_filters.add(name="authz").typed_config.Pack(authz)
    context = tls_pb2.DownstreamTlsContext()
    secret = context.common_tls_context.tls_certificate_sds_secret_configs.add(name="certificate")
    secret.sds_config.ads.SetInParent()
    made = listener_pb2.Listener(name="l")
    chain = made.filter_chains.add()
    chain.transport_socket.typed_config.Pack(context)
    chain.filters.add(name="http").typed_config.Pack(manager)
    proxy = tcp_proxy_pb2.TcpProxy(stat_prefix="x", cluster="tcp")
    made.default_filter_chain.filters.add(name="tcp").typed_config.Pack(proxy)
    assert references.of(made) == {
        (ROUTE, "r"),
        (EXTENSION_CONFIG, "by-ecds"),
        (CLUSTER, "authz"),
        (SECRET, "certificate"),
        (CLUSTER, "tcp"),
    }


def test_a_cluster_needs_its_assignment_and_secrets() -> None:
    """EDS by service name or the cluster's own, the CA by SDS, and an aggregate's clusters are found."""
    assert cluster("a", secret="ca").references == {Reference(ENDPOINT, "a"), Reference(SECRET, "ca")}
    named = cluster_pb2.Cluster(name="a", type=cluster_pb2.Cluster.EDS)
    named.eds_cluster_config.service_name = "other"
    named.eds_cluster_config.eds_config.ads.SetInParent()
    assert references.of(named) == {(ENDPOINT, "other")}
    together = cluster_pb2.Cluster(name="both")
    together.cluster_type.typed_config.Pack(aggregate_pb2.ClusterConfig(clusters=["a", "b"]))
    assert references.of(together) == {(CLUSTER, "a"), (CLUSTER, "b")}


def test_other_sources_are_no_references() -> None:
    """Secrets of a file or of the bootstrap, endpoints of a file, and the cluster of a control plane are left out."""
    made = cluster_pb2.Cluster(name="a", type=cluster_pb2.Cluster.EDS)
    made.eds_cluster_config.eds_config.path_config_source.path = "/endpoints.yaml"
    context = tls_pb2.UpstreamTlsContext()
    context.common_tls_context.tls_certificate_sds_secret_configs.add(name="static")
    other = context.common_tls_context.validation_context_sds_secret_config
    other.name = "theirs"
    other.sds_config.api_config_source.grpc_services.add().envoy_grpc.cluster_name = "control-plane"
    made.transport_socket.typed_config.Pack(context)
    assert references.of(made) == {(SECRET, "theirs")}
    assert not endpoints("a", 1).references


def test_scoped_routes_need_their_route_configuration() -> None:
    """A scope refers to its route configuration."""
    scope = scoped_route_pb2.ScopedRouteConfiguration(name="s", route_configuration_name="r")
    assert references.of(scope) == {(ROUTE, "r")}


def test_references_to_collections() -> None:
    """Listeners refer to all scopes or a locator's, route configurations to virtual hosts, localities to endpoints."""
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix="x")
    manager.scoped_routes.scoped_rds.scoped_rds_config_source.ads.SetInParent()
    assert references.of(manager) == {(SCOPED_ROUTE, "*")}
    manager.scoped_routes.scoped_rds.srds_resources_locator = "xdstp://here/scopes/*"
    assert references.of(manager) == {(SCOPED_ROUTE, "xdstp://here/scopes/*")}
    table = route_pb2.RouteConfiguration(name="r")
    table.vhds.config_source.ads.SetInParent()
    assert references.of(table) == {(VIRTUAL_HOST, "r/*")}
    assignment = endpoint_pb2.ClusterLoadAssignment(cluster_name="c")
    members = assignment.endpoints.add().leds_cluster_locality_config
    members.leds_config.ads.SetInParent()
    members.leds_collection_name = "xdstp://here/members/*"
    assert references.of(assignment) == {(LOCALITY_ENDPOINT, "xdstp://here/members/*")}


def test_filters_of_every_kind_by_ecds() -> None:
    """HTTP, network, listener and upstream filters with discovered configuration are found."""
    made = listener_pb2.Listener(name="l")
    made.listener_filters.add(name="of-listener").config_discovery.config_source.ads.SetInParent()
    chain = made.filter_chains.add()
    chain.filters.add(name="of-network").config_discovery.config_source.ads.SetInParent()
    assert references.of(made) == {(EXTENSION_CONFIG, "of-listener"), (EXTENSION_CONFIG, "of-network")}
    upstream = cluster_pb2.Cluster(name="c")
    upstream.filters.add(name="of-cluster").config_discovery.config_source.ads.SetInParent()
    assert references.of(upstream) == {(EXTENSION_CONFIG, "of-cluster")}


def test_an_unknown_or_invalid_any_is_skipped() -> None:
    """A message of an unknown type, or that cannot be parsed, does not hide other references."""
    made = listener_pb2.Listener(name="l")
    chain = made.filter_chains.add()
    chain.filters.add(name="unknown").typed_config.type_url = "type.googleapis.com/not.known"
    broken = Any(type_url="type.googleapis.com/" + tcp_proxy_pb2.TcpProxy.DESCRIPTOR.full_name, value=b"\xff")
    chain.filters.add(name="broken").typed_config.CopyFrom(broken)
    assert not references.of(made)
    assert listener("l", 80, "r").references == {Reference(ROUTE, "r")}
