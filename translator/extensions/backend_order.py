"""Backends of which each is used where those before have no usable endpoint: Envoy's aggregate cluster.

A member without endpoints, or without a healthy one, is passed over when a request's endpoint is chosen: nothing is
sent, and nothing tried again. Connections, their TLS, the version of HTTP, circuit breakers, health and load balancing
are those of the member that is chosen; the rest, which Envoy reads before it chooses, is what this cluster says itself:
the filters of clusters, what of TLS follows the Host of requests, and the longest duration of a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.core.v3.protocol_pb2 import UpstreamHttpProtocolOptions
from headgate_proto.envoy.extensions.clusters.aggregate.v3.cluster_pb2 import ClusterConfig
from headgate_proto.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from translator.backends.guarded import LOCAL_RANGES
from translator.envoy import cluster as clusters
from translator.envoy.hooks import ClusterHook
from translator.envoy.names import cluster_name
from translator.envoy.upstream_filters import CODEC, GUARD, add_filter, deny_ranges
from translator.extensions.backend_guard import GuardedHosts
from translator.ir.backend import LAST, Backend, BackendKey, BackendSetting


@dataclass(frozen=True, slots=True)
class InOrder(BackendSetting, ClusterHook):
    """Requests go to the first of several backends that has a usable endpoint.

    Attributes:
        members: the backends; `may_be_in_order` holds for each, and `names_by_host` is the same for all with TLS.
    """

    discovers: ClassVar[bool] = True
    for_clients_only: ClassVar[bool] = True
    order: ClassVar[int] = LAST
    members: tuple[Backend, ...]

    @property
    def fingerprint(self) -> str:
        """Return the names of the members' clusters: another one for whatever is changed of a member."""
        return f"InOrder({', '.join(map(cluster_name, self.members))})"

    def presenting(self, certificate: BackendKey) -> InOrder:
        """Return the setting with its members as a Gateway reaches them that presents a certificate."""
        return InOrder(tuple(each.presenting(certificate) for each in self.members))

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the ``ClusterConfig`` of the aggregate cluster, and what it has to say for its members."""
        made = ClusterConfig(clusters=map(cluster_name, self.members))
        cluster.lb_policy = Cluster.CLUSTER_PROVIDED
        cluster.cluster_type.name = "envoy.clusters.aggregate"
        cluster.cluster_type.typed_config.Pack(made, deterministic=True)
        said = [_options(each) for each in self.members]
        by_host = next((each for each in map(_by_host, said) if each is not None), None)
        longest = said[0].common_http_protocol_options
        guarded = any(isinstance(each, GuardedHosts) for member in self.members for each in member.settings)
        if by_host is None and not guarded and not longest.HasField("max_stream_duration"):
            return
        with clusters.http_options(cluster) as options:
            if by_host is not None:
                options.upstream_http_protocol_options.CopyFrom(by_host)
            if longest.HasField("max_stream_duration"):
                options.common_http_protocol_options.max_stream_duration.CopyFrom(longest.max_stream_duration)
            if guarded:
                add_filter(options, GUARD, deny_ranges(LOCAL_RANGES, marked=True))


def in_order(key: BackendKey, members: tuple[Backend, ...]) -> Backend:
    """Return the backend that others are in their order, named after the object that says so."""
    return Backend(key, 0, settings=(InOrder(members),))


def may_be_in_order(backend: Backend) -> bool:
    """Return whether a backend can be one of several: it has endpoints, and no filters but the guard of names.

    Envoy does not run the filters of members, without which requests to a function would not even be signed.
    """
    if any(each.discovers for each in backend.settings):
        return False
    return all(each.name in (GUARD, CODEC) for each in _options(backend).http_filters)


def names_by_host(backend: Backend) -> UpstreamHttpProtocolOptions | None:
    """Return what of a backend's TLS follows the Host of requests; None if it has no TLS, an empty one if nothing."""
    if not any(each.encrypts for each in backend.settings):
        return None
    return _by_host(_options(backend)) or UpstreamHttpProtocolOptions()


def _options(backend: Backend) -> HttpProtocolOptions:
    return clusters.options_of(clusters.cluster(backend))


def _by_host(options: HttpProtocolOptions) -> UpstreamHttpProtocolOptions | None:
    present = options.HasField("upstream_http_protocol_options")
    return options.upstream_http_protocol_options if present else None
