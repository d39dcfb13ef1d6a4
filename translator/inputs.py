"""Inputs of the translator: edits of objects, settings, sync status and apply results."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from translator.api_group import CONTROLLER_NAME
from translator.ir.route_scope import DEFAULT_SCOPED_HOSTNAMES
from translator.objects.partial import PartialObject
from translator.objects.schema.base import KubernetesObject
from translator.outcome import Problem
from translator.own_addresses import OwnAddress
from translator.proxy import ADMIN_PORT, DEFAULT_TEMPLATE_ENV, ENVOY_VERSION, OWN_PORTS
from translator.refs import Ref
from xds import Nack

MAX_KNOWN_TARGETS: Final = 1000
"""Most targets that are known of an invalid policy through its edits."""


class Invalid(NamedTuple):
    """An object that exists and is not valid. Its last valid state stays in force.

    Attributes:
        reason: the problems, in words for those who refer to it.
        partial: what can be seen of it all the same.
    """

    reason: str
    partial: PartialObject = PartialObject()

    def after(self, before: Invalid | None) -> Invalid:
        """Return the object after an edit; where not all targets can be read, those of before stay among them.

        A policy that has requests to its targets refused goes on with that when an edit makes less of it readable.
        """
        if before is None or self.partial.all_targets:
            return self
        now, then = self.partial, before.partial
        targets = tuple(dict.fromkeys((*now.targets, *then.targets)))[:MAX_KNOWN_TARGETS]
        selectors = (*now.selectors, *(each for each in then.selectors if each not in now.selectors))
        partial = now._replace(
            targets=targets, selectors=selectors[:MAX_KNOWN_TARGETS], fields=now.fields | then.fields
        )
        return self._replace(partial=partial)


class Edit(NamedTuple):
    """One object's new state; of several edits of the same object only the last one counts.

    Attributes:
        ref: the object's identity.
        object: the whole object as it is now, None when it is gone, `Invalid` when it cannot be read.
    """

    ref: Ref
    object: KubernetesObject | Invalid | None


NOT_SYNCED: Final = "NotSynced"


def not_synced(kind: str, namespace: str, why: str) -> Edit:
    """Make an edit that says whether the objects of a kind have been listed; until then their absence is unknown.

    What depends on them is neither made anew nor taken away until that is known.

    Args:
        kind: the kind.
        namespace: the namespace whose objects they are; "" for all.
        why: the reason; "" once they have been read, in the same batch as they or a later one.
    """
    return Edit(Ref(NOT_SYNCED, namespace, kind), Invalid(why) if why else None)


SYNC_STATUS = "SyncStatus"
PROXY_DEFAULTS = "ProxyDefaults"
APPLY_RESULT = "ApplyResult"
INVALID = "Invalid"
UNSERVED = "Unserved"
"""The collection of the names of kinds that the cluster does not serve."""
ACKNOWLEDGED = "Acknowledged"
REQUESTED = "Requested"
DISCOVERY = "Discovery"
"""The collection of the results of discovery (`translator.ir.oidc.Discovered`), by the URL of the issuer."""
INSTANCES = "Instances"
"""The collection of what is known of instances of EC2 (`translator.ir.aws.FoundInstances`), by the query."""

MODULES = "Modules"
"""The collection of what is known of modules that are fetched (`translator.ir.modules.FetchedModule`), by source."""


class HostAndPort(Protocol):
    """Whatever has a host and a port."""

    @property
    def host(self) -> str:
        """The host."""

    @property
    def port(self) -> int:
        """The port."""


class ServiceAddress(NamedTuple):
    """The address of a service: a hostname or an IP address, and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the translation.

    Attributes:
        controller_name: GatewayClasses with this `spec.controllerName` are ours.
        standalone: there is no cluster: the GatewayClass `headgate` and every namespace exist by themselves, all
            Gateways run on this machine and share its addresses, and Services may be reached by DNS name or IP address.
        addresses: the IP addresses that proxies bind; standalone, a Gateway's `spec.addresses` come first.
        external_names: Services of type ExternalName may be backends. In a cluster this lets whoever may write a
            Service have the proxies connect to anything that they can reach (CVE-2021-25740).
        offline: there are no proxies that could acknowledge anything: what is valid counts as programmed.
        own: where Headgate and its proxies listen themselves: routes that lead there are refused.
        machine: the IP addresses of this machine, for Gateways that listen on all of them; standalone.
        descriptors: how many file descriptors a proxy may have, which lowers its limits of connections and of sessions
            of UDP if need be; None leaves them at their defaults.
        policy_namespaces: namespaces whose policies may select targets by labels in every namespace, without
            ReferenceGrants.
        policy_affected: targets of policies get the condition `PolicyAffected` (GEP-713).
        allow_http_issuers: OpenID issuers, and what is fetched from them, may have http URLs.
        access_log_folder: the folder in which access logs of policies may write files, beside the streams of the proxy;
            "" if in none.
        template_env: the environment variables of proxies that templates of policies may read.
        allow_lua: policies may have scripts in Lua, which can do all that the proxy can.
        waf_service: where the service is that inspects requests for policies which name none; None if there is none.
        waf_image: the image of the service that is deployed for these in a cluster; "" to deploy none.
        allow_wasm: policies may have modules of WebAssembly, which see and change all of requests and responses.
        dynamic_modules: the shared libraries that policies may have the proxies load: names, each with a path where
            proxies run.
        rate_limit_service: where the rate limit service is that policies mean which name none; standalone, where
            Headgate deploys none.
        local_backends: Backends may be at loopback and link-local addresses and at sockets of Unix. This lets whoever
            may write a Backend have the proxies connect to what trusts their machine.
        gcp_metadata_server: where proxies get identity tokens of Google's; None for where Google has it.
        gcp_audiences: for whom Backends of services in Google Cloud may have such tokens, beside their own hosts; "*"
            for anyone. Standalone, whoever writes a Backend may have all.
        own_folders: the folders of Headgate's own sockets, where no Backend may be.
        zone: the zone of the proxies, all on one machine; "" if it has none; standalone.
        scoped_hostnames: with so many hostnames, the routes of a listener are served by scopes
            (`translator.ir.route_scope`); 0 if never.
        delegation_without_grants: parents may delegate to HTTPRoutes of other namespaces without their consent.
    """

    controller_name: str = CONTROLLER_NAME
    standalone: bool = True
    addresses: tuple[str, ...] = ("127.0.0.1",)
    external_names: bool = True
    offline: bool = False
    own: tuple[OwnAddress, ...] = ()
    machine: tuple[str, ...] = ()
    descriptors: int | None = None
    policy_namespaces: frozenset[str] = frozenset()
    policy_affected: bool = False
    allow_http_issuers: bool = False
    template_env: frozenset[str] = DEFAULT_TEMPLATE_ENV
    allow_lua: bool = False
    allow_wasm: bool = False
    dynamic_modules: frozenset[tuple[str, str]] = frozenset()
    rate_limit_service: HostAndPort | None = None
    waf_service: HostAndPort | None = None
    waf_image: str = ""
    local_backends: bool = False
    gcp_metadata_server: HostAndPort | None = None
    gcp_audiences: frozenset[str] = frozenset()
    own_folders: tuple[str, ...] = ()
    zone: str = ""
    access_log_folder: str = ""
    scoped_hostnames: int = DEFAULT_SCOPED_HOSTNAMES
    delegation_without_grants: bool = False


def in_cluster(
    controller_name: str = CONTROLLER_NAME,
    *,
    external_names: bool = False,
    gcp_audiences: frozenset[str] = frozenset(),
    offline: bool = False,
) -> Settings:
    """Make the settings for the objects of a cluster; `Settings` says what its arguments are."""
    own = OwnAddress(ADMIN_PORT, f"the proxy's own {OWN_PORTS[ADMIN_PORT]}")
    return Settings(
        controller_name,
        standalone=False,
        addresses=("0.0.0.0",),
        external_names=external_names,
        gcp_audiences=gcp_audiences,
        offline=offline,
        own=(own,),
    )


class StillServed(StrEnum):
    """The part of a route that a proxy still serves after it rejected a resource made from the route."""

    NOTHING = "nothing"
    OTHER_RULES = "other rules"
    PREVIOUS_VERSION = "the version before"


class AffectedRoute(NamedTuple):
    """A route that contributed to a resource which a proxy rejected.

    Attributes:
        route: the route.
        rules: the names of those of its rules that came to it.
        served: what the proxy serves of it all the same.
        generation: of the route, the last one that the proxy serves; 0 if that is not known.
    """

    route: Ref
    rules: tuple[str, ...]
    served: StillServed
    generation: int = 0


class AttributedNack(NamedTuple):
    """A NACK with the routes that it affects.

    Attributes:
        nack: the NACK.
        routes: the routes that the rejected resource was made from, as far as that is known.
    """

    nack: Nack
    routes: tuple[AffectedRoute, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewaySyncStatus:
    """What the proxies of a Gateway, of all replicas, have acknowledged of its configuration.

    Attributes:
        clients: how many proxies are connected.
        all_acked: whether all of them have answered all of the snapshot: accepted it, or refused what is refused.
        nacks: what they refused.
        reconnecting: whether proxies that are not connected now may be about to connect again.
        snapshot: the version of the snapshot that this is about, "" if it is of several; None for what is published.
        generation: of the Gateway, the one that the snapshot was made of; None for its newest.
        listeners: the names of the listeners which that had; None for those of the newest.
    """

    clients: int = 0
    all_acked: bool = False
    nacks: tuple[AttributedNack, ...] = ()
    reconnecting: bool = False
    snapshot: str | None = None
    generation: int | None = None
    listeners: frozenset[str] | None = None


class AcknowledgedListeners(NamedTuple):
    """The listeners of a ListenerSet that the proxies of its Gateway have acknowledged.

    Attributes:
        generation: of the ListenerSet, the one that they have acknowledged; None if they have not acknowledged any.
        listeners: the names of the listeners which that had.
    """

    generation: int | None = None
    listeners: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ProxyDefaults:
    """Settings of all proxies in a cluster, whatever their Gateway.

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
class ApplyResult:
    """The result of applying a Gateway's manifests: what the API server rejected."""

    problems: tuple[Problem, ...] = ()
