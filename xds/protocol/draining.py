"""References of listeners that were removed or replaced, and since when their connections drain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xds.protocol.client_state import ClientResource
from xds.resources.resource import Reference, Resource

MAX_DRAINING = 10_000
"""Most references remembered; those that were lost longest ago are forgotten first."""


class Draining:
    """The references that listeners lost, each with the time of the last loss.

    What a reference leads to, through whatever other resources, is not listed: as long as the client holds the first
    resource of a chain, the rest of it is in use.
    """

    __slots__ = ("_since",)

    def __init__(self) -> None:
        """Begin with nothing."""
        self._since: dict[Reference, float] = {}

    def add(self, lost: Iterable[Reference], now: float) -> None:
        """Note references that a replaced or removed listener no longer has."""
        for each in lost:
            self._since.pop(each, None)
            self._since[each] = now
        while len(self._since) > MAX_DRAINING:
            del self._since[next(iter(self._since))]

    def leave(self, before: Mapping[str, ClientResource], after: Mapping[str, ClientResource], now: float) -> None:
        """Note the references that a response takes from listeners: their open connections still use them."""
        for name, held in before.items():
            if isinstance(held, Resource):
                new = after[name]
                self.add(held.references.difference(new.references if isinstance(new, Resource) else ()), now)

    def __len__(self) -> int:
        """Return how many references are remembered."""
        return len(self._since)

    def expire(self, before: float) -> None:
        """Forget what was lost at a time or earlier: those connections are closed."""
        for each in [each for each, since in self._since.items() if since <= before]:
            del self._since[each]

    def names(self, type_url: str) -> set[str]:
        """Return the names, and the collections, of a type that draining listeners use."""
        return {each.name for each in self._since if each.type_url == type_url}

    def times(self) -> Iterable[float]:
        """Return when each reference was lost."""
        return self._since.values()
