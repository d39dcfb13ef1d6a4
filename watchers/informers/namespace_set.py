"""The interface between the selected namespaces and the reflectors of their objects."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol


class NamespaceFollower(Protocol):
    """A follower of the selected namespaces, such as a reflector of their objects."""

    def reselect(self) -> None:
        """Process a change of the selected namespaces."""
        ...


class NamespaceSet(Protocol):
    """The selected namespaces; `NamespaceSelector` implements it for a label selector."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the namespaces; a new object after each change."""
        ...

    @property
    def known(self) -> asyncio.Event:
        """Set once the namespaces have been listed."""
        ...

    @property
    def followers(self) -> list[NamespaceFollower]:
        """The followers to call after a change."""
        ...

    @property
    def unsynced(self) -> Mapping[str, set[NamespaceFollower]]:
        """The selected or deselected namespaces, each with the followers that have not yielded its changes yet."""
        ...

    @property
    def not_synced_reason(self) -> str:
        """The reason why the namespaces cannot be listed; "" if they are listed, or may be soon."""
        ...

    async def observed(self) -> None:
        """Wait until the namespaces have been listed, or the list was denied."""
        ...

    def mark_synced(self, follower: NamespaceFollower, unlisted: Collection[str] = ()) -> bool:
        """Record that a follower has yielded all changes; return whether it was the last one of a namespace."""
        ...
