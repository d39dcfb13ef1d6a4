"""The records of the other replicas, and which replicas have expired. Pure.

A replica without a heartbeat for a while has expired. The time counts only while this replica sees its own heartbeat
come back: an outage of the API server, which concerns all of them, expires nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from watchers.peers.shards import shard_of

RENEWAL_SECONDS: Final = 10.0
"""How often a replica whose records do not change sends a heartbeat."""
EXPIRY_SECONDS: Final = 35.0
"""A replica without a heartbeat for so long has expired."""


class Shard(NamedTuple):
    """A shard of the records of a replica, as one Lease holds it.

    Attributes:
        identity: the replica's identity.
        number: the number of the shard, from 0.
        total: how many shards its replica publishes.
        records: the records by their keys.
        resource_version: the resource version of the Lease.
    """

    identity: str
    number: int
    total: int
    records: Mapping[str, Any]
    resource_version: str


@dataclass(slots=True)
class _Peer:
    """Another replica: the time of its last heartbeat, and its shards by the names of their Leases."""

    at: float
    shards: dict[str, Shard] = field(default_factory=dict)

    def record(self, key: str) -> Any:
        """Return the record of a key, from the newest of the shards that the key belongs to; None if there is none."""
        fitting = [each for each in self.shards.values() if shard_of(key, each.total) == each.number]
        return max(fitting, key=lambda each: each.total).records.get(key) if fitting else None

    def superseded(self, newer: Shard) -> Iterator[str]:
        """Yield the keys of earlier, fewer shards whose record differs in `newer`, or is missing there."""
        for each in self.shards.values():
            if each.total < newer.total and newer.number % each.total == each.number:
                for key, record in each.records.items():
                    if shard_of(key, newer.total) == newer.number and newer.records.get(key) != record:
                        yield key


class Membership:
    """The other replicas, as one replica knows them.

    Args:
        own: the identity of this replica.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._peers: dict[str, _Peer] = {}
        self._peer_of: dict[str, str] = {}
        self._time = 0.0  # that counts towards expiry
        self._last_tick: float | None = None

    def update(self, name: str, shard: Shard | None, now: float) -> set[str]:
        """Take the state of a Lease, and return the keys whose records may have changed.

        Args:
            name: the name of the Lease.
            shard: the shard that the Lease holds; None if the Lease is deleted.
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
        """Yield the records of a key, of all replicas that have not expired."""
        for each in self._peers.values():
            if not self._is_expired(each) and (record := each.record(key)) is not None:
                yield record

    def expired(self) -> dict[str, Shard]:
        """Return the shards of replicas that expired without deleting them, by the names of their Leases."""
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
