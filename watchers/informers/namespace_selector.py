"""The watched namespaces, where a label selector chooses them."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing

from watchers.informers.namespace_set import NamespaceFollower
from watchers.informers.reflector import Reflector
from watchers.sources import Batch


class NamespaceSelector:
    """The namespaces that a label selector chooses, followed; a source that brings no objects.

    Args:
        reflector: of those namespaces; the API server judges the selector.

    Attributes:
        names: of the namespaces; another object whenever they change.
        known: set once they have been read; that there are none is known only then.
        followers: whom to tell when they change.
        unsynced: the namespaces that were selected or deselected, by name, and for each the followers that have not yet
            yielded the changes that follow. No change of such a namespace is to be used before all of them have.
    """

    def __init__(self, reflector: Reflector) -> None:
        self._reflector = reflector
        self.names: frozenset[str] = frozenset()
        self.known = asyncio.Event()
        self.followers: list[NamespaceFollower] = []
        self.unsynced: dict[str, set[NamespaceFollower]] = {}
        self._changed = asyncio.Event()

    @property
    def not_synced_reason(self) -> str:
        """Why the namespaces are not known; "" if they are, or if that may be only a matter of time."""
        return self._reflector.not_synced_reason

    def mark_synced(self, follower: NamespaceFollower, unlisted: Collection[str] = ()) -> bool:
        """Note that a follower has yielded all that it knows of the namespaces, except of those not listed yet.

        Returns:
            Whether it was the last follower of a namespace to do so.
        """
        done = False
        for name in [each for each in self.unsynced if each not in unlisted]:
            self.unsynced[name].discard(follower)
            if not self.unsynced[name]:
                del self.unsynced[name]
                done = True
        return done

    async def observed(self) -> None:
        """Wait until the namespaces are known, or it is known that they cannot be read."""
        while not (self.known.is_set() or self.not_synced_reason):
            await self._changed.wait()

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Follow the namespaces; yields nothing but whether they are known."""
        async with aclosing(self._reflector.batches()) as reflected:
            async for _, synced in reflected:
                if self._reflector.list_watch.was_listed:
                    self._set_names(frozenset(ref.name for ref in self._reflector.list_watch.known))
                self._changed.set()
                self._changed.clear()
                yield Batch((), synced)

    def _set_names(self, names: frozenset[str]) -> None:
        if names != self.names:
            self.unsynced |= {name: set(self.followers) for name in names ^ self.names}
            self.names = names
            for each in self.followers:
                each.reselect()
        self.known.set()
