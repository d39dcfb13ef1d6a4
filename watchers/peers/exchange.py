"""Exchange of proxy states between replicas: each publishes its own in Leases, and watches those of the others.

A proxy is connected to one replica, so that only all replicas together know whether a Gateway's proxies have
acknowledged its configuration. The leader, which writes statuses, needs the records of all of them.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import structlog

from translator.objects.schema.base import NamespacedObject
from translator.refs import Ref
from watchers.diagnostics import DiagnosticSet
from watchers.informers.list_watch import ObjectChange
from watchers.informers.reflector import Reflector, Scope
from watchers.kubernetes import paths
from watchers.kubernetes.client import SERVER_SIDE_APPLY, ApiClient
from watchers.kubernetes.errors import ApiError, ClusterError
from watchers.peers.membership import EXPIRY_SECONDS, RENEWAL_SECONDS, Membership, Shard
from watchers.peers.shards import MAX_SHARD_BYTES, MAX_SHARDS, ShardedRecords, decode

log = structlog.stdlib.get_logger("headgate.peers")

LABEL: Final = "gateway.headgate.dev/replica"
SYNC_ANNOTATION: Final = "gateway.headgate.dev/proxy-sync"
"""The annotation that holds the records of a shard, as JSON."""
SHARD_ANNOTATION: Final = "gateway.headgate.dev/shard"
"""The annotation that holds the number of the shard and of shards: "0/4" for the first of four."""
FORMER_SYNC_ANNOTATION: Final = "gateway.headgate.dev/says"
FORMER_SHARD_ANNOTATION: Final = "gateway.headgate.dev/part"
"""The annotations of earlier versions, read during a rolling update, never written."""

PACE_SECONDS: Final = 0.1
"""Shortest interval between two writes; records that change meanwhile are written together."""
RETRY_SECONDS: Final = 1.0
_SHARD: Final = re.compile("([0-9]{1,4})/([1-9][0-9]{0,3})")
SHUTDOWN_SECONDS: Final = 3.0
"""Timeout of the deletion of the replica's own Leases at shutdown."""


class Lease(NamespacedObject):
    """A Lease of coordination.k8s.io, of which only the annotations are used here."""

    kind = "Lease"
    group = "coordination.k8s.io"
    versions = ("v1",)
    plural = "leases"


