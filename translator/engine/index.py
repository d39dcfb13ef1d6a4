"""What an index holds: buckets of elements in order, and which input put them there."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Entries = tuple[tuple[Any, Any], ...]
"""What an input files in an index: keys and elements."""


class _All:
    """Stands for all partitions of an index."""

    def __repr__(self) -> str:
        return "all"


ALL: Final = _All()


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The key under which an index has something while it does not know all that a partition is to hold.

    The elements there are the bugs in the way, "" for inputs that are not known yet.
    """

    partition: Hashable = ALL


INCOMPLETE: Final[Any] = Incomplete()
"""The key for all partitions at once."""
INCOMPLETE_WITHOUT_BUG: Final = ((INCOMPLETE, ""),)
"""What is filed then, where no bug is in the way."""

VIEWS: Final[Mapping[Callable[[list[Any]], Any], str]] = {tuple: "select", len: "count"}
"""How a bucket can be read, and what that is called."""


class Bucket:
    """What an index files under one key: a multiset, listed in order.

    Attributes:
        items: each element once, in order.
        again: how many times more those are there that are there more than once; None if there are none, as a rule.
    """

    __slots__ = ("duplicates", "items")

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.duplicates: dict[Any, int] | None = None

    def add(self, element: Any) -> None:
        """Count one more of an element."""
        place = bisect_left(self.items, element)
        if place == len(self.items) or self.items[place] != element:
            self.items.insert(place, element)
        else:
            self.duplicates = self.duplicates or {}
            self.duplicates[element] = self.duplicates.get(element, 0) + 1

    def discard(self, element: Any) -> None:
        """Count one less of an element."""
        if not self.duplicates or element not in self.duplicates:
            del self.items[bisect_left(self.items, element)]
        elif self.duplicates[element] > 1:
            self.duplicates[element] -= 1
        else:
            del self.duplicates[element]


class Listing:
    """An index's buckets, and what each input contributed to them.

    Attributes:
        buckets: by key, those that hold something.
        filed: by input what it contributed.
        incomplete: the keys of `buckets` that say of a partition that it is incomplete.
    """

    __slots__ = ("buckets", "contributions", "incomplete")

    def __init__(self) -> None:
        self.buckets: dict[Hashable, Bucket] = {}
        self.contributions: dict[Any, Entries] = {}
        self.incomplete: set[Hashable] = set()

    def items(self, key: Hashable) -> list[Any]:
        """Give what is filed under a key, in order; not to be changed."""
        bucket = self.buckets.get(key)
        return bucket.items if bucket else []

    def is_incomplete(self, source: Any) -> bool:
        """Tell whether something is missing of what `source` contributes."""
        return any(isinstance(key, Incomplete) for key, _ in self.contributions.get(source, ()))

    def replace(self, source: Any, entries: Entries) -> Iterator[Hashable]:
        """Replace what `source` filed; give the keys whose buckets this touched."""
        before = self.contributions.get(source, ())
        if before == entries:
            return
        for key, element in entries:
            bucket = self.buckets.get(key)
            if bucket is None:
                bucket = self.buckets[key] = Bucket()
                if isinstance(key, Incomplete):
                    self.incomplete.add(key)
            bucket.add(element)
            yield key
        for key, element in before:
            bucket = self.buckets[key]
            bucket.discard(element)
            if not bucket.items:
                del self.buckets[key]
                self.incomplete.discard(key)
            yield key
        if entries:
            self.contributions[source] = entries
        else:
            self.contributions.pop(source, None)
