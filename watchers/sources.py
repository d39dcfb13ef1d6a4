"""Merges several sources into one stream of batches: held back until all are synced, coalesced while nobody reads."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import aclosing
from typing import NamedTuple, Protocol

from translator.inputs import Edit, Invalid
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref


class Batch(NamedTuple):
    """Edits that belong together.

    Attributes:
        edits: of any two of the same object only the last one counts.
        synced: with these the source has told all that it knew at its start. True for one batch of a source at least,
            even if that has no edits.
    """

    edits: tuple[Edit, ...]
    synced: bool = False


class Source(Protocol):
    """A source of objects."""

    def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield what changes, for as long as there is a source."""
        ...


class SourceMux:
    """The edits of all sources, as batches for the one task that evaluates.

    Nothing is handed out before every source is synced: the first batch is all that is there, even if that is nothing.
    After that, whatever has come in since the last batch makes up the next one. What waits is bounded by the number of
    objects, since a later edit of an object replaces an earlier one. Edits of `unsynced_namespaces` wait too.

    Run `run` in a task group and iterate in another task of it; a source that fails makes `run` raise.

    Args:
        sources: where the edits come from.
        unsynced_namespaces: the names of the namespaces of which some sources have yielded all objects and others have
            not; a live view. The source that is the last for a namespace yields a batch, even if that has no edits.
    """

    def __init__(self, sources: Iterable[Source], unsynced_namespaces: Collection[str] = ()) -> None:
        self._sources = tuple(sources)
        self._unsynced_namespaces = unsynced_namespaces
        self._unsynced = len(self._sources)
        self._running = len(self._sources)
        self._pending: dict[Ref, KubernetesObject | Invalid | None] = {}
        self._started = False
        self._changed = asyncio.Event()
        self._changed.set()

    async def run(self) -> None:
        """Receive the batches of all sources, until all have ended or one fails."""
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(self._take_in(source))

    @property
    def synced(self) -> bool:
        """Whether every source has yielded all that it knew at its start."""
        return not self._unsynced

    async def _take_in(self, source: Source) -> None:
        synced = False
        try:
            async with aclosing(source.batches()) as batches:
                async for batch in batches:
                    self._pending.update(batch.edits)
                    self._unsynced -= batch.synced and not synced
                    synced = synced or batch.synced
                    self._changed.set()
        finally:
            self._running -= 1
            self._changed.set()

    def __aiter__(self) -> AsyncIterator[tuple[Edit, ...]]:
        return self

    async def __anext__(self) -> tuple[Edit, ...]:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self.synced and ((edits := self._take()) or not self._started):
                self._started = True
                if not self._running:
                    self._changed.set()
                return edits
            if not self._running:
                self._changed.set()
                raise StopAsyncIteration

    def _take(self) -> tuple[Edit, ...]:
        """Take the edits that wait, except those of namespaces that are not synced."""
        taken, self._pending = self._pending, {}
        if self._unsynced_namespaces:
            self._pending = {ref: found for ref, found in taken.items() if ref.namespace in self._unsynced_namespaces}
        return tuple(Edit(ref, found) for ref, found in taken.items() if ref not in self._pending)
