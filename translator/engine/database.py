"""Incremental evaluation: inputs, queries and indexes.

*Inputs* are set from outside. A *query* is a pure function of what it reads; each evaluated call is a memo, and every
read is recorded, absence included. An *index* files elements under keys, derived from each input of some collections;
reading one bucket of it depends on that bucket only. A *firewall query* has so many readers that verifying them all
would cost: it is brought up to date first, and its readers are invalidated only if its value is different.

Invalidation is pushed: a changed input marks what read it as dirty, and all behind that as maybe dirty. Evaluation is
pulled: a maybe dirty memo brings up to date what may have changed, in the order of its reads, and runs again only if
something turned out different. An equal result stops the wave.

The rules of purity, which make this sound: a query reads only through the database it is given; what it returns is
immutable and compared with ``==``; it does no I/O and looks at no clock; it lists things through an index's key, never
all of them.

The cost of an edit follows the edges of what changes: give wide readers narrow projections, and make widely read
projections firewall queries.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast

from translator.engine.index import ALL, INCOMPLETE, INCOMPLETE_WITHOUT_BUG, VIEWS, Entries, Incomplete, Listing
from translator.engine.memo import BUSY, CLEAN, UNSET, Memo, Trace, reads_itself, trace
from translator.engine.memos import Evaluation
from translator.engine.query import CycleError, Index, NotSyncedError, Prioritised, Query, QueryError

K = TypeVar("K", bound=Hashable)
E = TypeVar("E")
V = TypeVar("V")

NOT_SYNCED: Final = "not synced"
"""The collection of the names of those collections whose inputs are not known yet."""
ABSENT: Final = "absent"
"""The collection of those inputs of collections on demand, by collection and key, that are known not to be there."""
ROUNDS: Final = 100
"""How often indexes and firewall queries may turn each other stale before that is taken for a cycle."""


class Database(Evaluation):
    """Inputs, queries, indexes and outputs. Not thread-safe: one task owns it."""

    def __init__(self, ahead: Iterable[Prioritised] = (), on_demand: Iterable[str] = ()) -> None:
        """Make an empty graph.

        Args:
            ahead: its indexes and firewall queries; one that reads another of them is best listed after it.
            on_demand: collections of which inputs are fetched once something has read them: one that is not there yet
                is unknown until `set_absent` says that there is none. No index is over them.
        """
        super().__init__(ahead)
        self._on_demand = frozenset(on_demand)
        self._inputs: dict[str, dict[Any, object]] = {}
        self._referenced: dict[str, set[Any]] = {}
        self._evaluated = False  # whether all that was there at the start has been
        self._failing: dict[Memo, QueryError] = {}
        self._listings = {each: Listing() for each in self._stale if isinstance(each, Index)}
        assert len({each.name for each in self._listings}) == len(self._listings), "indexes have names of their own"
        self._by_entries = {query: each for each in self._listings for query in (each.entries, each.partitions)}
        self._by_collection: dict[str, list[Index[Any, Any]]] = {}
        for each in self._listings:
            for collection in each.collections:
                self._by_collection.setdefault(collection, []).append(each)

    def __len__(self) -> int:
        """How many memos are remembered."""
        return sum(map(len, self._memos.values()))

    # Inputs

    def set(self, collection: str, key: Any, value: object) -> None:
        """Set the input `key` of `collection`; None removes it. Costs nothing more when `value` equals the old one."""
        assert not self._stack, "inputs do not change while queries run"
        inputs = self._inputs.setdefault(collection, {})
        before = inputs.get(key)
        if before is None and value is None:
            return
        if value is None:
            del inputs[key]
        else:
            inputs[key] = value
        memo = self._memos["input"].get((collection, key))
        if memo is not None:
            self._assign(memo, value)
        if before is None or value is None:
            for each in self._by_collection.get(collection, ()):
                self._stale[each].add(key)

    def input(self, collection: str, key: Any) -> Any:
        """Read an input: its value, or None where there is none.

        Raises:
            NotSyncedError: it is not known whether there is one.
        """
        memo = self._memos["input"].get((collection, key))
        if memo is None:
            memo = self._add("input", (collection, key), self._inputs.get(collection, {}).get(key))
            self._referenced.setdefault(collection, set()).add(key)
        self._record(memo)
        if memo.value is None:
            if collection in self._inputs.get(NOT_SYNCED, ()):
                self.input(NOT_SYNCED, collection)
                raise NotSyncedError(collection)
            if collection in self._on_demand and not self.input(ABSENT, (collection, key)):
                raise NotSyncedError(collection)
        return memo.value

    def inputs(self, collection: str) -> Mapping[Any, object]:
        """Give the inputs of a collection by key, for the owner of the graph; queries use an index instead."""
        assert not self._stack, "a query lists by an index"
        return MappingProxyType(self._inputs.get(collection, {}))

    def set_synced(self, collection: str, synced: bool) -> None:
        """Take whether the inputs of a collection are all set; at the start each collection is synced.

        While they are not, a query that reads an absent input of it, or an index over it, raises `NotSyncedError`.
        So does one that reads a partition of an index that may lack entries since they failed and never had a value.
        """
        assert not self._stack, "inputs do not change while queries run"
        self.set(NOT_SYNCED, collection, None if synced else True)
        for each in self._by_collection.get(collection, ()):
            touched = self._listings[each].replace(INCOMPLETE, () if synced else INCOMPLETE_WITHOUT_BUG)
            self._invalidate_buckets(each, list(touched))
        if not synced:
            inputs = self._memos["input"]
            for memo in [inputs[collection, key] for key in self._referenced.get(collection, ())]:
                self._invalidate(memo, memo.dependents if memo.value is None else ())

    def set_absent(self, collection: str, keys: frozenset[Any]) -> bool:
        """Take which of the referenced inputs of a collection on demand are known not to be there.

        Returns:
            Whether those are others than before.
        """
        assert collection in self._on_demand
        before = {key for each, key in self._inputs.get(ABSENT, ()) if each == collection}
        for key in before ^ keys:
            self.set(ABSENT, (collection, key), True if key in keys else None)
        return before != keys

    def referenced(self, collection: str) -> frozenset[Any]:
        """Give the keys of a collection that something has read and still depends on, whether they are there or not."""
        return frozenset(self._referenced.get(collection, ()))

    # Reads

    def read(self, query: Query[..., Any], args: tuple[Any, ...]) -> Any:
        """Return a query's value for `args`, evaluated if need be; record the read.

        Raises:
            QueryError: the query raised.
        """
        memo = self._memos[query].get(args) or self._add(query, args, UNSET)
        if not self._stack:
            self._refresh_indexes()
        if memo.state is CLEAN:
            self._record(memo)
        elif memo.state in BUSY:
            raise self._cycle(memo)
        else:
            self._record(memo)
            self._refresh(memo)
        if memo.failure is not None:
            raise QueryError(memo.failure.label, memo.failure.__cause__ or memo.failure)
        return memo.value

    def read_each(self, query: Query[..., Any], calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Return a query's values for many calls, as `read` would; what is up to date costs a quarter of that.

        Raises:
            QueryError: the query raised.
        """
        assert self._stack, "it is queries that read so much"
        self._wait_for(query, calls := list(calls))
        reader, memos, values = self._stack[-1], self._memos[query], list[Any]()
        reads = cast(dict[Memo, None], reader.dependencies)
        for args in calls:
            memo = memos.get(args)
            if memo is None or memo.state is not CLEAN or memo.failure is not None:
                values.append(self.read(query, args))
                continue
            reads[memo] = None
            if reader not in memo.dependents:
                memo.add_dependent(reader)
            values.append(memo.value)
        return values

    def select(self, index: Index[K, E], key: K) -> tuple[E, ...]:
        """Read an index's bucket: its elements in ascending order, empty where there is none.

        Raises:
            NotSyncedError: it is not known what is to be in it.
        """
        return self._bucket(tuple, index, key)

    def count(self, index: Index[K, E], key: K) -> int:
        """Read how many elements an index has under `key`, without depending on which."""
        return self._bucket(len, index, key)

    def _bucket(self, view: Callable[[list[E]], V], index: Index[K, E], key: K) -> V:
        if not self._stack:
            self._refresh_indexes()
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
        memo = self._memos[name].get(args) or self._add(name, args, view(self._listings[index].items(key)))
        self._record(memo)
        return cast(V, memo.value)

    # Outputs

    def add_root(self, query: Query[..., Any], args: tuple[Any, ...], changed: Callable[[Memo], None]) -> None:
        """Make a query's call an output: `evaluate` keeps it up to date and calls `changed` first, and when it differs.

        `changed` is also called when the query raises: the memo's `failure` says why, its `value` is the last good one.
        """
        memo = self._memos[query].get(args) or self._add(query, args, UNSET)
        memo.root = True
        self._outputs[memo] = changed
        self._due[memo] = True

    def remove_root(self, query: Query[..., Any], args: tuple[Any, ...]) -> None:
        """Make a query's call an output no more; it is collected unless something reads it."""
        memo = self._memos[query].get(args)
        if memo is not None:
            self._outputs.pop(memo, None)
            self._due.pop(memo, None)
            self._uproot(memo)

    def evaluate(self) -> None:
        """Bring all outputs up to date, then collect the memos that nothing reads any more."""
        deque(self.steps(), maxlen=0)

    def steps(self) -> Iterator[None]:
        """Do the same in steps, as small as queries are; between any two inputs may be set, but nothing be read."""
        while True:
            yield from self._refreshing_indexes()
            if self._waited_for:
                self._refresh_waited_for()
                yield
            elif self._due:
                self._refresh_output(next(iter(self._due)))
                yield
            elif self._unreferenced:
                yield from self._collecting()
            else:
                break
        self._evaluated = True

    def _refresh_output(self, memo: Memo) -> None:
        if self._refresh_in_steps(memo):
            self._refresh_root(memo)
            if self._due.pop(memo):
                self._outputs[memo](memo)

    @property
    def failures(self) -> list[QueryError]:
        """What is failing now because of bugs: outputs and index entries whose last good value stands in."""
        return [each for each in self._failing.values() if not each.not_synced]

    @property
    def failing(self) -> list[tuple[Query[..., Any], tuple[Any, ...], QueryError]]:
        """The outputs and index entries that are failing now because of bugs, be it one in another's entry."""
        found = ((each, failure) for each, failure in self._failing.items() if failure.bug)
        return [(each.query, each.args, failure) for each, failure in found]  # type: ignore[misc]  # none is an input

    def trace(self, query: Query[..., Any], args: tuple[Any, ...], depth: int = 64) -> Trace | None:
        """Tell what a remembered call read, and what that read, down to the inputs; None if it is not remembered."""
        memo = self._memos[query].get(args)
        return None if memo is None else trace(memo, depth)

    # Inner workings

    def _root_maybe_dirty(self, memo: Memo) -> None:
        """Have an index's entries or an output looked at in time."""
        index = self._by_entries.get(memo.query)  # type: ignore[arg-type]  # of no input or bucket
        if index is not None:
            self._stale[index].add(*memo.args)
        else:
            self._due.setdefault(memo, False)

    def _refresh_root(self, memo: Memo) -> None:
        if memo.state is not CLEAN:
            self._refresh(memo)
        if memo.failure is not None:
            self._failing[memo] = memo.failure
        else:
            self._failing.pop(memo, None)

    def _uproot(self, memo: Memo) -> None:
        memo.root = False
        self._failing.pop(memo, None)
        self._unreferenced.add(memo)

    def _refresh_indexes(self) -> None:
        deque(self._refreshing_indexes(), maxlen=0)

    def _refreshing_indexes(self) -> Iterator[None]:
        """Bring indexes and firewall queries up to date, so that they are like inputs to what is evaluated after.

        One may be looked at while another that it reads is still stale; it is then stale again, until nothing is.
        """
        for _ in range(ROUNDS * len(self._stale) + 1):
            each = next((each for each, stale in self._stale.items() if stale), None)
            if each is None:
                return
            stale = list(self._stale[each])
            self._stale[each].clear()
            yield from self._reindex(each, stale) if isinstance(each, Index) else self._refresh_firewalls(stale)
            while self._pending_invalidations:
                self._invalidate(*self._pending_invalidations.pop())
        raise CycleError("indexes and firewall queries turn each other stale without end")

    def _refresh_firewalls(self, memos: list[Memo]) -> Iterator[None]:
        for memo in memos:
            yield
            if memo.dependents and memo.state is not CLEAN:
                self._refresh(memo)
                if memo.failure is None and reads_itself(memo):
                    # It was not noticed: what stood between was taken for certain.
                    memo.failure = QueryError(memo.label, CycleError(f"{memo.label} reads itself"))
                    self._changed(memo)

    def _reindex(self, index: Index[Any, Any], sources: list[Any]) -> Iterator[None]:
        touched: dict[Hashable, None] = {}
        for source in sources:
            yield
            touched.update(dict.fromkeys(self._listings[index].replace(source, self._entries(index, source))))
        self._invalidate_buckets(index, touched)

    def _invalidate_buckets(self, index: Index[Any, Any], touched: Collection[Hashable]) -> None:
        listing = self._listings[index]
        for view, name in VIEWS.items():
            buckets = self._memos[f"{name} {index.name}"]
            for key in touched:
                if (memo := buckets.get((key,))) is not None:
                    self._assign(memo, view(listing.items(key)))
            for marker in listing.incomplete.intersection(touched):
                for memo in buckets.values():
                    (key,) = memo.args
                    if marker is INCOMPLETE or marker == Incomplete(index.partition_of(key)):
                        self._invalidate(memo, memo.dependents)

    def _entries(self, index: Index[Any, Any], source: Any) -> Entries:
        memo = self._memos[index.entries].get((source,)) or self._add(index.entries, (source,), UNSET)
        if (partitions := self._memos[index.partitions].get((source,))) is not None:
            self._uproot(partitions)
        if not any(source in self._inputs.get(collection, ()) for collection in index.collections):
            self._uproot(memo)
            return ()
        memo.root = True
        self._refresh_root(memo)
        if memo.failure is not None and (memo.value is UNSET or not memo.value):
            missing = memo.failure.not_synced or self._may_have_been_there(index, source, memo)
            return self._missing(index, source, memo.failure.bug) if missing else ()
        return cast(Entries, memo.value)

    def _missing(self, index: Index[Any, Any], source: Any, bug: str) -> Entries:
        """Give what to file of an input of which it is not known under which keys it belongs: where it may belong."""
        memo = self._memos[index.partitions].get((source,)) or self._add(index.partitions, (source,), UNSET)
        memo.root = True
        self._refresh_root(memo)
        partitions = (ALL,) if memo.failure is not None else cast(tuple[Hashable, ...], memo.value)
        return tuple((Incomplete(each), bug) for each in partitions)

    def _may_have_been_there(self, index: Index[Any, Any], source: Any, memo: Memo) -> bool:
        """Whether an input for which an index fails may have been listed by an earlier process.

        What comes later and fails from the beginning has never been of use to anybody: it is left out.
        """
        at_start = not self._evaluated or any(each in self._inputs.get(NOT_SYNCED, ()) for each in index.collections)
        return memo.value is UNSET and (at_start or self._listings[index].is_incomplete(source))

    def _collecting(self) -> Iterator[None]:
        while self._unreferenced:
            yield
            memo = self._unreferenced.pop()
            if memo.dependents or memo.root:
                continue
            self._memos[memo.query].pop(memo.args, None)
            if memo.query == "input":
                collection, key = memo.args
                self._referenced[collection].discard(key)
            for dependency in memo.dependencies:
                self._drop(dependency, memo)
        self._unreferenced.clear()  # A set keeps room for the most that it ever held.
