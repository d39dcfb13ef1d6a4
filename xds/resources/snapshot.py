"""Snapshots: immutable sets of all resources for the clients of one key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from types import MappingProxyType
from weakref import ref

from xds.resources.aliases import Aliased, frozen
from xds.resources.resource import Reference, Resource
from xds.resources.types import COLLECTED, ENDPOINT, LOCALITY_ENDPOINT

Resources = Mapping[str, Resource]
"""The resources of one type, by name."""

NONE: Resources = MappingProxyType({})

PLAIN = frozenset({MappingProxyType, Aliased})
"""The types of the mappings of a snapshot, with nothing in front (`xds.protocol.overlay`)."""

MODULUS = 1 << 128
"""Modulus of the sum of hashes that is a snapshot's version."""

UNCOUNTED = frozenset({ENDPOINT, LOCALITY_ENDPOINT})
"""Types that are not part of a snapshot's version."""


class Snapshot:
    """All resources for the clients of one key; immutable, shares unchanged types with snapshots derived from it."""

    __slots__ = ("__weakref__", "_before", "_changed", "_sum", "_types")

    def __init__(self, types: Mapping[str, Resources] | None = None) -> None:
        """Create a snapshot from mappings that must not change afterwards; usually, call `of`."""
        self._types: Mapping[str, Resources] = types or {}
        self._sum: int | None = None
        self._before: ref[Snapshot] | None = None
        self._changed: dict[str, frozenset[str]] = {}

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> Snapshot:
        """Return a snapshot of some resources.

        Raises:
            ValueError: Two resources of one type have the same name ("Duplicate Resource Names").
        """
        types: dict[str, dict[str, Resource]] = defaultdict(dict)
        for each in resources:
            if types[each.type_url].setdefault(each.name, each) is not each:
                raise ValueError(f"two resources of type {each.type_url} are named {each.name!r}")
        return cls({url: frozen(url, named) for url, named in types.items()})

    def resources(self, type_url: str) -> Resources:
        """Return the resources of a type by name; empty where there are none."""
        return self._types.get(type_url, NONE)

    @property
    def version(self) -> str:
        """A hash of its resources, except endpoints: the same across restarts and replicas.

        Endpoints change often, and replicas that compare versions would report each change.
        """
        if self._sum is None:
            self._sum = sum(map(_number, self))
        return format(self._sum % MODULUS, "032x")

    def types(self) -> Iterable[str]:
        """Return the type URLs of which there are resources."""
        return self._types.keys()

    def get(self, reference: Reference) -> Resource | None:
        """Return the resource of that type and name, or None."""
        return self.resources(reference.type_url).get(reference.name)

    def __iter__(self) -> Iterator[Resource]:
        """Iterate over all resources, type by type."""
        for named in self._types.values():
            yield from named.values()

    def __len__(self) -> int:
        """Return the number of resources."""
        return sum(map(len, self._types.values()))

    def __repr__(self) -> str:
        """Return the number of resources by type."""
        counts = ", ".join(f"{url.rpartition('.')[2]}: {len(named)}" for url, named in sorted(self._types.items()))
        return f"Snapshot({counts})"

    def replace(self, upserts: Iterable[Resource] = (), removals: Iterable[Reference] = ()) -> Snapshot:
        """Return a snapshot with resources added or replaced, and others removed.

        Unchanged types are shared with this snapshot, which is returned itself if nothing changes. An upsert wins over
        a removal of the same name.
        """
        changed: dict[str, dict[str, Resource]] = {}

        def open_type(type_url: str) -> dict[str, Resource]:
            if type_url not in changed:
                changed[type_url] = _copy(self.resources(type_url))
            return changed[type_url]

        names: defaultdict[str, set[str]] = defaultdict(set)
        replaced = {each.reference: each for each in upserts}
        difference = 0
        for reference in removals:
            if reference not in replaced and (was := self.get(reference)) is not None:
                del open_type(reference.type_url)[reference.name]
                names[reference.type_url].add(reference.name)
                difference -= _number(was)
        for reference, each in replaced.items():
            if (was := self.get(reference)) != each:
                open_type(each.type_url)[each.name] = each
                names[each.type_url].add(each.name)
                difference += _number(each) - (_number(was) if was is not None else 0)
        if not changed:
            return self
        types = {**self._types, **{url: frozen(url, self._ordered(url, named)) for url, named in changed.items()}}
        after = Snapshot({url: named for url, named in types.items() if named})
        if self._types:  # not at the start, when all are new
            after._before, after._changed = ref(self), {url: frozenset(found) for url, found in names.items()}
        after._sum = None if self._sum is None else self._sum + difference
        return after

    def _ordered(self, type_url: str, named: dict[str, Resource]) -> dict[str, Resource]:
        """Return the resources of a type, by name if most of them are new; the responses to clients that start are."""
        return dict(sorted(named.items())) if len(named) > 2 * len(self.resources(type_url)) else named

    def changes(self, before: Snapshot) -> dict[str, frozenset[str]] | None:
        """Return what `replace` changed, by type, if it made this snapshot of another one; else None."""
        return self._changed if self._before is not None and self._before() is before else None

    def dangling(self) -> list[tuple[Resource, Reference]]:
        """Return each reference to a missing resource, with the resource that has it.

        References to collections are left out, as a collection may be empty.
        """
        single = ((each, need) for each in self for need in each.references if need.type_url not in COLLECTED)
        return [(each, need) for each, need in single if self.get(need) is None]


def _copy(resources: Resources) -> dict[str, Resource]:
    """Return a copy: a proxy's own takes a tenth of the time."""
    return resources.copy() if isinstance(resources, MappingProxyType) else dict(resources)


def _number(resource: Resource) -> int:
    """Return a hash of a resource; a snapshot's is the sum, so that an update costs as much as its changes."""
    if resource.type_url in UNCOUNTED:
        return 0
    text = f"{resource.type_url}\0{resource.name}\0{resource.version}"
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest())


def diff(old: Snapshot, new: Snapshot) -> dict[str, frozenset[str]]:
    """Return, for each type that differs, the names that were added, changed or removed."""
    if (known := new.changes(old)) is not None:
        return known
    urls = {*old.types(), *new.types()}
    changes = {url: names(old.resources(url), new.resources(url)) for url in urls}
    return {url: changed for url, changed in changes.items() if changed}


def names(old: Resources, new: Resources) -> frozenset[str]:
    """Return the names that were added, changed or removed between two sets of resources of one type."""
    if old is new:
        return frozenset()
    changed = {name: was for name, each in new.items() if (was := old.get(name)) is not each and was != each}
    added = sum(was is None for was in changed.values())
    if len(old) == len(new) - added:
        return frozenset(changed)
    return frozenset(changed).union(old.keys() - new.keys())
