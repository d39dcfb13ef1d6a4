"""Indexes: buckets of elements in order, which input contributed what, and what is missing of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from translator.engine.memo import UNSET, Memo
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
"""The collection of the names of those collections whose inputs are not all set yet."""

ROUNDS: Final = 100
"""How often indexes and firewall queries may turn each other stale before that is taken for a cycle."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The key under which an index has something while it does not know all that a partition is to hold.

    The elements there are the bugs in the way, "" for inputs that are not known yet.
    """

    partition: Hashable = ALL


INCOMPLETE: Final[Any] = Incomplete()
"""The key for all partitions at once."""
INCOMPLETE_WITHOUT_BUG: Final = ((INCOMPLETE, ""),)
"""The entries that make all partitions incomplete, where no bug is in the way."""

VIEWS: Final[Mapping[Callable[[list[Any]], Any], str]] = {tuple: "select", len: "count"}
"""How a bucket can be read, and what that is called."""


class Bucket:
    """The elements that an index has under one key: a multiset, listed in order.

    Attributes:
        items: each element once, in order.
        duplicates: how many times more those are there that are there more than once; None if there are none.
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
    """An index's buckets, and what each input contributed to them; the root of the memos of its entries.

    Attributes:
        buckets: by key, those that hold something.
        contributions: by input what it contributed.
        incomplete: the keys of `buckets` that say of a partition that it is incomplete.
        stale: the inputs whose contributions may be different now.
    """

    __slots__ = ("buckets", "contributions", "incomplete", "stale")

    def __init__(self) -> None:
        self.buckets: dict[Hashable, Bucket] = {}
        self.contributions: dict[Any, Entries] = {}
        self.incomplete: set[Hashable] = set()
        self.stale: set[Any] = set()

    def on_maybe_dirty(self, memo: Memo) -> None:
        """Take that the entries, or partitions, of an input may be different."""
        self.stale.add(*memo.args)

    def on_changed(self, memo: Memo) -> None:
        """Take that they are; whoever refreshed them compares them anyway."""

    def take_stale(self) -> list[Any]:
        """Return the stale inputs, which are not stale any more."""
        stale = list(self.stale)
        self.stale.clear()
        return stale

    def items(self, key: Hashable) -> list[Any]:
        """Return the elements under a key, in order; not to be changed."""
        bucket = self.buckets.get(key)
        return bucket.items if bucket else []

    def is_incomplete(self, source: Any) -> bool:
        """Tell whether something is missing of what `source` contributes."""
        return any(isinstance(key, Incomplete) for key, _ in self.contributions.get(source, ()))

    def replace(self, source: Any, entries: Entries) -> Iterator[Hashable]:
        """Replace what `source` contributed; yield the keys whose buckets this touched."""
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


def _collections(index: Index[Any, Any], types: Mapping[str, type]) -> Iterator[str]:
    """Yield the names of the collections that an index is over."""
    for each in index.collections:
        if isinstance(each, str):
            yield each
        else:
            yield from (name for name, type_ in types.items() if issubclass(type_, each))


