"""The routes of a virtual host that a request falls to, and what they make of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RetryPolicy, Route, RouteAction, VirtualHost
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.explain.clusters import target
from translator.explain.destinations import ClusterWeight, LeavingRequest, destinations, groups
from translator.explain.filters import Levels, answers, enabled_filters
from translator.explain.headers import ChangesHeaders, changed, response_changes
from translator.explain.matches import Seen, fraction, in_words, mismatch, share
from translator.explain.models import NO_JSON, REFUSED, FirstRoute, reads_model, with_model
from translator.explain.mutations import mutations, response_edits
from translator.explain.request import Header, values
from translator.explain.result import MirrorTarget, NearMiss, RequestOutcome, Retries
from translator.explain.rewrites import MOVED, location
from xds import Snapshot

MOST_NEAR_MISSES: Final = 5

DEFAULT_TIMEOUT_SECONDS: Final = 15.0
DEFAULT_IDLE_SECONDS: Final = 300.0

PREFLIGHT: Final = "/preflight"
"""How the names of routes for CORS preflights end."""

IMPLIED: Final = "/rule/_"
"""What is in the names of routes of rules that no spec has."""

MISDIRECTED: Final = 421


@dataclass(frozen=True, slots=True)
class HostScope:
    """A request at a virtual host.

    Attributes:
        snapshot: the resources of the Gateway.
        manager: the connection manager.
        configuration: the route configuration.
        host: the virtual host.
        request: the request.
        size: the length of its body; None without one.
        model: the model that its body names; "" if none, None if filters that read it refuse the body.
        first: the filters that the route enabled which has read it; None if none has.
    """

    snapshot: Snapshot
    manager: HttpConnectionManager
    configuration: RouteConfiguration
    host: VirtualHost
    request: Seen
    size: int | None
    model: str | None = ""
    first: FirstRoute | None = None


def outcomes(scope: HostScope) -> Iterator[RequestOutcome]:
    """Yield what may become of a request: of each share of such requests, in the order of the routes."""
    taken, misses = 0.0, list[NearMiss]()
    for route in scope.host.routes:
        found = mismatch(route.match, scope.request)
        if found is not None:
            if found.near and not route.name.endswith(PREFLIGHT) and IMPLIED not in route.name:
                misses.append(NearMiss(route.name, found.reason))
            continue
        until = share(route.match)
        if until > taken:
            near = tuple(dict.fromkeys(each for each in misses if each.route != route.name))[:MOST_NEAR_MISSES]
            yield from _of_route(scope, route, until - taken, near)
            taken = until
        if taken >= 1:
            return
    near = tuple(dict.fromkeys(misses))[:MOST_NEAR_MISSES]
    yield unmatched(scope.manager, scope.request, 1 - taken, _no_route(scope, near), near)


def unmatched(
    manager: HttpConnectionManager, request: Seen, share_: float, reason: str, near: tuple[NearMiss, ...] = ()
) -> RequestOutcome:
    """Return the outcome of requests that no route takes."""
    if problem := _upgrade_problem(manager, None, request):
        return RequestOutcome(share_, status=403, problem=problem)
    return RequestOutcome(share_, status=404, near_misses=near, problem=reason)


def _no_route(scope: HostScope, near: Sequence[NearMiss]) -> str:
    name = scope.host.name
    if not scope.host.routes:
        return f"no route is attached for the host {scope.request.authority}"
    text = f"no route for the host {name} matches {scope.request.method} {scope.request.path}"
    return f"{text}; nearest is {near[0].route}, but {near[0].reason}" if near else text


def _of_route(scope: HostScope, route: Route, share_: float, near: tuple[NearMiss, ...]) -> Iterator[RequestOutcome]:
    """Yield the outcomes of a share of the requests, which a route takes."""
    made = RequestOutcome(share_, route.name, tuple(in_words(route.match)), near_misses=near)
    if problem := _upgrade_problem(scope.manager, route, scope.request):
        yield replace(made, status=403, problem=problem)
        return
    levels = Levels((("Route", route), ("VirtualHost", scope.host), ("RouteConfiguration", scope.configuration)))
    weighted = [each for each in route.route.weighted_clusters.clusters if each.weight.value]
    if not any(each.typed_per_filter_config for each in weighted):
        yield from _of_filters(scope, route, made, levels, None)
        return
    total = sum(each.weight.value for each in weighted)
    for each in weighted:
        own = Levels((("ClusterWeight", each), *levels.messages))
        yield from _of_filters(scope, route, replace(made, share=share_ * each.weight.value / total), own, each)


def _of_filters(
    scope: HostScope, route: Route, made: RequestOutcome, levels: Levels, weight: ClusterWeight | None
) -> Iterator[RequestOutcome]:
    """Yield the outcomes of answers of filters, then of the action of a route.

    Args:
        scope: the request.
        route: the route.
        made: the outcome so far.
        levels: the configurations of filters.
        weight: the backend that these are of; None for all backends of the route.
    """
    if scope.first is not None:  # the filters are those of the first route, and have answered what they would
        if scope.first.refuses(levels):
            yield replace(made, status=403, filters=scope.first.filters, problem=REFUSED)
        else:
            yield _of_action(scope, route, replace(made, filters=scope.first.filters), levels, weight)
        return
    filters = tuple(enabled_filters(scope.manager, levels))
    left = 1.0
    for found, answer in answers(filters, levels, scope.request, scope.size):
        before = filters[: filters.index(found) + 1]
        part = made.share * left * answer.share
        yield replace(made, share=part, status=answer.status, filters=before, problem=answer.reason)
        left *= 1 - answer.share
        if not left:
            return
    made = replace(made, share=made.share * left, filters=filters)
    if not reads_model(levels):
        yield _of_action(scope, route, made, levels, weight)
    elif scope.model is None:
        yield replace(made, status=400, problem=NO_JSON)
    else:
        seen = with_model(scope.request, scope.model)
        for each in outcomes(replace(scope, request=seen, first=FirstRoute.of(filters, levels))):
            yield replace(each, share=each.share * made.share)


def _of_action(
    scope: HostScope, route: Route, made: RequestOutcome, levels: Levels, weight: ClusterWeight | None
) -> RequestOutcome:
    messages: list[ChangesHeaders] = [route, scope.host, scope.configuration]
    if scope.configuration.most_specific_header_mutations_wins:
        messages.reverse()
    action = route.WhichOneof("action")
    answered = (*response_changes(messages), *response_edits(tuple(mutations(made.filters, levels))))
    if action == "redirect":
        target = location(route.redirect, route.match, scope.request)
        (target, *_) = values(changed((Header("location", target),), answered, scope.request.headers), "location")
        status = MOVED[route.redirect.response_code]
        return replace(made, status=status, location=target, response_changes=answered)
    if action == "direct_response":
        body = route.direct_response.body
        text = body.inline_string or body.inline_bytes.decode("utf-8", "replace")
        text = text or route.direct_response.body_format.text_format_source.inline_string.replace("%%", "%")
        status = route.direct_response.status
        problem = _misdirected(scope) if (status, route.name) == (MISDIRECTED, "misdirected") else ""
        return replace(made, status=status, body=text, response_changes=answered, problem=problem)
    if action != "route":
        return replace(made, problem=f"routes with the action {action} are not explained")
    leaving = LeavingRequest(scope.snapshot, scope.request, route, tuple(messages), scope.manager, levels, weight)
    return replace(
        made,
        destinations=tuple(destinations(leaving)),
        mirrors=tuple(_mirrors(route.route)),
        timeout=_seconds(route.route, "timeout", DEFAULT_TIMEOUT_SECONDS),
        idle_timeout=_seconds(route.route, "idle_timeout", _idle_seconds(scope.manager)),
        retries=_retries(scope.snapshot, route.route, scope.host),
    )


def _misdirected(scope: HostScope) -> str:
    return (
        f"the host {scope.request.authority} is that of another listener than the one whose certificate the client "
        "was shown: clients are to use another connection, whose TLS server name is the host"
    )


def _upgrade_problem(manager: HttpConnectionManager, route: Route | None, request: Seen) -> str:
    """Return why a request to change the protocol is refused; "" if it is none, or is not refused."""
    kind = (request.value("upgrade") or "").lower()
    tokens = [each.strip().lower() for each in (request.value("connection") or "").split(",")]
    if not kind or "upgrade" not in tokens or kind == "h2c":
        return ""
    allowed = {
        each.upgrade_type.lower(): not each.HasField("enabled") or each.enabled.value
        for configs in (manager.upgrade_configs, route.route.upgrade_configs if route is not None else ())
        for each in configs
    }
    return "" if allowed.get(kind) else f"upgrades to {kind} are not enabled"


def _mirrors(action: RouteAction) -> Iterator[MirrorTarget]:
    for each in action.request_mirror_policies:
        limited = each.HasField("runtime_fraction")
        yield MirrorTarget(each.cluster, fraction(each.runtime_fraction.default_value) if limited else 1.0)


def _seconds(action: RouteAction, field: str, default: float) -> float:
    return float(getattr(action, field).ToTimedelta().total_seconds()) if action.HasField(field) else default


def _idle_seconds(manager: HttpConnectionManager) -> float:
    limit = manager.stream_idle_timeout
    return limit.ToTimedelta().total_seconds() if manager.HasField("stream_idle_timeout") else DEFAULT_IDLE_SECONDS


def _retries(snapshot: Snapshot, action: RouteAction, host: VirtualHost) -> Retries | None:
    policy: RetryPolicy = action.retry_policy if action.HasField("retry_policy") else host.retry_policy
    attempts = policy.num_retries.value if policy.HasField("num_retries") else 1
    if not policy.retry_on or not attempts:
        return None
    per_try = policy.per_try_timeout.ToTimedelta().total_seconds() if policy.HasField("per_try_timeout") else None
    backoff = None
    if policy.HasField("retry_back_off"):
        limits = policy.retry_back_off
        backoff = (
            limits.base_interval.ToTimedelta().total_seconds(),
            limits.max_interval.ToTimedelta().total_seconds(),
        )
    then = tuple(
        " or ".join(dict.fromkeys(target(snapshot, each.cluster_name).backend for each in group))
        for group in list(groups(action))[1 : 1 + attempts]
    )
    return Retries(policy.retry_on, attempts, tuple(policy.retriable_status_codes), per_try, backoff, then)
