"""The framework of controllers: reconciles enqueued objects, and requeues them after errors.

The exception that `reconcile` raises determines the scope of an error:

| exception | scope | reconciled again |
|---|---|---|
| `Rejected` | the object | after its backoff, from `FIRST_RETRY` to `LONGEST_RETRY` |
| `Blocked` | its kind | after `KIND_BACKOFF` |
| `ClusterError` | the API server: an outage | after the backoff of outages, up to `LONGEST_OUTAGE` |
| `NotLeader` | this replica | when it leads again |
| any other | the object: a bug | after `worker_pool.PANIC_SECONDS` |

An object that is enqueued is reconciled after `delay`, even during a pause; so `reconcile` must check `paused_until`
before it sends a request.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

from translator.refs import Ref
from watchers.controllers.worker_pool import WorkerPool
from watchers.kubernetes.backoff import Backoff
from watchers.kubernetes.errors import ApiError, ClusterError

FIRST_RETRY: Final = 1.0
"""The first pause of an object that the API server rejects, in seconds."""
LONGEST_RETRY: Final = 300.0
"""The longest pause of such an object, in seconds; a change of its wanted state ends it."""
LONGEST_OUTAGE: Final = 15.0
"""The longest pause while the API server is unavailable, in seconds."""
KIND_BACKOFF: Final = 30.0
"""The pause of a blocked kind, in seconds."""


class Result(NamedTuple):
    """The outcome of a reconciliation without an error.

    Attributes:
        requeue_after: the seconds until the object is reconciled again; None for not before it is enqueued.
        succeeded: whether the API server has accepted a write, which resets the backoffs; False without a write.
    """

    requeue_after: float | None = None
    succeeded: bool = True


class Rejected(Exception):
    """The API server rejects a write to one object.

    Attributes:
        retry_after: the value of its Retry-After header, in seconds; 0 if there is none.
    """

    def __init__(self, retry_after: float = 0.0) -> None:
        super().__init__()
        self.retry_after = retry_after


class Blocked(Exception):
    """No object of a kind can be written, such as for a missing permission.

    Attributes:
        message: the cause, and the way out.
        error: the API server's error.
    """

    def __init__(self, message: str, error: ApiError) -> None:
        super().__init__(message)
        self.message = message
        self.error = error


class NotLeader(Exception):
    """This replica no longer leads."""


class Reconciler:
    """Reconciles objects, several at once, while `run` runs. Use from one event loop only.

    Args:
        concurrency: the most objects reconciled at once.
        reconcile: reconciles one object.
        on_outage: called at the start of a pause, while the API server is unavailable or throttles: with the object
            whose request failed, the error, and the pause in seconds.
        on_panic: called while an unforeseen exception is handled.
        on_blocked: called when a kind becomes blocked; not again until a write to one of its objects has succeeded.
        pauses_all: whether an outage pauses all objects until the same time. If not, each object has its own pause: for
            controllers whose transient errors, such as conflicts, may concern one object only.
        delay: the seconds from `enqueue` to the reconciliation, in which further changes of the object join it.
    """

    def __init__(
        self,
        concurrency: int,
        reconcile: Callable[[Ref], Awaitable[Result]],
        on_outage: Callable[[Ref, ClusterError, float], None],
        on_panic: Callable[[Ref], None],
        *,
        on_blocked: Callable[[Blocked], None] = lambda _: None,
        pauses_all: bool = False,
        delay: float = 0.0,
    ) -> None:
        self._reconcile = reconcile
        self._delay = delay
        self._on_outage = on_outage
        self._on_blocked = on_blocked
        self._pauses_all = pauses_all
        self._workers = WorkerPool(concurrency, self._process, on_panic)
        self._backoffs: dict[Ref, Backoff] = {}
        self._blocked: dict[str, float] = {}
        self._outages = Backoff(most=LONGEST_OUTAGE)
        self._outage_until = 0.0

    def enqueue(self, refs: Iterable[Ref]) -> None:
        """Enqueue objects whose wanted or observed state has changed; ignored while `run` does not run."""
        self._workers.enqueue(refs, self._delay)

    @property
    def depth(self) -> int:
        """The number of objects that wait to be reconciled; 0 while `run` does not run."""
        return self._workers.depth

    async def run(self, first: Iterable[Ref]) -> None:
        """Reconcile these objects, then those that are enqueued, until cancelled; forget errors of an earlier run."""
        self._backoffs.clear()
        self._blocked.clear()
        self._outages.reset()
        self._outage_until = 0.0
        await self._workers.run(first)

    def paused_until(self, ref: Ref) -> float:
        """Return the time, of `time.monotonic`, until which an outage or its blocked kind pauses an object."""
        return max(self._outage_until, self._blocked.get(ref.kind, 0.0))

    def forget(self, ref: Ref) -> None:
        """Drop the backoff of an object, such as a deleted one."""
        self._backoffs.pop(ref, None)

    async def _process(self, ref: Ref) -> float | None:
        """Reconcile an object; return the seconds until it is reconciled again, None for not before it is enqueued."""
        try:
            result = await self._reconcile(ref)
        except NotLeader:
            return None
        except Rejected as error:
            return self._backoffs.setdefault(ref, Backoff(FIRST_RETRY, LONGEST_RETRY)).next(error.retry_after)
        except Blocked as error:
            return self._block(ref.kind, error)
        except ClusterError as error:
            return self._pause(ref, error)
        if result.succeeded:
            self.forget(ref)
            self._blocked.pop(ref.kind, None)
            self._outages.reset()
        return result.requeue_after

    def _block(self, kind: str, error: Blocked) -> float:
        if kind not in self._blocked:
            self._on_blocked(error)
        self._blocked[kind] = time.monotonic() + KIND_BACKOFF
        return KIND_BACKOFF

    def _pause(self, ref: Ref, error: ClusterError) -> float:
        now = time.monotonic()
        if now < self._outage_until:
            return self._outage_until - now
        seconds = self._outages.next(error.retry_after if isinstance(error, ApiError) else 0.0)
        if self._pauses_all:
            self._outage_until = now + seconds
        self._on_outage(ref, error, seconds)
        return seconds
