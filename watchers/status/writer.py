"""Writes object statuses to the API server where they differ from the wanted ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from translator.refs import Ref
from watchers.controllers.reconciler import KIND_BACKOFF, Blocked, NotLeader, Reconciler, Rejected, Result
from watchers.informers.observed_status import ObservedStatus, Status
from watchers.kubernetes.client import Api
from watchers.kubernetes.errors import ApiError, ClusterError
from watchers.kubernetes.resource_version import older
from watchers.status.api_errors import failure_of, is_object_gone, not_served
from watchers.status.client import StatusApi
from watchers.status.merge import StatusAuthor, generation, has_entries, is_shared, merge, observed_generation
from watchers.status.withdraw import withdrawn

log = structlog.stdlib.get_logger("headgate.status")

CONCURRENCY: Final = 16
"""How many requests are under way at once."""
PACE: Final[Mapping[str, float]] = {"Gateway": 1 / 3, "GatewayClass": 1 / 3}
"""The least time between two writes to one object of a kind, in seconds."""
OTHER_PACE: Final = 0.1
"""That of all other kinds."""
MAX_PACE: Final = 60.0
"""So much it grows to at most, twofold each time, while somebody undoes what we write: that bounds the quarrel."""
CONFLICTS: Final = 5
"""How often in a row a write is repeated at once because the object has changed in the meantime."""
STALE_GRACE: Final = 2.0
"""How long a status waits that was made from an older generation of its object, in seconds."""
UNCHANGED: Final = Result(succeeded=False)
"""The result where there is nothing to write before something changes."""


class StatusCache(Protocol):
    """The statuses of all objects whose status may be ours to write, as last seen."""

    def observed_status(self, ref: Ref) -> ObservedStatus | None:
        """Give the status of an object, None if there is no such object."""
        ...

    def observed_refs(self) -> Iterable[Ref]:
        """Give the names of all objects of the kinds that have a status."""
        ...


class WriteObserver(Protocol):
    """Receives the outcome of each write, for metrics."""

    def status_written(self, kind: str, outcome: str, seconds: float) -> None:
        """Note the end of a request for a status of a kind: "written", "conflict", "gone", "refused" or "failed"."""
        ...


@dataclass(slots=True)
class _Memory:
    """What is kept of an object between writes.

    Attributes:
        tried: when it was written to last, or that was tried.
        rejected: whether the last write was rejected.
        written: what the last write made of it, until it is observed.
        wanted: what the last write was to bring.
        since: when that was written.
        overwrites: how often in a row it has been written once more, because somebody had undone it.
        stale_generation: a generation of the object that no status was made from yet, and until when to wait for one.
        altered: what the last write asked for and what the API server made of it instead: it would do so again.
        withdrawn: the version of the object from which our claims have been taken back.
    """

    tried: float = -math.inf
    rejected: bool = False
    written: ObservedStatus | None = None
    wanted: Status | None = None
    since: float = -math.inf
    overwrites: int = 0
    stale_generation: tuple[int, float] | None = None
    altered: tuple[Status, Status] | None = None
    withdrawn: str = ""

    def due(self, kind: str, wanted: Status | None) -> float:
        """When the object may be written to next: the later the more often the same was undone."""
        pace = PACE.get(kind, OTHER_PACE)
        return self.tried + (min(MAX_PACE, pace * 2 ** min(self.overwrites, 32)) if self.wanted == wanted else pace)

    def wrote(self, wanted: Status | None) -> None:
        """Take that what was wanted is written; if that is the same as the last time, somebody undid it meanwhile."""
        now = time.monotonic()
        again = self.wanted == wanted and now < self.since + 2 * MAX_PACE
        self.overwrites = self.overwrites + 1 if again else 0
        self.wanted, self.since = wanted, now


class StatusWriter:
    """Reconcile the statuses at the API server with the wanted ones, while `run` runs.

    Only what differs is written, by a JSON merge patch of the status that holds only if nobody changed the object in
    the meantime; so the entries and conditions of others stay, though the patch repeats them. However often an object
    changes while it waits, it is written once, with what is wanted then. A status that was made from an older
    generation of the object than the API server's waits a while, because one from that generation is about to come.
    Where there is nothing to say any more, what we said is taken back.

    Args:
        api: the way to the API server.
        wanted: for each object what is to be told of it, without times; looked at anew at each write.
        cache: what the API server holds.
        controller: the controller name in our entries.
        observer: is told what becomes of writes.
        may_write: asked right before each write, so that no late one slips through once the lease is lost.
        has_no_status: whether an object for which no status is wanted has none for sure, so that the entries and
            conditions that this controller wrote are withdrawn.
    """

    def __init__(
        self,
        api: Api,
        wanted: Mapping[Ref, Status],
        cache: StatusCache,
        controller: str,
        *,
        observer: WriteObserver | None = None,
        may_write: Callable[[], bool] = lambda: True,
        has_no_status: Callable[[Ref], bool] = lambda _: True,
    ) -> None:
        self._api = StatusApi(api, controller)
        self._wanted = wanted
        self._cache = cache
        self._controller = controller
        self._observer = observer
        self._may_write = may_write
        self._has_no_status = has_no_status
        self._reconciler = Reconciler(
            CONCURRENCY, self._reconcile, _log_outage, _log_panic, on_blocked=_log_blocked, pauses_all=True
        )
        self._memory: dict[Ref, _Memory] = {}

    def enqueue(self, refs: Iterable[Ref]) -> None:
        """Enqueue objects whose wanted or observed status has changed."""
        self._reconciler.enqueue(refs)

    @property
    def depth(self) -> int:
        """The number of objects that wait to be reconciled; 0 while this replica does not lead."""
        return self._reconciler.depth

    async def run(self) -> None:
        """Reconcile all objects, then those that are enqueued, until cancelled."""
        self._memory.clear()
        await self._reconciler.run(dict.fromkeys([*self._wanted, *self._orphaned()]))

    def _orphaned(self) -> Iterator[Ref]:
        """Yield objects whose status holds entries of ours, though none is wanted any more."""
        for ref in self._cache.observed_refs():
            held = self._cache.observed_status(ref)
            if ref not in self._wanted and held is not None and self._is_ours(held):
                yield ref

    def _is_ours(self, held: ObservedStatus) -> bool:
        return has_entries(held.status, self._controller) if is_shared(held.status) else held.written

    async def _reconcile(self, ref: Ref) -> Result:
        """Write the status of an object if it differs from the wanted one and may be written now."""
        memory = self._memory.setdefault(ref, _Memory())
        now = time.monotonic()
        held = self._latest(ref, memory)
        if held is None:
            return self._forget(ref)
        paused_until = self._reconciler.paused_until(ref), self._stale_until(ref, held, memory)
        wait = max(memory.due(ref.kind, self._wanted.get(ref)), *paused_until) - now
        if self._is_up_to_date(ref, held, memory):
            return UNCHANGED
        if ref not in self._wanted and not self._has_no_status(ref):
            return Result(KIND_BACKOFF, succeeded=False)
        if wait > 0:
            return Result(wait, succeeded=False)
        memory.tried = now
        try:
            return await self._attempt(ref, held, memory)
        except ApiError as error:
            return self._failed(ref, error, memory)

    async def _attempt(self, ref: Ref, held: ObservedStatus, memory: _Memory) -> Result:
        try:
            return await self._write(ref, held, memory)
        except ApiError as error:
            if error.status != 404:
                raise
            await self._api.read(ref, held)  # if that is not there either, it says so
            raise not_served(ref.kind, error) from None

    async def _write(self, ref: Ref, held: ObservedStatus, memory: _Memory) -> Result:
        for _ in range(CONFLICTS):
            wanted = self._wanted.get(ref)
            new = self._difference(ref, held, memory)
            if new is None:
                found = await self._api.read(ref, held)
                held, new = self._api.parse(found), withdrawn(found, self._api.manager, _now())
                memory.withdrawn = held.resource_version
            if new == held.status:
                return UNCHANGED
            try:
                memory.written = await self._patch(ref, held, new)
            except ApiError as error:
                if error.status != 409:
                    raise
            else:
                memory.altered = None if memory.written.status == new else (new, memory.written.status)
                memory.withdrawn = memory.written.resource_version
                memory.wrote(wanted)
                memory.rejected = False
                return Result()
            held = memory.written = self._api.parse(await self._api.read(ref, held))
            memory.withdrawn = ""
            if self._is_up_to_date(ref, held, memory):
                return UNCHANGED
            patience = self._stale_until(ref, held, memory) - time.monotonic()
            if patience > 0:
                return Result(patience, succeeded=False)
        raise Rejected

    async def _patch(self, ref: Ref, held: ObservedStatus, new: Status) -> ObservedStatus:
        if not self._may_write():
            raise NotLeader
        begun, outcome = time.perf_counter(), "failed"
        try:
            written = await self._api.patch(ref, held, new)
            outcome = "written"
            return written
        except ApiError as error:
            outcome = OUTCOMES.get(error.status, "failed" if error.status >= 500 else "refused")
            raise
        finally:
            if self._observer is not None:
                self._observer.status_written(ref.kind, outcome, time.perf_counter() - begun)

    def _latest(self, ref: Ref, memory: _Memory) -> ObservedStatus | None:
        """Return what the API server holds, as far as is known: as observed, or as we wrote it if that is newer."""
        observed = self._cache.observed_status(ref)
        if (
            observed is None
            or memory.written is None
            or not older(observed.resource_version, memory.written.resource_version)
        ):
            memory.written = None
            return observed
        return memory.written

    def _stale_until(self, ref: Ref, held: ObservedStatus, memory: _Memory) -> float:
        """Until when to wait for a status made from the generation that is held."""
        told = generation(self._wanted.get(ref, {}))
        if told is None or held.generation is None or told >= held.generation:
            memory.stale_generation = None
            return 0.0
        if memory.stale_generation is None or memory.stale_generation[0] != held.generation:
            memory.stale_generation = held.generation, time.monotonic() + STALE_GRACE
        return memory.stale_generation[1]

    def _is_up_to_date(self, ref: Ref, held: ObservedStatus, memory: _Memory) -> bool:
        """Whether there is nothing to write now, nor to look for what of ours is left."""
        leaves = ref not in self._wanted and self._is_ours(held) and memory.withdrawn != held.resource_version
        return not leaves and self._difference(ref, held, memory) is None

    def _difference(self, ref: Ref, held: ObservedStatus, memory: _Memory) -> Status | None:
        """Return the new status, None if there is nothing to write now."""
        wanted = self._wanted.get(ref)
        if wanted is not None and held.generation and (made := generation(wanted)):
            newest = observed_generation(held.status, self._controller)
            # One is of an object of this name that was there before; the other "MUST NOT perform the update"
            # (`GatewayClassStatus.conditions`): another leader knew more, and what it knew is about to come.
            if made > held.generation or made < newest <= held.generation:
                return None
        new = merge(held.status, wanted, StatusAuthor(self._controller, _now()))
        if new == held.status or memory.altered == (new, held.status):
            return None
        return new

    def _failed(self, ref: Ref, error: ApiError, memory: _Memory) -> Result:
        """Raise what an error that ends a write concerns, unless that is an object that is gone."""
        if is_object_gone(ref, error):
            return self._forget(ref)
        failure = failure_of(ref.kind, error)
        if isinstance(failure, Rejected):
            if not memory.rejected:
                log.warning(f"The status of {ref} is not taken: {error}")
            memory.rejected = True
        raise failure from None

    def _forget(self, ref: Ref) -> Result:
        """Drop what is kept of an object that is gone."""
        self._memory.pop(ref, None)
        self._reconciler.forget(ref)
        return UNCHANGED


OUTCOMES: Final[Mapping[int, str]] = {409: "conflict", 404: "gone"}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _log_outage(_: Ref, error: ClusterError, seconds: float) -> None:
    log.warning(f"Statuses are written later: {error}", seconds=round(seconds, 1))


def _log_blocked(blocked: Blocked) -> None:
    log.error(blocked.message, answer=blocked.error.message)


def _log_panic(ref: Ref) -> None:
    log.exception("A bug in Headgate, please report it: the status of an object is not written", ref=str(ref))
