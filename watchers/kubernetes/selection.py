"""Which namespaces are watched, where they are chosen by their labels."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from watchers.feed import Batch

if TYPE_CHECKING:
    from watchers.kubernetes.reflector import Reflector


class Selection:
    """The namespaces that a label selector chooses, followed; a source that brings no objects.

    Args:
        reflector: of those namespaces; the API server judges the selector.

    Attributes:
        names: of the namespaces; another object whenever they change.
        known: set once they have been read; that there are none is known only then.
        changed: what is called when they change, and when it is known that they cannot be read.
    """

    def __init__(self, reflector: "Reflector") -> None:
        self._reflector = reflector
        self.names: frozenset[str] = frozenset()
        self.known = asyncio.Event()
        self.changed: list[Callable[[], None]] = []
        self._moved = asyncio.Event()

    @property
    def unread(self) -> str:
        """Why the namespaces are not known; "" if they are, or if that may be only a matter of time."""
        return self._reflector.unread

    async def told(self) -> None:
        """Wait until the namespaces are known, or it is known that they cannot be read."""
        while not (self.known.is_set() or self.unread):
            await self._moved.wait()

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Follow the namespaces; yields nothing but whether they are known."""
        async with aclosing(self._reflector.batches()) as reflected:
            async for _, synced in reflected:
                if self._reflector.mirror.read:
                    self._take(frozenset(ref.name for ref in self._reflector.mirror.known))
                self._moved.set()
                self._moved.clear()
                yield Batch((), synced)

    def _take(self, names: frozenset[str]) -> None:
        if names != self.names:
            self.names = names
            for tell in self.changed:
                tell()
        self.known.set()
