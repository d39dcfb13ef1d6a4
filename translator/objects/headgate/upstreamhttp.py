"""Fields of a BackendConfigPolicy for HTTP between the proxy and backends."""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import AfterValidator

from translator.objects.headgate.types import Quantity, Share
from translator.objects.schema.base import CelRule, Fields, FieldViolation, raise_violations
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, Milliseconds, PositiveCount, PositiveMilliseconds

_WINDOW: Final = CelRule(
    "type(self) != int || (self >= 65535 && self <= 2147483647)", "must be from 65535 bytes (64Ki) to 2147483647 bytes"
)


def _window(size: int | None) -> int | None:
    # The initial window of HTTP/2, and the largest one (RFC 9113, sections 6.9.1 and 6.9.2).
    if size is not None and not 65_535 <= size <= 2**31 - 1:
        raise_violations([FieldViolation((), _WINDOW.message)])
    return size


_window.rules = (_WINDOW,)  # type: ignore[attr-defined]  # for custom resource definitions
WindowSize = Annotated[Quantity | None, AfterValidator(_window)]
"""How much one side may send before the other has acknowledged it."""

_COMMON: Final = "HttpProtocolOptions.common_http_protocol_options"
_HTTP1: Final = "Http1ProtocolOptions"
_HTTP2: Final = "Http2ProtocolOptions"


class UpstreamHttpOptions(Fields):
    """What concerns HTTP of every version."""

    idle_timeout: Annotated[Milliseconds | None, Doc(envoy=f"{_COMMON}.idle_timeout")] = None
    """How long a connection without requests is kept; `0s` is no limit. Less than the backend keeps it, so that no
    request meets a connection that is just closed. By default 1h."""
    max_headers_count: Annotated[PositiveCount | None, Doc(envoy=f"{_COMMON}.max_headers_count")] = None
    """The most headers of a response; one with more becomes 502. By default 100."""
    max_stream_duration: Annotated[PositiveMilliseconds | None, Doc(envoy=f"{_COMMON}.max_stream_duration")] = None
    """How long a request may take, from its first byte until the last of its response, each attempt by itself; of
    WebSockets too. `timeouts.backendRequest` of a route holds as well. By default there is no limit."""
    max_connection_duration: Annotated[PositiveMilliseconds | None, Doc(envoy=f"{_COMMON}.max_connection_duration")] = (
        None
    )
    """How long a connection takes new requests; those that it has go on. For backends behind a load balancer of
    connections, or that grow in number. By default there is no limit."""
    max_requests_per_connection: Annotated[
        PositiveCount | None, Doc(envoy=f"{_COMMON}.max_requests_per_connection")
    ] = None
    """How many requests a connection takes, one after another or at once. By default there is no limit."""


class UpstreamHttp1Options(Fields):
    """What concerns HTTP/1.1.

    A backend that speaks HTTP/2 by its `appProtocol`, or to which GRPCRoutes lead, goes on doing so.
    """

    enable_trailers: Annotated[Boolean | None, Doc(envoy=f"{_HTTP1}.enable_trailers")] = None
    """Whether trailers are passed on; otherwise they are dropped. By default false."""
    preserve_http1_header_case: Annotated[
        Boolean | None, Doc(envoy=f"{_HTTP1}.header_key_format.stateful_formatter")
    ] = None
    """Whether the names of headers keep their upper and lower case, for backends that are not aware that it does not
    matter: those of responses, and those of requests where the listener preserves them too. By default names are in
    lower case."""
    override_stream_error_on_invalid_http_message: Annotated[
        Boolean | None, Doc(envoy=f"{_HTTP1}.override_stream_error_on_invalid_http_message")
    ] = None
    """Whether a response that is no HTTP costs its request only, and not the connection. By default false."""


class UpstreamHttp2Keepalive(Fields):
    """Pings of HTTP/2, by which the proxy finds out that the other side of a connection is gone."""

    interval: Annotated[PositiveMilliseconds | None, Doc(envoy=f"{_HTTP2}.connection_keepalive.interval")] = None
    """The time from one ping to the next. By default none is sent but after `connectionIdleInterval`."""
    timeout: Annotated[PositiveMilliseconds | None, Doc(envoy=f"{_HTTP2}.connection_keepalive.timeout")] = None
    """How long the answer may take, until the connection is closed. By default 20s."""
    interval_jitter: Annotated[Share | None, Doc(envoy=f"{_HTTP2}.connection_keepalive.interval_jitter")] = None
    """By up to which share of `interval` a ping is put off, at random. By default 15."""
    connection_idle_interval: Annotated[
        PositiveMilliseconds | None, Doc(envoy=f"{_HTTP2}.connection_keepalive.connection_idle_interval")
    ] = None
    """After which silence a connection is pinged before it gets another request. By default never."""


