"""Session persistence of rules (`SessionPersistence`, GEP-1619): the requests of a session go to one endpoint.

Envoy's cookie or header holds the address of the endpoint. It is read once the backend is chosen, which it does not
change: so each backend of a rule has a cookie of its own. If the endpoint is gone, another one is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar, Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, WeightedCluster
from headgate_proto.envoy.extensions.filters.http.stateful_session.v3.stateful_session_pb2 import (
    StatefulSessionPerRoute,
)
from headgate_proto.envoy.extensions.http.stateful_session.cookie.v3.cookie_pb2 import CookieBasedSessionState
from headgate_proto.envoy.extensions.http.stateful_session.header.v3.header_pb2 import HeaderBasedSessionState
from translator.envoy.durations import whole_seconds
from translator.envoy.hooks import RouteHook
from translator.envoy.names import object_of_cluster
from translator.envoy.route import BROKEN
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader, PolicyContext, PolicyUnit
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.rules import SessionPersistence
from translator.objects.headgate.sessions import SessionPersistencePolicy
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.schema.header_names import OF_THE_CONNECTION
from translator.outcome import Outcome, Problem

ClusterWeight = WeightedCluster.ClusterWeight

FILTER: Final = "envoy.filters.http.stateful_session"
COOKIE: Final = "envoy.http.stateful_session.cookie"
HEADER: Final = "envoy.http.stateful_session.header"

_PATH: Final = re.compile(r"/[\x21-\x3a\x3c-\x7e]*")


@dataclass(frozen=True, slots=True)
class StickyHeader(RuleSetting, RouteHook):
    """Sessions that a header holds."""

    forwarding: ClassVar[bool] = True
    name: str
    strict: bool = False

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``HeaderBasedSessionState``."""
        state = HeaderBasedSessionState(name=self.name)
        route.typed_per_filter_config[FILTER].CopyFrom(_packed(HEADER, state, self.strict))


@dataclass(frozen=True, slots=True)
class StickyCookie(RuleSetting, RouteHook):
    """Sessions that a cookie holds.

    Attributes:
        name: its name.
        path: its path.
        seconds: how long it is kept; 0 until the client's own session ends.
        several: whether each backend has a cookie, whose name is `name` and a hash of the backend.
        strict: whether requests are refused whose endpoint is gone.
    """

    forwarding: ClassVar[bool] = True
    name: str
    path: str = "/"
    seconds: int = 0
    several: bool = False
    strict: bool = False

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``CookieBasedSessionState``, of the route or of each of its ``ClusterWeight``s."""
        if not self.several:
            route.typed_per_filter_config[FILTER].CopyFrom(self._packed(self.name, origin))
        elif route.route.cluster:
            self._write(route, route.route.cluster, origin)
        else:
            for each in route.route.weighted_clusters.clusters:
                self._write(each, each.name, origin)

    def _write(self, message: Route | ClusterWeight, cluster: str, origin: ListenerContext) -> None:
        if cluster != BROKEN:
            name = f"{self.name}-{_hash(object_of_cluster(cluster))}"
            message.typed_per_filter_config[FILTER].CopyFrom(self._packed(name, origin))

    def _packed(self, name: str, origin: ListenerContext) -> AnyMessage:
        return _packed(COOKIE, self._state(name, origin), self.strict)

    def _state(self, name: str, origin: ListenerContext) -> CookieBasedSessionState:
        """Return the state; Envoy makes cookies HttpOnly."""
        made = CookieBasedSessionState()
        made.cookie.name, made.cookie.path = name, self.path
        if self.seconds:
            made.cookie.ttl.seconds = self.seconds
        made.cookie.attributes.add(name="SameSite", value="Strict")
        if origin.tls:
            made.cookie.attributes.add(name="Secure")
        return made


def _packed(name: str, state: Message, strict: bool) -> AnyMessage:
    config = StatefulSessionPerRoute()
    config.stateful_session.strict = strict
    config.stateful_session.session_state.name = name
    config.stateful_session.session_state.typed_config.Pack(state, deterministic=True)
    made = AnyMessage()
    made.Pack(config, deterministic=True)
    return made


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=4).hexdigest()


def read(site: FilterContext) -> FilterOutcome:
    """Read the session persistence of a rule."""
    if site.rule is None or site.rule.session_persistence is None:
        return Outcome(())
    found, field = site.rule.session_persistence, f"{site.field}.sessionPersistence"
    answer = f"requests are answered with {site.error} until it is changed."
    if faults := [*_faults(found)]:
        texts = (f"{field}.{each}: {answer}" for each in faults)
        return Outcome(None, tuple(Problem("Accepted", "UnsupportedValue", each) for each in texts))
    rule = site.rule.name or site.field
    several = sum(1 for each in site.rule.backend_refs if each.weight) > 1
    return Outcome((_setting(found, f"session-{_hash(f'{site.route} {rule}')}", several),))


def read_policy(context: PolicyContext) -> FilterOutcome:
    """Read the effective session persistence of policies: each backend has a cookie, whichever routes lead to it."""
    found = context.effective.value
    assert isinstance(found, SessionPersistencePolicy)
    if found.disable is not None:
        return Outcome(())
    if faults := [*_faults(found)]:
        texts = (f"{context.field}.{each}; change it." for each in faults)
        return Outcome(None, tuple(Problem("Accepted", "Invalid", each) for each in texts))
    return Outcome((_setting(found, "session", several=True, strict=bool(found.strict)),))


def _setting(found: SessionPersistence, name: str, several: bool, strict: bool = False) -> StickyHeader | StickyCookie:
    """Return the setting; `name` is that of a cookie without one."""
    if found.header is not None:
        return StickyHeader(found.header.name, strict)
    assert found.cookie is not None
    permanent = found.cookie.lifetime_type == "Permanent"
    seconds = whole_seconds(found.absolute_timeout or 0) if permanent else 0
    return StickyCookie(found.cookie.name or name, found.cookie.path or "/", seconds, several, strict)


def _faults(found: SessionPersistence) -> Iterator[str]:
    """Yield what Envoy cannot do; it limits the lifetime of a session by that of its cookie only."""
    permanent = found.cookie is not None and found.cookie.lifetime_type == "Permanent"
    if found.absolute_timeout is not None and not permanent:
        yield "absoluteTimeout is supported for cookies with lifetimeType Permanent only"
    if permanent and not found.absolute_timeout:
        yield "absoluteTimeout must be above 0"
    if found.cookie is not None and not _PATH.fullmatch(found.cookie.path or "/"):
        yield "cookie.path must begin with a slash, and have neither blanks nor semicolons"
    if found.header is not None and found.header.name.lower() in RESERVED:
        yield f"header.name: {found.header.name} has a meaning of its own in HTTP"


RESERVED: Final = OF_THE_CONNECTION | {"host", "cookie", "set-cookie", "content-type", "content-encoding", "location"}

EXTENSION = Extension(
    "session persistence",
    units=(PolicyUnit(TrafficPolicy, "session_persistence", read_policy, (StickyHeader, StickyCookie)),),
    filters=(FilterReader(read),),
)
