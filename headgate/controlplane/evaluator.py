"""Evaluation: edits go to the translator, and what comes out to the publisher. One task does so, hence no locks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Final

import structlog

from headgate.controlplane.events import Events
from headgate.controlplane.publisher import Publisher
from headgate.controlplane.status_store import StatusStore
from headgate.observability.containment import contained
from headgate.observability.metrics import Metrics
from headgate.observability.tracing import span
from translator.inputs import Edit
from translator.translator import Changes, Translator

log = structlog.stdlib.get_logger("headgate")

TURN_SECONDS: Final = 0.05
"""So many seconds are evaluated before leases, probes and streams are looked after."""


class Evaluator:
    """Decides when to evaluate, and hands on what comes out.

    Args:
        translator: owned by this: nobody else edits or evaluates it.
        changed: set while an evaluation is due for other reasons than edits.
        publisher: takes the snapshots.
        statuses: takes the statuses.
        events: learns of edits and evaluations.
        metrics: learns how long evaluations take.
        ready: to be set once everything that was there at the start is published.
    """

    def __init__(
        self,
        translator: Translator,
        changed: asyncio.Event,
        publisher: Publisher,
        statuses: StatusStore,
        events: Events,
        metrics: Metrics,
        ready: asyncio.Event,
    ) -> None:
        self._translator = translator
        self._changed = changed
        self._publisher = publisher
        self._statuses = statuses
        self._events = events
        self._metrics = metrics
        self._ready = ready
        self._begun = asyncio.Event()
        self._taking = asyncio.Lock()
        self._progress = _Progress()
        self._failures = _FailureLog()

    async def take(self, batches: AsyncIterable[tuple[Edit, ...]]) -> None:
        """Apply batches of edits until the iteration ends."""
        async for edits in batches:
            self._begun.set()
            async with self._taking:  # else what never ends to come would never be published
                self._translator.edit(edits)
            self._progress.edit()
            self._changed.set()
            self._events.edited(each.ref for each in edits)

    async def run(self) -> None:
        """Evaluate and publish on each change; changes that arrive meanwhile are evaluated in the next round.

        Not before the first batch, which is all that was there at the start: of no objects it would follow that there
        is nothing to serve, and that all that was deployed and written for them is to go.
        """
        await self._begun.wait()
        while True:
            await self._changed.wait()
            self._changed.clear()
            begun = time.perf_counter()
            changes = await self._evaluate()
            self._publisher.publish(changes, self._progress.publish())
            self._metrics.evaluated(time.perf_counter() - begun)
            self._failures.log(changes.failures)
            with contained("telling statuses"):
                self._events.conditions_changed(self._statuses.update(changes.statuses))
            with contained("handing on changes"):
                self._events.evaluated(changes)
            if not self._translator.nothing_synced:
                self._ready.set()
            await asyncio.sleep(0)  # lets the server send before the next round

    @property
    def stalled_seconds(self) -> float:
        """The seconds for which an evaluation has been due without progress."""
        return self._progress.stalled_seconds

    async def _evaluate(self) -> Changes:
        """Evaluate until all objects that are referenced are there."""
        changes = Changes()
        with span("evaluate"):
            changes.merge(await self._turns())
            while not self._events.is_complete():
                changes.merge(await self._turns())
        return changes

    async def _turns(self) -> Changes:
        """Evaluate in steps that yield to the event loop: all at once, 10,000 routes take seconds."""
        async with self._taking:
            since = time.perf_counter()
            for _ in self._translator.steps():
                if time.perf_counter() - since > TURN_SECONDS:
                    self._progress.move()
                    await asyncio.sleep(0)
                    since = time.perf_counter()
            return self._translator.changes()


class _Progress:
    """The progress from edits to their publication, by the event loop's clock."""

    def __init__(self) -> None:
        self._edited: float | None = None  # when the oldest edit was taken that nothing has been published of
        self._moved = 0.0

    def edit(self) -> None:
        """Note that an edit was taken."""
        if self._edited is None:
            self._edited = asyncio.get_running_loop().time()

    def move(self) -> None:
        """Note that the evaluation came on."""
        self._moved = asyncio.get_running_loop().time()

    def publish(self) -> float | None:
        """Note that all edits are about to be published; return when the oldest was taken, None if there is none."""
        edited, self._edited = self._edited, None
        return edited

    @property
    def stalled_seconds(self) -> float:
        """The seconds for which an evaluation has been due without progress."""
        if self._edited is None:
            return 0.0
        return asyncio.get_running_loop().time() - max(self._edited, self._moved)


class _FailureLog:
    """Logs each bug that an evaluation met once, when it first occurs."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()

    def log(self, failures: Iterable[Exception]) -> None:
        """Log those of the current failures that were none before."""
        failing: Mapping[str, Exception] = {str(each): each for each in failures}
        for text in failing.keys() - self._known:
            log.error(
                f"A bug in Headgate, please report it: {text}. What it concerns keeps its last good configuration.",
                exc_info=failing[text].__cause__,
            )
        self._known = frozenset(failing)
