"""What replicas tell each other: each says it in a Lease of its own, and watches those of the others.

A proxy is connected to one replica; whether a Gateway's proxies have acknowledged its configuration is known to the
replicas together. The leader, who writes statuses, needs to hear of all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import orjson
import structlog

from translator.group import GROUP
from translator.objects.base import NamespacedObject
from translator.refs import Ref
from watchers.kubernetes import paths
from watchers.kubernetes.client import Client
from watchers.kubernetes.errors import ApiError, ClusterError
from watchers.kubernetes.mirror import Change
from watchers.kubernetes.reflector import Reflector, Scope
from watchers.kubernetes.troubles import Troubles

log = structlog.stdlib.get_logger("headgate.peers")

LABEL: Final = f"{GROUP}/replica"
SAYING: Final = f"{GROUP}/says"
"""The annotation that holds what a replica says, as JSON."""

MOST_BYTES: Final = 200_000
"""The most that a replica can say; all annotations of an object have 256 KiB."""
PACE_SECONDS: Final = 0.1
"""The least time between two writes: what is said meanwhile is said together."""
RENEWAL_SECONDS: Final = 10.0
"""How often a replica that has nothing new to say shows that it lives."""
SILENCE_SECONDS: Final = 35.0
"""Who has not been heard of for so long is gone."""
RETRY_SECONDS: Final = 1.0


class Lease(NamespacedObject):
    """A Lease of coordination.k8s.io, of which only the annotations are of use here."""

    kind = "Lease"
    group = "coordination.k8s.io"
    versions = ("v1",)
    plural = "leases"


@dataclass(slots=True)
class _Heard:
    """What was last heard of a replica: its words, the version of its Lease, and when that was."""

    said: Mapping[str, Any]
    version: str
    at: float


class Peers:
    """This replica among the others.

    Args:
        client: for the API server.
        namespace: where Headgate is.
        identity: what tells this replica from all others, its own earlier lives included.
        changed: called when what the others say has changed.
        troubles: is told what is wrong.
        clock: gives seconds; only differences count.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        identity: str,
        changed: Callable[[], None],
        troubles: Troubles | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._name = f"headgate-replica-{blake2b(identity.encode(), digest_size=8).hexdigest()}"
        self._changed = changed
        self._clock = clock
        self._reflector = Reflector(client, Lease, Scope(namespace, f"{LABEL}=true"), troubles=troubles)
        self._heard: dict[str, _Heard] = {}
        self._said: bytes = b"{}"
        self._news = asyncio.Event()
        self._trouble = ""

    @property
    def others(self) -> tuple[Mapping[str, Any], ...]:
        """What each of the others says that has been heard of lately."""
        now = self._clock()
        return tuple(each.said for each in self._heard.values() if now - each.at < SILENCE_SECONDS)

    def say(self, words: Mapping[str, Any]) -> None:
        """Says something in place of what was said before.

        Args:
            words: anything that JSON can hold; what is beyond `MOST_BYTES` is not said at all.
        """
        said = orjson.dumps(words, option=orjson.OPT_SORT_KEYS)
        if len(said) > MOST_BYTES:
            log.warning("There is more to tell the other replicas than a Lease holds", bytes=len(said))
            said = b"{}"
        if said != self._said:
            self._said = said
            self._news.set()

    async def run(self) -> None:
        """Says and hears, until it is cancelled; then takes back what was said."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._speak())
                group.create_task(self._listen())
                group.create_task(self._bury())
        finally:
            await self._fall_silent()

    async def _speak(self) -> None:
        while True:
            self._news.clear()
            done = await self._write()
            await asyncio.sleep(PACE_SECONDS if done else RETRY_SECONDS)
            if done:
                with suppress(TimeoutError):
                    async with asyncio.timeout(RENEWAL_SECONDS):
                        await self._news.wait()

    async def _write(self) -> bool:
        """Writes the Lease; whether that worked."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        metadata = {
            "name": self._name,
            "labels": {LABEL: "true", "app.kubernetes.io/managed-by": "headgate"},
            "annotations": {SAYING: self._said.decode()},
        }
        spec = {"holderIdentity": self._identity, "renewTime": now, "leaseDurationSeconds": round(SILENCE_SECONDS)}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        try:
            await self._client.request(
                "PATCH",
                paths.item(Lease, "v1", self._ref(self._name)),
                query={"fieldManager": "headgate", "force": "true"},
                body=body,
                content_type="application/apply-patch+yaml",
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
                if self.hear(changes):
                    self._changed()

    def hear(self, changes: Iterable[Change]) -> bool:
        """Take what the Leases say; whether any of the others says something else than before."""
        news = False
        for ref, raw in changes:
            if ref.name == self._name:
                continue
            before = self._heard.pop(ref.name, None)
            if raw is not None:
                metadata = raw["metadata"]
                said = _read((metadata.get("annotations") or {}).get(SAYING, ""))
                self._heard[ref.name] = _Heard(said, metadata["resourceVersion"], self._clock())
            now = self._heard.get(ref.name)
            news |= (before.said if before else {}) != (now.said if now else {})
        return news

    async def _bury(self) -> None:
        """Deletes the Leases of those who are gone without a word."""
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            now = self._clock()
            for name, each in list(self._heard.items()):
                if now - each.at >= SILENCE_SECONDS:
                    self._changed()
                    await self._delete(name, each.version)

    async def _delete(self, name: str, version: str = "") -> None:
        options = {"preconditions": {"resourceVersion": version}} if version else None
        try:
            await self._client.request("DELETE", paths.item(Lease, "v1", self._ref(name)), body=options, seconds=3.0)
        except ApiError as error:
            if error.status not in (404, 409):
                log.info(f"The Lease of a replica that is gone stays: {error}")
        except ClusterError as error:
            log.info(f"The Lease of a replica that is gone stays: {error}")

    async def _fall_silent(self) -> None:
        try:
            async with asyncio.timeout(3.0):
                await self._delete(self._name)
        except TimeoutError:
            log.info("What this replica said runs out by itself")

    def _ref(self, name: str) -> Ref:
        return Ref(Lease.kind, self._namespace, name)


def _read(text: str) -> Mapping[str, Any]:
    """What a replica says; nothing if it is not understood, as of another version of Headgate."""
    try:
        said = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
