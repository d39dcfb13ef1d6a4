"""ListenerPolicy: how Gateways, ListenerSets and their listeners serve clients (GEP-713)."""

from collections.abc import Iterator, Set
from operator import attrgetter
from typing import Annotated, Any, Final, get_args

from pydantic import Field
from pydantic.fields import FieldInfo

from translator.api_group import GROUP
from translator.objects.gateway_api.policy import Policy
from translator.objects.headgate.accesslogs import ConnectionAccessLogs
from translator.objects.headgate.clientcertificates import ClientCertificateValidation
from translator.objects.headgate.clientconnections import (
    AcceptedAtOnce,
    ClientConnectionLimit,
    ClientKeepalive,
    ConnectTimeout,
    ProxyProtocol,
    SocketBuffer,
)
from translator.objects.headgate.clienttls import ClientTls
from translator.objects.headgate.http3 import Http3
from translator.objects.headgate.httpsettings import HttpSettings
from translator.objects.headgate.policy import AttachedPolicySpec
from translator.objects.headgate.types import Quantity
from translator.objects.schema.base import Fields, unique
from translator.objects.schema.documentation import Doc, JudgedByModel
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import PortNumber

MAX_PORTS: Final = 64
"""Most ports of a policy."""
DEFAULT: Final = "default"
PER_PORT: Final = "perPort[].listener"


class ListenerConfig(Fields):
    """What listeners do; each field, and each of `httpSettings`, is merged with those of policies of other levels."""

    per_connection_buffer_limit_bytes: Annotated[
        Quantity | None, Doc(envoy="Listener.per_connection_buffer_limit_bytes", default="32Ki")
    ] = None
    """How many bytes are held of a connection whose other side is too slow to read."""
    proxy_protocol: ProxyProtocol | None = None
    """Whether connections begin with a PROXY header: of a port as a whole."""
    tcp_keepalive: ClientKeepalive | None = None
    """How connections of clients that are gone are found: of a port as a whole."""
    socket_buffer_limit: SocketBuffer = None
    """How many bytes the kernel holds of a connection each way, of a port as a whole. By default as the kernel has
    it."""
    max_accept_per_socket_event: AcceptedAtOnce = None
    """How many connections are accepted before others are served again, of a port as a whole. By default all that
    wait."""
    connection_limit: ClientConnectionLimit | None = None
    """How many connections there may be at once."""
    transport_socket_connect_timeout: ConnectTimeout = None
    """How long clients may take for a TLS handshake."""
    client_certificate_validation: Annotated[ClientCertificateValidation | None, ATOMIC] = None
    """Which clients have to present which certificate."""
    tls: ClientTls | None = None
    """How TLS is spoken."""
    http3: Http3 | None = None
    """Whether HTTP/3 is spoken too, at HTTPS listeners."""
    connection_access_log: ConnectionAccessLogs = None
    """Logs of connections, in place of the one to the standard output that listeners of TCP and TLS have anyway; `[]`
    switches it off. Of several listeners on a port that of the first one counts."""
    http_settings: HttpSettings | None = None
    """How HTTP is spoken to clients, at listeners of HTTP and HTTPS."""


class PortConfig(Fields):
    """What the listeners of one port do."""

    port: PortNumber
    """The port."""
    listener: ListenerConfig
    """What its listeners do, over what `default` says."""


class ListenerPolicySpec(AttachedPolicySpec):
    """What listeners do: those of all ports, and those of single ones."""

    default: ListenerConfig | None = None
    """What the listeners of all ports do."""
    per_port: Annotated[
        tuple[PortConfig, ...],
        Field(max_length=MAX_PORTS),
        JudgedByModel(),
        unique("port", "has the port of another item: have one item for each port"),
    ] = ()
    """What the listeners of single ports do: merged over `default`, or in place of it (`inheritance: Replace`)."""

    @classmethod
    def fields_of(cls, written: Set[str]) -> frozenset[str]:
        """Return which units a spec sets, by the paths that its author wrote (`PartialObject.fields`)."""
        top = {name: f"{DEFAULT}.{field.alias or name}" for name, field in ListenerConfig.model_fields.items()}
        return frozenset(name for name, path in top.items() if path in written)

    @classmethod
    def unit_info(cls, unit: str) -> FieldInfo:
        """Return the field of a unit: the path of one of `ListenerConfig`, by names of the models.

        Raises:
            KeyError: there is no such field.
        """
        model: type[Fields] = ListenerConfig
        *outer, last = unit.split(".")
        for name in outer:
            model = _struct(model.model_fields[name])
        return model.model_fields[last]

    @classmethod
    def unit_paths(cls, unit: str) -> tuple[str, ...]:
        """Return the paths of the fields in an object that set a unit."""
        return tuple(f"spec.{place}.{cls.unit_title(unit)}" for place in (DEFAULT, PER_PORT))

    @classmethod
    def unit_title(cls, unit: str) -> str:
        """Return the path of a unit below what is for all ports, or for one."""
        names, path = unit.split("."), list[str]()
        for place, name in enumerate(names):
            path.append(cls.unit_info(".".join(names[: place + 1])).alias or name)
        return ".".join(path)

    def unit_value(self, unit: str, port: int = 0) -> Any:
        """Return what the spec says about a unit: for all ports, or for one; None if nothing."""
        value: Any = self._of_port(port) if port else self.default
        for name in unit.split("."):
            value = getattr(value, name, None)
        return value

    def set_units(self) -> frozenset[str]:
        """Return the units that the spec says something about, for any port."""
        configs = (self.default, *map(attrgetter("listener"), self.per_port))
        return frozenset(unit for each in configs if each is not None for unit in _units(each))

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports for which the spec says something beside what is for all."""
        return tuple(each.port for each in self.per_port)

    def _of_port(self, port: int) -> ListenerConfig | None:
        return next((each.listener for each in self.per_port if each.port == port), None)


def _struct(info: FieldInfo) -> type[Fields]:
    found = next(each for each in (info.annotation, *get_args(info.annotation)) if isinstance(each, type))
    if not issubclass(found, Fields):
        raise KeyError(found)
    return found


def _units(config: ListenerConfig) -> Iterator[str]:
    for name in config.model_fields_set:
        value = getattr(config, name)
        if isinstance(value, HttpSettings):
            yield from (f"{name}.{each}" for each in value.model_fields_set if getattr(value, each) is not None)
        elif value is not None:
            yield name


class ListenerPolicy(Policy):
    """Says how listeners serve clients: Gateways, ListenerSets, listeners of these, and their ports."""

    kind = "ListenerPolicy"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "listenerpolicies"
    has_schema_defaults = False  # merged with others, they would count as what was asked for
    rbac_reason = "How listeners serve clients, by policies."
    short_names = ("lpol",)

    spec: ListenerPolicySpec
