"""The fields of BackendConfigPolicies for connections: their time, buffers, keepalive and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.core.v3.socket_option_pb2 import SocketOption
from translator.envoy.hooks import ClusterHook
from translator.envoy.keepalive import KeepaliveProbes
from translator.extensions.backend_settings import BackendConfig
from translator.ir.backend import Backend, BackendSetting
from translator.kinds import BackendSettings
from translator.objects.headgate.upstreamconnections import Preconnect, UpstreamDNS, UpstreamKeepalive
from translator.outcome import Outcome

FAMILIES: Final = {
    "Auto": Cluster.AUTO,
    "V4Only": Cluster.V4_ONLY,
    "V6Only": Cluster.V6_ONLY,
    "V4Preferred": Cluster.V4_PREFERRED,
    "All": Cluster.ALL,
}


@dataclass(frozen=True, slots=True)
class UpstreamConnections(BackendSetting, ClusterHook):
    """How connections to endpoints are made.

    Attributes:
        connect_timeout: how long making one may take, in milliseconds.
        buffer_limit: how much of each is held in memory, in bytes.
        socket_buffer: the size of the kernel's buffers, in bytes.
        keepalive: the probes of silent ones.
        preconnect: how many are made ahead.
        dns: how names are resolved.
    """

    connect_timeout: int | None = None
    buffer_limit: int | None = None
    socket_buffer: int | None = None
    keepalive: UpstreamKeepalive | None = None
    preconnect: Preconnect | None = None
    dns: UpstreamDNS | None = None

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write what is set."""
        if self.connect_timeout is not None:
            cluster.connect_timeout.FromMilliseconds(self.connect_timeout)
        if self.buffer_limit is not None:
            cluster.per_connection_buffer_limit_bytes.value = self.buffer_limit
        if self.socket_buffer is not None:
            for name in (8, 7):  # SO_RCVBUF and SO_SNDBUF of SOL_SOCKET, as Linux numbers them
                option = cluster.upstream_bind_config.socket_options.add(level=1, name=name)
                option.int_value, option.state = self.socket_buffer, SocketOption.STATE_PREBIND
        if self.keepalive is not None:
            found = self.keepalive
            probes = KeepaliveProbes.of(found.keep_alive_probes, found.keep_alive_time, found.keep_alive_interval)
            probes.write(cluster.upstream_connection_options.tcp_keepalive)
        if self.preconnect is not None:
            _write_preconnect(cluster, self.preconnect)
        if self.dns is not None and cluster.type in (Cluster.STRICT_DNS, Cluster.LOGICAL_DNS):
            _write_dns(cluster, self.dns)


def _write_preconnect(cluster: Cluster, found: Preconnect) -> None:
    policy = cluster.preconnect_policy
    policy.SetInParent()
    if found.per_endpoint_percent is not None:
        policy.per_upstream_preconnect_ratio.value = found.per_endpoint_percent / 100
    if found.predictive_percent is not None:
        policy.predictive_preconnect_ratio.value = found.predictive_percent / 100


def _write_dns(cluster: Cluster, found: UpstreamDNS) -> None:
    if found.refresh_rate is not None:
        cluster.dns_refresh_rate.FromMilliseconds(found.refresh_rate)
    if found.jitter:
        cluster.dns_jitter.FromMilliseconds(found.jitter)
    if found.respect_ttl is not None:
        cluster.respect_dns_ttl = found.respect_ttl
    if found.lookup_family is not None:
        cluster.dns_lookup_family = FAMILIES[found.lookup_family]


def read(config: BackendConfig) -> BackendSettings:
    """Read how connections are made."""
    spec = config.spec
    made = UpstreamConnections(
        spec.connect_timeout,
        spec.per_connection_buffer_limit_bytes,
        spec.socket_buffer_limit,
        spec.tcp_keepalive,
        spec.preconnect,
        spec.dns,
    )
    return Outcome(() if made == UpstreamConnections() else (made,))