class UpstreamHttp2Options(Fields):
    """What concerns HTTP/2. A backend with this field, empty or not, is spoken to by HTTP/2."""

    initial_stream_window_size: Annotated[WindowSize, Doc(envoy=f"{_HTTP2}.initial_stream_window_size")] = None
    """How much of a response a backend may send before the proxy has passed it on. By default 256Mi, of which the
    buffer of the connection allows as much as `perConnectionBufferLimitBytes`."""
    initial_connection_window_size: Annotated[WindowSize, Doc(envoy=f"{_HTTP2}.initial_connection_window_size")] = None
    """The same for all responses of a connection. By default 256Mi."""
    max_concurrent_streams: Annotated[PositiveCount | None, Doc(envoy=f"{_HTTP2}.max_concurrent_streams")] = None
    """How many requests a connection has at once; the backend may allow less. By default what the backend allows."""
    override_stream_error_on_invalid_http_message: Annotated[
        Boolean | None, Doc(envoy=f"{_HTTP2}.override_stream_error_on_invalid_http_message")
    ] = None
    """Whether a response that is no HTTP costs its request only, and not the connection. By default false."""
    connection_keepalive: Annotated[UpstreamHttp2Keepalive | None, Doc(envoy=f"{_HTTP2}.connection_keepalive")] = None
    """Pings of connections. By default there are none."""


class UpstreamHttp3Options(Fields):
    """Has HTTP/3 (QUIC, over UDP) spoken to a backend; it needs `tls`."""


HttpOptions = Annotated[UpstreamHttpOptions | None, Doc(envoy=_COMMON)]
Http1Options = Annotated[UpstreamHttp1Options | None, Doc(envoy=_HTTP1)]
Http2Options = Annotated[UpstreamHttp2Options | None, Doc(envoy=_HTTP2)]
ClientProtocol = Annotated[Boolean | None, Doc(envoy="HttpProtocolOptions.use_downstream_protocol_config")]
Http3Options = Annotated[UpstreamHttp3Options | None, Doc(envoy="HttpProtocolOptions.explicit_http_config")]


_EXCLUSIVE: Final = (
    (
        "http2ProtocolOptions",
        "!has(self.http1ProtocolOptions) || !has(self.http2ProtocolOptions) || "
        "(has(self.useClientProtocol) && self.useClientProtocol)",
        "must not be set together with http1ProtocolOptions, unless useClientProtocol is: remove one of them",
    ),
    (
        "useClientProtocol",
        "!has(self.http3) || !has(self.useClientProtocol) || !self.useClientProtocol",
        "must not be set together with http3: remove one of them",
    ),
    (
        "http3",
        "!has(self.http3) || !(has(self.http1ProtocolOptions) || has(self.http2ProtocolOptions))",
        "must not be set together with http1ProtocolOptions or http2ProtocolOptions: remove one of them",
    ),
    (
        "upstreamProxyProtocol",
        "!has(self.http3) || !has(self.upstreamProxyProtocol)",
        "must not be set together with http3, which has no connections of TCP: remove one of them",
    ),
)
PROTOCOLS: Final = tuple(CelRule(rule, message, field) for field, rule, message in _EXCLUSIVE)
"""The rules of a spec that several of these fields concern."""


def exclusive(
    follows_client: bool | None, proxy_protocol: object, *, http1: object, http2: object, http3: object
) -> Iterator[FieldViolation]:
    """Yield a violation of each of these rules that the fields of a spec break."""
    broken = (
        http1 is not None and http2 is not None and not follows_client,
        http3 is not None and bool(follows_client),
        http3 is not None and (http1 is not None or http2 is not None),
        http3 is not None and proxy_protocol is not None,
    )
    for (field, _, message), each in zip(_EXCLUSIVE, broken, strict=True):
        if each:
            yield FieldViolation((field,), message)
