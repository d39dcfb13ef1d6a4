"""The watched namespaces, selected by a label selector."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing

from watchers.informers.namespace_set import NamespaceFollower
from watchers.informers.reflector import Reflector
from watchers.sources import Batch


class NamespaceSelector:
    """The namespaces that match a label selector; a source that yields no objects.

    Args:
        reflector: the reflector of the namespaces; the API server applies the selector.

    Attributes:
        names: the names of the namespaces; a new object after each change.
        known: set once the namespaces have been listed.
        followers: the followers to call after a change.
        unsynced: by the name of each selected or deselected namespace, the followers that have not yielded its changes
            yet. No edit of the namespace may be used before all of them have.
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
        """The reason why the namespaces cannot be listed; "" if they are listed, or may be soon."""
        return self._reflector.not_synced_reason

    def mark_synced(self, follower: NamespaceFollower, unlisted: Collection[str] = ()) -> bool:
        """Record that a follower has yielded all changes of the namespaces, except of those not listed yet.

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
        """Wait until the namespaces have been listed, or the list was denied."""
        while not (self.known.is_set() or self.not_synced_reason):
            await self._changed.wait()

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Follow the namespaces; yield batches without edits, which report whether they are synced."""
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
