"""Providers of AI that stand in for each other: what a Backend of `ai`, or several backends of one rule, are together.

Where a request goes is decided anew for each attempt: one that has failed is sent to the providers of the next
priority. A request of which a part of the answer has reached the client is not tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RetryPolicy, Route
from headgate_proto.envoy.extensions.router.cluster_specifiers.priority_group.v3.priority_group_pb2 import (
    PriorityGroupClusterSpecifier,
)
from translator.envoy.ai.usage import write_usage
from translator.envoy.hooks import RouteHook
from translator.envoy.http_filters import AI_USAGE
from translator.envoy.names import cluster_name
from translator.envoy.retry import try_at_once
from translator.extensions.ai_provider import ROUTES_ONLY, requests_of, with_requests
from translator.ir.backend import Backend, BackendKey, BackendSetting
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext

Group = tuple[tuple[Backend, int], ...]
"""The providers of one priority, with their weights."""
RETRY_ON: Final = "5xx,connect-failure,reset,retriable-status-codes"
RETRIED: Final = (429,)
MOST_AI_BODY: Final = 16 * 1024 * 1024
"""The most bytes of a request to a provider, which is kept for another attempt: images are sent in its JSON."""


@dataclass(frozen=True, slots=True)
class ProviderFailover(RuleSetting, RouteHook):
    """Requests go to the providers of the first priority, and those that fail there to the next.

    Attributes:
        groups: the providers of each priority, with their weights.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    groups: tuple[Group, ...]

    @property
    def is_final(self) -> bool:
        """It is: with another Host or other retries, requests would go elsewhere."""
        return True

    @property
    def adds_secret(self) -> bool:
        """It does: with a redirect that the proxy follows, keys would go on to others."""
        return True

    @property
    def buffered_bytes(self) -> int:
        """As much as requests may have: they are read whole, and may be sent again."""
        return MOST_AI_BODY

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All providers."""
        return tuple(dict.fromkeys(backend for group in self.groups for backend, _ in group))

    def with_backends(self, change: Callable[[Backend], Backend]) -> ProviderFailover:
        """Return it with its providers changed."""
        return replace(
            self, groups=tuple(tuple((change(each), weight) for each, weight in group) for group in self.groups)
        )

    def shape(self, backend: Backend, match: RouteMatch) -> Backend:
        """Return the first provider in place of what stands for all of them in the rule."""
        return self.groups[0][0][0] if any(isinstance(each, Providers) for each in backend.settings) else backend

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``PriorityGroupClusterSpecifier`` in place of the cluster, and retries that choose anew."""
        action = route.route
        if len(self.backends) > 1:
            made = PriorityGroupClusterSpecifier()
            for place, group in enumerate(self.groups):
                written = made.priority_groups.add(name=str(place))
                for backend, weight in group:
                    written.clusters.add(cluster_name=cluster_name(backend)).weight.value = weight
            plugin = action.inline_cluster_specifier_plugin.extension
            plugin.name = "envoy.router.cluster_specifier_plugin.priority_group"
            plugin.typed_config.Pack(made, deterministic=True)
        policy = action.retry_policy
        if not action.HasField("retry_policy"):
            policy.CopyFrom(RetryPolicy(retry_on=RETRY_ON, retriable_status_codes=RETRIED))
            policy.num_retries.value = len(self.groups) - 1
            try_at_once(policy)
        policy.refresh_cluster_on_retry = True
        if AI_USAGE not in route.typed_per_filter_config:
            write_usage(route.typed_per_filter_config)


@dataclass(frozen=True, slots=True)
class Providers(BackendSetting):
    """Providers of several priorities, in the place of the first: their routes choose among all.

    Attributes:
        key: the Backend, or what else names them.
        groups: the providers of each priority, with their weights.
    """

    for_clients_only: ClassVar[bool] = True
    routes_only: ClassVar[str] = ROUTES_ONLY
    key: BackendKey
    groups: tuple[Group, ...]

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return the failover among the providers."""
        return (ProviderFailover(self.groups),)


def in_priorities(key: BackendKey, found: dict[int, list[tuple[Backend, int]]]) -> Backend | None:
    """Return the backend that providers are together; None if there is none.

    Each of them takes away the keys of the others.

    Args:
        key: what names them.
        found: the providers by their priorities, with their weights.
    """
    groups = [[(each, weight) for each, weight in found[priority] if weight] for priority in sorted(found)]
    wanted = [group for group in groups if group]
    if not wanted:
        return None
    headers = {
        requests.key.header
        for group in wanted
        for each, _ in group
        if (requests := requests_of(each)) is not None and requests.key is not None
    }
    apart = tuple(tuple((_apart(each, tuple(sorted(headers))), weight) for each, weight in group) for group in wanted)
    first = apart[0][0][0]
    return replace(first, settings=(*first.settings, Providers(key, apart)))


def _apart(backend: Backend, headers: tuple[str, ...]) -> Backend:
    requests = requests_of(backend)
    return backend if requests is None else with_requests(backend, replace(requests, foreign=headers))