class Peers:
    """The exchange of this replica with the others.

    Args:
        client: the client of the API server.
        namespace: Headgate's namespace.
        identity: the identity of this replica, which differs from all others, and after each restart.
        diagnostics: gets a diagnostic while the Leases cannot be watched.
        clock: returns the time in seconds; only differences count.
        records: the records of this replica; tests set other limits.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        identity: str,
        diagnostics: DiagnosticSet | None = None,
        clock: Callable[[], float] = time.monotonic,
        records: ShardedRecords | None = None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._name = f"headgate-replica-{blake2b(identity.encode(), digest_size=8).hexdigest()}"
        self._handlers: list[Callable[[Iterable[str]], None]] = []
        self._clock = clock
        self._reflector = Reflector(client, Lease, Scope(namespace, f"{LABEL}=true"), diagnostics=diagnostics)
        self._membership = Membership(identity)
        self._records = records or ShardedRecords(MAX_SHARD_BYTES, MAX_SHARDS)
        self._dirty = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None
        self._published_at = clock()
        self._error = ""

    def add_event_handler(self, handler: Callable[[Iterable[str]], None]) -> None:
        """Add a handler to call with the keys of changed records of other replicas."""
        self._handlers.append(handler)

    def records(self, key: str) -> Iterator[Any]:
        """Yield the record of a key of each other replica that has one."""
        return self._membership.records(key)

    def publish(self, key: str, record: object, within: float = 0.0) -> None:
        """Set the record of a key, which the others get within a number of seconds.

        Args:
            key: the key.
            record: its record, as JSON data; None removes it.
            within: the seconds; further records of that time are written together with it.
        """
        was_truncated = self._records.is_truncated
        self._records.put(key, record)
        if self._records.is_truncated and not was_truncated:
            log.warning(
                "The sync records of this replica exceed its Leases: the longest ones are not published",
                leases=self._records.count,
            )
        if not self._records.dirty:
            return
        if within <= 0:
            self._dirty.set()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(within, self._dirty.set)

    async def run(self) -> None:
        """Publish and receive records until cancelled; then delete the Leases of this replica."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publish_loop())
                group.create_task(self._watch_peers())
        finally:
            await self._withdraw()

    async def _publish_loop(self) -> None:
        """Write the dirty shards, and the first one periodically, as a heartbeat."""
        while True:
            self._dirty.clear()
            if self._later is not None:
                self._later.cancel()
                self._later = None
            self._records.dirty.add(0)
            if self._clock() - self._published_at >= EXPIRY_SECONDS / 2:
                # The others may consider this replica expired, and have deleted its Leases.
                self._records.dirty.update(range(self._records.count))
            done = await self._write_all()
            self._published_at = self._clock() if done else self._published_at
            await asyncio.sleep(PACE_SECONDS if done else RETRY_SECONDS)
            if done:
                with suppress(TimeoutError):
                    async with asyncio.timeout(RENEWAL_SECONDS):
                        await self._dirty.wait()

    async def _write_all(self) -> bool:
        """Write the dirty shards; return whether that succeeded."""
        shards = self._records.count
        for number in self._records.next_shards:
            if shards != self._records.count:
                break  # the number of shards has grown meanwhile, and all must be written
            self._records.dirty.discard(number)
            if not await self._write(number):
                self._records.dirty.add(number)
                return False
        return True

    async def _write(self, number: int) -> bool:
        """Write the Lease of a shard; return whether that succeeded."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        metadata = {
            "name": self._lease(number),
            "labels": {LABEL: "true", "app.kubernetes.io/managed-by": "headgate"},
            "annotations": {
                SYNC_ANNOTATION: self._records.body(number),
                SHARD_ANNOTATION: f"{number}/{self._records.count}",
            },
        }
        spec = {"holderIdentity": self._identity, "renewTime": now, "leaseDurationSeconds": round(EXPIRY_SECONDS)}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        try:
            await self._client.request(
                "PATCH",
                self._path(self._lease(number)),
                query={"fieldManager": "headgate", "force": "true"},
                body=body,
                content_type=SERVER_SIDE_APPLY,
                seconds=RENEWAL_SECONDS,
            )
        except ClusterError as error:
            if str(error) != self._error:
                log.warning(f"The sync records of this replica cannot be published: {error}")
            self._error = str(error)
            return False
        self._error = ""
        return True

    async def _watch_peers(self) -> None:
        async with aclosing(self._reflector.batches()) as batches:
            async for changes, _ in batches:
                if keys := self.receive(changes):
                    self._notify(keys)
                await self._collect_expired()

    def _notify(self, keys: set[str]) -> None:
        for handler in self._handlers:
            handler(keys)

    def receive(self, changes: Iterable[ObjectChange]) -> set[str]:
        """Process changes of Leases; return the keys of changed records of other replicas."""
        now, changes = self._clock(), list(changes)
        deleted = {ref.name for ref, raw in changes if raw is None}
        lost = {number for number in range(self._records.count) if self._lease(number) in deleted} if deleted else set()
        if lost:
            self._records.dirty |= lost
            self._dirty.set()
        return set[str]().union(*(self._membership.update(ref.name, _shard(ref, raw), now) for ref, raw in changes))

    async def _collect_expired(self) -> None:
        """Delete the Leases of expired replicas."""
        if expired := self._membership.expired():
            self._notify(set[str]().union(*(shard.records for shard in expired.values())))
            await asyncio.gather(*(self._delete(name, shard.resource_version) for name, shard in expired.items()))

    async def _delete(self, name: str, version: str = "") -> None:
        options = {"preconditions": {"resourceVersion": version}} if version else None
        try:
            await self._client.request("DELETE", self._path(name), body=options, seconds=SHUTDOWN_SECONDS)
        except ApiError as error:
            if error.status not in (404, 409):
                log.info(f"The Lease of a stopped replica cannot be deleted: {error}")
        except ClusterError as error:
            log.info(f"The Lease of a stopped replica cannot be deleted: {error}")

    async def _withdraw(self) -> None:
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await asyncio.gather(*(self._delete(self._lease(number)) for number in range(self._records.count)))
        except TimeoutError:
            log.info("The Leases of this replica were not deleted in time; they expire")

    def _lease(self, number: int) -> str:
        return f"{self._name}-{number}" if number else self._name

    def _path(self, name: str) -> str:
        return paths.item(Lease, "v1", Ref(Lease.kind, self._namespace, name))


def _shard(ref: Ref, raw: Mapping[str, Any] | None) -> Shard | None:
    """Return the shard in a Lease; None for a deleted one."""
    if raw is None:
        return None
    metadata = raw["metadata"]
    annotations = metadata.get("annotations") or {}
    peer = (raw.get("spec") or {}).get("holderIdentity") or ref.name
    found = _SHARD.fullmatch(str(annotations.get(SHARD_ANNOTATION, annotations.get(FORMER_SHARD_ANNOTATION))))
    known = (int(found[1]), int(found[2])) if found else (0, 1)
    records = annotations.get(SYNC_ANNOTATION, annotations.get(FORMER_SYNC_ANNOTATION, ""))
    return Shard(peer, *known, decode(records), metadata["resourceVersion"])
