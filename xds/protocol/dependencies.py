"""Dependencies between resources, through all types and at any depth: one rule for every type.

A resource waits until the client has accepted its dependencies (`waiting`). It is not removed while a resource that the
client may still use refers to it (`in_use`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from itertools import chain
from weakref import WeakKeyDictionary

from xds.protocol.client_state import ClientResource, candidates
from xds.resources.collection import by_collection
from xds.resources.resource import Reference, Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import (
    CLUSTER,
    COLLECTED,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    LOCALITY_ENDPOINT,
    ROUTE,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
)

DEPTHS = (
    LISTENER,
    EXTENSION_CONFIG,
    SCOPED_ROUTE,
    ROUTE,
    VIRTUAL_HOST,
    CLUSTER,
    ENDPOINT,
    LOCALITY_ENDPOINT,
    SECRET,
)
"""Types in an order in which each refers only to itself and later ones, except for a cluster's filters (ECDS)."""


def may_refer(type_url: str, to: str) -> bool:
    """Return whether resources of one type may refer to those of another type."""
    return type_url in DEPTHS and to in DEPTHS and DEPTHS.index(type_url) < DEPTHS.index(to)


def in_use(type_url: str, states: Iterable[tuple[str, Iterable[ClientResource]]]) -> set[str] | None:
    """Return the names, and collections, of a type to which the resources of a client refer.

    Args:
        type_url: The type.
        states: By type, the resources that the client may use.

    Returns:
        The names; None if the content of a resource is unknown, which may then refer to any name of the type.
    """
    used: set[str] = set()
    for url, resources in states:
        for each in (each for one in resources for each in candidates(one)):
            if isinstance(each, Resource):
                used.update(need.name for need in each.references if need.type_url == type_url)
            elif may_refer(url, type_url):
                return None
    return used


def waiting(
    resources: Mapping[str, Resource], snapshot: Snapshot, unacked: Mapping[str, Iterable[Set[str]]]
) -> set[str]:
    """Return the names of the resources that depend, at any depth, on one that the client has not accepted.

    Args:
        resources: The resources to send, by name.
        snapshot: Contains their dependencies.
        unacked: By type, sets of which the names of what the client has not accepted yet are the union.
    """
    parts = [(url, part) for url, found in unacked.items() for part in found]
    known = _KNOWN.setdefault(snapshot, {})
    waits: set[str] = set()
    for name, each in resources.items():
        if (needs := known.get(id(each))) is None:
            needs = _look_up(each, snapshot)
            if snapshot.get(each.reference) is each:
                known[id(each)] = needs
        for url, part in parts:
            if url in needs and not part.isdisjoint(needs[url]):
                waits.add(name)
                break
    return waits


Needs = Mapping[str, frozenset[str]]
"""The names to which a resource refers, at any depth, by type."""

_KNOWN: WeakKeyDictionary[Snapshot, dict[int, Needs]] = WeakKeyDictionary()
"""By snapshot, the dependencies of its resources that were looked up, by their ids. All clients share them."""


def _look_up(resource: Resource, snapshot: Snapshot) -> Needs:
    """Return the dependencies of a resource."""
    found: dict[str, set[str]] = {}
    members = Members(snapshot)
    todo = [resource]
    while todo:
        for need in chain.from_iterable(map(members.of, todo.pop().references)):
            names = found.setdefault(need.type_url, set())
            if need.name not in names:
                names.add(need.name)
                if (each := snapshot.get(need)) is not None:
                    todo.append(each)
    return {url: frozenset(names) for url, names in found.items()}


class Members:
    """Index of a snapshot's resources by collection; a type is indexed at its first lookup."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Start with an empty index."""
        self._snapshot = snapshot
        self._known: dict[str, dict[str, list[str]]] = {}

    def of(self, need: Reference) -> Iterable[Reference]:
        """Return the resources that a reference names: one, or the members of a collection."""
        url, name = need
        if url not in COLLECTED:
            return (need,)
        if url not in self._known:
            self._known[url] = by_collection(self._snapshot.resources(url))
        return (Reference(url, each) for each in self._known[url].get(name, ()))
