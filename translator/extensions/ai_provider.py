"""Clusters of providers of AI: what a request becomes on its way to one, and what it must not bring there.

Whatever an attempt gives a request, such as a key, Envoy leaves in the request for the next attempt. So each provider
first takes away every credential that is not its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from translator.api_group import GROUP
from translator.backends.guarded import LOCAL_RANGES
from translator.envoy.ai.provider_filters import Filter, configured, translator, usage
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook, EndpointsHook
from translator.envoy.upstream_filters import GUARD, add_filter, deny_ranges, mark_guarded
from translator.extensions.ai_credentials import PassedCredential, ProviderCredential
from translator.extensions.ai_vendors import ANTHROPIC, GEMINI, OPENAI, Dialect, Dialects
from translator.extensions.backend_guard import GuardedHosts
from translator.ir.ai import ClientApi
from translator.ir.backend import LAST, Backend, BackendSetting, Protocol
from translator.ir.secret import GenericSecret

ROUTES_ONLY: Final = (
    "a Backend of ai is for the backendRefs of routes, whose requests get a credential; refer to another backend"
)


@dataclass(frozen=True, slots=True)
class ProviderRequests(BackendSetting, ClusterHook):
    """Requests become what a provider takes.

    Attributes:
        name: the provider's name.
        system: what OpenTelemetry calls it (`gen_ai.provider.name`).
        host: the Host of requests; "" for what the route says.
        dialects: how it is spoken to, by the API of clients.
        model: the model that it is asked for; "" for that of the request.
        credential: by what requests are sent; None for nothing.
        counted: whether streams end with their numbers of tokens, whatever clients ask for.
        foreign: the headers with credentials of other providers, which requests may come with from an attempt before.
        client: the API of the clients whose requests come here.
        forwarded: headers of clients that it gets besides those of its API, in lower case.
    """

    for_clients_only: ClassVar[bool] = True
    counts_tokens: ClassVar[bool] = True
    routes_only: ClassVar[str] = ROUTES_ONLY
    name: str
    system: str
    host: str
    dialects: Dialects
    model: str = ""
    credential: ProviderCredential | None = None
    counted: bool = True
    foreign: tuple[str, ...] = ()
    client: ClientApi = ClientApi.OPENAI
    forwarded: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Return a text with a digest of keys that are in the cluster itself."""
        return f"{self!r} {self.credential.digest if self.credential is not None else ''}"

    @property
    def secret_texts(self) -> tuple[GenericSecret, ...]:
        """The key: a new value of it changes no cluster."""
        return self.credential.secrets if self.credential is not None else ()

    @property
    def dialect(self) -> Dialect:
        """How the provider is spoken to for the clients whose requests come here."""
        return dict(self.dialects).get(self.client, self.dialects[0][1])

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that its credential may be in."""
        own = self.credential.headers if self.credential is not None else ()
        return (*own, *(each.header for _, each in self.dialects))

    def of(self, client: ClientApi) -> ProviderRequests:
        """Return it for clients of an API: it is the same where nothing differs."""
        if client is self.client or dict(self.dialects).get(client, self.dialect) == self.dialect:
            return self
        return replace(self, client=client)

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the filters of the cluster, and who it is for logs."""
        about = cluster.metadata.filter_metadata[GROUP]
        about["provider"], about["system"] = self.name, self.system
        with http_options(cluster) as options:
            for name, config in self._filters():
                add_filter(options, name, config)

    def _filters(self) -> Iterator[Filter]:
        dialect = self.dialect
        yield from configured([*self._values()])
        yield from translator(dialect.api) if dialect.translated else (usage(dialect.api),)
        if self.credential is not None:
            yield from self.credential.filters(dialect.header, dialect.key_prefix)

    def _values(self) -> Iterator[tuple[str, str]]:
        """Yield what the script is told."""
        dialect = self.dialect
        yield "name", self.name
        yield "prefix", dialect.prefix
        if self.host:
            yield "host", self.host
        if self.model:
            yield "model", self.model
        if self.counted and dialect.api == OPENAI:
            yield "usage", "1"
        if dialect.translated:
            yield "into", NAMES[dialect.api]
        if isinstance(self.credential, PassedCredential):
            yield "keep", dialect.header
            yield "keep_prefix", dialect.key_prefix
        yield from (("set", ":".join(each)) for each in dialect.added)
        yield from (("strip", each) for each in self.foreign)
        yield from (("forward", each) for each in self.forwarded)
        yield from (("takes", client.value) for client, each in self.dialects if each == dialect)


