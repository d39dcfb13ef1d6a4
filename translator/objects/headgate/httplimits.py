"""Fields of a ListenerPolicy that limit how long connections and requests take, and how large headers are."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StrictInt

from translator.objects.schema.base import Fields
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, Milliseconds, PositiveCount

_COMMON: Final = "HttpConnectionManager.common_http_protocol_options"


class HttpLimits(Fields):
    """Limits of connections, requests and their headers; `0s` is no limit."""

    idle_timeout: Annotated[Milliseconds | None, Doc(envoy=f"{_COMMON}.idle_timeout")] = None
    """How long a connection may be without a request. By default 1h."""
    stream_idle_timeout: Annotated[Milliseconds | None, Doc(envoy="HttpConnectionManager.stream_idle_timeout")] = None
    """How long neither side of a request may send anything, where neither the route nor a TrafficPolicy says so. By
    default 5m."""
    request_timeout: Annotated[Milliseconds | None, Doc(envoy="HttpConnectionManager.request_timeout")] = None
    """How long a client may take to send a whole request. By default there is no limit."""
    request_headers_timeout: Annotated[
        Milliseconds | None, Doc(envoy="HttpConnectionManager.request_headers_timeout")
    ] = None
    """How long a client may take to send the headers of a request. By default 10s."""
    max_stream_duration: Annotated[Milliseconds | None, Doc(envoy=f"{_COMMON}.max_stream_duration")] = None
    """From the first byte of a request to the last one of its response, where neither the route nor a TrafficPolicy
    says so. By default there is no limit."""
    max_connection_duration: Annotated[Milliseconds | None, Doc(envoy=f"{_COMMON}.max_connection_duration")] = None
    """How long a connection may be used; then the client is asked to make another one. By default there is no limit."""
    disable_safe_max_connection_duration: Annotated[
        Boolean | None, Doc(envoy="HttpConnectionManager.http1_safe_max_connection_duration")
    ] = None
    """Whether a connection of HTTP/1.1 is closed `drainTimeout` after `maxConnectionDuration`; otherwise it is closed
    with the response to its next request, so that none is lost. By default false."""
    max_requests_per_connection: Annotated[
        PositiveCount | None, Doc(envoy=f"{_COMMON}.max_requests_per_connection")
    ] = None
    """How many requests a connection may have; then the client is asked to make another one. By default there is no
    limit."""
    drain_timeout: Annotated[Milliseconds | None, Doc(envoy="HttpConnectionManager.drain_timeout")] = None
    """How long a connection that is to end stays open after the client has been told so. By default 5s."""
    max_request_headers_kb: Annotated[
        Annotated[StrictInt, Field(ge=1, le=8192)] | None, Doc(envoy="HttpConnectionManager.max_request_headers_kb")
    ] = None
    """The size of all headers of a request together, in KiB; larger ones get 431. By default 60."""
    max_headers_count: Annotated[
        Annotated[StrictInt, Field(ge=1, le=10_000)] | None, Doc(envoy=f"{_COMMON}.max_headers_count")
    ] = None
    """How many headers a request may have; one with more gets 431. By default 100."""
    headers_with_underscores: Annotated[
        Literal["Allow", "Reject", "Drop"] | None, Doc(envoy=f"{_COMMON}.headers_with_underscores_action")
    ] = None
    """What is done with headers that have `_` in their names: let through, the request refused with 400, or the header
    taken off. Many a backend takes `X_Real_Ip` for X-Real-Ip, which the proxy has checked. By default Reject, and Allow
    where a route matches such a name."""
