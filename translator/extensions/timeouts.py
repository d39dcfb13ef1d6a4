"""RequestTimeouts (Gateway API, `HTTPRouteTimeouts`; GEP-1742), but for that of each of several tries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from headgate_proto.envoy.extensions.filters.udp.udp_proxy.v3.udp_proxy_pb2 import UdpProxyConfig
from translator.envoy.durations import MAX_MILLISECONDS, countable
from translator.envoy.hooks import RouteHook, TcpProxyHook, UdpProxyHook
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader, PolicyContext, PolicyUnit
from translator.extensions.attempts import LimitedAttempts, limited, repeated
from translator.ir.backend import Backend
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.l4 import L4Setting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.httproute import HTTPRouteTimeouts
from translator.objects.headgate.timeouts import RequestTimeouts
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome

IDLE_MILLISECONDS: Final = 300_000
"""Envoy ends what was silent for so long, unless a route says otherwise: a longer timeout must."""

_OWN: Final = ("request", "backend_request", "stream_idle")
"""The fields of rules themselves."""


@dataclass(frozen=True, slots=True)
class RouteTimeouts(LimitedAttempts, RouteHook):
    """How long a request may take, as its rule's own fields and policies say; times in milliseconds, 0 for no limit.

    Attributes:
        asked: what they say.
        attempts: how often it is tried again, if it may have reached a backend.
        pauses: how long the pauses between the attempts are at most, all together.
    """

    forwarding: ClassVar[bool] = True
    asked: RequestTimeouts
    attempts: int = 0
    pauses: int = 0

    def beside(self, settings: tuple[RuleSetting, ...]) -> RuleSetting:
        """Return the timeouts with the attempts that the rule's retries make of a request."""
        found = repeated(settings)
        if found is None:
            return replace(self, attempts=0, pauses=0)
        return replace(self, attempts=found.attempts, pauses=found.longest_backoff * found.attempts)

    @property
    def proxyless_fault(self) -> str:
        """Silence: gRPC's own xDS clients limit the whole call."""
        return ": a timeout of silent streams is not supported" if self.asked.stream_idle is not None else ""

    @property
    def backend_request(self) -> int:
        """How long one attempt may take until the end of its response."""
        return self.asked.backend_request or 0

    @property
    def request(self) -> int | None:
        """How long all attempts may take together; None where nothing limits it.

        With a single try the shorter of `request` and `backendRequest` limits it: what cannot have reached a backend
        and is tried elsewhere is the same request still.
        """
        if self.asked.request is None and self.asked.backend_request is None:
            return None
        return (self.asked.request or 0) if self.attempts else self._longest

    @property
    def silence(self) -> int | None:
        """How long there may be nothing to be heard of it; None where Envoy's default is long enough."""
        if self.asked.stream_idle is not None:
            return countable(self.asked.stream_idle)
        if self.request is None or 0 < self._longest <= IDLE_MILLISECONDS:
            return None
        return countable(self._longest)

    @property
    def _longest(self) -> int:
        """How long a request can take."""
        attempts = self.backend_request * (1 + self.attempts) + self.pauses
        limits = [each for each in (self.asked.request, self.backend_request and attempts) if each]
        return min(limits, default=0)

    @property
    def stream(self) -> int:
        """How long it may take from its first byte; 0 for as long as it likes."""
        return countable(self.asked.max_stream or 0)

    @property
    def _limits_attempts(self) -> bool:
        """Whether the backend's cluster limits the stream: Envoy has no ``timeout`` for a route that does.

        A stream that may not take longer than the request needs none.
        """
        return 0 < (self.request or 0) < self.stream

    def shape(self, backend: Backend, match: RouteMatch) -> Backend:
        """Limit each request to the backend, where the route cannot."""
        return limited(backend, self.stream) if self._limits_attempts else backend

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``RouteAction``'s timeouts."""
        if self.request is not None:
            route.route.timeout.FromMilliseconds(self.request)
        if self.silence is not None:
            route.route.idle_timeout.FromMilliseconds(self.silence)
        if self.asked.max_stream is not None and not self._limits_attempts:
            route.route.max_stream_duration.max_stream_duration.FromMilliseconds(self.stream)


@dataclass(frozen=True, slots=True)
class IdleConnections(L4Setting, TcpProxyHook, UdpProxyHook):
    """How long neither side of a connection may send anything, in milliseconds; 0 for as long as they like."""

    milliseconds: int

    def apply_to_tcp_proxy(self, proxy: TcpProxy) -> None:
        """Write the ``idle_timeout``."""
        proxy.idle_timeout.FromMilliseconds(self.milliseconds)

    def apply_to_udp_proxy(self, proxy: UdpProxyConfig) -> None:
        """Write the ``idle_timeout``; sessions without one would never end."""
        proxy.idle_timeout.FromMilliseconds(self.milliseconds or MAX_MILLISECONDS)


def connections(found: RequestTimeouts) -> tuple[L4Setting, ...]:
    """Return the timeout of connections, if policies set one."""
    return () if found.idle is None else (IdleConnections(countable(found.idle)),)


def own(rule: object) -> RequestTimeouts | None:
    """Return what a rule's own fields say; None if it has none."""
    found = getattr(rule, "timeouts", None)
    if not isinstance(found, HTTPRouteTimeouts):
        return None
    given = {name: each for name in _OWN if (each := getattr(found, name, None)) is not None}
    return None if not given else RequestTimeouts.model_construct(set(given), **given)


def read(site: FilterContext) -> FilterOutcome:
    """Read the timeouts of a rule."""
    found = own(site.rule)
    return Outcome((RouteTimeouts(found),) if found is not None else ())


def read_policy(context: PolicyContext) -> FilterOutcome:
    """Read the effective timeouts."""
    found = context.effective.value
    assert isinstance(found, RequestTimeouts)
    limits = (found.request, found.backend_request, found.stream_idle, found.max_stream)
    return Outcome((RouteTimeouts(found),) if any(each is not None for each in limits) else ())


EXTENSION = Extension(
    "timeouts",
    units=(
        PolicyUnit(
            TrafficPolicy,
            "timeouts",
            read_policy,
            RouteTimeouts,
            own=own,
            connections=connections,
            connection_fields=("idle",),
        ),
    ),
    filters=(FilterReader(read),),
    conformance=("HTTPRouteRequestTimeout",),
)
