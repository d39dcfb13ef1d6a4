"""The records of a replica, split into shards of which each fits into one object of the API server. Pure.

The hash of a record's key determines its shard. When a shard becomes too long, the number of shards is doubled; it
never decreases. Each shard can be read separately, and a changed record is written with its shard only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

import orjson

MAX_SHARD_BYTES: Final = 64_000
"""Longest shard: some thousand records. The annotations of an object may have 256 KiB in total."""
MAX_SHARDS: Final = 256
"""Most shards; above it, the longest records of too long shards are left out."""


def shard_of(key: str, count: int) -> int:
    """Return the number of the shard that a key belongs to, of `count` shards."""
    return crc32(key.encode()) % count


class ShardedRecords:
    """The records of a replica, and its dirty shards.

    Args:
        max_bytes: the length of the longest shard; a longer record is left out.
        max_shards: the most shards, a power of two.

    Attributes:
        dirty: the numbers of the changed shards; remove one before writing it.
    """

    def __init__(self, max_bytes: int = MAX_SHARD_BYTES, max_shards: int = MAX_SHARDS) -> None:
        self._max_bytes = max_bytes
        self._max_shards = max_shards
        self._reshard([], 1)

    @property
    def count(self) -> int:
        """The number of shards."""
        return len(self._shards)

    @property
    def is_truncated(self) -> bool:
        """Whether records are left out because of the limits."""
        return max(self._sizes) > self._max_bytes

    @property
    def next_shards(self) -> list[int]:
        """The dirty shards in the order to write them: a record is in its new shard before the old one loses it."""
        return sorted(self.dirty, reverse=True)

    def put(self, key: str, record: object) -> None:
        """Set the record of a key, as JSON data; None removes it."""
        number = shard_of(key, self.count)
        entry = b"" if record is None else orjson.dumps(key) + b":" + orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
        if len(entry) + len(b"{}") > self._max_bytes:
            entry = b""
        if entry == self._shards[number].get(key, b""):
            return
        self._remove(key, number)
        if entry:
            self._insert(key, entry, number)
        while self.is_truncated and self.count < self._max_shards:
            self._reshard([item for each in self._shards for item in each.items()], 2 * self.count)

    def body(self, number: int) -> str:
        """Return a shard as JSON: an object of the records by key."""
        entries, size = list(self._shards[number].values()), self._sizes[number]
        if size > self._max_bytes:
            entries.sort(key=len)
        while size > self._max_bytes:
            size -= _size(entries.pop())
        return "{" + b",".join(entries).decode() + "}"

    def _reshard(self, items: list[tuple[str, bytes]], count: int) -> None:
        """Distribute entries over `count` new shards."""
        self._shards: list[dict[str, bytes]] = [{} for _ in range(count)]
        self._sizes = [1] * count  # the braces, less the comma after the last entry
        self.dirty = set(range(count))
        for key, entry in items:
            self._insert(key, entry, shard_of(key, count))

    def _insert(self, key: str, entry: bytes, number: int) -> None:
        self._shards[number][key] = entry
        self._sizes[number] += _size(entry)
        self.dirty.add(number)

    def _remove(self, key: str, number: int) -> None:
        if (before := self._shards[number].pop(key, None)) is not None:
            self._sizes[number] -= _size(before)
            self.dirty.add(number)


def _size(entry: bytes) -> int:
    """Return the length of an entry in a shard, including its comma."""
    return len(entry) + 1


def decode(text: str) -> Mapping[str, Any]:
    """Return the records of a shard by key; none if another version of Headgate wrote it in another format."""
    try:
        records = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return records if isinstance(records, dict) else {}
