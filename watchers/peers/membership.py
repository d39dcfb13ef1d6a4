"""The other replicas: their records, and their expiry. Pure.

A replica expires without a heartbeat for `EXPIRY_SECONDS`. Time passes only while this replica observes its own
heartbeats: no replica expires during an outage of the API server, which affects all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from watchers.peers.shards import shard_of

RENEWAL_SECONDS: Final = 10.0
"""Interval of the heartbeats of a replica whose records do not change."""
EXPIRY_SECONDS: Final = 35.0
"""Seconds without a heartbeat after which a replica has expired."""


class Shard(NamedTuple):
    """A shard of the records of a replica, read from one Lease.

    Attributes:
        identity: the replica's identity.
        number: the number of the shard, from 0.
        total: the number of shards of the replica.
        records: the records by key.
        resource_version: the resource version of the Lease.
    """

    identity: str
    number: int
    total: int
    records: Mapping[str, Any]
    resource_version: str


@dataclass(slots=True)
class _Peer:
    """Another replica: the time of its last heartbeat, and its shards by the name of the Lease."""

    at: float
    shards: dict[str, Shard] = field(default_factory=dict)

    def record(self, key: str) -> Any:
        """Return the record of a key, from the newest shard for the key; None if there is none."""
        fitting = [each for each in self.shards.values() if shard_of(key, each.total) == each.number]
        return max(fitting, key=lambda each: each.total).records.get(key) if fitting else None

    def superseded(self, newer: Shard) -> Iterator[str]:
        """Yield the keys of an earlier set of fewer shards whose record differs, or is missing, in `newer`."""
        for each in self.shards.values():
            if each.total < newer.total and newer.number % each.total == each.number:
                for key, record in each.records.items():
                    if shard_of(key, newer.total) == newer.number and newer.records.get(key) != record:
                        yield key


class Membership:
    """The other replicas, as observed by this one.

    Args:
        own: the identity of this replica.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._peers: dict[str, _Peer] = {}
        self._peer_of: dict[str, str] = {}
        self._time = 0.0  # the time that counts for expiry
        self._last_tick: float | None = None

    def update(self, name: str, shard: Shard | None, now: float) -> set[str]:
        """Process the new state of a Lease; return the keys whose records may have changed.

        Args:
            name: the name of the Lease.
            shard: the shard in the Lease; None if the Lease was deleted.
            now: the time in seconds; only differences count.
        """
        if shard is not None and shard.identity == self._own:
            self._tick(now)
            return set()
        before = self._forget(name)
        if shard is None:
            return set(before)
        peer = self._peers.setdefault(shard.identity, _Peer(self._time))
        peer.at = self._time
        peer.shards[name] = shard
        self._peer_of[name] = shard.identity
        after = shard.records
        overruled = peer.superseded(shard)
        return {key for key in (before.keys() | after.keys()) if before.get(key) != after.get(key)}.union(overruled)

    def records(self, key: str) -> Iterator[Any]:
        """Yield the record of a key of each replica that has not expired."""
        for each in self._peers.values():
            if not self._is_expired(each) and (record := each.record(key)) is not None:
                yield record

    def expired(self) -> dict[str, Shard]:
        """Return the remaining shards of expired replicas, by the name of the Lease."""
        silent = filter(self._is_expired, self._peers.values())
        return {name: shard for each in silent for name, shard in each.shards.items()}

    def _tick(self, now: float) -> None:
        if self._last_tick is not None:
            self._time += min(now - self._last_tick, 1.5 * RENEWAL_SECONDS)
        self._last_tick = now

    def _is_expired(self, peer: _Peer) -> bool:
        return self._time - peer.at >= EXPIRY_SECONDS

    def _forget(self, name: str) -> Mapping[str, Any]:
        """Drop the shard of a Lease, and return its records."""
        peer = self._peer_of.pop(name, None)
        if peer is None:
            return {}
        shards = self._peers[peer].shards
        records = shards.pop(name).records
        if not shards:
            del self._peers[peer]
        return records
