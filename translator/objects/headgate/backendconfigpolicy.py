"""BackendConfigPolicy: how proxies choose endpoints of backends, and how they connect to them (GEP-713)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from translator.api_group import GROUP
from translator.objects.gateway_api.policy import Policy
from translator.objects.headgate.circuitbreakers import CircuitBreakerLimits
from translator.objects.headgate.healthchecks import HealthCheck
from translator.objects.headgate.loadbalancing import LoadBalancer
from translator.objects.headgate.outliers import OutlierDetection
from translator.objects.headgate.policy import TargetedPolicySpec
from translator.objects.headgate.upstreamconnections import (
    AddressesOfClients,
    ConnectionBuffer,
    ConnectionsAhead,
    ConnectTime,
    KeepaliveOfConnections,
    KernelBuffer,
    NameResolution,
)
from translator.objects.headgate.upstreamhttp import (
    PROTOCOLS,
    ClientProtocol,
    Http1Options,
    Http2Options,
    Http3Options,
    HttpOptions,
    exclusive,
)
from translator.objects.headgate.upstreamtls import TlsToBackends
from translator.objects.schema.base import CelRule, FieldViolation
from translator.objects.schema.documentation import Doc


class BackendConfigPolicySpec(TargetedPolicySpec):
    """What holds for connections to backends, whichever route they are for."""

    rules: ClassVar[tuple[CelRule, ...]] = (*TargetedPolicySpec.rules, *PROTOCOLS)

    load_balancer: Annotated[LoadBalancer | None, Doc(envoy="Cluster.load_balancing_policy")] = None
    """How an endpoint is chosen for each request."""
    health_check: HealthCheck | None = None
    """Has proxies ask endpoints whether they are healthy."""
    outlier_detection: OutlierDetection | None = None
    """Spares endpoints whose requests fail."""
    connect_timeout: ConnectTime = None
    """How long it may take to connect to an endpoint. By default 5s."""
    per_connection_buffer_limit_bytes: ConnectionBuffer = None
    """How much of what is sent and received is held in memory, for each connection to an endpoint. By default 32Ki."""
    socket_buffer_limit: KernelBuffer = None
    """How much of it the kernel holds, in each direction. By default as the system of the proxy has it."""
    tcp_keepalive: KeepaliveOfConnections = None
    """Probes of silent connections. By default there are none."""
    preconnect: ConnectionsAhead = None
    """Connections that are opened before requests need them. By default none is."""
    dns: NameResolution = None
    """How the name of a backend is resolved."""
    common_http_protocol_options: HttpOptions = None
    """What concerns HTTP of every version."""
    http1_protocol_options: Http1Options = None
    """What concerns HTTP/1.1."""
    http2_protocol_options: Http2Options = None
    """What concerns HTTP/2, which is spoken with this field. By default the `appProtocol` of the port, or the kind of
    the route, says what is spoken."""
    use_client_protocol: ClientProtocol = None
    """Whether requests are sent by the version of HTTP that the client speaks, HTTP/1.1 or HTTP/2. By default false."""
    http3: Http3Options = None
    """Has HTTP/3 spoken; it needs `tls`."""
    circuit_breakers: CircuitBreakerLimits = None
    """How much each proxy does at once with a backend."""
    upstream_proxy_protocol: AddressesOfClients = None
    """Has each connection begin with the addresses of the client, by the PROXY protocol."""
    tls: TlsToBackends = None
    """Has connections encrypted. While that cannot be done as it is said, requests to the backends get 500. A
    BackendTLSPolicy of a backend takes precedence."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of versions of HTTP that exclude each other, and of what is in the list already."""
        yield from super().violations()
        yield from exclusive(
            self.use_client_protocol,
            self.upstream_proxy_protocol,
            http1=self.http1_protocol_options,
            http2=self.http2_protocol_options,
            http3=self.http3,
        )


class BackendConfigPolicy(Policy):
    """How the backends that it targets are connected to, by all routes of all Gateways."""

    kind = "BackendConfigPolicy"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "backendconfigpolicies"
    rbac_reason = "How proxies connect to backends, by policies."
    short_names = ("bcpol",)

    spec: BackendConfigPolicySpec
