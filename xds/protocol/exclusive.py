"""Exclusive attributes, which only one resource of a type may have: a listener's addresses, a scope's key.

Envoy rejects a listener or scope with an attribute that another one already has. The resource that gives up such an
attribute and the one that takes it over are therefore sent in one response, in which Envoy removes before it adds.

Scopes that give up a key come first in it: Envoy (1.40) applies the scopes of a response one by one, and deletes the
entry of each one's previous key. If another scope has taken that key by then, it loses it and answers 404 from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.config.route.v3 import scoped_route_pb2
from xds.protocol.client_state import candidates
from xds.protocol.substream import Substream
from xds.resources.resource import Resource
from xds.resources.snapshot import Resources
from xds.resources.types import LISTENER, SCOPED_ROUTE

MAX_KNOWN = 10_000
"""Most resources whose exclusive attributes are cached."""

Groups = Mapping[str, frozenset[str]]
"""By name, all names that must change in the same response; a missing name changes alone."""

_known: dict[tuple[str, str], frozenset[bytes]] = {}


def groups(substream: Substream) -> Groups:
    """Return the changing names of a type that must change together, since they exchange an exclusive attribute."""
    if substream.type_url not in CLAIMS:
        return {}
    had = _had(substream)
    if not any(had.values()):
        return {}
    upserts = substream.upserts()
    by_claim: dict[bytes, set[str]] = {}
    for name, before in had.items():
        for claim in before.union(claims([upserts[name]] if name in upserts else ())):
            by_claim.setdefault(claim, set()).add(name)
    return _joined(names for names in by_claim.values() if len(names) > 1)


def takeovers(substream: Substream, wanted: Resources) -> dict[str, list[str]]:
    """Return, for each changed resource, those from which it takes over an exclusive attribute.

    Args:
        substream: The substream of the type.
        wanted: The resources that the client should have.
    """
    had = dict(sorted(_had(substream).items()))
    owners: dict[bytes, list[str]] = {}
    for name, found in had.items():
        for claim in found:
            owners.setdefault(claim, []).append(name)
    taken = {
        name: {owner for claim in claims([wanted[name]]) - found for owner in owners.get(claim, ())}
        for name, found in had.items()
        if owners and name in wanted
    }
    return {name: sorted(found) for name, found in taken.items() if found}


def cycle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names of one cycle of takeovers, each taking over from the next; empty if there is no cycle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[:-1]
    return []


def in_takeover_order(substream: Substream, resources: Iterable[str]) -> list[str]:
    """Return the names of a response's resources in the order in which to send them; call it before `record`."""
    names = sorted(resources)
    graph = takeovers(substream, substream.upserts()) if substream.type_url == SCOPED_ROUTE else {}
    if not graph:
        return names
    try:
        rank = {name: number for number, name in enumerate(TopologicalSorter(graph).static_order())}
    except CycleError:
        return names
    return sorted(names, key=lambda name: (rank.get(name, -1), name))


def _had(substream: Substream) -> dict[str, frozenset[bytes]]:
    """Return the exclusive attributes that the client may know of changing names; empty if it knows none of these."""
    states = substream.states(substream.dirty)
    return {name: claims(candidates(state)) for name, state in states.items()} if any(states.values()) else {}


def _joined(sets: Iterable[set[str]]) -> Groups:
    """Return the unions of the sets that have a name in common."""
    found: dict[str, frozenset[str]] = {}
    for names in sets:
        union = frozenset(names).union(*(found[name] for name in names if name in found))
        found.update(dict.fromkeys(union, union))
    return found


def claims(resources: Iterable[object]) -> frozenset[bytes]:
    """Return the exclusive attributes of the resources whose content is known."""
    found: frozenset[bytes] = frozenset()
    for each in resources:
        if isinstance(each, Resource) and each.type_url in CLAIMS:
            key = (each.type_url, each.version)
            if key not in _known:
                if len(_known) >= MAX_KNOWN:
                    _known.clear()
                _known[key] = frozenset(CLAIMS[each.type_url](each.body))
            found |= _known[key]
    return found


def _addresses(body: bytes) -> Iterable[bytes]:
    listener = listener_pb2.Listener.FromString(body)
    if listener.HasField("address"):
        yield listener.address.SerializeToString(deterministic=True)
    for each in listener.additional_addresses:
        yield each.address.SerializeToString(deterministic=True)


def _key(body: bytes) -> Iterable[bytes]:
    yield scoped_route_pb2.ScopedRouteConfiguration.FromString(body).key.SerializeToString(deterministic=True)


CLAIMS: Mapping[str, Callable[[bytes], Iterable[bytes]]] = {LISTENER: _addresses, SCOPED_ROUTE: _key}
"""Exclusive attributes of a serialised resource, by type."""
