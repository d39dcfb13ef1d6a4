"""Backends and their endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple

from translator.ir.secret import GenericSecret


class Protocol(Enum):
    """The protocol of a backend."""

    HTTP1 = "http1"
    H2C = "h2c"
    TCP = "tcp"
    UDP = "udp"


class BackendKey(NamedTuple):
    """The object that a backend is of."""

    kind: str
    namespace: str
    name: str


PROTOCOL: Final = -1
"""The `BackendSetting.order` of what says which version of HTTP is spoken."""
TLS: Final = 1
"""The `BackendSetting.order` of TLS."""
AROUND_TLS: Final = 2
"""The `BackendSetting.order` of what is sent before the handshake of TLS."""
LAST: Final = 3
"""The `BackendSetting.order` of what decides how the cluster works, whatever others have written."""


class BackendSetting:
    """A setting of a backend: a frozen dataclass that implements `ClusterHook` or `EndpointsHook`.

    Attributes:
        encrypts: whether connections to the backend are encrypted.
        proxyless: whether gRPC's own xDS clients can connect so.
        order: its place among the settings of a backend, whose hooks are called in this order: `TLS` asks for the
            protocol that others have chosen, and `AROUND_TLS` wraps what it has written.
        discovers: whether it says itself how the endpoints of the cluster are found.
        for_clients_only: whether what it has checked is checked for requests of clients only: not for copies of them,
            nor for calls of the proxy itself, which it therefore must not get.
        overrules: the fields of policies for backends that have no effect beside it, by their names in the model, each
            with the reason as a clause, and the way out.
        counts_tokens: whether its responses tell how many tokens they have cost.
        routes_only: why nothing but a route can send requests to it, and the way out; "" if others can.
    """

    __slots__ = ()
    encrypts: ClassVar[bool] = False
    proxyless: ClassVar[bool] = False
    order: ClassVar[int] = 0
    discovers: ClassVar[bool] = False
    for_clients_only: ClassVar[bool] = False
    overrules: ClassVar[Mapping[str, str]] = MappingProxyType({})
    counts_tokens: ClassVar[bool] = False
    routes_only: ClassVar[str] = ""

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return what it means for the rules whose requests go there, which is not for other uses of the backend.

        Args:
            protocol: what the route speaks where nothing else is said.
        """
        return ()

    @property
    def certificates(self) -> tuple[BackendKey, ...]:
        """Return the Secrets with the certificates that the cluster gets by SDS, so that these are served."""
        return ()

    def presenting(self, certificate: BackendKey) -> BackendSetting:
        """Return the setting of connections at which the proxy presents the certificate in a Secret."""
        return self

    @property
    def trust_anchors(self) -> tuple[BackendKey, ...]:
        """Return the objects with the CA certificates that the cluster gets by SDS, so that these are served."""
        return ()

    @property
    def secret_texts(self) -> tuple[GenericSecret, ...]:
        """Return the secret texts that the cluster gets by SDS, so that these are served."""
        return ()

    @property
    def limits_retries(self) -> bool:
        """Return whether it says how many retries there may be at once, so that no budget of a rule does."""
        return False

    @property
    def hashes(self) -> bool:
        """Return whether it has the load balancer choose endpoints by the hash that routes make of requests."""
        return False

    @property
    def uses_zones(self) -> bool:
        """Return whether it matters in which zones the endpoints are."""
        return False

    @property
    def compares_zones(self) -> bool:
        """Return whether the load balancer must know in which zones the Gateway's proxies are, so that it is served."""
        return False

    @property
    def fingerprint(self) -> str:
        """Return the text that stands for this setting in the hash of a cluster's name: another one for each value.

        It must be the same in every process, since replicas give a cluster one name: a setting that holds a set, whose
        `repr` is in no fixed order, returns a text of its own.
        """
        return repr(self)


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend: one port of one object, with every setting that shapes its cluster.

    A cluster's name holds a hash of all of this, so that a cluster never changes in place: other settings make another.
    Change it by `dataclasses.replace` only.

    Attributes:
        key: the object behind it.
        port: its port, which also is the port to connect to where `hostname` is given; 0 for an object without ports.
        protocol: the value of `Protocol` that its endpoints speak; "" where nothing says so: what the route speaks.
        hostname: a DNS name or IP address that Envoy resolves by itself; "" where endpoints are discovered.
        settings: at most one of a type, the last that is given; in one order, whatever the order they are given in.
        hosts: endpoints some of whose addresses are DNS names, which Envoy resolves by itself, in place of `hostname`.
    """

    key: BackendKey
    port: int
    # Hardly two backends differ in these only, and hashes are computed several times for each change.
    protocol: str = field(default="", hash=False)
    hostname: str = field(default="", hash=False)
    settings: tuple[BackendSetting, ...] = field(default=(), hash=False)
    hosts: tuple[BackendEndpoint, ...] = field(default=(), hash=False)

    def __post_init__(self) -> None:
        if self.settings:
            last = {type(each): each for each in self.settings}
            ordered = tuple(sorted(last.values(), key=_settled_place))
            object.__setattr__(self, "settings", ordered)

    def presenting(self, certificate: BackendKey) -> Backend:
        """Return the backend as a Gateway reaches it that presents the certificate in a Secret."""
        settings = tuple(each.presenting(certificate) for each in self.settings)
        return self if settings == self.settings else replace(self, settings=settings)

    @property
    def named(self) -> tuple[BackendEndpoint, ...]:
        """The endpoints that the cluster itself has, whose names Envoy resolves; empty if it does not have any."""
        if not self.hostname:
            return self.hosts
        return self.hosts or (BackendEndpoint(self.hostname, self.port),)

    @property
    def has_assignment(self) -> bool:
        """Whether the endpoints are a resource of their own."""
        if self.named:
            return False
        return not self.settings or not any(each.discovers for each in self.settings)

    def __lt__(self, other: Backend) -> bool:
        if self.key != other.key:
            return self.key < other.key
        return self._settled < other._settled

    @property
    def _settled(self) -> tuple[int, str, str, list[str], tuple[BackendEndpoint, ...]]:
        return self.port, self.protocol, self.hostname, self._fingerprints, self.hosts

    @property
    def _fingerprints(self) -> list[str]:
        return [each.fingerprint for each in self.settings]


def _settled_place(setting: BackendSetting) -> tuple[int, str, str]:
    return setting.order, type(setting).__qualname__, setting.fingerprint


class BackendEndpoint(NamedTuple):
    """An address that answers for a backend.

    Attributes:
        address: an IP address, a DNS name where Envoy resolves it, or the path of a socket of Unix.
        port: its port; 0 for a path.
        zone: where it is; "" where that is not known.
        draining: whether it is about to go.
        weight: its share of requests beside that of others; 0 where nothing says so: all the same.
        priority: 0 for those that are used first, higher numbers for those that stand in for them.
    """

    address: str
    port: int
    zone: str = ""
    draining: bool = False
    weight: int = 0
    priority: int = 0
