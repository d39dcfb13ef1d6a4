"""Indexes: sorted buckets of elements, the contributions of each input, and incomplete partitions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from translator.engine.memo import CLEAN, UNSET, Memo, Stored
from translator.engine.memos import Memos
from translator.engine.query import ALL, CycleError, Index, NotSyncedError

K = TypeVar("K", bound=Hashable)
E = TypeVar("E")
V = TypeVar("V")

Inputs = Mapping[str, Mapping[Any, object]]
"""Inputs by collection and key."""

Entries = tuple[tuple[Any, Any], ...]
"""The keys and elements that an input contributes to an index."""

NOT_SYNCED: Final = "not synced"
"""The collection of the names of collections that are not synced."""

ROUNDS: Final = 100
"""Most rounds in which indexes and firewall queries may invalidate each other, before that counts as a cycle."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The key of the elements that mark a partition as incomplete.

    The elements are the bugs that make it so, "" for inputs that are not synced.
    """

    partition: Hashable = ALL


INCOMPLETE: Final[Any] = Incomplete()
"""The key that marks all partitions as incomplete."""
INCOMPLETE_WITHOUT_BUG: Final = ((INCOMPLETE, ""),)
"""The entries that mark all partitions as incomplete without a bug."""


def _has_several(items: Sized) -> bool:
    return len(items) > 1


VIEWS: Final[Mapping[Callable[[Any], Any], str]] = {tuple: "select", len: "count", _has_several: "has_several"}
"""The functions by which a bucket is read, with the name of the read."""


class Bucket:
    """Several elements of an index under one key: a sorted multiset. A bucket of one element is a tuple.

    Attributes:
        items: the distinct elements, in order.
        duplicates: by element, the number of its further occurrences; None if there are none.
    """

    __slots__ = ("duplicates", "items")

    def __init__(self, element: Any) -> None:
        self.items: list[Any] = [element]
        self.duplicates: dict[Any, int] | None = None

    def add(self, element: Any) -> None:
        """Add one occurrence of an element."""
        place = bisect_left(self.items, element)
        if place == len(self.items) or self.items[place] != element:
            self.items.insert(place, element)
        else:
            self.duplicates = self.duplicates or {}
            self.duplicates[element] = self.duplicates.get(element, 0) + 1

    def discard(self, element: Any) -> None:
        """Remove one occurrence of an element."""
        if not self.duplicates or element not in self.duplicates:
            del self.items[bisect_left(self.items, element)]
        elif self.duplicates[element] > 1:
            self.duplicates[element] -= 1
        else:
            del self.duplicates[element]


class Listing:
    """The state of an index: its buckets and the contributions of each input; the root of the memos of its entries.

    Attributes:
        buckets: the buckets that are not empty, by key.
        contributions: the entries of each input.
        incomplete: the keys of `buckets` that mark partitions as incomplete.
        reads: what the memos of the reads of a bucket are of, by the function.
        stale: the inputs whose contributions may have changed.
    """

    __slots__ = ("_position", "_stale_positions", "buckets", "contributions", "incomplete", "reads", "stale")

    def __init__(self, name: str, position: int, stale_positions: set[int]) -> None:
        """Create an empty index, which has its `position` in `stale_positions` while some of its inputs are stale."""
        self.reads = {view: Stored(f"{read} {name}") for view, read in VIEWS.items()}
        self._position = position
        self._stale_positions = stale_positions
        self.buckets: dict[Hashable, Bucket | tuple[Any]] = {}
        self.contributions: dict[Any, Entries] = {}
        self.incomplete: set[Hashable] = set()
        self.stale: set[Any] = set()

    def on_maybe_dirty(self, memo: Memo) -> None:
        """Mark the contributions of an input as stale."""
        self.mark_stale(memo.key)

    def on_changed(self, memo: Memo) -> None:
        """Do nothing, as `replace` compares the entries."""

    def mark_stale(self, source: Any) -> None:
        """Mark the contributions of an input as stale."""
        self.stale.add(source)
        self._stale_positions.add(self._position)

    def take_stale(self) -> list[Any]:
        """Return the stale inputs, and clear the set."""
        stale = list(self.stale)
        self.stale.clear()
        self._stale_positions.discard(self._position)
        return stale

    def items(self, key: Hashable) -> Sequence[Any]:
        """Return the elements under a key, in order; do not change the list."""
        bucket = self.buckets.get(key, ())
        return bucket.items if isinstance(bucket, Bucket) else bucket

    def is_incomplete(self, source: Any) -> bool:
        """Return whether an input marks a partition as incomplete."""
        return any(isinstance(key, Incomplete) for key, _ in self.contributions.get(source, ()))

    def replace(self, source: Any, entries: Entries) -> Iterable[Hashable]:
        """Replace the contributions of an input; return the keys of the buckets that change."""
        before = self.contributions.get(source, ())
        if before == entries:
            return ()
        for key, element in entries:
            self._add(key, element)
        for key, element in before:
            self._discard(key, element)
        if entries:
            self.contributions[source] = entries
        else:
            self.contributions.pop(source, None)
        return [key for key, _ in (*entries, *before)]

    def _add(self, key: Hashable, element: Any) -> None:
        bucket = self.buckets.get(key)
        if bucket is None:
            self.buckets[key] = (element,)
            if isinstance(key, Incomplete):
                self.incomplete.add(key)
            return
        if isinstance(bucket, tuple):
            bucket = self.buckets[key] = Bucket(*bucket)
        bucket.add(element)

    def _discard(self, key: Hashable, element: Any) -> None:
        bucket = self.buckets[key]
        if isinstance(bucket, Bucket):
            bucket.discard(element)
            if bucket.items:
                return
        del self.buckets[key]
        self.incomplete.discard(key)


def _collections(index: Index[Any, Any], types: Mapping[str, type]) -> tuple[str, ...]:
    """Return the names of the collections that an index covers."""
    named = (each for each in index.collections if isinstance(each, str))
    return tuple(dict.fromkeys((*named, *(name for name, type_ in types.items() if index.is_over(name, type_)))))


def _marker_of(index: Index[Any, Any], memo: Memo) -> Hashable:
    """Return the key that marks the partition of a bucket that was read as incomplete: a marker's is its own."""
    return memo.key if isinstance(memo.key, Incomplete) else Incomplete(index.partition_of(memo.key))


