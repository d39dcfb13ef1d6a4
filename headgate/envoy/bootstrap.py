"""The bootstrap of an Envoy that Headgate, or its user, starts on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from headgate.process.address import Address
from headgate.process.errors import UserError
from headgate.security.tls_files import IDENTITY, TRUST, ProxyTls
from headgate_proto.envoy.config.bootstrap.v3 import bootstrap_pb2
from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.core.v3 import address_pb2, base_pb2, config_source_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from translator.envoy import bootstrap as common
from translator.envoy.overload import DEFAULT_HEAP_BYTES, heap_of


def bootstrap(
    gateway: str,
    instance: str,
    xds: Address | Path,
    admin: Address | Path,
    tls: ProxyTls | None = None,
    token: str = "",
    descriptors: int | None = None,
    zone: str = "",
) -> bootstrap_pb2.Bootstrap:
    """Return the bootstrap of one Envoy of a Gateway.

    Headgate sends listeners and clusters by delta ADS, selected by the node's cluster.

    Args:
        gateway: the Gateway as "namespace/name", which becomes the node's cluster.
        instance: distinguishes the Envoys of a Gateway; the node's id is "namespace/name/instance".
        xds: Headgate's xDS server: an address, whose name Envoy resolves, or the path of a Unix socket.
        admin: Envoy's admin interface: an address, or the path of a Unix socket (mode 0600).
        tls: the files of the TLS connection to Headgate; None for plain text.
        token: the token that authenticates it (`ProxyTokens`); "" if its certificate does.
        descriptors: how many file descriptors it may have; None if that need not be considered.
        zone: the zone that it is in; "" if that is not known.
    """
    cluster = _xds_cluster(xds)
    if tls is not None and isinstance(xds, Address):
        cluster.transport_socket.name = "envoy.transport_sockets.tls"
        cluster.transport_socket.typed_config.Pack(_tls_context(xds, tls))
    made = common.bootstrap(_admin_address(admin), cluster, max_heap_bytes=heap_bytes(), descriptors=descriptors)
    made.node.CopyFrom(base_pb2.Node(id=f"{gateway}/{instance}", cluster=gateway))
    if zone:
        made.node.locality.zone = zone
    if token:
        service = made.dynamic_resources.ads_config.grpc_services[0]
        service.initial_metadata.add(key="authorization", value=f"Bearer {token}")
    return made


def heap_bytes() -> int:
    """Return the heap limit of an Envoy on this machine, in bytes: the default, or less on a machine with less memory.

    `HEADGATE_ENVOY_MAX_HEAP_BYTES` overrides it.

    Raises:
        UserError: its value is not a whole number above 0.
    """
    value = os.environ.get("HEADGATE_ENVOY_MAX_HEAP_BYTES", "")
    if value and (not value.isdecimal() or not int(value)):
        raise UserError(f"HEADGATE_ENVOY_MAX_HEAP_BYTES must be a number of bytes above 0, not {value!r}")
    return int(value) if value else min(DEFAULT_HEAP_BYTES, heap_of(psutil.virtual_memory().total))


def _xds_cluster(xds: Address | Path) -> cluster_pb2.Cluster:
    if isinstance(xds, Address):
        return common.xds_cluster(xds.host, xds.port)
    cluster = common.xds_cluster("127.0.0.1", 0)
    endpoint = cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint
    endpoint.address.CopyFrom(address_pb2.Address(pipe=address_pb2.Pipe(path=str(xds))))
    return cluster


def _tls_context(xds: Address, tls: ProxyTls) -> tls_pb2.UpstreamTlsContext:
    """Return a TLS context that checks the server's name and presents the proxy's certificate."""
    context = tls_pb2.UpstreamTlsContext(sni="" if xds.ip else xds.host)
    common_context = context.common_tls_context
    common_context.alpn_protocols.append("h2")
    # Envoy's default for clients is at most TLS 1.2.
    common_context.tls_params.tls_minimum_protocol_version = common_pb2.TlsParameters.TLSv1_3
    common_context.tls_params.tls_maximum_protocol_version = common_pb2.TlsParameters.TLSv1_3
    common_context.tls_certificate_sds_secret_configs.append(_from_file(IDENTITY, tls.identity))
    combined = common_context.combined_validation_context
    combined.validation_context_sds_secret_config.CopyFrom(_from_file(TRUST, tls.trust))
    validation = combined.default_validation_context
    kind = common_pb2.SubjectAltNameMatcher.IP_ADDRESS if xds.ip else common_pb2.SubjectAltNameMatcher.DNS
    name = validation.match_typed_subject_alt_names.add(san_type=kind)
    name.matcher.exact = xds.host
    return context


def _from_file(name: str, path: Path) -> secret_pb2.SdsSecretConfig:
    """Return a secret that Envoy reads from a file, and rereads when it, or a file that it names, is replaced."""
    source = config_source_pb2.PathConfigSource(path=str(path), watched_directory={"path": str(path.parent)})
    version = config_source_pb2.ApiVersion.V3
    config = config_source_pb2.ConfigSource(path_config_source=source, resource_api_version=version)
    return secret_pb2.SdsSecretConfig(name=name, sds_config=config)


def _admin_address(admin: Address | Path) -> address_pb2.Address:
    if isinstance(admin, Path):
        return address_pb2.Address(pipe=address_pb2.Pipe(path=str(admin), mode=0o600))
    return common.socket_address(admin.host, admin.port)
