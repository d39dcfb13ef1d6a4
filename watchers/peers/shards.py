"""What one replica tells the others, in as many parts as it takes: an object of the API server has a size. Pure.

Each word has a key, whose hash says which part it is in. A part that grows too long doubles their number; they never
become fewer. So a part can be read by itself, and a word that changes is written with its part only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

import orjson

MOST_BYTES: Final = 64_000
"""The longest part: some thousand words. All annotations of an object have 256 KiB."""
MOST_PARTS: Final = 256
"""Beyond so many parts the longest words of those that are too long are not said."""


def shard_of(key: str, parts: int) -> int:
    """Return the number of the part that a key is in, of so many."""
    return crc32(key.encode()) % parts


class ShardedRecords:
    """What a replica says, and which parts of it have changed.

    Args:
        most_bytes: the longest part. A word that is longer by itself is not said.
        most_parts: the most parts, a power of two.

    Attributes:
        unsaid: the numbers of the parts that have changed; whoever says one takes it out.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, most_parts: int = MOST_PARTS) -> None:
        self._most_bytes = most_bytes
        self._most_parts = most_parts
        self._lay([], 1)

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return len(self._parts)

    @property
    def is_too_much(self) -> bool:
        """Whether there are words that are not said, for want of room."""
        return max(self._sizes) > self._most_bytes

    @property
    def next_parts(self) -> list[int]:
        """The unsaid parts in the order in which to say them: a word is in a new part before it leaves the old one."""
        return sorted(self.unsaid, reverse=True)

    def put(self, key: str, word: object) -> None:
        """Take what is to be said of a key, in a form that JSON can hold; None for nothing."""
        number = shard_of(key, self.parts)
        entry = b"" if word is None else orjson.dumps(key) + b":" + orjson.dumps(word, option=orjson.OPT_SORT_KEYS)
        if len(entry) + len(b"{}") > self._most_bytes:
            entry = b""
        if entry == self._parts[number].get(key, b""):
            return
        self._take_out(key, number)
        if entry:
            self._put_in(key, entry, number)
        while self.is_too_much and self.parts < self._most_parts:
            self._lay([item for each in self._parts for item in each.items()], 2 * self.parts)

    def body(self, number: int) -> str:
        """Give a part as JSON: an object with the words by their keys."""
        entries, size = list(self._parts[number].values()), self._sizes[number]
        if size > self._most_bytes:
            entries.sort(key=len)
        while size > self._most_bytes:
            size -= _size(entries.pop())
        return "{" + b",".join(entries).decode() + "}"

    def _lay(self, items: list[tuple[str, bytes]], parts: int) -> None:
        """Begins anew with so many parts."""
        self._parts: list[dict[str, bytes]] = [{} for _ in range(parts)]
        self._sizes = [1] * parts  # the braces, less the comma after the last entry
        self.unsaid = set(range(parts))
        for key, entry in items:
            self._put_in(key, entry, shard_of(key, parts))

    def _put_in(self, key: str, entry: bytes, number: int) -> None:
        self._parts[number][key] = entry
        self._sizes[number] += _size(entry)
        self.unsaid.add(number)

    def _take_out(self, key: str, number: int) -> None:
        if (before := self._parts[number].pop(key, None)) is not None:
            self._sizes[number] -= _size(before)
            self.unsaid.add(number)


def _size(entry: bytes) -> int:
    """Return what an entry takes of a part, with its comma."""
    return len(entry) + 1


def read(text: str) -> Mapping[str, Any]:
    """Return the words of a part by their keys; none if it is not understood, as of another version of Headgate."""
    try:
        said = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
