"""Fields of a ListenerPolicy for the connections of clients, whatever they speak."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from translator.objects.headgate.tcpprobes import Probes, ProbeTime
from translator.objects.headgate.types import Disableable, Quantity
from translator.objects.schema.base import CelRule, Fields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Boolean, Milliseconds, PositiveCount, PositiveMilliseconds

_KEEPALIVE: Final = "Listener.tcp_keepalive"


MIN_SOCKET_BUFFER: Final = 4096
MAX_SOCKET_BUFFER: Final = 2**31 - 1
"""What a socket's buffer may be: with less a connection stalls, and the kernel takes no more."""


def _size_of_buffer(size: int) -> int:
    if not MIN_SOCKET_BUFFER <= size <= MAX_SOCKET_BUFFER:
        raise PydanticCustomError("quantity", f"must be at least {MIN_SOCKET_BUFFER} bytes, and less than 2Gi")
    return size


class ProxyProtocol(Disableable):
    """Has connections begin with a PROXY header, by which a load balancer tells whose connection it forwards.

    The address in it is the client's for everything: access lists, limits, logs and X-Forwarded-For. Have only the load
    balancer reach the port: whoever else does can claim any address.
    """

    allow_requests_without_proxy_protocol: Annotated[
        Boolean | None, Doc(envoy="ProxyProtocol.allow_requests_without_proxy_protocol")
    ] = None
    """Whether connections without the header are served too; otherwise they are closed. By default false."""
    versions: Annotated[
        tuple[Literal["V1", "V2"], ...] | None,
        Field(min_length=1, max_length=2),
        unique(None, "is in the list already: remove it"),
        Doc(envoy="ProxyProtocol.disallowed_versions"),
    ] = None
    """The versions of the header that are taken. By default both."""


class ClientKeepalive(Fields):
    """Has the kernel ask clients that are silent whether they are still there, and close dead connections."""

    keep_alive_probes: Annotated[Probes | None, Doc(envoy=f"{_KEEPALIVE}.keepalive_probes")] = None
    """How many times a client is asked before the connection counts as dead. By default as the kernel has it (9)."""
    keep_alive_time: Annotated[ProbeTime | None, Doc(envoy=f"{_KEEPALIVE}.keepalive_time")] = None
    """How long a client has to be silent before it is asked, in seconds, rounded up. By default as the kernel has it
    (2h)."""
    keep_alive_interval: Annotated[ProbeTime | None, Doc(envoy=f"{_KEEPALIVE}.keepalive_interval")] = None
    """How long after one question the next one is asked, in seconds, rounded up. By default as the kernel has it
    (75s)."""


class ClientConnectionLimit(Disableable):
    """Limits how many connections a listener has at once at each proxy; further ones are closed."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.value) != has(self.disable)", "exactly one of value and disable must be set"),
    )

    value: Annotated[PositiveCount | None, Doc(envoy="ConnectionLimit.max_connections")] = None
    """The most connections. By default, and at most, what each listener may have of those that the proxy has:
    40,000."""
    close_delay: Annotated[Milliseconds | None, Doc(envoy="ConnectionLimit.delay")] = None
    """How long a connection too many is held before it is closed, without a byte read: clients that try again at once
    do so less often. By default it is closed at once."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a limit without a number."""
        yield from super().violations()
        if self.value is None and self.disable is None:
            yield FieldViolation((), "must have value: add it, or write disable: {}")


AcceptedAtOnce = Annotated[
    PositiveCount | None, Doc(envoy="Listener.max_connections_to_accept_per_socket_event", default="all")
]
SocketBuffer = Annotated[
    Annotated[Quantity, AfterValidator(_size_of_buffer)] | None,
    Doc(envoy="Listener.socket_options (SO_RCVBUF, SO_SNDBUF)"),
]
ConnectTimeout = Annotated[
    PositiveMilliseconds | None, Doc(envoy="FilterChain.transport_socket_connect_timeout", default="10s")
]
