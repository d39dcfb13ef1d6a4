"""Backends of agents that speak A2A: requests are forwarded as they are, and cards tell the gateway's addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, RouteAction
from translator.backends.reference import group_member
from translator.db import Db
from translator.envoy.ai.a2a_filters import CARD_PATH, card_filter
from translator.envoy.backend_routes import add_backend_filters, send_host
from translator.envoy.hooks import RouteHook
from translator.extensions.backend_members import BackendMember
from translator.extensions.backend_static import authority, host_backend
from translator.ir.backend import Backend, BackendSetting
from translator.ir.http import PathKind, RouteMatch, RuleSetting, ValueMatch
from translator.ir.listener import ListenerContext
from translator.objects.headgate.a2abackend import A2aBackend
from translator.outcome import Outcome, Problem
from translator.refs import Ref

NAME: Final = "headgate.a2a.card"
"""The name of the filter of cards."""
CARD: Final = ValueMatch(":path", CARD_PATH, regex=True)
"""What has a request be one for a card."""
SAMPLE: Final = "/.well-known/agent-card.json"


@dataclass(frozen=True, slots=True)
class Agent(BackendSetting):
    """The routes of an agent have its cards changed.

    Attributes:
        public: what addresses in cards begin with; "" for how clients have asked.
        host: the Host of requests; "" for what they have.
    """

    for_clients_only: ClassVar[bool] = True
    routes_only: ClassVar[str] = (
        "a Backend of a2a is for the backendRefs of routes, where its card is changed; refer to another backend"
    )
    public: str = ""
    host: str = ""

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return what a route does for it."""
        return (ToAgent(self.public, self.host),)


@dataclass(frozen=True, slots=True)
class ToAgent(RuleSetting, RouteHook):
    """Requests go to an agent; those for its card have routes of their own, in which the answer is changed.

    Attributes:
        public: what addresses in cards begin with; "" for how clients have asked.
        host: the Host of requests; "" for what they have.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    public: str = ""
    host: str = ""

    @property
    def is_final(self) -> bool:
        """It is: how paths are rewritten, whoever says it, is part of the addresses in cards."""
        return True

    def parts(self, match: RouteMatch, answered: bool) -> tuple[RouteMatch, ...]:
        """Return the requests for cards among those that match, and all."""
        if answered or match.grpc or match.path_kind is PathKind.CONNECT:
            return (match,)
        return replace(match, headers=(*match.headers, CARD)), match

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the Host, and for cards the filter that changes them."""
        if self.host:
            send_host(route, self.host)
        if CARD not in match.headers:
            return
        context = {"public": self.public} if self.public else {}
        add_backend_filters(route, ((NAME, card_filter(context | dict(_replaced(route.route, match)))),))


def _replaced(action: RouteAction, match: RouteMatch) -> Iterator[tuple[str, str]]:
    """Yield the prefix of paths that is replaced on the way to the agent, and by what, as far as that can be said."""
    if match.path_kind is not PathKind.PREFIX:
        return
    prefix, sample = match.path.rstrip("/"), f"{match.path.rstrip('/')}{SAMPLE}"
    found = sample
    if action.prefix_rewrite:
        matched = prefix or "/"
        found = action.prefix_rewrite + sample[len(matched) :]
    elif action.HasField("regex_rewrite"):
        try:
            found = re.sub(action.regex_rewrite.pattern.regex, action.regex_rewrite.substitution, sample)
        except re.error:  # RE2 has what Python has not
            return
    if found != sample and found.endswith(SAMPLE):
        yield "from", prefix
        yield "to", found.removesuffix(SAMPLE)


def read(db: Db, ref: Ref, found: A2aBackend) -> Outcome[Backend | None]:
    """Return the backend that an agent is; none if requests could go where they must not."""
    host = ""
    if found.backend_ref is not None:
        resolved = _member(db, ref, found)
    else:
        assert found.host is not None
        assert found.port is not None
        resolved, host = host_backend(db, ref, found.host, found.port, "host"), authority(found.host, found.port)
    if resolved.value is None:
        return resolved
    setting = Agent((found.public_url or "").rstrip("/"), host)
    return Outcome(replace(resolved.value, settings=(*resolved.value.settings, setting)), resolved.problems)


def _member(db: Db, ref: Ref, found: A2aBackend) -> Outcome[Backend | None]:
    assert found.backend_ref is not None
    resolved = group_member(db, ref, found.backend_ref, "backendRef")
    if resolved.value is None or not any(each.routes_only or each.discovers for each in resolved.value.settings):
        return resolved
    text = (
        f"backendRef: {found.backend_ref.kind} {found.backend_ref.name} is no agent by itself: its requests need "
        f"filters or hosts of their own; refer to a Service, or to a Backend of hosts."
    )
    return Outcome(None, (*resolved.problems, Problem("Accepted", "Invalid", text)))


MEMBER: Final = BackendMember("a2a", read, own_policies=True)
