"""Backends and their endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Protocol(Enum):
    """The protocol of a backend."""

    HTTP1 = "http1"
    H2C = "h2c"


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """A backend: one port of one service, with every setting that shapes its cluster.

    A cluster's name holds a hash of all of this, so that a cluster never changes in place: other settings make another.

    Attributes:
        owner: the object behind it, as ``namespace/name``.
        port: its port, which also is the port to connect to where `hostname` is given.
        protocol: the value of `Protocol` that its endpoints speak.
        hostname: a DNS name or IP address that Envoy resolves by itself; "" where endpoints are discovered.
        max_stream_duration: how long one request to it may take, from its first byte until the last of the response, in
            milliseconds; 0 for as long as it likes.
    """

    owner: str
    port: int
    protocol: str = Protocol.HTTP1.value
    hostname: str = ""
    max_stream_duration: int = 0


class BackendEndpoint(NamedTuple):
    """An address that answers for a backend; `zone` is "" where it is not known."""

    address: str
    port: int
    zone: str = ""
    draining: bool = False
