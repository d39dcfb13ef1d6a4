"""Aliases of resources: virtual hosts that a client requests on demand (VHDS), by the host of an HTTP request.

Source: "Virtual Host Discovery Service (VHDS)". A client subscribes to ``<route configuration>/<host>``. The
response holds the virtual host that serves the host, under its own name, with the requested name among its aliases. For
an unknown host it holds the alias without a resource, or else the client's HTTP request would wait for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from xds.resources.resource import Resource
from xds.resources.types import VIRTUAL_HOST

ALIASED = frozenset({VIRTUAL_HOST})
"""Types whose resources may have aliases."""


class Aliased(Mapping[str, Resource]):
    """The resources of one type, found by name or alias; iteration and length cover names only.

    The last part of an alias may be ``*``, or begin with ``*.``: then it stands for hosts as the domains of a virtual
    host do. The longest counts.
    """

    __slots__ = ("_aliases", "_named")

    def __init__(self, named: dict[str, Resource]) -> None:
        """Take resources by name; nobody may change them any more."""
        self._named = named
        self._aliases = {alias: each for each in named.values() for alias in each.aliases}

    def __getitem__(self, name: str) -> Resource:
        """Return the resource of a name, or else of an alias."""
        found = self._named.get(name) or self._aliases.get(name)
        if found is None:
            found = next((each for alias in _wildcards(name) if (each := self._aliases.get(alias))), None)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._named)

    def __len__(self) -> int:
        """Return how many resources there are."""
        return len(self._named)


def _wildcards(name: str) -> Iterator[str]:
    """Yield the aliases with a wildcard that stand for a name, the longest first."""
    table, _, host = name.rpartition("/")
    labels = host.split(".")
    yield from (f"{table}/*.{'.'.join(labels[start:])}" for start in range(1, len(labels)))
    yield f"{table}/*"


def frozen(type_url: str, named: dict[str, Resource]) -> Mapping[str, Resource]:
    """Return the resources of a type as a mapping that does not change, by alias where the type has those."""
    return Aliased(named) if type_url in ALIASED else MappingProxyType(named)


class Entry(NamedTuple):
    """One entry of a response.

    Attributes:
        name: The resource's own name, or the alias that leads to none.
        resource: The resource; None if there is none.
        aliases: The other names under which it was asked for.
    """

    name: str
    resource: Resource | None
    aliases: tuple[str, ...]


def entries(upserts: Mapping[str, Resource], unknown: Iterable[str]) -> list[Entry]:
    """Return the entries of a response: resources by the names they were requested by, and names that lead to none."""
    asked: dict[str, list[str]] = {}
    found = {each.name: each for each in upserts.values()}
    for name, each in sorted(upserts.items()):
        asked.setdefault(each.name, []).extend([name] if name != each.name else [])
    known = [Entry(name, found[name], tuple(asked[name])) for name in sorted(found)]
    return known + [Entry(name, None, (name,)) for name in sorted(unknown)]