class Indexes:
    """The indexes of a database, kept up to date ahead of queries, so that a bucket behaves like an input.

    Attributes:
        evaluated: whether all that was there at the start has been evaluated.
    """

    def __init__(
        self, indexes: Iterable[Index[Any, Any]], memos: Memos, inputs: Inputs, types: Mapping[str, type]
    ) -> None:
        """Begin with empty indexes over `inputs`, which are read as they are whenever an index is refreshed.

        Args:
            indexes: the indexes.
            memos: the table of memos.
            inputs: the inputs by collection and key.
            types: by the name of a collection, the type of the objects in it.
        """
        self.evaluated = False
        self._memos = memos
        self._inputs = inputs
        self._listings = {each: Listing() for each in indexes}
        assert len({each.name for each in self._listings}) == len(self._listings), "indexes have names of their own"
        self._collections = {each: tuple(_collections(each, types)) for each in self._listings}
        self._by_collection: dict[str, list[Index[Any, Any]]] = {}
        for each, collections in self._collections.items():
            for collection in collections:
                self._by_collection.setdefault(collection, []).append(each)

    # Inputs

    def note_presence_changed(self, collection: str, key: Any) -> None:
        """Take that an input came or went."""
        for each in self._by_collection.get(collection, ()):
            self._listings[each].stale.add(key)

    def set_synced(self, collection: str, synced: bool) -> None:
        """Take whether all inputs of a collection are set; while they are not, its indexes are incomplete."""
        for each in self._by_collection.get(collection, ()):
            touched = self._listings[each].replace(INCOMPLETE, () if synced else INCOMPLETE_WITHOUT_BUG)
            self._invalidate_buckets(each, list(touched))

    # Reads

    def select(self, index: Index[K, E], key: K) -> tuple[E, ...]:
        """Read an index's bucket: its elements in ascending order, empty where there is none.

        Raises:
            NotSyncedError: it is not known what is to be in it.
        """
        return self._bucket(tuple, index, key)

    def count(self, index: Index[K, E], key: K) -> int:
        """Read how many elements an index has under `key`, without depending on which.

        Raises:
            NotSyncedError: it is not known what is to be among them.
        """
        return self._bucket(len, index, key)

    def _bucket(self, view: Callable[[list[E]], V], index: Index[K, E], key: K) -> V:
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

    def _read_bucket(self, view: Callable[[list[E]], V], index: Index[Any, E], key: Any) -> V:
        name, args = f"{VIEWS[view]} {index.name}", (key,)
        memo = self._memos.of(name).get(args)
        if memo is None:
            memo = self._memos.add(name, args, view(self._listings[index].items(key)))
        self._memos.record(memo)
        return cast(V, memo.value)

    # Refreshing

    def refresh(self) -> Iterator[None]:
        """Bring indexes and firewall queries up to date, so that they are like inputs to what is evaluated after.

        One may be refreshed while another that it reads is still stale; it is then stale again, until nothing is.

        Raises:
            CycleError: they turn each other stale without end.
        """
        for _ in range(ROUNDS * (len(self._listings) + 1) + 1):
            index = next((each for each, listing in self._listings.items() if listing.stale), None)
            if index is not None:
                yield from self._reindex(index, self._listings[index].take_stale())
            elif self._memos.has_stale_firewalls:
                yield from self._memos.refresh_firewalls()
            else:
                return
            self._memos.invalidate_firewall_readers()
        raise CycleError("indexes and firewall queries turn each other stale without end")

    def _reindex(self, index: Index[Any, Any], sources: list[Any]) -> Iterator[None]:
        touched: dict[Hashable, None] = {}
        for source in sources:
            yield
            touched.update(dict.fromkeys(self._listings[index].replace(source, self._entries(index, source))))
        self._invalidate_buckets(index, touched)

    def _invalidate_buckets(self, index: Index[Any, Any], touched: Collection[Hashable]) -> None:
        listing = self._listings[index]
        for view, name in VIEWS.items():
            buckets = self._memos.of(f"{name} {index.name}")
            for key in touched:
                if (memo := buckets.get((key,))) is not None:
                    self._memos.assign(memo, view(listing.items(key)))
            for marker in listing.incomplete.intersection(touched):
                for memo in buckets.values():
                    (key,) = memo.args
                    if marker is INCOMPLETE or marker == Incomplete(index.partition_of(key)):
                        self._memos.invalidate(memo, memo.dependents)

    def _entries(self, index: Index[Any, Any], source: Any) -> Entries:
        listing = self._listings[index]
        memo = self._memos.get_or_add(index.entries, (source,))
        if (partitions := self._memos.of(index.partitions).get((source,))) is not None:
            self._memos.set_root(partitions, None)
        if not any(source in self._inputs.get(collection, ()) for collection in self._collections[index]):
            self._memos.set_root(memo, None)
            return ()
        self._memos.set_root(memo, listing)
        self._memos.refresh_root(memo)
        if memo.failure is not None and (memo.value is UNSET or not memo.value):
            missing = memo.failure.not_synced or self._may_have_been_there(index, source, memo)
            return self._missing(index, source, memo.failure.bug) if missing else ()
        return cast(Entries, memo.value)

    def _missing(self, index: Index[Any, Any], source: Any, bug: str) -> Entries:
        """Return the entries of an input of which it is not known what it contributes: where it may belong."""
        memo = self._memos.get_or_add(index.partitions, (source,))
        self._memos.set_root(memo, self._listings[index])
        self._memos.refresh_root(memo)
        partitions = (ALL,) if memo.failure is not None else cast(tuple[Hashable, ...], memo.value)
        return tuple((Incomplete(each), bug) for each in partitions)

    def _may_have_been_there(self, index: Index[Any, Any], source: Any, memo: Memo) -> bool:
        """Whether an input for which an index fails may have been listed by an earlier process.

        What comes later and fails from the beginning has never been of use to anybody: it is left out.
        """
        not_synced = any(each in self._inputs.get(NOT_SYNCED, ()) for each in self._collections[index])
        at_start = not self.evaluated or not_synced
        return memo.value is UNSET and (at_start or self._listings[index].is_incomplete(source))
