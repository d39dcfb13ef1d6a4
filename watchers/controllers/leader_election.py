"""Leader election by a Lease (coordination.k8s.io/v1), which the leader renews.

`kubernetes_asyncio.leaderelection` is not used: it goes by the wall clock, puts no limit on a request (one that hangs
keeps an expired leader leading), lets errors of the network out of its loop, ends for good once the lease is lost, and
neither waits for the leader's task nor hears of its failure, nor gives the lease back.
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
"""The longest time to release the lease."""


class LeaseTimings(NamedTuple):
    """The durations of a lease, in seconds; each less than the one before.

    Attributes:
        lease: a holder that has not renewed for so long has lost the lease.
        deadline: so long after its last renewal a holder that cannot renew steps down by itself. What is left until
            `lease` is for what it has under way.
        retry: the time between two tries to get or renew the lease.
    """

    lease: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0


class _Lost(Exception):
    """Another has the lease, or it could not be renewed in time; the text says which."""


def running() -> float:
    """Give seconds that go on while the machine sleeps, and that nobody sets."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class Election:
    """Acquire the lease, lead, step down and try again, until cancelled.

    No wall clock decides anything, neither this machine's nor another's: whether somebody else's lease has run out is
    told by how long it has been seen unchanged.

    Args:
        api: the way to the API server.
        namespace: where the Lease is.
        name: its name.
        identity: what nobody else has, this process in an earlier life included.
        timings: how long what takes.
        changed: called with whether this one leads, when that changes.
        clock: gives the time in seconds; only differences count.
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
        """Whether this replica leads, for sure and at this moment."""
        return self._clock() < self._until

    @property
    def leader(self) -> str:
        """The identity of the holder of the lease, as far as is known; "" for nobody."""
        return "" if self._lease is None else self._spec.get("holderIdentity") or ""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Run `lead` while this replica leads, cancel it once the lease is lost, and try to acquire the lease again.

        Ends when `lead` does, raises what it raises, and releases the lease in any case.
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
        """Lead, and return whether the leader's task ended by itself."""
        log.info("Leading", identity=self._identity)
        self._changed(True)
        term, keep = asyncio.ensure_future(lead()), asyncio.create_task(self._renew_loop())
        try:
            await asyncio.wait({term, keep}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # No task group: those of Python 3.11 swallow a cancellation that comes while one of their tasks fails.
            self._until = float("-inf")
            term.cancel()
            keep.cancel()
            await asyncio.wait({term, keep})
            self._changed(False)
        lost = None if keep.cancelled() else keep.exception()
        if not isinstance(lost, _Lost | None):
            raise lost
        if not term.cancelled():
            term.result()
        if lost is not None:
            log.warning(f"No longer leading: {lost}", identity=self._identity)
        return lost is None

    async def _renew_loop(self) -> None:
        """Renew the lease; raise _Lost once another has it, or it could not be renewed in time."""
        while True:
            await asyncio.sleep(min(self._pause(), max(0.0, self._until - self._clock())))
            left = self._until - self._clock()
            if left > 0 and not await self._attempt(self._renew, left) and self.leader != self._identity:
                raise _Lost(f"{self.leader or 'nobody'} has the lease")
            if not self.leading:
                raise _Lost("the lease could not be renewed in time")

    def _pause(self) -> float:
        return self._timings.retry * random.uniform(0.8, 1.2)

    async def _attempt(self, what: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Make an attempt; an error of the API server is logged when it begins, and is an attempt that failed."""
        try:
            async with asyncio.timeout(seconds):
                done = await what()
        except (ClusterError, TimeoutError) as error:
            trouble = str(error) or "the API server does not answer"
            if trouble != self._error:
                log.warning(f"The lease {self._metadata['namespace']}/{self._metadata['name']}: {trouble}")
            self._error = trouble
            return False
        self._error = ""
        return done

    async def _try_acquire(self) -> bool:
        """Take the lease if nobody has it, or its holder has been silent for too long."""
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
        """Renew the lease as it is known; if it has changed, read who holds it."""
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
        """Write the lease with us as its holder; False if it has changed in the meantime."""
        begun = self._clock()
        try:
            self._lease = await self._api.request(
                method, path, body=self._held(lease or {"metadata": self._metadata}), seconds=self._timings.deadline
            )
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        # Counted from before the request: no other can have seen this renewal earlier.
        self._until = begun + self._timings.deadline
        return True

    def _held(self, lease: dict[str, Any]) -> dict[str, Any]:
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
        """Give the lease back, so that another need not wait until it runs out."""
        lease, self._lease, self._until = self._lease, None, float("-inf")
        spec = (lease or {}).get("spec") or {}
        if spec.get("holderIdentity") != self._identity:
            return
        free = {**spec, "holderIdentity": None, "leaseDurationSeconds": 1, "renewTime": _now()}
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._api.request("PUT", self._path, body={**(lease or {}), "spec": free})
        except (ClusterError, TimeoutError) as error:
            log.info(f"The lease is not given back, and runs out by itself: {error}")


def _now() -> str:
    """For people who look at the Lease; nothing here reads it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
