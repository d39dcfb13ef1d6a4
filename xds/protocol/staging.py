"""Staged scopes (SRDS), which make a client load a route configuration before a scope refers to it.

Envoy requests a route configuration once a scope refers to it, and answers the scope's requests with 404 until it has
it. A client that uses a scope is therefore first sent a copy of the new scope, with another name and a key that no
request matches: it requests the route configuration, and gets the scope when it has accepted that. The copy is then
removed.

A scope whose key another one takes over is not removed in that response: Envoy (1.40, tested) applies removals before
additions, and answers requests in between with 404. The scope is retired instead: the response that gives its key to
the other scope gives it a key that no request matches, and it is removed later. Scopes cannot exchange keys in one
response (`xds.protocol.exclusive`): one of them is retired, and gets its new key in the next response.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headgate_proto.envoy.config.route.v3 import scoped_route_pb2
from xds.protocol.client_state import last_acked
from xds.protocol.exclusive import cycle, groups, takeovers
from xds.protocol.overlay import Overlay
from xds.protocol.substream import Substream
from xds.resources.resource import Resource
from xds.resources.snapshot import NONE, Resources
from xds.resources.types import ROUTE, SCOPED_ROUTE

SUFFIX = "~staged"
"""The suffix of a copy's name, and the last fragment of its key."""
RETIRED = "~retired~"
"""The prefix of the last fragment of a retired scope's key, before its name, which no other scope has."""


class Staged(Overlay):
    """Copies and retired scopes in front of the scopes of a snapshot."""

    @property
    def kept(self) -> dict[str, Resource]:
        """The copies without the retired scopes, which are computed anew: once sent, they need only be removed."""
        return {name: each for name, each in super().kept.items() if name.endswith(SUFFIX)}


def stage(substreams: Mapping[str, Substream]) -> None:
    """Add the copies that a client needs now to its target scopes, and remove those that it no longer needs."""
    scopes = substreams.get(SCOPED_ROUTE)
    if scopes is None or scopes.target is None or not (scopes.dirty or isinstance(scopes.target, Staged)):
        return
    scopes.normalise()
    _, plain = Staged.parts(scopes.target)
    kept = scopes.target.kept if isinstance(scopes.target, Staged) else {}
    new = (_copy(plain[name]) for name in unrequested(scopes, substreams.get(ROUTE)))
    unacked = scopes.unacked()
    after = {name: each for name, each in kept.items() if name.removesuffix(SUFFIX) in unacked}
    after.update((each.name, each) for each in new)
    after.update((each.name, each) for each in _retired(scopes, plain))
    Staged.put(scopes, scopes.target, after)


def unrequested(scopes: Substream, routes: Substream | None) -> set[str]:
    """Return the names of used scopes with a new route configuration that the client does not request yet.

    Scopes loaded on demand are left out: Envoy holds their requests until it has the route configuration.
    """
    if routes is None:
        return set()
    bound = groups(scopes)
    used = [name for name, state in scopes.states(scopes.dirty).items() if state is not None or name in bound]
    if not used:
        return set()  # as for a client that starts, which has tens of scopes to get
    ours, _ = Staged.parts(scopes.target or NONE)
    upserts = scopes.upserts()
    return {
        name
        for name in used
        if name in upserts
        and name not in ours
        and scopes.subscription.covers(name + SUFFIX)
        and any(
            need.type_url == ROUTE and not routes.subscription.covers(need.name) for need in upserts[name].references
        )
        and not _message(upserts[name]).on_demand
    }


def _retired(scopes: Substream, plain: Resources) -> Iterator[Resource]:
    """Yield, in retired form, the scopes whose keys others take over, if they are removed or exchange keys."""
    taken = takeovers(scopes, plain)
    names = {owner for owners in taken.values() for owner in owners if owner not in plain}
    while found := cycle(taken):
        names.add(found[0])
        taken = {name: owners for name, owners in taken.items() if name != found[0]}
    for name in names:
        acked = last_acked(scopes.state(name))
        if isinstance(acked, Resource):
            message = _message(acked)
            message.key.fragments.add(string_key=RETIRED + name)
            yield Resource.pack(message)


def _copy(scope: Resource) -> Resource:
    message = _message(scope)
    message.name += SUFFIX
    message.key.fragments.add(string_key=SUFFIX)
    return Resource.pack(message)


def _message(scope: Resource) -> scoped_route_pb2.ScopedRouteConfiguration:
    return scoped_route_pb2.ScopedRouteConfiguration.FromString(scope.body)
