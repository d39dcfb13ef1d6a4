"""The ``Bootstrap`` that all proxies share (``envoy.config.bootstrap.v3``); it names Headgate's xDS server."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from google.protobuf import any_pb2, struct_pb2

from headgate_proto.envoy.config.bootstrap.v3 import bootstrap_pb2
from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.core.v3 import (
    address_pb2,
    backoff_pb2,
    base_pb2,
    config_source_pb2,
    extension_pb2,
    grpc_service_pb2,
    protocol_pb2,
)
from headgate_proto.envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from headgate_proto.envoy.config.metrics.v3 import stats_pb2
from headgate_proto.envoy.extensions.bootstrap.internal_listener.v3 import internal_listener_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from headgate_proto.envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from translator.envoy.cluster import HTTP_OPTIONS, discovery_type
from translator.envoy.config_source import ADS
from translator.envoy.names import PROXIES
from translator.envoy.overload import DEFAULT_HEAP_BYTES, overload_manager
from translator.proxy import MAX_REGEX_PROGRAM_SIZE

INTERNAL_BUFFER_KIB = 64
"""How much of a connection Envoy holds between a listener's filters and its routes, in each direction."""
XDS_CLUSTER = "xds"
"""The name, in an Envoy, of the cluster that Headgate is."""


def bootstrap(
    admin: address_pb2.Address,
    xds: cluster_pb2.Cluster,
    initial_fetch_timeout: timedelta | None = None,
    max_heap_bytes: int = DEFAULT_HEAP_BYTES,
    descriptors: int | None = None,
) -> bootstrap_pb2.Bootstrap:
    """Make the bootstrap of an Envoy whose listeners and clusters come by delta ADS from Headgate.

    Args:
        admin: where its admin interface listens.
        xds: the cluster that Headgate is, of `xds_cluster`.
        initial_fetch_timeout: how long it waits for its first listeners and clusters before it counts as started;
            zero waits for ever, None is Envoy's own 15 s.
        max_heap_bytes: what its heap may grow to, before it turns requests away.
        descriptors: how many file descriptors it may have; None if that need not be considered.
    """
    own_config = config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(),
        resource_api_version=config_source_pb2.ApiVersion.V3,
        initial_fetch_timeout=initial_fetch_timeout,
    )
    return bootstrap_pb2.Bootstrap(
        admin=bootstrap_pb2.Admin(address=admin, ignore_global_conn_limit=True),
        dynamic_resources=bootstrap_pb2.Bootstrap.DynamicResources(
            ads_config=_delta_ads(), lds_config=own_config, cds_config=own_config
        ),
        static_resources=bootstrap_pb2.Bootstrap.StaticResources(clusters=[xds, _proxies()]),
        cluster_manager=bootstrap_pb2.ClusterManager(local_cluster_name=PROXIES),
        layered_runtime=_runtime(),
        overload_manager=overload_manager(max_heap_bytes, descriptors),
        bootstrap_extensions=[_internal_listeners()],
        stats_config=_metrics(),
    )


def socket_address(host: str, port: int) -> address_pb2.Address:
    """Make a TCP address."""
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address=host, port_value=port))


def _delta_ads() -> config_source_pb2.ApiConfigSource:
    # By default Envoy waits up to 30 s before it looks for a server that went away; Headgate is often back sooner.
    reconnect = backoff_pb2.BackoffStrategy(
        base_interval=timedelta(milliseconds=250), max_interval=timedelta(seconds=2)
    )
    service = grpc_service_pb2.GrpcService.EnvoyGrpc(
        cluster_name=XDS_CLUSTER, retry_policy=base_pb2.RetryPolicy(retry_back_off=reconnect)
    )
    return config_source_pb2.ApiConfigSource(
        api_type=config_source_pb2.ApiConfigSource.ApiType.DELTA_GRPC,
        transport_api_version=config_source_pb2.ApiVersion.V3,
        set_node_on_first_message_only=True,
        grpc_services=[grpc_service_pb2.GrpcService(envoy_grpc=service)],
    )


