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
from translator.envoy.hooks import RouteHook
from translator.envoy.names import object_of_cluster
from translator.envoy.route import BROKEN
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.rules import SessionPersistence
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

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``HeaderBasedSessionState``."""
        route.typed_per_filter_config[FILTER].CopyFrom(_packed(HEADER, HeaderBasedSessionState(name=self.name)))


@dataclass(frozen=True, slots=True)
class StickyCookie(RuleSetting, RouteHook):
    """Sessions that a cookie holds.

    Attributes:
        name: its name.
        path: its path.
        seconds: how long it is kept; 0 until the client's own session ends.
        several: whether each backend has a cookie, whose name is `name` and a hash of the backend.
    """

    forwarding: ClassVar[bool] = True
    name: str
    path: str = "/"
    seconds: int = 0
    several: bool = False

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``CookieBasedSessionState``, of the route or of each of its ``ClusterWeight``s."""
        if not self.several:
            route.typed_per_filter_config[FILTER].CopyFrom(_packed(COOKIE, self._state(self.name, origin)))
        elif route.route.cluster:
            self._write(route, route.route.cluster, origin)
        else:
            for each in route.route.weighted_clusters.clusters:
                self._write(each, each.name, origin)

    def _write(self, message: Route | ClusterWeight, cluster: str, origin: ListenerContext) -> None:
        if cluster != BROKEN:
            name = f"{self.name}-{_hash(object_of_cluster(cluster))}"
            message.typed_per_filter_config[FILTER].CopyFrom(_packed(COOKIE, self._state(name, origin)))

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


def _packed(name: str, state: Message) -> AnyMessage:
    config = StatefulSessionPerRoute()
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
    if problems := tuple(_problems(found, field, site.error)):
        return Outcome(None, problems)
    if found.header is not None:
        return Outcome((StickyHeader(found.header.name),))
    assert found.cookie is not None
    rule = site.rule.name or site.field
    name = found.cookie.name or f"session-{_hash(f'{site.route} {rule}')}"
    several = sum(1 for each in site.rule.backend_refs if each.weight) > 1
    permanent = found.cookie.lifetime_type == "Permanent"
    seconds = -(-(found.absolute_timeout or 0) // 1000) if permanent else 0
    return Outcome((StickyCookie(name, found.cookie.path or "/", seconds, several),))


def _problems(found: SessionPersistence, field: str, error: str) -> Iterator[Problem]:
    """Yield what Envoy cannot do; it limits the lifetime of a session by that of its cookie only."""
    answer = f"requests are answered with {error} until it is changed."
    permanent = found.cookie is not None and found.cookie.lifetime_type == "Permanent"
    if found.absolute_timeout is not None and not permanent:
        text = f"{field}.absoluteTimeout is supported for cookies with lifetimeType Permanent only: {answer}"
        yield Problem("Accepted", "UnsupportedValue", text)
    if permanent and not found.absolute_timeout:
        yield Problem("Accepted", "UnsupportedValue", f"{field}.absoluteTimeout must be above 0: {answer}")
    if found.cookie is not None and not _PATH.fullmatch(found.cookie.path or "/"):
        text = f"{field}.cookie.path must begin with a slash, and have neither blanks nor semicolons: {answer}"
        yield Problem("Accepted", "UnsupportedValue", text)
    if found.header is not None and found.header.name.lower() in RESERVED:
        text = f"{field}.header.name: {found.header.name} has a meaning of its own in HTTP: {answer}"
        yield Problem("Accepted", "UnsupportedValue", text)


RESERVED: Final = OF_THE_CONNECTION | {"host", "cookie", "set-cookie", "content-type", "content-encoding", "location"}

EXTENSION = Extension(
    "session persistence",
    filters=(FilterReader(read),),
)
