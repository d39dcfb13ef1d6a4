"""Fields of a BackendConfigPolicy for connections to backends."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StrictInt

from translator.objects.headgate.tcpprobes import Probes, ProbeTime
from translator.objects.headgate.types import OptionalSize
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, raise_violations
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, Milliseconds, PositiveMilliseconds

_SOCKET_BYTES: Final = "must be from 1 byte to 2147483647 bytes"


def _of_socket(size: int | None) -> int | None:
    if size is not None and size > 2**31 - 1:  # the kernel takes an int
        raise_violations([FieldViolation((), _SOCKET_BYTES)])
    return size


ConnectTime = Annotated[PositiveMilliseconds | None, Doc(envoy="Cluster.connect_timeout")]
ConnectionBuffer = Annotated[OptionalSize, Doc(envoy="Cluster.per_connection_buffer_limit_bytes")]
KernelBuffer = Annotated[
    OptionalSize,
    AfterValidator(_of_socket),
    Doc(envoy="Cluster.upstream_bind_config.socket_options"),
]


class UpstreamKeepalive(Fields):
    """Probes by which the system finds out that the other side of a silent connection is gone."""

    keep_alive_probes: Annotated[Probes | None, Doc(envoy="TcpKeepalive.keepalive_probes")] = None
    """How many probes without an answer end the connection. By default as the system of the proxy has it, mostly 9."""
    keep_alive_time: Annotated[ProbeTime | None, Doc(envoy="TcpKeepalive.keepalive_time")] = None
    """How long a connection is silent before the first probe, in whole seconds. By default as the system has it, mostly
    2h."""
    keep_alive_interval: Annotated[ProbeTime | None, Doc(envoy="TcpKeepalive.keepalive_interval")] = None
    """The time from one probe to the next, in whole seconds. By default as the system has it, mostly 75s."""


KeepaliveOfConnections = Annotated[
    UpstreamKeepalive | None, Doc(envoy="Cluster.upstream_connection_options.tcp_keepalive")
]

Ahead = Annotated[StrictInt, Field(ge=100, le=300)]
"""A percentage of the connections that are needed now."""


class Preconnect(Fields):
    """Connections that are opened before a request needs them."""

    per_endpoint_percent: Annotated[
        Ahead | None, Doc(envoy="Cluster.preconnect_policy.per_upstream_preconnect_ratio")
    ] = None
    """How many connections there are to each endpoint, in percent of those that its requests need: 150 has one more for
    every two. By default 100."""
    predictive_percent: Annotated[Ahead | None, Doc(envoy="Cluster.preconnect_policy.predictive_preconnect_ratio")] = (
        None
    )
    """How many connections there are to all endpoints together, each to the endpoint that the load balancer would
    choose next, in percent of the requests. For few requests to many endpoints. By default 100."""


ConnectionsAhead = Annotated[Preconnect | None, Doc(envoy="Cluster.preconnect_policy")]


class UpstreamProxyProtocol(Fields):
    """Has each connection to an endpoint begin with the addresses of the client, by the PROXY protocol."""

    version: Annotated[Literal["V1", "V2"] | None, Doc(envoy="ProxyProtocolUpstreamTransport.config.version")] = None
    """V1, which is a line of text, or V2, which is binary. By default V1."""


AddressesOfClients = Annotated[UpstreamProxyProtocol | None, Doc(envoy="ProxyProtocolUpstreamTransport")]


class UpstreamDNS(CheckedFields):
    """How the name of a backend is resolved: that of a Service of type ExternalName, or the host of a Backend.

    Backends whose endpoints have addresses are not concerned.
    """

    rules = (
        CelRule(
            "!has(self.refreshRate) || duration(self.refreshRate) >= duration('1s')",
            "must be at least 1s",
            "refreshRate",
        ),
    )

    refresh_rate: Annotated[PositiveMilliseconds | None, Doc(envoy="DnsCluster.dns_refresh_rate")] = None
    """How often the name is resolved, at least 1s. By default every 5s."""
    jitter: Annotated[Milliseconds | None, Doc(envoy="DnsCluster.dns_jitter")] = None
    """By up to how long that is put off, at random, so that not all proxies ask at once. By default 0s."""
    respect_ttl: Annotated[Boolean | None, Field(alias="respectTTL"), Doc(envoy="DnsCluster.respect_dns_ttl")] = None
    """Whether the name is resolved again when its record expires, in place of `refreshRate`. By default false."""
    lookup_family: Annotated[
        Literal["Auto", "V4Only", "V6Only", "V4Preferred", "All"] | None, Doc(envoy="DnsCluster.dns_lookup_family")
    ] = None
    """Which addresses of the name are used: Auto prefers those of IPv6, All takes those of both. By default
    V4Preferred."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a rate that a resolver would take as an attack."""
        if self.refresh_rate is not None and self.refresh_rate < 1000:
            yield FieldViolation(("refreshRate",), "must be at least 1s")


NameResolution = Annotated[UpstreamDNS | None, Doc(envoy="DnsCluster")]
