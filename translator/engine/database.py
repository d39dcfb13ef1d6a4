"""The database: inputs, roots, evaluation and traces, composed of the table of memos and the indexes.

*Inputs* are set from outside, queries read them, and *roots* are the calls that are kept up to date. README.md has the
rules for queries.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from translator.engine.index import NOT_SYNCED, Indexes
from translator.engine.memo import CLEAN, Memo, Stored, Trace, trace
from translator.engine.memos import Memos
from translator.engine.query import Index, NotSyncedError, Query, QueryError, Reader

ABSENT: Final = "absent"
"""The collection of the inputs of on-demand collections that are known to be absent, by collection and key."""


Due = OrderedDict[Memo, bool]
"""The outputs to refresh; True for those that are new or changed, to be reported."""


class Observed:
    """The owner of the outputs that one observer gets.

    Attributes:
        changed: the observer.
        due: the outputs to refresh, of all observers.
    """

    def __init__(self, changed: Callable[[Memo], None], due: Due) -> None:
        """Own no output yet."""
        self.changed = changed
        self.due = due

    def on_maybe_dirty(self, memo: Memo) -> None:
        """Schedule the refresh of an output."""
        self.due.setdefault(memo, False)

    def on_changed(self, memo: Memo) -> None:
        """Schedule the report of a changed output."""
        self.due[memo] = True


class InputMemos(dict[str, dict[Any, Memo]]):
    """The memos of inputs by collection and key."""

    def __init__(self, memos: Memos) -> None:
        """Take the table of memos."""
        self._memos = memos
        self.stored: dict[str, Stored] = {}

    def __missing__(self, collection: str) -> dict[Any, Memo]:
        stored = self.stored[collection] = Stored("input", collection)
        found = self[collection] = self._memos.of(stored)
        return found


class Database:
    """Inputs, queries, indexes and outputs. Not thread-safe: one task owns it.

    Attributes:
        read: `Memos.read`, the value of a call.
        read_each: `Memos.read_each`, the values of many calls.
        select: `Indexes.select`, the elements of a bucket.
        count: `Indexes.count`, the number of elements of a bucket.
        has_several: `Indexes.has_several`, whether a bucket has several elements.
    """

    def __init__(
        self,
        indexes: Iterable[Index[Any, Any]] = (),
        on_demand: Iterable[str] = (),
        reader: Reader | None = None,
        types: Mapping[str, type] = MappingProxyType({}),
    ) -> None:
        """Create an empty database.

        Args:
            indexes: its indexes; list an index after those that it reads.
            on_demand: collections whose inputs are fetched once a query has read them: a missing one is not synced
                until `set_absent` reports that it does not exist. No index may cover them.
            types: the type of the objects of each collection, by its name, for indexes over types.
            reader: the first argument of query functions, by default this database.
        """
        self._on_demand = frozenset(on_demand)
        self._inputs: dict[str, dict[Any, object]] = {}
        self._due: Due = OrderedDict()
        self._observed: dict[Callable[[Memo], None], Observed] = {}
        self._memos = Memos(reader or self, self._refresh_indexes)
        self._input_memos = InputMemos(self._memos)
        self._indexes = Indexes(indexes, self._memos, self._inputs, self._input_memos, types)
        # The methods without wrappers, as queries call them hundreds of thousands of times.
        self.read, self.read_each = self._memos.read, self._memos.read_each
        self.select, self.count = self._indexes.select, self._indexes.count
        self.has_several = self._indexes.has_several

    def __len__(self) -> int:
        """Return the number of memos."""
        return len(self._memos)

    @property
    def executions(self) -> Mapping[str, int]:
        """The number of executions, by query name."""
        return self._memos.executions

    @property
    def verifications(self) -> int:
        """The number of refreshes of memos, whether they executed or were only verified."""
        return self._memos.verifications

    # Inputs

    def set(self, collection: str, key: Any, value: object) -> None:
        """Set the input `key` of `collection`; None removes it. An equal value invalidates nothing."""
        assert not self._memos.is_reading, "inputs do not change while queries run"
        inputs = self._inputs.setdefault(collection, {})
        before = inputs.get(key)
        if before is None and value is None:
            return
        if value is None:
            del inputs[key]
        else:
            inputs[key] = value
        memo = self._input_memos[collection].get(key)
        if memo is not None:
            self._memos.assign(memo, value)
        if before != value:
            self._indexes.note_changed(collection, key, before, value)

    def input(self, collection: str, key: Any) -> Any:
        """Return the value of an input; None if it is absent.

        Raises:
            NotSyncedError: it is missing, and its collection is not synced.
        """
        memo = self._input_memos[collection].get(key)
        if memo is None:
            value = self._inputs.get(collection, {}).get(key)
            memo = self._memos.add(self._input_memos.stored[collection], key, value, CLEAN)
        self._memos.record(memo)
        if memo.value is None:
            if collection in self._inputs.get(NOT_SYNCED, ()):
                self.input(NOT_SYNCED, collection)
                raise NotSyncedError(collection)
            if collection in self._on_demand and not self.input(ABSENT, (collection, key)):
                raise NotSyncedError(collection)
        return memo.value

    def inputs(self, collection: str) -> Mapping[Any, object]:
        """Return the inputs of a collection by key, for the owner of the database; queries use an index."""
        assert not self._memos.is_reading, "a query lists by an index"
        return MappingProxyType(self._inputs.get(collection, {}))

    def set_synced(self, collection: str, synced: bool) -> None:
        """Set whether a collection is synced: all its inputs are set. By default, each collection is.

        While it is not, a query that reads an absent input of it, or an index over it, raises `NotSyncedError`.
        """
        assert not self._memos.is_reading, "inputs do not change while queries run"
        self.set(NOT_SYNCED, collection, None if synced else True)
        self._indexes.set_synced(collection, synced)
        if not synced:
            for memo in list(self._input_memos[collection].values()):
                self._memos.invalidate(memo, memo.dependents if memo.value is None else ())

    def set_absent(self, collection: str, keys: frozenset[Any]) -> bool:
        """Set the referenced inputs of an on-demand collection that are known to be absent.

        Returns:
            Whether the set has changed.
        """
        assert collection in self._on_demand
        before = {key for each, key in self._inputs.get(ABSENT, ()) if each == collection}
        for key in before ^ keys:
            self.set(ABSENT, (collection, key), True if key in keys else None)
        return before != keys

    def referenced(self, collection: str) -> frozenset[Any]:
        """Return the keys of the inputs on which a memo depends, present or not."""
        return frozenset(self._input_memos[collection])

    # Roots

    def add_root(self, query: Query[..., Any], args: tuple[Any, ...], changed: Callable[[Memo], None]) -> None:
        """Make a call an output: `evaluate` keeps it up to date, and calls `changed` at first and after each change.

        `changed` is also called if the query raises: the memo's `failure` is the error, its `value` the last good one.
        """
        memo = self._memos.get_or_add(query, query.key(args))
        owner = self._observed.get(changed) or self._observed.setdefault(changed, Observed(changed, self._due))
        self._memos.set_root(memo, owner)
        self._due[memo] = True

    def remove_root(self, query: Query[..., Any], args: tuple[Any, ...]) -> None:
        """Remove a call from the outputs; it is collected unless something reads it."""
        memo = self._memos.of(query).get(query.key(args))
        if memo is not None:
            self._due.pop(memo, None)
            self._memos.set_root(memo, None)

    # Evaluation

    def evaluate(self) -> None:
        """Bring all outputs up to date, then collect the memos that no output needs."""
        deque(self.steps(), maxlen=0)

    def steps(self) -> Iterator[None]:
        """Evaluate in steps of one query each; between two steps, inputs may be set, but nothing may be read."""
        while True:
            if self._indexes.is_stale:
                yield from self._indexes.refresh()
            if self._memos.waited_for:
                self._memos.refresh_waited_for()
                yield
            elif self._due:
                self._refresh_output(next(iter(self._due)))
                yield
            elif self._memos.has_unreferenced:
                yield from self._memos.collect()
            else:
                break
        self._due.clear()  # It never shrinks by itself.
        self._indexes.evaluated = True

    def _refresh_output(self, memo: Memo) -> None:
        if memo.state is CLEAN or self._memos.refresh_in_steps(memo):
            self._memos.refresh_root(memo)
            if self._due.pop(memo) and isinstance(memo.root, Observed):
                memo.root.changed(memo)

    def _refresh_indexes(self) -> None:
        deque(self._indexes.refresh(), maxlen=0)

    # Diagnosis

    @property
    def is_failing(self) -> bool:
        """Whether any output or index entry fails, because of a bug or of a collection that is not synced."""
        return bool(self._memos.failing)

    @property
    def failures(self) -> list[QueryError]:
        """The bugs of outputs and index entries, which keep their last good value."""
        return [each for each in self._memos.failing.values() if not each.not_synced]

    @property
    def failing(self) -> list[tuple[Query[..., Any], tuple[Any, ...], QueryError]]:
        """The outputs and index entries that fail because of a bug, possibly in an index that they read."""
        found = ((each, failure) for each, failure in self._memos.failing.items() if failure.bug)
        return [(each.query, each.args, failure) for each, failure in found]  # type: ignore[misc]  # none is an input

    @property
    def failing_entries(self) -> list[QueryError]:
        """The errors of index entries, which keep their last good value or are missing."""
        return [failure for memo, failure in self._memos.failing.items() if not isinstance(memo.root, Observed)]

    def trace(self, query: Query[..., Any], args: tuple[Any, ...], depth: int = 64) -> Trace | None:
        """Return the dependencies of a call as a tree, down to the inputs; None if the call has no memo."""
        memo = self._memos.of(query).get(query.key(args))
        return None if memo is None else trace(memo, depth)
