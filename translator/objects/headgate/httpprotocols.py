"""Fields of a ListenerPolicy for the versions of HTTP that clients speak."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from translator.objects.headgate.headers import Host
from translator.objects.headgate.types import Quantity, Share
from translator.objects.schema.base import Fields, FieldViolation, raise_violations, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import Boolean, HeaderName, PositiveCount, PositiveMilliseconds

_AGAIN: Final = "is in the list already: remove it"
WINDOWS: Final = range(65_535, 2**31)
"""The sizes of windows that HTTP/2 has, and Envoy takes (RFC 9113, 6.5.2)."""
_HTTP1: Final = "HttpConnectionManager.http_protocol_options"
_HTTP2: Final = "HttpConnectionManager.http2_protocol_options"


def _window(size: int | None) -> int | None:
    if size is not None and size not in WINDOWS:
        raise_violations([FieldViolation((), "must be a size from 65535 bytes to 2147483647, like 64Ki or 1Mi")])
    return size


Window = Annotated[Quantity | None, AfterValidator(_window)]


class ConnectionKeepalive(Fields):
    """Pings by which a connection is known to be alive."""

    interval: Annotated[PositiveMilliseconds | None, Doc(envoy=f"{_HTTP2}.connection_keepalive.interval")] = None
    """The time between two pings. By default there are none of this kind."""
    timeout: Annotated[PositiveMilliseconds | None, Doc(envoy=f"{_HTTP2}.connection_keepalive.timeout")] = None
    """How long the answer to a ping may take, before the connection is closed. By default 20s."""
    interval_jitter: Annotated[Share | None, Doc(envoy=f"{_HTTP2}.connection_keepalive.interval_jitter")] = None
    """The share of the interval that is added at random, at most. By default 15."""
    connection_idle_interval: Annotated[
        PositiveMilliseconds | None, Doc(envoy=f"{_HTTP2}.connection_keepalive.connection_idle_interval")
    ] = None
    """How long a connection is silent before a new request has a ping sent with it. By default there are none of this
    kind."""


class Http2ProtocolOptions(Fields):
    """Settings of HTTP/2."""

    initial_stream_window_size: Annotated[Window, Doc(envoy=f"{_HTTP2}.initial_stream_window_size")] = None
    """How many bytes of a request's body a client may send before the proxy has passed them on. By default 64Ki."""
    initial_connection_window_size: Annotated[Window, Doc(envoy=f"{_HTTP2}.initial_connection_window_size")] = None
    """The same of all requests of a connection together. By default 1Mi."""
    max_concurrent_streams: Annotated[PositiveCount | None, Doc(envoy=f"{_HTTP2}.max_concurrent_streams")] = None
    """How many requests a connection may have at once. By default 100."""
    connection_keepalive: Annotated[ConnectionKeepalive | None, ATOMIC] = None
    """Pings to clients. By default there are none."""
    allow_connect: Annotated[Boolean | None, Doc(envoy=f"{_HTTP2}.allow_connect")] = None
    """Whether clients may change to WebSocket within HTTP/2 (extended CONNECT, RFC 8441). By default false."""


IgnoredUpgrades = Annotated[
    tuple[HeaderName, ...] | None,
    Field(min_length=1, max_length=16),
    unique(None, _AGAIN),
]


class HttpProtocolSettings(Fields):
    """The versions of HTTP that clients speak."""

    accept_http10: Annotated[Boolean | None, Doc(envoy=f"{_HTTP1}.accept_http_10")] = None
    """Whether requests of HTTP/1.0 and 0.9 are served; otherwise they get 426. By default false."""
    default_host_for_http10: Annotated[Host | None, Doc(envoy=f"{_HTTP1}.default_host_for_http_10")] = None
    """The Host of requests of HTTP/1.0 that name none, if they are served. By default they get 400."""
    preserve_http1_header_case: Annotated[Boolean | None, Doc(envoy=f"{_HTTP1}.header_key_format")] = None
    """Whether HTTP/1.1 backends get the names of headers in upper and lower case as the client wrote them. By default
    false: all in lower case."""
    enable_trailers: Annotated[Boolean | None, Doc(envoy=f"{_HTTP1}.enable_trailers")] = None
    """Whether trailers of HTTP/1.1 are passed on. By default false: they are dropped."""
    ignored_upgrade_types: Annotated[IgnoredUpgrades, Doc(envoy=f"{_HTTP1}.ignore_http_11_upgrade")] = None
    """Values of the header Upgrade that are taken off, so that the request is served without a change of protocol;
    others that no one has enabled get 403."""
    http2_protocol_options: Http2ProtocolOptions | None = None
    """Settings of HTTP/2."""
