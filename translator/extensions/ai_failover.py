"""Providers of AI that stand in for each other: what a Backend of `ai`, or several backends of one rule, are together.

Where a request goes is decided anew for each attempt: one that has failed is sent to the providers of the next
priority. A request of which a part of the answer has reached the client is not tried again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from math import lcm
from typing import ClassVar, Final, NamedTuple

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RetryPolicy, Route
from headgate_proto.envoy.extensions.router.cluster_specifiers.priority_group.v3.priority_group_pb2 import (
    PriorityGroupClusterSpecifier,
)
from translator.envoy.ai.model_settings import CountUsage
from translator.envoy.ai.provider_filters import translates, translator_name
from translator.envoy.hooks import RouteHook
from translator.envoy.http_filters import AI_USAGE
from translator.envoy.names import cluster_name
from translator.envoy.retry import try_at_once
from translator.extensions.ai_credentials import GoogleToken, PassedCredential
from translator.extensions.ai_provider import (
    ROUTES_ONLY,
    NeverEmpty,
    ProviderRequests,
    as_provider,
    requests_of,
    with_settings,
)
from translator.extensions.ai_vendors import OPENAI, Dialect
from translator.ir.ai import ClientApi, client_api
from translator.ir.backend import Backend, BackendKey, BackendSetting
from translator.ir.http import PathKind, RouteMatch, RuleSetting, ValueMatch
from translator.ir.listener import ListenerContext

Group = tuple[tuple[Backend, int], ...]
"""The providers of one priority, with their weights."""
MOST_AI_BODY: Final = 16 * 1024 * 1024
"""The most bytes of a request to a provider, which is kept for another attempt: images are sent in its JSON."""
FINEST_AI: Final = 1_000_000_000
"""The most parts that requests are divided into; Envoy adds them up in 32 bits."""
ANTHROPIC_PATHS: Final = ValueMatch(":path", r"[^?]*/messages(/count_tokens|/batches)?/?(\?.*)?", regex=True)
"""Requests of Anthropic's API, as `client_api` tells them."""


@dataclass(frozen=True, slots=True)
class Tries:
    """Which requests are sent to another provider.

    Attributes:
        on: the failures, as Envoy names them.
        statuses: the statuses.
        attempts: how often a request is sent at most; 0 for once to each priority.
        milliseconds: how long an attempt may take until its answer begins; 0 for any time.
        ejection: after how many failures in a row a provider is spared; 0 for never.
        ejection_milliseconds: how long it is spared the first time.
    """

    on: tuple[str, ...] = ("5xx", "connect-failure", "reset")
    statuses: tuple[int, ...] = (429,)
    attempts: int = 0
    milliseconds: int = 0
    ejection: int = 5
    ejection_milliseconds: int = 30_000

    def policy(self, groups: int) -> RetryPolicy:
        """Return the ``RetryPolicy`` for providers of so many priorities."""
        on = (*self.on, *(("retriable-status-codes",) if self.statuses else ()))
        made = RetryPolicy(retry_on=",".join(on), retriable_status_codes=self.statuses)
        made.num_retries.value = (self.attempts or groups) - 1
        if self.milliseconds:
            made.per_try_timeout.FromMilliseconds(self.milliseconds)
        try_at_once(made)
        return made


