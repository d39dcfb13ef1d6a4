"""Dependencies between resources, through all types and at any depth: one rule for every type.

A resource waits until the client has accepted its dependencies (`waiting`). It is not removed while a resource that the
client may still use refers to it (`in_use`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    resources: Mapping[str, Resource], type_url: str, snapshot: Snapshot, unacked: Mapping[str, Collection[str]]
) -> set[Reference]:
    """Return resources that depend, at any depth, on one that the client has not accepted, of `resources` all such.

    Args:
        resources: The resources to send, by name.
        type_url: Their type.
        snapshot: Contains their dependencies.
        unacked: The names of what the client has not accepted yet, by type.
    """
    whole = snapshot.resources(type_url)
    # The dependents of all of them have those of some among them.
    if 2 * len(resources) > len(whole) and all(whole.get(name) is each for name, each in resources.items()):
        needed_by = _of_whole_type(type_url, snapshot)
    else:
        needed_by = _needed_by(resources.values(), snapshot)
    found: set[Reference] = set()
    named = (Reference(url, name) for url, names in unacked.items() for name in names)
    todo = [need for need in named if need in needed_by]
    while todo:
        new = [each for each in needed_by.get(todo.pop(), ()) if each not in found]
        found.update(new)
        todo += new
    return found


Dependents = Mapping[Reference, Sequence[Reference]]
"""The resources that refer to each one, by that."""

_KNOWN: WeakKeyDictionary[Snapshot, dict[str, Dependents]] = WeakKeyDictionary()


def _of_whole_type(type_url: str, snapshot: Snapshot) -> Dependents:
    """Return the dependencies of all resources of a type, as every new client needs them: made once a snapshot."""
    known = _KNOWN.setdefault(snapshot, {})
    if type_url not in known:
        known[type_url] = _needed_by(snapshot.resources(type_url).values(), snapshot)
    return known[type_url]


def _needed_by(resources: Iterable[Resource], snapshot: Snapshot) -> dict[Reference, list[Reference]]:
    """Return the dependencies of resources, at any depth, each with its direct dependents."""
    needed_by: dict[Reference, list[Reference]] = {}
    members = Members(snapshot)
    todo = list(resources)
    while todo:
        each = todo.pop()
        for need in chain.from_iterable(map(members.of, each.references)):
            if need not in needed_by:
                needed_by[need] = []
                if (resource := snapshot.get(need)) is not None:
                    todo.append(resource)
            needed_by[need].append(each.reference)
    return needed_by


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
