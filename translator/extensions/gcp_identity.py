"""Identity tokens of Google's: requests to a service have one of the proxy's own, or are not sent.

A filter of the route asks the metadata server for the token, and keeps it in the metadata of the request. Filters of
the service's cluster write it into the header: so it goes to that service alone, and to no mirror. Envoy would send
requests without a token where it gets none; the cluster refuses these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import ClassVar, Final

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from translator.envoy.backend_routes import add_backend_filters, send_host
from translator.envoy.cluster import http_options
from translator.envoy.fetched_token import NAME, fetching_filter, refusing_filter, write_token
from translator.envoy.hooks import ClusterHook, RouteHook
from translator.envoy.upstream_filters import add_filter
from translator.ir.backend import LAST, Backend, BackendSetting
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext

AUTHORIZATION: Final = "Authorization"
SERVERLESS: Final = "X-Serverless-Authorization"
"""Where it is there, Cloud Run looks at it in place of Authorization."""
NO_TOKEN: Final = "no_identity_token"
"""The name of the rule, which logs tell of requests that it refuses."""
JWT: Final = r"[-_A-Za-z0-9]+\.[-_A-Za-z0-9]+\.[-_A-Za-z0-9]+"
RETRIES: Final = 2
BACK_OFF_MILLISECONDS: Final = 100
MOST_BACK_OFF_SECONDS: Final = 1


def token_key(audience: str) -> str:
    """Return the key of a token in the metadata of requests: a token for one audience is not taken for another's."""
    return sha256(audience.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class IdentityToken(BackendSetting, ClusterHook):
    """Requests have a token, and the Host of the service, or are refused.

    Attributes:
        host: the Host of requests.
        audience: for whom the token is.
        header: the header that has it.
    """

    for_clients_only: ClassVar[bool] = True
    order: ClassVar[int] = LAST
    host: str
    audience: str
    header: str = AUTHORIZATION

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write the filters of the cluster. Checks of health pass none of them: they would have no token."""
        cluster.ClearField("health_checks")
        with http_options(cluster) as options:
            add_filter(options, NO_TOKEN, self._refusal())
            add_filter(options, "envoy.filters.http.header_mutation", self._mutations())

    def _refusal(self) -> RBAC:
        made, policy = refusing_filter(NO_TOKEN, token_key(self.audience), JWT)
        # Services of many owners are behind one address, and the Host says whose gets the request.
        host = policy.permissions.add().not_rule.header
        host.name = ":authority"
        host.string_match.safe_regex.regex = f"(?i){re.escape(self.host)}"
        return made

    def _mutations(self) -> HeaderMutation:
        made = HeaderMutation()
        mutations = made.mutations.request_mutations
        if self.header == AUTHORIZATION:
            mutations.add().remove = SERVERLESS.lower()
        write_token(made, self.header.lower(), token_key(self.audience))
        return made


@dataclass(frozen=True, slots=True)
class TokenForRoutes(BackendSetting):
    """The routes of a service get tokens for it.

    Attributes:
        host: the Host of requests.
        audience: for whom tokens are.
        server: the metadata server, which gives them.
    """

    for_clients_only: ClassVar[bool] = True
    routes_only: ClassVar[str] = (
        "a Backend of gcp is for the backendRefs of routes, whose requests get a token; refer to another backend"
    )
    host: str
    audience: str
    server: Backend

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return what has the route get a token."""
        return (FetchedToken(self.host, self.audience, self.server),)


@dataclass(frozen=True, slots=True)
class FetchedToken(RuleSetting, RouteHook):
    """Requests get a token for an audience, and the Host of its service.

    Attributes:
        host: the Host.
        audience: for whom tokens are.
        server: the metadata server.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    host: str
    audience: str
    server: Backend

    @property
    def adds_secret(self) -> bool:
        """It does: with a redirect that the proxy follows, the header would go on to others."""
        return True

    @property
    def is_final(self) -> bool:
        """It is: with another Host the request would be another service's."""
        return True

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The metadata server."""
        return (self.server,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> FetchedToken:
        """Change the metadata server."""
        return replace(self, server=change(self.server))

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``GcpAuthnFilterConfig`` into the slot of what kinds of backends need, and the Host."""
        send_host(route, self.host)
        made = fetching_filter(self.server, token_key(self.audience))
        made.audience.url = self.audience
        made.retry_policy.num_retries.value = RETRIES
        made.retry_policy.retry_back_off.base_interval.FromMilliseconds(BACK_OFF_MILLISECONDS)
        made.retry_policy.retry_back_off.max_interval.seconds = MOST_BACK_OFF_SECONDS
        add_backend_filters(route, ((NAME, made),))