@dataclass(frozen=True, slots=True)
class ProviderFailover(RuleSetting, RouteHook):
    """Requests go to the providers of the first priority, and those that fail there to the next.

    Attributes:
        groups: the providers of each priority, with their weights.
        tries: which requests are sent to another one.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    alpha: ClassVar[bool] = True
    groups: tuple[Group, ...]
    tries: Tries = Tries()

    @property
    def is_final(self) -> bool:
        """It is: with another Host or other retries, requests would go elsewhere."""
        return True

    @property
    def adds_secret(self) -> bool:
        """It does: with a redirect that the proxy follows, keys would go on to others."""
        return True

    @property
    def for_first_route(self) -> tuple[RuleSetting, ...]:
        """What counts tokens, and what gets those of Google's: requests have the filters of their first route."""
        found = (requests_of(backend) for group in self.groups for backend, _ in group)
        servers = {each.credential.server for each in found if each and isinstance(each.credential, GoogleToken)}
        return (CountUsage(), *(GoogleTokens(each) for each in servers))

    @property
    def buffered_bytes(self) -> int:
        """As much as requests may have: they are read whole, and may be sent again."""
        return MOST_AI_BODY

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All providers, for clients of each API that is told apart, and what is asked for their credentials."""
        found = [backend for group in self.groups for backend, _ in group]
        apart = [each for api in ClientApi for group in self._for(api) for each, _ in group]
        called = [other for each in found for other in _called(each)]
        return tuple(dict.fromkeys((*found, *apart, *called)))

    def with_backends(self, change: Callable[[Backend], Backend]) -> ProviderFailover:
        """Return it with its providers changed, and what is asked for their credentials."""
        groups = tuple(tuple((_changed(each, change), weight) for each, weight in group) for group in self.groups)
        return replace(self, groups=groups)

    def shape(self, backend: Backend, match: RouteMatch) -> Backend:
        """Return the first provider for the clients whose requests match: it stands for all of them in the rule."""
        return self._for(_api(match))[0][0][0] if requests_of(backend) is not None else backend

    def parts(self, match: RouteMatch, answered: bool) -> tuple[RouteMatch, ...]:
        """Tell requests of Anthropic's API from others, if they go elsewhere or as something else."""
        told = match.path_kind is PathKind.EXACT or ANTHROPIC_PATHS in match.headers
        same = self._for(ClientApi.ANTHROPIC) == self._for(ClientApi.OPENAI) and not self._translates
        if told or answered or same:
            return (match,)
        return (replace(match, headers=(*match.headers, ANTHROPIC_PATHS)), match)

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``PriorityGroupClusterSpecifier`` in place of the cluster, and retries that choose anew."""
        action, api = route.route, _api(match)
        groups = self._for(api)
        if sum(map(len, groups)) > 1:
            made = PriorityGroupClusterSpecifier()
            for place, group in enumerate(groups):
                written = made.priority_groups.add(name=str(place))
                for backend, weight in group:
                    written.clusters.add(cluster_name=cluster_name(backend)).weight.value = weight
            plugin = action.inline_cluster_specifier_plugin.extension
            plugin.name = "envoy.router.cluster_specifier_plugin.priority_group"
            plugin.typed_config.Pack(made, deterministic=True)
        if not action.HasField("retry_policy"):
            action.retry_policy.CopyFrom(self.tries.policy(len(groups)))
        action.retry_policy.refresh_cluster_on_retry = True
        for requests in (found for group in groups for each, _ in group if (found := requests_of(each)) is not None):
            if requests.dialect.translated:
                name = translator_name(requests.dialect.api)
                route.typed_per_filter_config[name].Pack(translates(api, requests.dialect.api), deterministic=True)
            if requests.credential is not None:
                requests.credential.write_route(route)
        if AI_USAGE not in route.typed_per_filter_config:
            CountUsage().apply_to_route(route, origin, match)

    @property
    def _translates(self) -> bool:
        """Whether routes have to say what clients speak."""
        found = (requests_of(backend) for group in self.groups for backend, _ in group)
        return any(each is not None and any(one.translated for _, one in each.dialects) for each in found)

    def _for(self, api: ClientApi) -> tuple[Group, ...]:
        """Return the providers as they are for clients of an API; all of them if none takes it: they refuse it."""
        taking = [tuple(_taking(group, api)) for group in self.groups]
        return tuple(group for group in taking if group) or self.groups


def _taking(group: Group, api: ClientApi) -> Iterator[tuple[Backend, int]]:
    for backend, weight in group:
        requests = requests_of(backend)
        if requests is None or api in dict(requests.dialects):
            yield (backend if requests is None else with_settings(backend, requests.of(api))), weight


def _api(match: RouteMatch) -> ClientApi:
    if match.path_kind is PathKind.EXACT:
        return client_api(match.path)
    return ClientApi.ANTHROPIC if ANTHROPIC_PATHS in match.headers else ClientApi.OPENAI


def _called(backend: Backend) -> tuple[Backend, ...]:
    requests = requests_of(backend)
    return requests.credential.backends if requests is not None and requests.credential is not None else ()


def _changed(backend: Backend, change: Callable[[Backend], Backend]) -> Backend:
    made = change(backend)
    requests = requests_of(made)
    if requests is None or requests.credential is None or not requests.credential.backends:
        return made
    return with_settings(made, replace(requests, credential=requests.credential.with_backends(change)))


@dataclass(frozen=True, slots=True)
class GoogleTokens(RuleSetting, RouteHook):
    """A route gets access tokens of Google's, for providers of the routes that are picked later.

    Attributes:
        server: the metadata server, which gives them.
    """

    server: Backend

    @property
    def is_final(self) -> bool:
        """It is: others may be in the same slot."""
        return True

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The metadata server."""
        return (self.server,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> GoogleTokens:
        """Change the metadata server."""
        return replace(self, server=change(self.server))

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the filter that gets the token."""
        GoogleToken(self.server).write_route(route)


@dataclass(frozen=True, slots=True)
class Providers(BackendSetting):
    """Providers of several priorities, in the place of the first: their routes choose among all.

    Attributes:
        key: the Backend, or what else names them.
        groups: the providers of each priority, with their weights.
        tries: which requests are sent to another one.
    """

    for_clients_only: ClassVar[bool] = True
    routes_only: ClassVar[str] = ROUTES_ONLY
    key: BackendKey
    groups: tuple[Group, ...]
    tries: Tries = Tries()

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return the failover among the providers."""
        return (ProviderFailover(self.groups, self.tries),)


class OneOfProviders(NamedTuple):
    """One of several backends that are united.

    Attributes:
        backend: a provider, several of them (`Providers`), or a backend of hosts that speaks OpenAI's API.
        weight: its share of the requests of its priority.
        priority: lower ones are asked first.
        model: what it is asked for; "" for what it says itself, or the request.
    """

    backend: Backend
    weight: int = 1
    priority: int = 0
    model: str = ""


class UnitedProviders(NamedTuple):
    """What several backends are together.

    Attributes:
        backend: the backend; None if none is left that gets requests.
        misplaced: the names of providers that are left out: they pass on what clients send as their credential, and
            stand beside or behind one that has a credential of its own.
    """

    backend: Backend | None
    misplaced: tuple[str, ...] = ()


def united(key: BackendKey, members: Iterable[OneOfProviders], tries: Tries | None = None) -> UnitedProviders:
    """Return what several backends are together.

    Where one has priorities itself, those of its own stand between its place and the next one's. Each provider takes
    away the credentials of the others.

    Args:
        key: what names them.
        members: the backends.
        tries: which requests are sent to another one; None for what the first that has providers says.
    """
    by_priority: defaultdict[int, list[tuple[tuple[Group, ...], int]]] = defaultdict(list)
    said = tries
    for each in members:
        if each.weight:
            own = next((found for found in each.backend.settings if isinstance(found, Providers)), None)
            said = said or (own.tries if own is not None else None)
            alone: tuple[Group, ...] = (((each.backend, 1),),)
            groups = own.groups if own is not None else alone
            by_priority[each.priority].append((_asked(groups, each.model), each.weight))
    found = [group for priority in sorted(by_priority) for group in _side_by_side(by_priority[priority])]
    kept, misplaced = _without_misplaced(tuple(found))
    if not kept:
        return UnitedProviders(None, misplaced)
    made, tried = _apart(kept, said or Tries()), said or Tries()
    first = made[0][0][0]
    return UnitedProviders(replace(first, settings=(*first.settings, Providers(key, made, tried))), misplaced)


def _asked(groups: tuple[Group, ...], model: str) -> tuple[Group, ...]:
    """Return providers that are asked for a model, if one is given; what is no provider becomes one."""
    return tuple(tuple((_provider(backend, model), weight) for backend, weight in group) for group in groups)


def _provider(backend: Backend, model: str) -> Backend:
    requests = requests_of(backend)
    if requests is None:
        dialects = ((ClientApi.OPENAI, Dialect(OPENAI, "/v1")),)
        return as_provider(backend, ProviderRequests(backend.key.name, "custom", "", dialects, model))
    return with_settings(backend, replace(requests, model=model)) if model else backend


def _side_by_side(found: list[tuple[tuple[Group, ...], int]]) -> Iterator[Group]:
    """Yield the priorities of several that share requests by weights: the first of each, then the second, and so on."""
    for level in zip_longest(*(groups for groups, _ in found)):
        there = [(group, weight) for group, (_, weight) in zip(level, found, strict=True) if group]
        parts = min(lcm(*(sum(weight for _, weight in group) for group, _ in there)), FINEST_AI)
        yield tuple(
            (backend, max(1, own * weight * parts // sum(each for _, each in group)))
            for group, weight in there
            for backend, own in group
        )


def _apart(groups: tuple[Group, ...], tries: Tries) -> tuple[Group, ...]:
    """Return providers that take away each other's credentials, and are spared if another one can stand in."""
    found = [requests for group in groups for each, _ in group if (requests := requests_of(each)) is not None]
    headers = tuple(sorted({header for each in found for header in each.headers}))
    last = len(groups) - 1
    return tuple(
        tuple((_settled(each, headers, tries if place < last else None), weight) for each, weight in group)
        for place, group in enumerate(groups)
    )


def _settled(backend: Backend, headers: tuple[str, ...], spared: Tries | None) -> Backend:
    requests = requests_of(backend)
    never = next((each for each in backend.settings if isinstance(each, NeverEmpty)), None)
    if requests is None or never is None:
        return backend
    failures = (spared.ejection, spared.ejection_milliseconds) if spared is not None and spared.ejection else (0, 0)
    return with_settings(
        backend,
        replace(requests, foreign=headers),
        replace(never, failures=failures[0], milliseconds=failures[1]),
    )


def _without_misplaced(groups: tuple[Group, ...]) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return providers without those that would pass on the credential of another one as the client's, and their names.

    What one attempt has added is there in the next, so that only those can tell that come before all others.
    """
    kept, names, own = [], list[str](), False
    for group in groups:
        found = [(requests_of(backend), backend, weight) for backend, weight in group]
        own = own or any(each.credential is not None for each, *_ in found if each is not None and not _passes(each))
        wrong = [each for each, *_ in found if own and each is not None and _passes(each)]
        names += (each.name for each in wrong)
        kept.append(tuple((backend, weight) for each, backend, weight in found if each not in wrong))
    return tuple(group for group in kept if group), tuple(names)


def _passes(requests: ProviderRequests) -> bool:
    return isinstance(requests.credential, PassedCredential)
