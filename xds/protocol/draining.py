"""Draining listeners: the references that removed or replaced listeners had, and when they lost them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xds.protocol.client_state import ClientResource
from xds.resources.resource import Reference, Resource

MAX_DRAINING = 10_000
"""Most references stored; the one that was lost first is dropped first."""


class Draining:
    """The references that listeners lost, each with the time of the last loss.

    Only direct references are stored: while the client has the first resource of a chain, the rest of it is in use.
    """

    __slots__ = ("_since",)

    def __init__(self) -> None:
        """Start empty."""
        self._since: dict[Reference, float] = {}

    def add(self, lost: Iterable[Reference], now: float) -> None:
        """Add references that a replaced or removed listener no longer has."""
        for each in lost:
            self._since.pop(each, None)
            self._since[each] = now
        while len(self._since) > MAX_DRAINING:
            del self._since[next(iter(self._since))]

    def leave(self, before: Mapping[str, ClientResource], after: Mapping[str, ClientResource], now: float) -> None:
        """Add the references that listeners lose by a response; their open connections still use them."""
        for name, state in before.items():
            if isinstance(state, Resource):
                new = after[name]
                self.add(state.references.difference(new.references if isinstance(new, Resource) else ()), now)

    def __len__(self) -> int:
        """Return the number of references."""
        return len(self._since)

    def expire(self, before: float) -> None:
        """Drop the references that were lost at a time or earlier: those connections are closed."""
        for each in [each for each, since in self._since.items() if since <= before]:
            del self._since[each]

    def names(self, type_url: str) -> set[str]:
        """Return the names, and the collections, of a type that draining listeners use."""
        return {each.name for each in self._since if each.type_url == type_url}

    def times(self) -> Iterable[float]:
        """Return the time at which each reference was lost."""
        return self._since.values()
