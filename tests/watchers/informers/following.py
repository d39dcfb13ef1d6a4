"""Readers of sources that let a test wait for edits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

from translator.inputs import Edit, Invalid
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from watchers.informers.list_watch import ObjectChange
from watchers.informers.observer import InformerObserver
from watchers.informers.reflector import Reflector
from watchers.sources import Source, SourceMux

SECONDS = 90.0
"""Timeout of waits, in seconds."""


class Counts(InformerObserver):
    """Counts events, by name and kind."""

    def __init__(self) -> None:
        self.of: Counter[tuple[str, str]] = Counter()

    def listed(self, kind: str, objects: int, seconds: float) -> None:
        """Count a page."""
        self.of["listed", kind] += 1

    def watching(self, kind: str) -> None:
        """Count a watch."""
        self.of["watching", kind] += 1

    def expired(self, kind: str) -> None:
        """Count a 410."""
        self.of["expired", kind] += 1

    def failed(self, kind: str, reason: str) -> None:
        """Count a failure."""
        self.of["failed", kind] += 1

    def missing(self, kind: str) -> None:
        """Count a kind that is not served."""
        self.of["missing", kind] += 1

    def fetched(self, kind: str) -> None:
        """Count an object that is read in full."""
        self.of["fetched", kind] += 1


class Waiting:
    """A state that changes in another task, and can be waited for. An asynchronous context manager."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        raise NotImplementedError

    def moved(self) -> None:
        """Report a change."""
        self._moved.set()

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until a condition holds; fail with the current state after a timeout, or if the task has failed."""
        try:
            async with asyncio.timeout(SECONDS):
                while not true():
                    if self._task.done():
                        self._task.result()
                    self._moved.clear()
                    waiting = asyncio.ensure_future(self._moved.wait())
                    await asyncio.wait([waiting, self._task], timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
        except TimeoutError:
            raise AssertionError(f"it never came, of {self!r}") from None


class Followed(Waiting):
    """What a feed of sources brings.

    Attributes:
        objects: that there are now; of one that cannot be read, why.
        edits: all edits, in their order.
        first: the number of edits of the first batch, None until that came.
    """

    def __init__(self, *sources: Source) -> None:
        super().__init__()
        self.feed = SourceMux(sources)
        self.objects: dict[Ref, KubernetesObject | Invalid] = {}
        self.edits: list[Edit] = []
        self.first: int | None = None

    def __repr__(self) -> str:
        return f"{sorted(map(str, self.objects))}, synced: {self.feed.synced}"

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.run())
            async for batch in self.feed:
                self.first = len(batch) if self.first is None else self.first
                self.edits += batch
                for ref, found in batch:
                    self.objects.pop(ref, None)
                    if found is not None:
                        self.objects[ref] = found
                self.moved()

    def names(self, kind: str, namespace: str) -> set[str]:
        """Return the names of the objects of a kind in a namespace."""
        return {ref.name for ref in self.objects if (ref.kind, ref.namespace) == (kind, namespace)}


class Reflections(Waiting):
    """What a reflector brings.

    Attributes:
        raws: the objects that there are now.
        changes: all changes, in their order.
    """

    def __init__(self, reflector: Reflector) -> None:
        super().__init__()
        self.reflector = reflector
        self.raws: dict[str, dict[str, Any]] = {}
        self.changes: list[ObjectChange] = []
        self.synced = False

    def __repr__(self) -> str:
        return f"{sorted(self.raws)}, synced: {self.synced}"

    async def _run(self) -> None:
        async for changes, synced in self.reflector.batches():
            self.changes += changes
            self.synced = synced
            for ref, raw in changes:
                self.raws.pop(ref.name, None)
                if raw is not None:
                    self.raws[ref.name] = raw
            self.moved()

    def reported(self, name: str) -> int:
        """Return the number of changes of an object."""
        return sum(ref.name == name for ref, _ in self.changes)
