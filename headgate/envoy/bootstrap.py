"""The bootstrap with which an Envoy finds Headgate (Envoy's `config.bootstrap.v3.Bootstrap`)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from google.protobuf import any_pb2, struct_pb2

from headgate.address import Address
from proto.envoy.config.bootstrap.v3 import bootstrap_pb2
from proto.envoy.config.cluster.v3 import cluster_pb2
from proto.envoy.config.core.v3 import (
    address_pb2,
    backoff_pb2,
    base_pb2,
    config_source_pb2,
    grpc_service_pb2,
    protocol_pb2,
)
from proto.envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from proto.envoy.config.overload.v3 import overload_pb2
from proto.envoy.extensions.resource_monitors.downstream_connections.v3 import downstream_connections_pb2
from proto.envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

#: The name, in an Envoy, of the cluster that Headgate is.
XDS_CLUSTER = "xds"
#: The port of the admin interface of an Envoy that Headgate does not start itself; no listener may use it.
ADMIN_PORT = 19000

#: Above this many connections a proxy accepts no more; without a limit Envoy warns that it may run out of memory.
MAX_DOWNSTREAM_CONNECTIONS = 50_000
#: RE2's measure of a regular expression's cost. Envoy's default of 100 refuses many an ordinary one.
MAX_REGEX_PROGRAM_SIZE = 32_768


def bootstrap(gateway: str, instance: str, xds: Address, admin: Address | Path) -> bootstrap_pb2.Bootstrap:
    """Makes the bootstrap of one Envoy of a Gateway.

    Listeners and clusters come by delta ADS from Headgate, which picks them by the node's cluster.

    Args:
        gateway: "namespace/name" of the Gateway; becomes the node's cluster.
        instance: what tells this Envoy from the Gateway's others; the node's id is "namespace/name/instance".
        xds: where Headgate's xDS server is; a name is resolved by Envoy.
        admin: where Envoy's admin interface listens: an address, or the path of a Unix socket (mode 0600).
    """
    own_config = config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.ApiVersion.V3
    )
    return bootstrap_pb2.Bootstrap(
        node=base_pb2.Node(id=f"{gateway}/{instance}", cluster=gateway),
        admin=bootstrap_pb2.Admin(address=_admin_address(admin), ignore_global_conn_limit=True),
        dynamic_resources=bootstrap_pb2.Bootstrap.DynamicResources(
            ads_config=_delta_ads(), lds_config=own_config, cds_config=own_config
        ),
        static_resources=bootstrap_pb2.Bootstrap.StaticResources(clusters=[_xds_cluster(xds)]),
        layered_runtime=_runtime(),
        overload_manager=_overload_manager(),
    )


def _admin_address(admin: Address | Path) -> address_pb2.Address:
    if isinstance(admin, Path):
        return address_pb2.Address(pipe=address_pb2.Pipe(path=str(admin), mode=0o600))
    return _socket_address(admin)


def _socket_address(address: Address) -> address_pb2.Address:
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address=address.host, port_value=address.port))


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


def _xds_cluster(xds: Address) -> cluster_pb2.Cluster:
    kind = cluster_pb2.Cluster.DiscoveryType
    endpoint = endpoint_components_pb2.LbEndpoint(
        endpoint=endpoint_components_pb2.Endpoint(address=_socket_address(xds))
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
            )
        )
    )
    return cluster_pb2.Cluster(
        name=XDS_CLUSTER,
        type=kind.STRICT_DNS if xds.ip is None else kind.STATIC,
        connect_timeout=timedelta(seconds=1),
        load_assignment=endpoint_pb2.ClusterLoadAssignment(
            cluster_name=XDS_CLUSTER,
            endpoints=[endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=[endpoint])],
        ),
        typed_extension_protocol_options={"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    )


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


def _overload_manager() -> overload_pb2.OverloadManager:
    limit = any_pb2.Any()
    limit.Pack(
        downstream_connections_pb2.DownstreamConnectionsConfig(
            max_active_downstream_connections=MAX_DOWNSTREAM_CONNECTIONS
        )
    )
    monitor = overload_pb2.ResourceMonitor(
        name="envoy.resource_monitors.global_downstream_max_connections", typed_config=limit
    )
    return overload_pb2.OverloadManager(resource_monitors=[monitor])
