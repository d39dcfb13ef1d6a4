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
        known: set once they are known.
        changed: what is called when they change.
    """

    def __init__(self, reflector: "Reflector") -> None:
        self._reflector = reflector
        self.names: frozenset[str] = frozenset()
        self.known = asyncio.Event()
        self.changed: list[Callable[[], None]] = []

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Follow the namespaces; yields nothing but whether they are known."""
        async with aclosing(self._reflector.batches()) as reflected:
            async for _, synced in reflected:
                names = frozenset(ref.name for ref in self._reflector.mirror.known)
                if synced and names != self.names:
                    self.names = names
                    for tell in self.changed:
                        tell()
                if synced:
                    self.known.set()
                yield Batch((), synced)
