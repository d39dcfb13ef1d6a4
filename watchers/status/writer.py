"""The controller that writes object statuses to the API server where they differ from the wanted ones."""

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
from watchers.kubernetes.errors import ApiError, ClusterError, is_namespace_gone
from watchers.kubernetes.resource_version import older
from watchers.status.api_errors import failure_of, is_object_gone, not_served
from watchers.status.client import StatusApi
from watchers.status.merge import StatusAuthor, generation, has_entries, is_shared, merge, observed_generation
from watchers.status.withdraw import withdrawn

log = structlog.stdlib.get_logger("headgate.status")

CONCURRENCY: Final = 16
"""The most concurrent requests."""
PACE: Final[Mapping[str, float]] = {"Gateway": 1 / 3, "GatewayClass": 1 / 3}
"""The least time between two writes to one object, by kind, in seconds."""
OTHER_PACE: Final = 0.1
"""The same for all other kinds, in seconds."""
MAX_PACE: Final = 60.0
"""The most that it grows to, doubled each time another client overwrites our status, in seconds."""
DELAY: Final = 0.05
"""The time from a change to the write of its statuses, in seconds: until then, CPUs that the API server, proxies and
replicas share are free for the configuration, and further changes of an object join the same write."""
CONFLICTS: Final = 5
"""The most immediate retries of a write after conflicts."""
STALE_GRACE: Final = 2.0
"""The time that a status of an older generation is held back, in seconds: the current one is usually computed soon."""
UNCHANGED: Final = Result(succeeded=False)
"""The result without a write; the object is not requeued."""


class StatusCache(Protocol):
    """The last observed statuses of all objects of kinds that have a status."""

    def observed_status(self, ref: Ref) -> ObservedStatus | None:
        """Return the status of an object, None if there is no such object."""
        ...

    def observed_refs(self) -> Iterable[Ref]:
        """Return the identities of all objects of the kinds that have a status."""
        ...


class WriteObserver(Protocol):
    """Receives the outcome of each write, for metrics."""

    def status_written(self, kind: str, outcome: str, seconds: float) -> None:
        """Note the outcome of a write to an object of a kind: "written", "conflict", "gone", "refused" or "failed"."""
        ...