class Indexes:
    """The indexes of a database, refreshed before queries, so that a bucket behaves like an input.

    Attributes:
        evaluated: whether the first evaluation is complete.
    """

    def __init__(
        self,
        indexes: Iterable[Index[Any, Any]],
        memos: Memos,
        inputs: Inputs,
        input_memos: Mapping[str, Mapping[Any, Memo]],
        types: Mapping[str, type],
    ) -> None:
        """Create empty indexes over `inputs`.

        Args:
            indexes: the indexes.
            memos: the table of memos.
            inputs: the inputs by collection and key; a live view, read at each refresh.
            input_memos: the memos of the inputs by collection and key.
            types: the type of the objects of each collection, by its name.
        """
        self.evaluated = False
        self._memos = memos
        self._inputs = inputs
        self._input_memos = input_memos
        self._order = tuple(indexes)
        self._stale_positions: set[int] = set()  # of the stale indexes in the order
        self._listings = {each: Listing(each.name, n, self._stale_positions) for n, each in enumerate(self._order)}
        assert len({each.name for each in self._listings}) == len(self._listings), "names of indexes are unique"
        self._collections = {each: _collections(each, types) for each in self._listings}
        self._by_collection: dict[str, list[Index[Any, Any]]] = {}
        for each, collections in self._collections.items():
            for collection in collections:
                self._by_collection.setdefault(collection, []).append(each)

    # Inputs

    def note_changed(self, collection: str, key: Any, before: object, value: object) -> None:
        """Mark the contributions of a changed input as stale, unless their memo does that.

        Args:
            collection: the collection of the input.
            key: its key.
            before: its value before; None if it was not there.
            value: its value now; None if it is not there.
        """
        was, is_ = before is not None, value is not None
        for each in self._by_collection.get(collection, ()):
            if each.projection is not None and each.projection(before) == each.projection(value):
                continue
            listing = self._listings[each]
            has_memo = key in self._memos.of(each.entries)
            if was and not has_memo and key not in listing.stale:
                # The memo that was discarded, with its last value.
                memo = self._memos.add(each.entries, key, listing.contributions.get(key, ()))
                self._memos.set_root(memo, listing)
            if was is not is_ or not has_memo:
                listing.mark_stale(key)

    def set_synced(self, collection: str, synced: bool) -> None:
        """Set whether a collection is synced; while it is not, all partitions of its indexes are incomplete."""
        for each in self._by_collection.get(collection, ()):
            touched = self._listings[each].replace(INCOMPLETE, () if synced else INCOMPLETE_WITHOUT_BUG)
            self._invalidate_buckets(each, touched)

    # Reads

    def select(self, index: Index[K, E], key: K) -> tuple[E, ...]:
        """Return the elements of an index under a key, in ascending order; empty if there are none.

        Raises:
            NotSyncedError: the key's partition is incomplete.
        """
        return self._bucket(tuple, index, key)

    def count(self, index: Index[K, E], key: K) -> int:
        """Return the number of elements of an index under a key, without a dependency on the elements.

        Raises:
            NotSyncedError: the key's partition is incomplete.
        """
        return self._bucket(len, index, key)

    def has_several(self, index: Index[K, E], key: K) -> bool:
        """Return whether an index has several elements under a key, without a dependency on the elements.

        Raises:
            NotSyncedError: the key's partition is incomplete.
        """
        return self._bucket(_has_several, index, key)

    def _bucket(self, view: Callable[[Sequence[E]], V], index: Index[K, E], key: K) -> V:
        if not self._memos.is_reading:
            for _ in self.refresh():
                pass
            return view(self._listings[index].items(key))
        if self._listings[index].incomplete:
            self._check_complete(index, key)
        return self._read_bucket(view, index, key)

    def _check_complete(self, index: Index[Any, Any], key: Any) -> None:
        for marker in (INCOMPLETE, Incomplete(index.partition_of(key))):
            if marker in self._listings[index].incomplete:
                bugs = self._read_bucket(tuple, index, marker)
                raise NotSyncedError(index.name, next(filter(None, bugs), ""))

    def _read_bucket(self, view: Callable[[Sequence[E]], V], index: Index[Any, E], key: Any) -> V:
        listing = self._listings[index]
        read = listing.reads[view]
        memo = self._memos.of(read).get(key)
        if memo is None:
            memo = self._memos.add(read, key, view(listing.items(key)), CLEAN)
        self._memos.record(memo)
        return cast(V, memo.value)

    # Refreshing

    @property
    def is_stale(self) -> bool:
        """Whether there is anything for `refresh` to do."""
        return bool(self._stale_positions) or self._memos.has_stale_firewalls

    def refresh(self) -> Iterator[None]:
        """Bring indexes and firewall queries up to date, so that they behave like inputs of later queries.

        If one is refreshed before another that it reads, it becomes stale again; this repeats until none is.

        Raises:
            CycleError: they invalidate each other endlessly.
        """
        for _ in range(ROUNDS * (len(self._listings) + 1) + 1):
            if self._stale_positions:
                index = self._order[min(self._stale_positions)]
                yield from self._reindex(index, self._listings[index].take_stale())
            elif self._memos.has_stale_firewalls:
                yield from self._memos.refresh_firewalls()
            else:
                return
            self._memos.invalidate_firewall_readers()
        raise CycleError("indexes and firewall queries turn each other stale without end")

    def _reindex(self, index: Index[Any, Any], sources: list[Any]) -> Iterator[None]:
        touched: dict[Hashable, None] = {}
        listing = self._listings[index]
        for source in sources:
            yield
            touched.update(dict.fromkeys(listing.replace(source, self._entries(index, source))))
        self._invalidate_buckets(index, touched)

    def _invalidate_buckets(self, index: Index[Any, Any], touched: Iterable[Hashable]) -> None:
        listing = self._listings[index]
        for view, read in listing.reads.items():
            buckets = self._memos.of(read)
            for key in touched:
                if (memo := buckets.get(key)) is not None:
                    self._memos.assign(memo, view(listing.items(key)))
            for marker in listing.incomplete.intersection(touched):
                for memo in buckets.values():
                    if marker is INCOMPLETE or marker == _marker_of(index, memo):
                        self._memos.invalidate(memo, memo.dependents)

    def _entries(self, index: Index[Any, Any], source: Any) -> Entries:
        listing = self._listings[index]
        memo = self._memos.get_or_add(index.entries, source)
        if (partitions := self._memos.of(index.partitions).get(source)) is not None:
            self._memos.set_root(partitions, None)
        for collection in self._collections[index]:
            if source in self._inputs.get(collection, ()):
                break
        else:
            self._memos.set_root(memo, None)
            return ()
        self._memos.set_root(memo, listing)
        self._memos.refresh_root(memo)
        if memo.failure is None and self._reads_only_its_input(memo, collection):
            self._memos.discard(memo)
        if memo.failure is not None and (memo.value is UNSET or not memo.value):
            missing = memo.failure.not_synced or self._may_have_been_there(index, source, memo)
            return self._missing(index, source, memo.failure.bug) if missing else ()
        return cast(Entries, memo.value)

    def _reads_only_its_input(self, memo: Memo, collection: str) -> bool:
        """Return whether entries depend on nothing but the input that they are of: then they need no memo.

        `note_changed` marks them as stale.
        """
        return memo.reads is self._input_memos[collection].get(memo.key)

    def _missing(self, index: Index[Any, Any], source: Any, bug: str) -> Entries:
        """Return the entries that mark the partitions of an input as incomplete, as its contributions are unknown."""
        memo = self._memos.get_or_add(index.partitions, source)
        self._memos.set_root(memo, self._listings[index])
        self._memos.refresh_root(memo)
        partitions = (ALL,) if memo.failure is not None else cast(tuple[Hashable, ...], memo.value)
        return tuple((Incomplete(each), bug) for each in partitions)

    def _may_have_been_there(self, index: Index[Any, Any], source: Any, memo: Memo) -> bool:
        """Return whether an input for which an index fails may have had entries in an earlier process.

        An input that was added later, and fails from the start, never had any: it is left out.
        """
        not_synced = any(each in self._inputs.get(NOT_SYNCED, ()) for each in self._collections[index])
        at_start = not self.evaluated or not_synced
        return memo.value is UNSET and (at_start or self._listings[index].is_incomplete(source))
