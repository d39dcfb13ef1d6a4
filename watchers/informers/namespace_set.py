"""The namespaces whose objects are watched, as those see them who watch the objects."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol


class NamespaceFollower(Protocol):
    """Follows the objects of the selected namespaces."""

    def reselect(self) -> None:
        """Take that other namespaces are selected than before."""
        ...


class NamespaceSet(Protocol):
    """The selected namespaces; `NamespaceSelector` follows those of a label selector."""

    @property
    def names(self) -> frozenset[str]:
        """The namespaces; another object whenever they change."""
        ...

    @property
    def known(self) -> asyncio.Event:
        """Set once they have been read; that there are none is known only then."""
        ...

    @property
    def followers(self) -> list[NamespaceFollower]:
        """Whom to tell when they change."""
        ...

    @property
    def unsynced(self) -> Mapping[str, set[NamespaceFollower]]:
        """The namespaces that come or go, each with the followers that have not yet yielded what follows."""
        ...

    @property
    def not_synced_reason(self) -> str:
        """Why the namespaces are not known; "" if they are, or if that may be only a matter of time."""
        ...

    async def observed(self) -> None:
        """Wait until the namespaces are known, or it is known that they cannot be read."""
        ...

    def mark_synced(self, follower: NamespaceFollower, unlisted: Collection[str] = ()) -> bool:
        """Note that a follower has yielded all that it knows; tell whether it was the last of a namespace."""
        ...
