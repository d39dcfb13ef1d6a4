"""The evaluation loop: passes edits to the translator, and its outputs to the publisher, in one task."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import Final

import structlog

from headgate.controlplane.demand import Demand
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
"""The seconds of evaluation after which leases, probes and streams get a turn of the event loop."""
HELD_SECONDS: Final = 5.0
"""The seconds for which edits wait for further ones while nobody needs their evaluation at once."""


class Evaluator:
    """Decides when to evaluate, and passes on the changes.

    Args:
        translator: the translator; no other task edits or evaluates it.
        changed: set while an evaluation is due, by edits or other inputs.
        publisher: publishes the snapshots.
        statuses: stores the statuses.
        events: handles edits and evaluations.
        metrics: measures evaluations.
        ready: set by this once the objects that existed at the start are published.
        demand: tells when edits may wait to be evaluated together; without it they never do.
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
        demand: Demand | None = None,
    ) -> None:
        self._translator = translator
        self._changed = changed
        self._publisher = publisher
        self._statuses = statuses
        self._events = events
        self._metrics = metrics
        self._ready = ready
        self._demand = demand or Demand()
        self._caught_up = asyncio.Event()
        self._caught_up.set()
        self._begun = asyncio.Event()
        self._taking = asyncio.Lock()
        self._progress = _Progress()
        self._failures = _FailureLog()

    async def take(self, batches: AsyncIterable[tuple[Edit, ...]]) -> None:
        """Apply batches of edits until the iteration ends; those that change nothing cause no evaluation."""
        async for edits in batches:
            self._begun.set()
            async with self._taking:  # edits that arrive without end must not delay publication
                changed = self._translator.edit(edits)
            if changed:
                self._progress.edit()
                self._changed.set()
            self._events.edited(each.ref for each in edits)

    async def run(self) -> None:
        """Evaluate and publish on each change; edits that arrive meanwhile are evaluated in the next round.

        The first evaluation waits for the first batch, which has all objects that existed at the start. Without
        objects, every snapshot would be empty, and every deployed object and written status would be removed.
        """
        await self._begun.wait()
        while True:
            await self._changed.wait()
            if self._ready.is_set() and not self._demand.exists:
                await self._hold_back()
            self._changed.clear()
            begun = time.perf_counter()
            changes = await self._evaluate()
            self._publisher.publish(changes, self._progress.publish())
            self._caught_up.set()
            await asyncio.sleep(0)  # streams write what was published before anything is done about statuses
            self._metrics.evaluated(time.perf_counter() - begun)
            self._failures.log(changes.failures)
            with contained("logging conditions"):
                self._events.conditions_changed(self._statuses.update(changes.statuses))
            with contained("handling changes"):
                self._events.evaluated(changes)
            if not self._translator.nothing_synced:
                self._ready.set()

    async def _hold_back(self) -> None:
        """Wait for edits to evaluate together with the present ones, until there is demand."""
        self._caught_up.clear()
        self._demand.raised.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HELD_SECONDS):
                await self._demand.raised.wait()
        self._progress.move()

    async def catch_up(self) -> None:
        """Wait until edits that were held back are evaluated and published, which happens at once."""
        self._demand.raise_now()
        await self._caught_up.wait()

    @contextlib.asynccontextmanager
    async def settled(self) -> AsyncIterator[None]:
        """Wait until all edits are evaluated; none is evaluated for as long as the context lasts.

        The context is for reads of the translator, which must not wait in between.
        """
        while True:
            self._demand.raise_now()
            async with self._taking:
                if not self._changed.is_set():
                    yield
                    return
            await asyncio.sleep(TURN_SECONDS)

    @property
    def stalled_seconds(self) -> float:
        """The seconds for which an evaluation has been due without progress."""
        return self._progress.stalled_seconds

    async def _evaluate(self) -> Changes:
        """Evaluate until all referenced objects are fetched."""
        changes = Changes()
        with span("evaluate"):
            changes.merge(await self._turns())
            while not self._events.fetch_referenced():
                changes.merge(await self._turns())
        return changes

    async def _turns(self) -> Changes:
        """Evaluate in steps that yield to the event loop: in one step, 10,000 routes would block it for seconds."""
        async with self._taking:
            since = time.perf_counter()
            for _ in self._translator.steps():
                if time.perf_counter() - since > TURN_SECONDS:
                    self._progress.move()
                    await asyncio.sleep(0)
                    since = time.perf_counter()
            return self._translator.changes()


class _Progress:
    """The progress from edits to their publication, on the event loop's clock."""

    def __init__(self) -> None:
        self._edited: float | None = None  # the time of the oldest edit that is not published
        self._moved = 0.0

    def edit(self) -> None:
        """Note that an edit was taken."""
        if self._edited is None:
            self._edited = asyncio.get_running_loop().time()

    def move(self) -> None:
        """Note that the evaluation has made progress."""
        self._moved = asyncio.get_running_loop().time()

    def publish(self) -> float | None:
        """Note that all edits are evaluated; return the time of the oldest, None if there is none."""
        edited, self._edited = self._edited, None
        return edited

    @property
    def stalled_seconds(self) -> float:
        """The seconds for which an evaluation has been due without progress."""
        if self._edited is None:
            return 0.0
        return asyncio.get_running_loop().time() - max(self._edited, self._moved)


class _FailureLog:
    """Logs each bug in an evaluation once, when it first occurs."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()

    def log(self, failures: Iterable[Exception]) -> None:
        """Log the current failures that the last evaluation did not have."""
        failing: Mapping[str, Exception] = {str(each): each for each in failures}
        for text in failing.keys() - self._known:
            log.error(
                f"A bug in Headgate, please report it: {text}. What it concerns keeps its last good configuration.",
                exc_info=failing[text].__cause__,
            )
        self._known = frozenset(failing)
