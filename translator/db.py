"""The database that queries read from: a typed facade over the graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeVar

from translator.api_group import CONTROLLER_NAME
from translator.engine.database import Graph
from translator.engine.query import Ahead
from translator.inputs import Refused
from translator.objects.schema.base import KubernetesObject
from translator.outcome import Problem
from translator.own_addresses import OwnAddress
from translator.proxy import ADMIN_PORT, ENVOY_VERSION, OWN_PORTS
from translator.refs import Ref

T = TypeVar("T", bound=KubernetesObject)
SETTINGS = "Settings"
DELIVERY = "Delivery"
PROXIES = "Proxies"
DEPLOYED = "Deployed"
REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the translation depends on besides the objects.

    Attributes:
        controller_name: GatewayClasses with this `spec.controllerName` are ours.
        standalone: there is no cluster: the GatewayClass `headgate` and every namespace exist by themselves, all
            Gateways run on this machine and share its addresses, and Services may be reached by DNS name or IP address.
        addresses: the IP addresses that proxies bind; standalone, a Gateway's `spec.addresses` come first.
        external_names: Services of type ExternalName may be backends. In a cluster this lets whoever may write a
            Service have the proxies connect to anything that they can reach (CVE-2021-25740).
        offline: there are no proxies that could acknowledge anything: what is valid counts as programmed.
        own: where Headgate and its proxies listen themselves: routes that lead there are refused.
    """

    controller_name: str = CONTROLLER_NAME
    standalone: bool = True
    addresses: tuple[str, ...] = ("127.0.0.1",)
    external_names: bool = True
    offline: bool = False
    own: tuple[OwnAddress, ...] = ()


def in_cluster(
    controller_name: str = CONTROLLER_NAME, *, external_names: bool = False, offline: bool = False
) -> Settings:
    """Make the settings for the objects of a cluster; `Settings` says what its arguments are."""
    own = OwnAddress(ADMIN_PORT, f"the proxy's own {OWN_PORTS[ADMIN_PORT]}")
    return Settings(controller_name, False, ("0.0.0.0",), external_names, offline, (own,))


class Served(StrEnum):
    """What a proxy goes on to serve of a route after it refused something that came of it."""

    NOTHING = "nothing"
    OTHER_RULES = "other rules"
    VERSION_BEFORE = "the version before"


class Concern(NamedTuple):
    """A route that something came of which a proxy refused.

    Attributes:
        route: the route.
        rules: the names of those of its rules that came to it.
        served: what the proxy serves of it all the same.
        generation: of the route, the last one that the proxy serves; 0 if that is not known.
    """

    route: Ref
    rules: tuple[str, ...]
    served: Served
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """A resource that a proxy refused.

    Attributes:
        type_url: its type.
        name: its name, "" where Envoy did not tell.
        message: Envoy's words.
        concerns: the routes that it came of, as far as that is known.
    """

    type_url: str
    name: str
    message: str
    concerns: tuple[Concern, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a Gateway's configuration has come.

    Attributes:
        clients: how many proxies are connected.
        current: whether all of them have answered all of the snapshot: accepted it, or refused what is refused.
        rejections: what they refused.
        returning: whether proxies that are not connected now may be about to connect again.
        snapshot: the version of the snapshot that this is about, "" if it is of several; None for what is published.
        generation: of the Gateway, the one that the snapshot was made of; None for its newest.
        listeners: the names of the listeners which that had; None for those of the newest.
    """

    clients: int = 0
    current: bool = False
    rejections: tuple[Rejection, ...] = ()
    returning: bool = False
    snapshot: str | None = None
    generation: int | None = None
    listeners: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ProxyDefaults:
    """What proxies in a cluster are told, whatever their Gateway says.

    Attributes:
        image: the image of Envoy that runs where parameters name none.
        xds_host: the host name of Headgate's xDS server, which its certificate holds.
        xds_port: its port.
        ca: the certificates of the authorities that may have signed that certificate, in PEM.
        addresses: where proxies bind what is not a listener of the Gateway: readiness and metrics.
        drain_key: what the path is made with that begins the drain of a proxy; a secret, at most 64 bytes.
    """

    image: str = f"docker.io/envoyproxy/envoy:distroless-v{ENVOY_VERSION}"
    xds_host: str = "headgate.headgate-system.svc"
    xds_port: int = 18000
    ca: str = ""
    addresses: tuple[str, ...] = ("0.0.0.0",)
    drain_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Deployed:
    """What became of deploying a Gateway's proxies: what the API server did not take."""

    problems: tuple[Problem, ...] = ()


class Db(Graph):
    """The graph with the objects in it.

    Attributes:
        features: what extends rules, in the order of filters; `translator.extension.features` gives them their type,
            which is declared above this module.
    """

    def __init__(self, features: tuple[object, ...], ahead: Iterable[Ahead], on_demand: Iterable[str] = ()) -> None:
        """Make an empty database; of the kinds `on_demand` only what is read is fetched."""
        super().__init__(ahead, on_demand)
        self.features = features

    def get(self, kind: type[T], ref: Ref) -> T | None:
        """Read the object `ref`, which is of `kind`; None if there is none."""
        found: T | None = self.input(ref.kind, ref)
        assert found is None or isinstance(found, kind)
        return found

    @property
    def settings(self) -> Settings:
        """Read the settings."""
        settings: Settings = self.input(SETTINGS, None)
        return settings

    def delivery(self, gateway: Ref) -> Delivery:
        """Read how far the configuration of `gateway` has come."""
        return self.input(DELIVERY, gateway) or self.input(DELIVERY, None) or Delivery()

    @property
    def proxies(self) -> ProxyDefaults:
        """Read what all proxies in the cluster are told."""
        return self.input(PROXIES, None) or ProxyDefaults()

    def deployed(self, gateway: Ref) -> Deployed:
        """Read what became of deploying the proxies of `gateway`."""
        return self.input(DEPLOYED, gateway) or Deployed()

    def refused(self, ref: Ref) -> Refused | None:
        """Read what is known of the object `ref`, which is there and cannot be read; None if there is no such one."""
        refused: Refused | None = self.input(REFUSED, ref)
        return refused

    def refusal(self, ref: Ref) -> str:
        """Read why the object `ref`, which is there, cannot be read; "" if it can, or is not there."""
        refused = self.refused(ref)
        return refused.why if refused is not None else ""
