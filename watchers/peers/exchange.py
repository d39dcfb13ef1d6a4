"""What replicas tell each other: each says it in Leases of its own, and watches those of the others.

A proxy is connected to one replica; whether a Gateway's proxies have acknowledged its configuration is known to the
replicas together. The leader, who writes statuses, needs to hear of all of them.
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
from watchers.informers.list_watch import Change
from watchers.informers.reflector import Reflector, Scope
from watchers.kubernetes import paths
from watchers.kubernetes.client import SERVER_SIDE_APPLY, Client
from watchers.kubernetes.errors import ApiError, ClusterError
from watchers.peers.membership import RENEWAL_SECONDS, SILENCE_SECONDS, Membership, Shard
from watchers.peers.shards import MOST_BYTES, MOST_PARTS, ShardedRecords, read

log = structlog.stdlib.get_logger("headgate.peers")

LABEL: Final = "gateway.headgate.dev/replica"
SYNC_ANNOTATION: Final = "gateway.headgate.dev/says"
"""The annotation that holds what a replica says, as JSON."""
SHARD_ANNOTATION: Final = "gateway.headgate.dev/part"
"""The annotation that says which part of it that is: "0/4" for the first of four."""

PACE_SECONDS: Final = 0.1
"""The least time between two writes: what is said meanwhile is said together."""
RETRY_SECONDS: Final = 1.0
_SHARD: Final = re.compile("([0-9]{1,4})/([1-9][0-9]{0,3})")
SHUTDOWN_SECONDS: Final = 3.0
"""How long it may take to take back what was said."""


class Lease(NamespacedObject):
    """A Lease of coordination.k8s.io, of which only the annotations are of use here."""

    kind = "Lease"
    group = "coordination.k8s.io"
    versions = ("v1",)
    plural = "leases"


class Peers:
    """This replica among the others.

    Args:
        client: for the API server.
        namespace: where Headgate is.
        identity: what tells this replica from all others, its own earlier lives included.
        changed: called with the keys of which the others say something else than before.
        troubles: is told what is wrong.
        clock: gives seconds; only differences count.
        words: holds what this one says; another one than usual is for tests.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        identity: str,
        changed: Callable[[Iterable[str]], None],
        troubles: DiagnosticSet | None = None,
        clock: Callable[[], float] = time.monotonic,
        words: ShardedRecords | None = None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._name = f"headgate-replica-{blake2b(identity.encode(), digest_size=8).hexdigest()}"
        self._changed = changed
        self._clock = clock
        self._reflector = Reflector(client, Lease, Scope(namespace, f"{LABEL}=true"), diagnostics=troubles)
        self._hearing = Membership(identity)
        self._words = words or ShardedRecords(MOST_BYTES, MOST_PARTS)
        self._news = asyncio.Event()
        self._said_at = clock()
        self._trouble = ""

    def about(self, key: str) -> Iterator[Any]:
        """Give what each of the others says of a key that says something."""
        return self._hearing.about(key)

    def say(self, key: str, word: object) -> None:
        """Says something of a key in place of what was said before: anything that JSON can hold, None for nothing."""
        was_too_much = self._words.is_too_much
        self._words.put(key, word)
        if self._words.is_too_much and not was_too_much:
            log.warning("There is more to tell the other replicas than they are told", leases=self._words.parts)
        if self._words.unsaid:
            self._news.set()

    async def run(self) -> None:
        """Says and hears, until it is cancelled; then takes back what was said."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._speak())
                group.create_task(self._listen())
        finally:
            await self._fall_silent()

    async def _speak(self) -> None:
        """Write what is new, and now and then the first part, to show that this one lives."""
        while True:
            self._news.clear()
            self._words.unsaid.add(0)
            if self._clock() - self._said_at >= SILENCE_SECONDS / 2:
                # The others may have taken this one for gone, and deleted all that it said.
                self._words.unsaid.update(range(self._words.parts))
            done = await self._write_all()
            self._said_at = self._clock() if done else self._said_at
            await asyncio.sleep(PACE_SECONDS if done else RETRY_SECONDS)
            if done:
                with suppress(TimeoutError):
                    async with asyncio.timeout(RENEWAL_SECONDS):
                        await self._news.wait()

    async def _write_all(self) -> bool:
        """Write the parts that have changed; whether that worked."""
        parts = self._words.parts
        for number in self._words.next_parts:
            if parts != self._words.parts:
                break  # there are more of them meanwhile, all of which are to be written
            self._words.unsaid.discard(number)
            if not await self._write(number):
                self._words.unsaid.add(number)
                return False
        return True

    async def _write(self, number: int) -> bool:
        """Write the Lease of a part; whether that worked."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        metadata = {
            "name": self._lease(number),
            "labels": {LABEL: "true", "app.kubernetes.io/managed-by": "headgate"},
            "annotations": {
                SYNC_ANNOTATION: self._words.body(number),
                SHARD_ANNOTATION: f"{number}/{self._words.parts}",
            },
        }
        spec = {"holderIdentity": self._identity, "renewTime": now, "leaseDurationSeconds": round(SILENCE_SECONDS)}
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
            if str(error) != self._trouble:
                log.warning(f"The other replicas are not told what this one knows: {error}")
            self._trouble = str(error)
            return False
        self._trouble = ""
        return True

    async def _listen(self) -> None:
        async with aclosing(self._reflector.batches()) as batches:
            async for changes, _ in batches:
                if keys := self.hear(changes):
                    self._changed(keys)
                await self._bury()

    def hear(self, changes: Iterable[Change]) -> set[str]:
        """Take what Leases say; gives the keys of which the others say something else than before."""
        now, changes = self._clock(), list(changes)
        deleted = {ref.name for ref, raw in changes if raw is None}
        lost = {number for number in range(self._words.parts) if self._lease(number) in deleted} if deleted else set()
        if lost:
            self._words.unsaid |= lost
            self._news.set()
        return set[str]().union(*(self._hearing.take(ref.name, _part(ref, raw), now) for ref, raw in changes))

    async def _bury(self) -> None:
        """Delete the Leases of those who are gone without a word."""
        if gone := self._hearing.gone():
            self._changed(set[str]().union(*(part.words for part in gone.values())))
            await asyncio.gather(*(self._delete(name, part.version) for name, part in gone.items()))

    async def _delete(self, name: str, version: str = "") -> None:
        options = {"preconditions": {"resourceVersion": version}} if version else None
        try:
            await self._client.request("DELETE", self._path(name), body=options, seconds=SHUTDOWN_SECONDS)
        except ApiError as error:
            if error.status not in (404, 409):
                log.info(f"The Lease of a replica that is gone stays: {error}")
        except ClusterError as error:
            log.info(f"The Lease of a replica that is gone stays: {error}")

    async def _fall_silent(self) -> None:
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await asyncio.gather(*(self._delete(self._lease(number)) for number in range(self._words.parts)))
        except TimeoutError:
            log.info("What this replica said runs out by itself")

    def _lease(self, number: int) -> str:
        return f"{self._name}-{number}" if number else self._name

    def _path(self, name: str) -> str:
        return paths.item(Lease, "v1", Ref(Lease.kind, self._namespace, name))


def _part(ref: Ref, raw: Mapping[str, Any] | None) -> Shard | None:
    """Return what a Lease says."""
    if raw is None:
        return None
    metadata = raw["metadata"]
    annotations = metadata.get("annotations") or {}
    speaker = (raw.get("spec") or {}).get("holderIdentity") or ref.name
    found = _SHARD.fullmatch(str(annotations.get(SHARD_ANNOTATION)))
    known = (int(found[1]), int(found[2])) if found else (0, 1)
    return Shard(speaker, *known, read(annotations.get(SYNC_ANNOTATION, "")), metadata["resourceVersion"])