@dataclass(slots=True)
class _Memory:
    """The state of an object between writes. Times are those of `time.monotonic`.

    Attributes:
        tried: the time of the last write, successful or not.
        rejected: whether the last write was rejected.
        written: the status after the last write, until it is observed.
        wanted: the wanted status of the last write.
        since: the time of the last successful write.
        overwrites: the number of repeated writes of `wanted`, since another client overwrote it.
        stale_generation: a generation of the object without a wanted status yet, and the end of the wait for one.
        altered: the status that the last write sent and the one that the API server stored, if they differ: it would
            alter the same write again.
        withdrawn: the resourceVersion of the object whose status was withdrawn.
        settled: the resourceVersion of the object after the last successful write.
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
    settled: str = ""

    def due(self, kind: str, wanted: Status | None) -> float:
        """Return the earliest time of the next write; overwrites of the same status delay it."""
        pace = PACE.get(kind, OTHER_PACE)
        return self.tried + (min(MAX_PACE, pace * 2 ** min(self.overwrites, 32)) if self.wanted == wanted else pace)

    def is_settled(self, observed: ObservedStatus, wanted: Status | None) -> bool:
        """Return whether the observed status is that of our last write, and the same status is wanted since."""
        return self.settled == observed.resource_version and self.wanted is wanted

    def wrote(self, wanted: Status | None, resource_version: str) -> None:
        """Note a successful write and its version; the same status as the last time was overwritten in the meantime."""
        now = time.monotonic()
        again = self.wanted == wanted and now < self.since + 2 * MAX_PACE
        self.overwrites = self.overwrites + 1 if again else 0
        self.wanted, self.since, self.settled = wanted, now, resource_version


class StatusWriter:
    """Reconciles the statuses at the API server with the wanted ones, while `run` runs.

    A write is a JSON merge patch of the differences, with the observed resourceVersion: if another client has changed
    the object, it fails, so the patch cannot undo entries and conditions of others, although it repeats them. An object
    that changes several times while it is queued is written once, with its last status. A status of an older generation
    of the object is held back for a while, until the one of the current generation is computed. The status of an object
    that is no longer to have one is withdrawn.

    Args:
        api: the client of the API server.
        wanted: the wanted status of each object, without times; read at each write.
        cache: the observed statuses.
        controller: the controller name in our entries.
        observer: receives the outcomes of writes.
        may_write: called before each write; False once the lease is lost, so that no late write is sent.
        has_no_status: whether an object without a wanted status certainly is to have none, so that the entries and
            conditions of this controller are withdrawn.
        delay: the seconds from a change to its write: `DELAY` where proxies wait for the configuration meanwhile.
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
        delay: float = 0.0,
    ) -> None:
        self._api = StatusApi(api, controller)
        self._wanted = wanted
        self._cache = cache
        self._controller = controller
        self._observer = observer
        self._may_write = may_write
        self._has_no_status = has_no_status
        self._reconciler = Reconciler(
            CONCURRENCY, self._reconcile, _log_outage, _log_panic, on_blocked=_log_blocked, pauses_all=True, delay=delay
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
        """Yield the objects whose status has entries of ours, although none is wanted."""
        for ref in self._cache.observed_refs():
            observed = self._cache.observed_status(ref)
            if ref not in self._wanted and observed is not None and self._is_ours(observed):
                yield ref

    def _is_ours(self, observed: ObservedStatus) -> bool:
        return has_entries(observed.status, self._controller) if is_shared(observed.status) else observed.written

    async def _reconcile(self, ref: Ref) -> Result:
        """Write the status of an object if it differs from the wanted one and a write is due."""
        memory = self._memory.setdefault(ref, _Memory())
        now = time.monotonic()
        observed = self._latest(ref, memory)
        if observed is None:
            return self._forget(ref)
        paused_until = self._reconciler.paused_until(ref), self._stale_until(ref, observed, memory)
        wait = max(memory.due(ref.kind, self._wanted.get(ref)), *paused_until) - now
        if self._is_up_to_date(ref, observed, memory):
            return UNCHANGED
        if ref not in self._wanted and not self._has_no_status(ref):
            return Result(KIND_BACKOFF, succeeded=False)
        if wait > 0:
            return Result(wait, succeeded=False)
        memory.tried = now
        try:
            return await self._attempt(ref, observed, memory)
        except ApiError as error:
            return self._failed(ref, error, memory)

    async def _attempt(self, ref: Ref, observed: ObservedStatus, memory: _Memory) -> Result:
        try:
            return await self._write(ref, observed, memory)
        except ApiError as error:
            if error.status != 404 or is_namespace_gone(error):
                raise
            await self._api.read(ref, observed)  # raises if the object does not exist
            raise not_served(ref.kind, error) from None

    async def _write(self, ref: Ref, observed: ObservedStatus, memory: _Memory) -> Result:
        for _ in range(CONFLICTS):
            wanted = self._wanted.get(ref)
            new = self._difference(ref, observed, memory)
            if new is None:
                found = await self._api.read(ref, observed)
                observed, new = self._api.parse(found), withdrawn(found, self._api.manager, _now())
                memory.withdrawn = observed.resource_version
            if new == observed.status:
                return UNCHANGED
            try:
                memory.written = await self._patch(ref, observed, new)
            except ApiError as error:
                if error.status != 409:
                    raise
            else:
                memory.altered = None if memory.written.status == new else (new, memory.written.status)
                memory.withdrawn = memory.written.resource_version
                memory.wrote(wanted, memory.written.resource_version)
                memory.rejected = False
                return Result()
            observed = memory.written = self._api.parse(await self._api.read(ref, observed))
            memory.withdrawn = ""
            if self._is_up_to_date(ref, observed, memory):
                return UNCHANGED
            wait = self._stale_until(ref, observed, memory) - time.monotonic()
            if wait > 0:
                return Result(wait, succeeded=False)
        raise Rejected

    async def _patch(self, ref: Ref, observed: ObservedStatus, new: Status) -> ObservedStatus:
        if not self._may_write():
            raise NotLeader
        begun, outcome = time.perf_counter(), "failed"
        try:
            written = await self._api.patch(ref, observed, new)
            outcome = "written"
            return written
        except ApiError as error:
            outcome = OUTCOMES.get(error.status, "failed" if error.status >= 500 else "refused")
            raise
        finally:
            if self._observer is not None:
                self._observer.status_written(ref.kind, outcome, time.perf_counter() - begun)

    def _latest(self, ref: Ref, memory: _Memory) -> ObservedStatus | None:
        """Return the newer of the observed status and the one of our last write."""
        observed = self._cache.observed_status(ref)
        if (
            observed is None
            or memory.written is None
            or not older(observed.resource_version, memory.written.resource_version)
        ):
            memory.written = None
            return observed
        return memory.written

    def _stale_until(self, ref: Ref, observed: ObservedStatus, memory: _Memory) -> float:
        """Return the time until which to wait for a status of the observed generation; 0 if it is there."""
        wanted = generation(self._wanted.get(ref, {}))
        if wanted is None or observed.generation is None or wanted >= observed.generation:
            memory.stale_generation = None
            return 0.0
        if memory.stale_generation is None or memory.stale_generation[0] != observed.generation:
            memory.stale_generation = observed.generation, time.monotonic() + STALE_GRACE
        return memory.stale_generation[1]

    def _is_up_to_date(self, ref: Ref, observed: ObservedStatus, memory: _Memory) -> bool:
        """Return whether there is nothing to write or to withdraw."""
        if memory.is_settled(observed, self._wanted.get(ref)):
            return True
        unmanaged = (
            ref not in self._wanted and self._is_ours(observed) and memory.withdrawn != observed.resource_version
        )
        return not unmanaged and self._difference(ref, observed, memory) is None

    def _difference(self, ref: Ref, observed: ObservedStatus, memory: _Memory) -> Status | None:
        """Return the status to write, None if there is nothing to write now."""
        wanted = self._wanted.get(ref)
        if wanted is not None and observed.generation and (computed := generation(wanted)):
            newest = observed_generation(observed.status, self._controller)
            # A newer generation is of a deleted object of the same name. An older one than the written "MUST NOT
            # perform the update" (`GatewayClassStatus.conditions`): another leader observed a newer object.
            if computed > observed.generation or computed < newest <= observed.generation:
                return None
        new = merge(observed.status, wanted, StatusAuthor(self._controller, _now()))
        if new == observed.status or memory.altered == (new, observed.status):
            return None
        return new

    def _failed(self, ref: Ref, error: ApiError, memory: _Memory) -> Result:
        """Raise the exception for an error of a write; forget the object if it does not exist."""
        if is_object_gone(ref, error):
            return self._forget(ref)
        failure = failure_of(ref.kind, error)
        if isinstance(failure, Rejected):
            if not memory.rejected:
                log.warning(f"The API server rejects the status of {ref}: {error}")
            memory.rejected = True
        raise failure from None

    def _forget(self, ref: Ref) -> Result:
        """Drop the state of a deleted object."""
        self._memory.pop(ref, None)
        self._reconciler.forget(ref)
        return UNCHANGED


OUTCOMES: Final[Mapping[int, str]] = {409: "conflict", 404: "gone"}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _log_outage(_: Ref, error: ClusterError, seconds: float) -> None:
    log.warning(f"Writes of statuses are paused: {error}", seconds=round(seconds, 1))


def _log_blocked(blocked: Blocked) -> None:
    log.error(blocked.message, answer=blocked.error.message)


def _log_panic(ref: Ref) -> None:
    log.exception("A bug in Headgate, please report it: the status of an object is not written", ref=str(ref))
