"""Route configurations that a scope (SRDS) is to lead to, and that the client does not ask for before it does.

Envoy asks for a route configuration once a scope leads to it, and until it has it, answers the scope's requests with
404. So a client which uses a scope is first sent a copy of the new one, under a name of its own and with a key which no
request has: it asks for the route configuration, and the scope follows when it has accepted it. The copy then goes.

A scope whose key another one takes over is not removed in that response: in Envoy (1.40, tried) there is a gap between
what is removed and what is added, and a request in it gets 404. The scope is retired instead: the response that
gives its key to the other gives it one that no request has, and it is removed later. Scopes that exchange keys cannot
do so in one response (`xds.protocol.exclusive`): one of them is retired, and has its new key in the next response.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping

from headgate_proto.envoy.config.route.v3 import scoped_route_pb2
from xds.protocol.client_state import last_acked
from xds.protocol.exclusive import cycle, groups, takeovers
from xds.protocol.substream import Substream
from xds.resources.resource import Resource
from xds.resources.snapshot import NONE, Resources
from xds.resources.types import ROUTE, SCOPED_ROUTE

SUFFIX = "~staged"
"""Ends the names of copies, and is the last fragment of their keys."""
RETIRED = "~retired~"
"""Begins the last fragment of a retired scope's key; its name follows, which no other scope has."""


class Staged(ChainMap[str, Resource]):
    """Copies and retired scopes, and behind them the scopes of a snapshot; nobody may change it."""

    @classmethod
    def of(cls, copies: dict[str, Resource], scopes: Resources) -> Resources:
        """Put copies before scopes, if there are any."""
        return cls(copies, scopes) if copies else scopes  # type: ignore[arg-type]


def stage(substreams: Mapping[str, Substream]) -> None:
    """Add to the scopes that a client is to have the copies that it needs now, and take away those it does not."""
    scopes = substreams.get(SCOPED_ROUTE)
    if scopes is None or scopes.target is None or not (scopes.dirty or isinstance(scopes.target, Staged)):
        return
    scopes.normalise()
    before, plain = _parts(scopes.target)
    new = (_copy(plain[name]) for name in unasked(scopes, substreams.get(ROUTE)))
    unacked = scopes.unacked()
    after = {name: each for name, each in _copies(before).items() if name.removesuffix(SUFFIX) in unacked}
    after.update((each.name, each) for each in new)
    after.update((each.name, each) for each in _retired(scopes, plain))
    changed = frozenset(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        scopes.set_target(Staged.of(after, plain), changed)


def carried(before: Resources | None, scopes: Resources) -> Resources:
    """Return the scopes of a new snapshot with the copies that were among those before."""
    return Staged.of(_copies(_parts(before or NONE)[0]), scopes)


def _copies(staged: dict[str, Resource]) -> dict[str, Resource]:
    """Return what is not a retired scope; those are found anew each time, for once sent they are only to be removed."""
    return {name: each for name, each in staged.items() if name.endswith(SUFFIX)}


def _parts(scopes: Resources) -> tuple[dict[str, Resource], Resources]:
    if isinstance(scopes, Staged):
        copies, plain = scopes.maps
        return dict(copies), plain
    return {}, scopes


def unasked(scopes: Substream, routes: Substream | None) -> set[str]:
    """Return the names of scopes in use which are to lead to a route configuration that the client does not ask for.

    One that is loaded on demand is left out: its requests wait until there is a route configuration.
    """
    if routes is None:
        return set()
    ours, _ = _parts(scopes.target or NONE)
    new = {
        name: each
        for name, each in scopes.upserts().items()
        if name not in ours
        and scopes.subscription.covers(name + SUFFIX)
        and any(need.type_url == ROUTE and not routes.subscription.covers(need.name) for need in each.references)
    }
    bound = groups(scopes) if new else {}
    used = (name for name in new if name in bound or scopes.held(name) is not None)
    return {name for name in used if not _message(new[name]).on_demand}


def _retired(scopes: Substream, plain: Resources) -> Iterator[Resource]:
    """Yield in their retired form the scopes whose keys others take over, if they are gone or exchange keys."""
    taken = takeovers(scopes, plain)
    names = {owner for owners in taken.values() for owner in owners if owner not in plain}
    while found := cycle(taken):
        names.add(found[0])
        taken = {name: owners for name, owners in taken.items() if name != found[0]}
    for name in names:
        held = last_acked(scopes.held(name))
        if isinstance(held, Resource):
            message = _message(held)
            message.key.fragments.add(string_key=RETIRED + name)
            yield Resource.pack(message)


def _copy(scope: Resource) -> Resource:
    message = _message(scope)
    message.name += SUFFIX
    message.key.fragments.add(string_key=SUFFIX)
    return Resource.pack(message)


def _message(scope: Resource) -> scoped_route_pb2.ScopedRouteConfiguration:
    return scoped_route_pb2.ScopedRouteConfiguration.FromString(scope.body)
