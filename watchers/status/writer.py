"""The controller that writes object statuses to the API server where they differ from the wanted ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
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
from watchers.status.memory import Memory
from watchers.status.merge import (
    StatusAuthor,
    differs_by_counts,
    generation,
    has_entries,
    is_shared,
    merge,
    observed_generation,
)
from watchers.status.withdraw import withdrawn

log = structlog.stdlib.get_logger("headgate.status")

CONCURRENCY: Final = 16
"""The most concurrent requests."""
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


class _Todo(Enum):
    """What to do about a status other than to write one."""

    NOTHING = "nothing"
    WITHDRAW = "withdraw"


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
        self._memory: dict[Ref, Memory] = {}

    def enqueue(self, refs: Iterable[Ref]) -> None:
        """Enqueue objects whose wanted or observed status has changed."""
        self._reconciler.enqueue(refs)

    def enqueue_observed(self, refs: Iterable[Ref]) -> None:
        """Enqueue objects whose observed status has changed, unless this is the event of an own write."""
        self._reconciler.enqueue(ref for ref in refs if not self._is_settled(ref))

    def _is_settled(self, ref: Ref) -> bool:
        memory, observed = self._memory.get(ref), self._cache.observed_status(ref)
        return memory is not None and observed is not None and memory.is_settled(observed, self._wanted.get(ref))

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
        memory = self._memory.setdefault(ref, Memory())
        observed = self._latest(ref, memory)
        if observed is None:
            return self._forget(ref)
        stale_until = self._stale_until(ref, observed, memory)
        new = self._todo(ref, observed, memory)
        if new is _Todo.NOTHING:
            return UNCHANGED
        if ref not in self._wanted and not self._has_no_status(ref):
            return Result(KIND_BACKOFF, succeeded=False)
        now = time.monotonic()
        counts_only = not isinstance(new, _Todo) and differs_by_counts(observed.status, new)
        due = memory.due(ref.kind, self._wanted.get(ref), counts_only=counts_only)
        wait = max(due, stale_until, self._reconciler.paused_until(ref)) - now
        if wait > 0:
            return Result(wait, succeeded=False)
        memory.tried = now
        try:
            return await self._attempt(ref, observed, new, memory)
        except ApiError as error:
            return self._failed(ref, error, memory)

    async def _attempt(self, ref: Ref, observed: ObservedStatus, new: Status | _Todo, memory: Memory) -> Result:
        try:
            return await self._write(ref, observed, new, memory)
        except ApiError as error:
            if error.status != 404 or is_namespace_gone(error):
                raise
            await self._api.read(ref, observed)  # raises if the object does not exist
            raise not_served(ref.kind, error) from None

    async def _write(self, ref: Ref, observed: ObservedStatus, new: Status | _Todo, memory: Memory) -> Result:
        for _ in range(CONFLICTS):
            wanted = self._wanted.get(ref)
            if isinstance(new, _Todo):
                found = await self._api.read(ref, observed)
                observed, new = self._api.parse(found), withdrawn(found, self._api.manager, _now())
            if new == observed.status:
                memory.settle(wanted, observed.resource_version)
                return UNCHANGED
            try:
                written = await self._patch(ref, observed, new)
            except ApiError as error:
                if error.status != 409:
                    raise
            else:
                memory.wrote(wanted, new, written)
                return Result()
            observed = memory.written = self._api.parse(await self._api.read(ref, observed))
            new = self._todo(ref, observed, memory)
            if new is _Todo.NOTHING:
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

    def _latest(self, ref: Ref, memory: Memory) -> ObservedStatus | None:
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

    def _stale_until(self, ref: Ref, observed: ObservedStatus, memory: Memory) -> float:
        """Return the time until which to wait for a status of the observed generation; 0 if it is there."""
        wanted = generation(self._wanted.get(ref, {}))
        if wanted is None or observed.generation is None or wanted >= observed.generation:
            memory.stale_generation = None
            return 0.0
        if memory.stale_generation is None or memory.stale_generation[0] != observed.generation:
            memory.stale_generation = observed.generation, time.monotonic() + STALE_GRACE
        return memory.stale_generation[1]

    def _todo(self, ref: Ref, observed: ObservedStatus, memory: Memory) -> Status | _Todo:
        """Return the status to write, or what else to do."""
        if memory.is_settled(observed, self._wanted.get(ref)):
            return _Todo.NOTHING
        if (new := self._difference(ref, observed, memory)) is not None:
            return new
        return _Todo.WITHDRAW if ref not in self._wanted and self._is_ours(observed) else _Todo.NOTHING

    def _difference(self, ref: Ref, observed: ObservedStatus, memory: Memory) -> Status | None:
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

    def _failed(self, ref: Ref, error: ApiError, memory: Memory) -> Result:
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
