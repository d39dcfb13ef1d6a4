"""The fields of BackendConfigPolicies for HTTP: Envoy's ``HttpProtocolOptions`` of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions, Http2ProtocolOptions
from headgate_proto.envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions as CommonOptions
from headgate_proto.envoy.extensions.http.header_formatters.preserve_case.v3.preserve_case_pb2 import (
    PreserveCaseFormatterConfig,
)
from headgate_proto.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook
from translator.extensions.backend_settings import BackendConfig
from translator.extensions.upstream_tls import BackendTls
from translator.ir.backend import PROTOCOL, Backend, BackendSetting, Protocol
from translator.kinds import BackendSettings
from translator.objects.headgate.upstreamhttp import UpstreamHttp1Options, UpstreamHttp2Options, UpstreamHttpOptions
from translator.outcome import Outcome, Problem

PING_TIMEOUT: Final = 20_000
"""Milliseconds that the answer to a ping may take, where nobody says how many."""
PRESERVE_CASE: Final = "preserve_case"


@dataclass(frozen=True, slots=True)
class UpstreamHttp(BackendSetting, ClusterHook):
    """How HTTP is spoken to a backend.

    Attributes:
        common: what concerns all versions.
        http1: what concerns HTTP/1.1.
        http2: what concerns HTTP/2; if it is there, that is spoken.
        follows_client: whether the version is that of the client.
        http3: whether HTTP/3 is spoken.
    """

    order: ClassVar[int] = PROTOCOL
    common: UpstreamHttpOptions | None = None
    http1: UpstreamHttp1Options | None = None
    http2: UpstreamHttp2Options | None = None
    follows_client: bool = False
    http3: bool = False

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the ``HttpProtocolOptions``; connections that are forwarded as they are have none."""
        if backend.protocol == Protocol.TCP.value:
            return
        with http_options(cluster) as options:
            if self.common is not None:
                write_common(options.common_http_protocol_options, self.common)
            self._choose(options, backend)

    def _choose(self, options: HttpProtocolOptions, backend: Backend) -> None:
        """Write the version, and its options."""
        tls = next((each for each in backend.settings if isinstance(each, BackendTls)), None)
        if self.http3 and tls is not None:
            _write_http3(options, backend, tls)
        elif self.follows_client:
            following = options.use_downstream_protocol_config
            _write_http1(following.http_protocol_options, self.http1 or UpstreamHttp1Options())
            _write_http2(following.http2_protocol_options, self.http2 or UpstreamHttp2Options())
        elif self.http2 is not None or backend.protocol == Protocol.H2C.value:
            _write_http2(options.explicit_http_config.http2_protocol_options, self.http2 or UpstreamHttp2Options())
        elif self.http1 is not None:
            _write_http1(options.explicit_http_config.http_protocol_options, self.http1)


def write_common(options: CommonOptions, found: UpstreamHttpOptions) -> None:
    """Write what concerns all versions; of two limits of the time of a request the shorter one holds."""
    if found.idle_timeout is not None:
        options.idle_timeout.FromMilliseconds(found.idle_timeout)
    if found.max_headers_count is not None:
        options.max_headers_count.value = found.max_headers_count
    if found.max_stream_duration is not None:
        options.max_stream_duration.FromMilliseconds(found.max_stream_duration)
    if found.max_connection_duration is not None:
        options.max_connection_duration.FromMilliseconds(found.max_connection_duration)
    if found.max_requests_per_connection is not None:
        options.max_requests_per_connection.value = found.max_requests_per_connection


def _write_http1(options: Http1ProtocolOptions, found: UpstreamHttp1Options) -> None:
    options.SetInParent()
    if found.enable_trailers is not None:
        options.enable_trailers = found.enable_trailers
    if found.preserve_http1_header_case:
        formatter = options.header_key_format.stateful_formatter
        formatter.name = PRESERVE_CASE
        formatter.typed_config.Pack(PreserveCaseFormatterConfig())
    if found.override_stream_error_on_invalid_http_message is not None:
        options.override_stream_error_on_invalid_http_message.value = (
            found.override_stream_error_on_invalid_http_message
        )


def _write_http2(options: Http2ProtocolOptions, found: UpstreamHttp2Options) -> None:
    options.SetInParent()
    for name in ("initial_stream_window_size", "initial_connection_window_size", "max_concurrent_streams"):
        if (value := getattr(found, name)) is not None:
            getattr(options, name).value = value
    if found.override_stream_error_on_invalid_http_message is not None:
        options.override_stream_error_on_invalid_http_message.value = (
            found.override_stream_error_on_invalid_http_message
        )
    if (pings := found.connection_keepalive) is not None:
        keepalive = options.connection_keepalive
        keepalive.timeout.FromMilliseconds(PING_TIMEOUT if pings.timeout is None else pings.timeout)
        if pings.interval is not None:
            keepalive.interval.FromMilliseconds(pings.interval)
        if pings.interval_jitter is not None:
            keepalive.interval_jitter.value = pings.interval_jitter / 10_000
        if pings.connection_idle_interval is not None:
            keepalive.connection_idle_interval.FromMilliseconds(pings.connection_idle_interval)


def _write_http3(options: HttpProtocolOptions, backend: Backend, tls: BackendTls) -> None:
    """Have HTTP/3 spoken: with a host that Envoy resolves, TCP is tried where UDP does not get through.

    Envoy remembers by server name and port where HTTP/3 is spoken; ports of discovered endpoints are not known here.
    """
    if not (backend.hostname and tls.server_name):
        options.explicit_http_config.http3_protocol_options.SetInParent()
        return
    auto = options.auto_config
    auto.http3_protocol_options.SetInParent()
    auto.http2_protocol_options.SetInParent()
    cache = auto.alternate_protocols_cache_options
    cache.name = f"{tls.server_name}:{backend.port}"
    cache.prepopulated_entries.add(hostname=tls.server_name, port=backend.port)


def read(config: BackendConfig) -> BackendSettings:
    """Read how HTTP is spoken."""
    spec = config.spec
    http3 = spec.http3 is not None and spec.tls is not None
    made = UpstreamHttp(
        spec.common_http_protocol_options,
        spec.http1_protocol_options,
        spec.http2_protocol_options,
        bool(spec.use_client_protocol),
        http3,
    )
    text = "spec.http3: HTTP/3 needs TLS, so it is left out; add tls."
    problems = (Problem("Accepted", "Invalid", text),) if spec.http3 is not None and not http3 else ()
    return Outcome(() if made == UpstreamHttp() else (made,), problems)
