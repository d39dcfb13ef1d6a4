"""Leader election by a Lease (coordination.k8s.io/v1), which the leader renews.

`kubernetes_asyncio.leaderelection` is not used: it depends on the wall clock, has no timeout for requests (one that
hangs keeps an expired leader leading), does not handle network errors, ends once the lease is lost, neither awaits the
leader's task nor notices its failure, and does not release the lease.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import structlog

from watchers.kubernetes.client import Api
from watchers.kubernetes.errors import ApiError, ClusterError

log = structlog.stdlib.get_logger("headgate.election")

RELEASE_SECONDS: Final = 3.0
"""The timeout of the lease's release."""


class LeaseTimings(NamedTuple):
    """The durations of a lease, in seconds; each less than the one before.

    Attributes:
        lease: the time without a renewal after which other replicas may acquire the lease.
        deadline: the time without a renewal after which the holder steps down. The rest until `lease` is for its
            requests in progress.
        retry: the time between two attempts to acquire or renew the lease.
    """

    lease: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0


class _Lost(Exception):
    """Another replica has the lease, or it could not be renewed in time; the text says which."""


def running() -> float:
    """Return the seconds of a monotonic clock that includes the time in which the machine is suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class Election:
    """Acquires the lease, leads, steps down and tries again, until cancelled.

    It depends on no wall clock, neither of this machine nor of another: another replica's lease has expired once it has
    been observed unchanged for its duration.

    Args:
        api: the client of the API server.
        namespace: the namespace of the Lease.
        name: the name of the Lease.
        identity: the unique identity of this process, different after a restart.
        timings: the durations of the lease.
        changed: called when this replica becomes the leader (True) or stops to be (False).
        clock: returns the time in seconds; only differences count.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        *,
        timings: LeaseTimings | None = None,
        changed: Callable[[bool], None] = lambda _: None,
        clock: Callable[[], float] = running,
    ) -> None:
        self._api = api
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"
        self._metadata = {"name": name, "namespace": namespace}
        self._identity = identity
        self._timings = timings or LeaseTimings()
        self._changed = changed
        self._clock = clock
        self._until = float("-inf")
        self._lease: dict[str, Any] | None = None
        self._seen: tuple[object, ...] = ()
        self._seen_at = 0.0
        self._error = ""

    @property
    def leading(self) -> bool:
        """Whether this replica certainly leads at this moment."""
        return self._clock() < self._until

    @property
    def leader(self) -> str:
        """The last observed holder of the lease; "" for none."""
        return "" if self._lease is None else self._spec.get("holderIdentity") or ""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Run `lead` while this replica leads, cancel it once the lease is lost, and try to acquire the lease again.

        Ends when `lead` does, raises its exceptions, and always releases the lease.
        """
        try:
            while True:
                await self._acquire()
                if await self._lead(lead):
                    return
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while True:
            if await self._attempt(self._try_acquire, self._timings.deadline):
                return
            await asyncio.sleep(self._pause())

    async def _lead(self, lead: Callable[[], Awaitable[None]]) -> bool:
        """Run `lead` until it ends or the lease is lost; return whether it ended."""
        log.info("Leading", identity=self._identity)
        self._changed(True)
        term, renewal = asyncio.ensure_future(lead()), asyncio.create_task(self._renew_loop())
        try:
            await asyncio.wait({term, renewal}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # No task group: that of Python 3.11 swallows a cancellation that arrives while one of its tasks fails.
            self._until = float("-inf")
            term.cancel()
            renewal.cancel()
            await asyncio.wait({term, renewal})
            self._changed(False)
        lost = None if renewal.cancelled() else renewal.exception()
        if not isinstance(lost, _Lost | None):
            raise lost
        if not term.cancelled():
            term.result()
        if lost is not None:
            log.warning(f"No longer leading: {lost}", identity=self._identity)
        return lost is None

    async def _renew_loop(self) -> None:
        """Renew the lease; raise _Lost once another replica has it, or it could not be renewed in time."""
        while True:
            await asyncio.sleep(min(self._pause(), max(0.0, self._until - self._clock())))
            left = self._until - self._clock()
            if left > 0 and not await self._attempt(self._renew, left) and self.leader != self._identity:
                raise _Lost(f"{self.leader or 'nobody'} has the lease")
            if not self.leading:
                raise _Lost("the lease could not be renewed in time")

    def _pause(self) -> float:
        return self._timings.retry * random.uniform(0.8, 1.2)

    async def _attempt(self, attempt: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Make an attempt; log an error of the API server when it first occurs, and return False for it."""
        try:
            async with asyncio.timeout(seconds):
                done = await attempt()
        except (ClusterError, TimeoutError) as error:
            text = str(error) or "the API server does not answer"
            if text != self._error:
                log.warning(f"The lease {self._metadata['namespace']}/{self._metadata['name']}: {text}")
            self._error = text
            return False
        self._error = ""
        return done

    async def _try_acquire(self) -> bool:
        """Acquire the lease if nobody holds it, or if it has expired."""
        try:
            self._lease = await self._api.request("GET", self._path, seconds=self._timings.deadline)
        except ApiError as error:
            if error.status != 404:
                raise
            return await self._write("POST", self._collection, {"metadata": self._metadata})
        spec = self._spec
        seen = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        duration = spec.get("leaseDurationSeconds") or self._timings.lease
        if self.leader not in ("", self._identity) and self._clock() - self._seen_at < duration:
            return False
        return await self._write("PUT", self._path, self._lease)

    async def _renew(self) -> bool:
        """Renew the lease as last observed; if it has changed, read it again."""
        if await self._write("PUT", self._path, self._lease):
            return True
        try:
            self._lease = await self._api.request("GET", self._path, seconds=self._timings.deadline)
        except ApiError as error:
            if error.status != 404:
                raise
            self._lease = None
        return self.leader == self._identity and await self._write("PUT", self._path, self._lease)

    @property
    def _path(self) -> str:
        return f"{self._collection}/{quote(self._metadata['name'])}"

    @property
    def _spec(self) -> dict[str, Any]:
        found: dict[str, Any] = (self._lease or {}).get("spec") or {}
        return found

    async def _write(self, method: str, path: str, lease: dict[str, Any] | None) -> bool:
        """Write the lease with this replica as its holder; return False on a conflict."""
        begun = self._clock()
        try:
            self._lease = await self._api.request(
                method,
                path,
                body=self._with_holder(lease or {"metadata": self._metadata}),
                seconds=self._timings.deadline,
            )
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        # Counted from before the request: no other replica can have observed this renewal earlier.
        self._until = begun + self._timings.deadline
        return True

    def _with_holder(self, lease: dict[str, Any]) -> dict[str, Any]:
        spec, now = dict(lease.get("spec") or {}), _now()
        if spec.get("holderIdentity") != self._identity:
            spec |= {"acquireTime": now, "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1}
        spec |= {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timings.lease)),
            "renewTime": now,
        }
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **lease, "spec": spec}

    async def _release(self) -> None:
        """Release the lease, so that other replicas need not wait until it expires."""
        lease, self._lease, self._until = self._lease, None, float("-inf")
        spec = (lease or {}).get("spec") or {}
        if spec.get("holderIdentity") != self._identity:
            return
        free = {**spec, "holderIdentity": None, "leaseDurationSeconds": 1, "renewTime": _now()}
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._api.request("PUT", self._path, body={**(lease or {}), "spec": free})
        except (ClusterError, TimeoutError) as error:
            log.info(f"The lease could not be released; it expires by itself: {error}")


def _now() -> str:
    """Return the present time, for users who read the Lease; Headgate does not evaluate it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
