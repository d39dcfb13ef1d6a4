"""Hosts that a Backend lists: IP addresses, DNS names and sockets of Unix."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import BACKEND_HOST, UNIX_PATH, Boolean, DnsSubdomain, PortNumber

MAX_UNIX_PATH: Final = 107
"""The longest path of a socket of Unix on Linux, in bytes (`sun_path`, without the byte that ends it)."""

MOST_HOSTS: Final = 1024
"""The most hosts of a Backend."""
MAX_HOST_WEIGHT: Final = 128
"""The highest weight of a host."""

HostName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=BACKEND_HOST),
]
"""A DNS name or an IP address; which one it is, and whether it is right, is read later."""
UnixPath = Annotated[str, StringConstraints(min_length=2, max_length=MAX_UNIX_PATH, pattern=UNIX_PATH)]
"""An absolute path of visible characters of ASCII."""
HostWeight = Annotated[int, Field(strict=True, ge=1, le=MAX_HOST_WEIGHT)]
AppProtocol = Literal[
    "http", "http2", "grpc", "grpc-web", "kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss", "https"
]


class StaticHost(CheckedFields):
    """A host, at an address and a port or at a socket of Unix."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.host) != has(self.unix)", "exactly one of host and unix must be set"),
        CelRule("has(self.host) == has(self.port)", "must be set for a host, and for nothing else", "port"),
    )

    host: Annotated[HostName | None, Doc(envoy="Endpoint.address.socket_address.address")] = None
    """An IP address, or a DNS name that the proxies resolve."""
    port: Annotated[PortNumber | None, Doc(envoy="Endpoint.address.socket_address.port_value")] = None
    """The port to connect to."""
    unix: Annotated[UnixPath | None, Doc(envoy="Endpoint.address.pipe.path")] = None
    """The path of a socket of Unix on the proxies' own machine; it needs `--local-backends`."""
    zone: Annotated[DnsSubdomain | None, Doc(envoy="LocalityLbEndpoints.locality.zone")] = None
    """The zone that the host is in."""
    weight: Annotated[HostWeight | None, Doc(envoy="LbEndpoint.load_balancing_weight")] = None
    """The share of requests that it gets, beside those of the other hosts. By default 1."""
    fallback: Annotated[Boolean, Doc(envoy="LocalityLbEndpoints.priority")] = False
    """Whether it stands in for the others: it gets requests while too few of these are healthy."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless it is at one place."""
        if (self.host is None) == (self.unix is None):
            yield FieldViolation((), "must have exactly one of host and unix: add it, or remove one of them")
        elif self.host is not None and self.port is None:
            yield FieldViolation(("port",), "is required for a host: add the port to connect to")
        elif self.host is None and self.port is not None:
            yield FieldViolation(("port",), "must not be set for a socket of Unix: remove it")


class StaticBackend(CheckedFields):
    """Hosts by their addresses."""

    hosts: Annotated[
        tuple[StaticHost, ...],
        Field(min_length=1, max_length=MOST_HOSTS),
        unique("host,port,unix", "must not be there twice: remove one of them"),
    ]
    """The hosts; at least one of them is no `fallback`."""
    app_protocol: Annotated[AppProtocol | None, Doc(envoy="HttpProtocolOptions")] = None
    """What the hosts speak. By default what the route speaks: HTTP/1.1, and HTTP/2 for GRPCRoutes."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if all hosts stand in for others."""
        if all(each.fallback for each in self.hosts):
            yield FieldViolation(("hosts",), "must have a host that is no fallback: remove fallback from one")