NAMES: Final = {OPENAI: "openai", ANTHROPIC: "anthropic", GEMINI: "gemini"}
"""The APIs that requests are translated into, as the script calls them."""
NOWHERE: Final = ("127.0.0.1", "127.0.0.2")
"""Addresses that no connection can be made to, at port 0: there are two, so that one is left where one is ejected."""
MOST_EJECTED: Final = 50
"""The highest share of endpoints that may be ejected, in per cent, so that one that fails is left."""
ALL_TO_THE_FIRST: Final = 1_000_000
"""How many per cent more than its share a priority can serve: all, as long as one endpoint of it is usable."""


@dataclass(frozen=True, slots=True)
class NeverEmpty(BackendSetting, ClusterHook, EndpointsHook):
    """Requests fail as at an endpoint that is down where there is no usable one, and so are sent to the next provider.

    Envoy tries a request again that has failed at an endpoint, and answers one at once that it finds no endpoint for:
    where a name cannot be resolved, or all endpoints are spared. So there are more endpoints behind the others, which
    no connection can be made to.

    Attributes:
        guarded: whether requests are denied where a name leads to the proxies' own machine.
        failures: after how many failures in a row an endpoint is spared; 0 for never.
        milliseconds: how long it is spared the first time.
    """

    for_clients_only: ClassVar[bool] = True
    order: ClassVar[int] = LAST
    overrules: ClassVar[Mapping[str, str]] = {
        "health_check": "providers by name are not asked, since where names lead is looked at for requests only; "
        "remove the field, or use outlierDetection"
    }
    guarded: bool = True
    failures: int = 0
    milliseconds: int = 0

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Have no request sent to endpoints that are not usable, and look at where names lead."""
        if self.guarded:  # checks of health pass no filter, and would reach what requests must not
            cluster.ClearField("health_checks")
        cluster.common_lb_config.healthy_panic_threshold.value = 0
        if self.failures and not cluster.HasField("outlier_detection"):
            cluster.outlier_detection.consecutive_5xx.value = self.failures
            cluster.outlier_detection.base_ejection_time.FromMilliseconds(self.milliseconds)
            cluster.outlier_detection.enforcing_success_rate.value = 0
            cluster.outlier_detection.max_ejection_percent.value = MOST_EJECTED
        if cluster.HasField("outlier_detection"):
            ejected = cluster.outlier_detection.max_ejection_percent
            ejected.value = min(ejected.value, MOST_EJECTED)
        if self.guarded:
            with http_options(cluster) as options:
                add_filter(options, GUARD, deny_ranges(LOCAL_RANGES, marked=True))

    def apply_to_endpoints(self, assignment: ClusterLoadAssignment) -> None:
        """Add the endpoint, behind those that there are."""
        if self.guarded:
            for locality in assignment.endpoints:
                for each in locality.lb_endpoints:
                    mark_guarded(each)
        priority = max((each.priority + 1 for each in assignment.endpoints), default=0)
        added = assignment.endpoints.add(priority=priority)
        for nowhere in NOWHERE:
            endpoint = added.lb_endpoints.add().endpoint
            # While it is not checked, it is usable: else there would be none where no other one is healthy.
            endpoint.health_check_config.disable_active_health_check = True
            address = endpoint.address.socket_address
            address.address, address.port_value = nowhere, 0
        assignment.policy.overprovisioning_factor.value = ALL_TO_THE_FIRST


def requests_of(backend: Backend) -> ProviderRequests | None:
    """Return what requests to a backend become; None if it is no provider."""
    return next((each for each in backend.settings if isinstance(each, ProviderRequests)), None)


def with_settings(backend: Backend, *settings: BackendSetting) -> Backend:
    """Return a provider with other settings in the place of those of the same types."""
    return replace(backend, settings=(*backend.settings, *settings))


def as_provider(backend: Backend, requests: ProviderRequests, guarded: bool = False) -> Backend:
    """Return a backend as a provider.

    Args:
        backend: where it is.
        requests: what requests become.
        guarded: whether it is looked at where its name leads.
    """
    # The guard of other backends denies requests to the endpoints that fail, too: they would not be tried elsewhere.
    plain = tuple(each for each in backend.settings if not isinstance(each, GuardedHosts))
    never = NeverEmpty(guarded or len(plain) < len(backend.settings))
    protocol = backend.protocol or Protocol.HTTP1.value
    return replace(backend, protocol=protocol, settings=(*plain, requests, never))