def xds_cluster(host: str, port: int, filters: Iterable[hcm_pb2.HttpFilter] = ()) -> cluster_pb2.Cluster:
    """Make the cluster that Headgate is.

    Args:
        host: an IP address, or a name that Envoy resolves.
        port: the port of Headgate's xDS server.
        filters: HTTP filters that its requests pass, the codec's filter included; empty for the codec alone.
    """
    endpoint = endpoint_components_pb2.LbEndpoint(
        endpoint=endpoint_components_pb2.Endpoint(address=socket_address(host, port))
    )
    # Pings find a server that is gone without a word, as behind a firewall that forgot the connection.
    http2 = protocol_pb2.Http2ProtocolOptions(
        connection_keepalive=protocol_pb2.KeepaliveSettings(
            interval=timedelta(seconds=30), timeout=timedelta(seconds=10)
        )
    )
    options = any_pb2.Any()
    options.Pack(
        http_protocol_options_pb2.HttpProtocolOptions(
            explicit_http_config=http_protocol_options_pb2.HttpProtocolOptions.ExplicitHttpConfig(
                http2_protocol_options=http2
            ),
            http_filters=filters,
        )
    )
    return cluster_pb2.Cluster(
        name=XDS_CLUSTER,
        type=discovery_type([host]),
        # By default IPv6 goes first, with no second try: "localhost" would be ::1 alone.
        dns_lookup_family=cluster_pb2.Cluster.DnsLookupFamily.V4_PREFERRED,
        connect_timeout=timedelta(seconds=1),
        load_assignment=endpoint_pb2.ClusterLoadAssignment(
            cluster_name=XDS_CLUSTER,
            endpoints=[endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=[endpoint])],
        ),
        typed_extension_protocol_options={HTTP_OPTIONS: options},
    )


def _proxies() -> cluster_pb2.Cluster:
    """Make the cluster of the Gateway's own proxies, from which Envoy computes how many requests leave its zone.

    Nothing is ever sent to it. Without an assignment, Envoy goes on when the server says that there is none, or after
    the initial fetch timeout, and has no preference for its zone until it gets one.
    """
    return cluster_pb2.Cluster(
        name=PROXIES,
        type=cluster_pb2.Cluster.EDS,
        eds_cluster_config=cluster_pb2.Cluster.EdsClusterConfig(eds_config=ADS),
        connect_timeout=timedelta(seconds=1),
    )


def _metrics() -> stats_pb2.StatsConfig:
    """Leave out the metrics of gRPC-Web: their names are those of the methods that clients call, without an end."""
    made = stats_pb2.StatsConfig()
    made.stats_matcher.exclusion_list.patterns.add(contains=".grpc-web.")
    return made


def _internal_listeners() -> extension_pb2.TypedExtensionConfig:
    """Permit listeners without a socket, which those with filters need (`translator.envoy.listener_filters`)."""
    made = extension_pb2.TypedExtensionConfig(name="envoy.bootstrap.internal_listener")
    extension = internal_listener_pb2.InternalListener()
    extension.buffer_size_kb.value = INTERNAL_BUFFER_KIB
    made.typed_config.Pack(extension, deterministic=True)
    return made


def _runtime() -> bootstrap_pb2.LayeredRuntime:
    limits = struct_pb2.Struct()
    limits["re2.max_program_size.error_level"] = MAX_REGEX_PROGRAM_SIZE
    return bootstrap_pb2.LayeredRuntime(
        layers=[
            bootstrap_pb2.RuntimeLayer(name="headgate", static_layer=limits),
            # Lets `POST /runtime_modify` on the admin interface work, as operators expect.
            bootstrap_pb2.RuntimeLayer(name="admin", admin_layer=bootstrap_pb2.RuntimeLayer.AdminLayer()),
        ]
    )
