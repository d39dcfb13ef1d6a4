"""Limits on clients, and the gRPC options that enforce them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the requests, streams and connections of clients.

    Attributes:
        connections: Most connections at a time; further ones are closed at once.
        streams: Most authorised streams at a time; further ones get RESOURCE_EXHAUSTED.
        connection_streams: Most streams of one connection at a time; the client delays further ones (HTTP/2).
        unauthorised: Most streams at a time whose client is not authorised yet, not counted in `streams`. Above it, the
            oldest such stream of the host with the most of them gets RESOURCE_EXHAUSTED.
        request_bytes: Longest request: a reconnecting client that names 90,000 resources sends 4.6 MB.
        request_fields: Most fields of a request besides resource names, including nested ones: an Envoy's node has
            about 2,000.
        names: Most resource names in a subscription of one type, and in a request.
        name_bytes: Longest resource name, node id, node cluster or type URL.
        cache_bytes: Most bytes of cached responses, and of the resources in them, which clients share.
        requests_per_second: Requests read from a stream per second in the long run; flow control throttles a client
            that sends more.
        requests_at_once: Requests that a stream may send in a burst.
        first_request: Seconds in which a stream must send its first request, and `authenticate` and `authorise` must
            decide about it.
        handshake: Seconds in which a connection must complete its TLS handshake and start HTTP/2.
        idle: Seconds after which a connection without a stream is closed.
        ping_interval: Shortest interval between a client's keepalive pings, in seconds.
        keepalive_timeout: Seconds without data after which a connection is pinged, and twice that until it is closed.
    """

    connections: int = 12_000
    streams: int = 10_000
    connection_streams: int = 100
    unauthorised: int = 1_000
    request_bytes: int = 16 << 20
    request_fields: int = 10_000
    names: int = 200_000
    name_bytes: int = 2_048
    cache_bytes: int = 16 << 20
    requests_per_second: float = 100.0
    requests_at_once: int = 1_000
    first_request: float = 15.0
    handshake: float = 10.0
    idle: float = 60.0
    ping_interval: float = 5.0
    keepalive_timeout: float = 30.0


def options(limits: Limits) -> list[tuple[str, int]]:
    """Return the options of a gRPC server that enforce these limits."""
    return [
        # Without these two, gRPC disconnects an Envoy with keepalive pings ("too many pings").
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(limits.ping_interval)),
        ("grpc.keepalive_permit_without_calls", 1),
        # Detects clients without machine or network, for which TCP reports no error for hours.
        ("grpc.keepalive_time_ms", _milliseconds(limits.keepalive_timeout)),
        ("grpc.keepalive_timeout_ms", _milliseconds(limits.keepalive_timeout)),
        ("grpc.http2.ping_timeout_ms", _milliseconds(limits.keepalive_timeout)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server_handshake_timeout_ms", _milliseconds(limits.handshake)),
        ("grpc.max_connection_idle_ms", _milliseconds(limits.idle)),
        ("grpc.max_concurrent_streams", limits.connection_streams),
        ("grpc.max_receive_message_length", limits.request_bytes),
        # Otherwise a connection's window grows with its speed, and with it the buffered data of a stream.
        ("grpc.http2.bdp_probe", 0),
        # State-of-the-world responses cannot be split: only the client's own limit applies.
        ("grpc.max_send_message_length", -1),
        # Otherwise a second server could listen on the same port, and get some of the clients.
        ("grpc.so_reuseport", 0),
    ]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
