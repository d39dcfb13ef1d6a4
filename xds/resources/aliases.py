"""Aliases of resources: virtual hosts that a client requests on demand (VHDS), by the host of an HTTP request.

Source: "Virtual Host Discovery Service (VHDS)". A client subscribes to ``<route configuration>/<host>``. The
response contains the virtual host that serves the host, under its own name, with the requested name among its aliases.
For an unknown host it contains the alias without a resource; otherwise the client's HTTP request would wait for one.
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

    The last part of an alias may be ``*`` or start with ``*.``: it then matches hosts like the domains of a virtual
    host. The longest match counts.
    """

    __slots__ = ("_aliases", "_named")

    def __init__(self, named: dict[str, Resource]) -> None:
        """Index resources by name and alias; they must not change afterwards."""
        self._named = named
        self._aliases = {alias: each for each in named.values() for alias in each.aliases}

    def __getitem__(self, name: str) -> Resource:
        """Return the resource with a name or, if there is none, an alias."""
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
        """Return the number of resources."""
        return len(self._named)


def _wildcards(name: str) -> Iterator[str]:
    """Yield the aliases with a wildcard that match a name, the longest first."""
    table, _, host = name.rpartition("/")
    labels = host.split(".")
    yield from (f"{table}/*.{'.'.join(labels[start:])}" for start in range(1, len(labels)))
    yield f"{table}/*"


def frozen(type_url: str, named: dict[str, Resource]) -> Mapping[str, Resource]:
    """Return the resources of a type as an immutable mapping, including aliases if the type has them."""
    return Aliased(named) if type_url in ALIASED else MappingProxyType(named)


class Entry(NamedTuple):
    """One entry of a response.

    Attributes:
        name: The resource's own name, or an alias that names no resource.
        resource: The resource; None if there is none.
        aliases: The aliases by which it was requested.
    """

    name: str
    resource: Resource | None
    aliases: tuple[str, ...]


def entries(upserts: Mapping[str, Resource], unknown: Iterable[str]) -> list[Entry]:
    """Return the entries of a response.

    Args:
        upserts: The resources, by requested name.
        unknown: The requested names without a resource.
    """
    requested: dict[str, list[str]] = {}
    found = {each.name: each for each in upserts.values()}
    for name, each in sorted(upserts.items()):
        requested.setdefault(each.name, []).extend([name] if name != each.name else [])
    known = [Entry(name, found[name], tuple(requested[name])) for name in sorted(found)]
    return known + [Entry(name, None, (name,)) for name in sorted(unknown)]
