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
from headgate_proto.envoy.type.ai.v3.llm_protocol_pb2 import LLMProtocol
from translator.api_group import GROUP
from translator.backends.guarded import LOCAL_RANGES
from translator.envoy.ai.provider_filters import Filter, configured, credential, usage
from translator.envoy.cluster import http_options
from translator.envoy.hooks import ClusterHook, EndpointsHook
from translator.envoy.upstream_filters import GUARD, add_filter, deny_ranges, mark_guarded
from translator.ir.ai import ClientApi
from translator.ir.backend import LAST, Backend, BackendSetting
from translator.ir.secret import GenericSecret

ROUTES_ONLY: Final = (
    "a Backend of ai is for the backendRefs of routes, whose requests get a credential; refer to another backend"
)


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """A key that requests get.

    Attributes:
        secret: the text.
        header: the header that has it, in lower case.
        prefix: what stands before it.
    """

    secret: GenericSecret
    header: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class ProviderRequests(BackendSetting, ClusterHook):
    """Requests become what a provider takes.

    Attributes:
        name: the provider's name.
        system: what OpenTelemetry calls it (`gen_ai.provider.name`).
        host: the Host of requests; "" for what the route says.
        prefix: what stands before the operation in its paths.
        model: the model that it is asked for; "" for that of the request.
        key: its key; None if it has none.
        counted: whether streams end with their numbers of tokens, whatever clients ask for.
        foreign: the headers with the keys of other providers, which requests may come with from an attempt before.
        takes: the APIs of clients that it takes requests of.
    """

    for_clients_only: ClassVar[bool] = True
    routes_only: ClassVar[str] = ROUTES_ONLY
    name: str
    system: str
    host: str
    prefix: str
    model: str = ""
    key: ProviderKey | None = None
    counted: bool = True
    foreign: tuple[str, ...] = ()
    takes: tuple[ClientApi, ...] = (ClientApi.OPENAI,)

    @property
    def secret_texts(self) -> tuple[GenericSecret, ...]:
        """The key: a new value of it changes no cluster."""
        return (self.key.secret,) if self.key is not None else ()

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the filters of the cluster, and who it is for logs."""
        about = cluster.metadata.filter_metadata[GROUP]
        about["provider"], about["system"] = self.name, self.system
        with http_options(cluster) as options:
            for name, config in self._filters():
                add_filter(options, name, config)

    def _filters(self) -> Iterator[Filter]:
        yield from configured([*self._values()])
        yield usage(LLMProtocol.OPENAI_CHAT_COMPLETIONS)
        if self.key is not None:
            yield credential(self.key.secret, self.key.header, self.key.prefix)

    def _values(self) -> Iterator[tuple[str, str]]:
        """Yield what the script is told."""
        yield "name", self.name
        yield from (("host", self.host),) if self.host else ()
        yield from (("prefix", self.prefix),) if self.prefix else ()
        yield from (("model", self.model),) if self.model else ()
        yield from (("usage", "1"),) if self.counted else ()
        yield from (("strip", each) for each in self.foreign)
        yield from (("takes", each.value) for each in self.takes)


NOWHERE: Final = ("127.0.0.1", 0)
"""An address that no connection can be made to: nothing listens on port 0."""
ALL_TO_THE_FIRST: Final = 1_000_000
"""How many per cent more than its share a priority can serve: all, as long as one endpoint of it is usable."""


@dataclass(frozen=True, slots=True)
class NeverEmpty(BackendSetting, ClusterHook, EndpointsHook):
    """Requests fail as at an endpoint that is down where there is no usable one, and so are sent to the next provider.

    Envoy tries a request again that has failed at an endpoint, and answers one at once that it finds no endpoint for:
    where a name cannot be resolved, or all endpoints are spared. So there is one more endpoint behind the others, which
    no connection can be made to.

    Attributes:
        guarded: whether requests are denied where a name leads to the proxies' own machine.
    """

    for_clients_only: ClassVar[bool] = True
    order: ClassVar[int] = LAST
    overrules: ClassVar[Mapping[str, str]] = {
        "health_check": "providers are asked by requests only; remove the field, or use outlierDetection"
    }
    guarded: bool = True

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Have no request sent to endpoints that are not usable, and look at where names lead."""
        cluster.ClearField("health_checks")
        cluster.common_lb_config.healthy_panic_threshold.value = 0
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
        added = assignment.endpoints.add(priority=priority).lb_endpoints.add()
        address = added.endpoint.address.socket_address
        address.address, address.port_value = NOWHERE
        assignment.policy.overprovisioning_factor.value = ALL_TO_THE_FIRST


def requests_of(backend: Backend) -> ProviderRequests | None:
    """Return what requests to a backend become; None if it is no provider."""
    return next((each for each in backend.settings if isinstance(each, ProviderRequests)), None)


def with_requests(backend: Backend, requests: ProviderRequests) -> Backend:
    """Return a provider with other requests."""
    return replace(backend, settings=(*backend.settings, requests))
