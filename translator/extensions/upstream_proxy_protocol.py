"""The field `upstreamProxyProtocol` of BackendConfigPolicies: Envoy's ``ProxyProtocolUpstreamTransport``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig
from headgate_proto.envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import (
    ProxyProtocolUpstreamTransport,
)
from headgate_proto.envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from translator.envoy.hooks import ClusterHook
from translator.extensions.backend_settings import BackendConfig
from translator.ir.backend import AROUND_TLS, Backend, BackendSetting
from translator.kinds import BackendSettings
from translator.outcome import Outcome

SOCKET: Final = "envoy.transport_sockets.upstream_proxy_protocol"
RAW: Final = "envoy.transport_sockets.raw_buffer"


@dataclass(frozen=True, slots=True)
class ProxyHeader(BackendSetting, ClusterHook):
    """Has each connection begin with the addresses of its client, before any TLS.

    Attributes:
        binary: whether it is of version 2.
    """

    order: ClassVar[int] = AROUND_TLS
    binary: bool

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Wrap the transport socket."""
        made = ProxyProtocolUpstreamTransport()
        made.config.version = ProxyProtocolConfig.V2 if self.binary else ProxyProtocolConfig.V1
        if cluster.HasField("transport_socket"):
            made.transport_socket.CopyFrom(cluster.transport_socket)
        else:
            made.transport_socket.name = RAW
            made.transport_socket.typed_config.Pack(RawBuffer())
        cluster.transport_socket.name = SOCKET
        cluster.transport_socket.typed_config.Pack(made, deterministic=True)


def read(config: BackendConfig) -> BackendSettings:
    """Read whether connections begin with a PROXY header."""
    found = config.spec.upstream_proxy_protocol
    return Outcome(() if found is None else (ProxyHeader(found.version == "V2"),))
