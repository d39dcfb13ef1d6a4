"""The database: inputs, roots, evaluation and traces, composed of the table of memos and the indexes.

*Inputs* are set from outside, queries read them, and *roots* are the calls that are kept up to date. README.md has the
rules that queries obey.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from translator.engine.index import NOT_SYNCED, Indexes
from translator.engine.memo import Memo, Trace, trace
from translator.engine.memos import Memos
from translator.engine.query import Index, NotSyncedError, Query, QueryError, Reader

INPUT: Final = "input"
"""How the memo of an input is labelled."""
ABSENT: Final = "absent"
"""The collection of those inputs of collections on demand, by collection and key, that are known not to be there."""


class Outputs:
    """The roots from outside, and which of them are to be brought up to date."""

    def __init__(self) -> None:
        self.observers: dict[Memo, Callable[[Memo], None]] = {}
        self.due: OrderedDict[Memo, bool] = OrderedDict()  # True: new or changed, so that it is to be reported

    def on_maybe_dirty(self, memo: Memo) -> None:
        """Take that an output may be different."""
        self.due.setdefault(memo, False)

    def on_changed(self, memo: Memo) -> None:
        """Take that an output is different."""
        self.due[memo] = True


class Database:
    """Inputs, queries, indexes and outputs. Not thread-safe: one task owns it.

    Attributes:
        read: `Memos.read`; queries read each other by calling them.
        read_each: `Memos.read_each`.
        select: `Indexes.select`: the elements of a bucket.
        count: `Indexes.count`: how many there are.
    """

    def __init__(
        self,
        indexes: Iterable[Index[Any, Any]] = (),
        on_demand: Iterable[str] = (),
        reader: Reader | None = None,
        types: Mapping[str, type] = MappingProxyType({}),
    ) -> None:
        """Make an empty database.

        Args:
            indexes: its indexes; one that reads another of them is best listed after it.
            on_demand: collections of which inputs are fetched once something has read them: one that is not there yet
                is not synced until `set_absent` says that there is none. No index is over them.
            types: by the name of a collection, the type of the objects in it, for indexes over types.
            reader: what query functions get as their first argument, by default this database.
        """
        self._on_demand = frozenset(on_demand)
        self._inputs: dict[str, dict[Any, object]] = {}
        self._referenced: dict[str, set[Any]] = {}
        self._outputs = Outputs()
        self._memos = Memos(reader or self, self._refresh_indexes)
        self._indexes = Indexes(indexes, self._memos, self._inputs, types)
        self._input_memos = self._memos.of(INPUT)
        # The methods themselves and no wrappers: queries call them hundreds of thousands of times.
        self.read, self.read_each = self._memos.read, self._memos.read_each
        self.select, self.count = self._indexes.select, self._indexes.count

    def __len__(self) -> int:
        """Return the number of memos."""
        return len(self._memos)

    @property
    def executions(self) -> Mapping[str, int]:
        """By query name, how often its function really executed."""
        return self._memos.executions

    @property
    def verifications(self) -> int:
        """How often a memo was brought up to date, whether its function had to execute for that or not."""
        return self._memos.verifications

    # Inputs

    def set(self, collection: str, key: Any, value: object) -> None:
        """Set the input `key` of `collection`; None removes it. Costs nothing more when `value` equals the old one."""
        assert not self._memos.is_reading, "inputs do not change while queries run"
        inputs = self._inputs.setdefault(collection, {})
        before = inputs.get(key)
        if before is None and value is None:
            return
        if value is None:
            del inputs[key]
        else:
            inputs[key] = value
        memo = self._input_memos.get((collection, key))
        if memo is not None:
            self._memos.assign(memo, value)
        if before is None or value is None:
            self._indexes.note_presence_changed(collection, key)

    def input(self, collection: str, key: Any) -> Any:
        """Read an input: its value, or None where there is none.

        Raises:
            NotSyncedError: it is not known whether there is one.
        """
        memo = self._input_memos.get((collection, key))
        if memo is None:
            memo = self._memos.add(INPUT, (collection, key), self._inputs.get(collection, {}).get(key))
            self._referenced.setdefault(collection, set()).add(key)
        self._memos.record(memo)
        if memo.value is None:
            if collection in self._inputs.get(NOT_SYNCED, ()):
                self.input(NOT_SYNCED, collection)
                raise NotSyncedError(collection)
            if collection in self._on_demand and not self.input(ABSENT, (collection, key)):
                raise NotSyncedError(collection)
        return memo.value

    def inputs(self, collection: str) -> Mapping[Any, object]:
        """Return the inputs of a collection by key, for the owner of the database; queries use an index instead."""
        assert not self._memos.is_reading, "a query lists by an index"
        return MappingProxyType(self._inputs.get(collection, {}))

    def set_synced(self, collection: str, synced: bool) -> None:
        """Take whether the inputs of a collection are all set; at the start each collection is synced.

        While they are not, a query that reads an absent input of it, or an index over it, raises `NotSyncedError`.
        So does one that reads a partition of an index that may lack entries since they failed and never had a value.
        """
        assert not self._memos.is_reading, "inputs do not change while queries run"
        self.set(NOT_SYNCED, collection, None if synced else True)
        self._indexes.set_synced(collection, synced)
        if not synced:
            for memo in [self._input_memos[collection, key] for key in self._referenced.get(collection, ())]:
                self._memos.invalidate(memo, memo.dependents if memo.value is None else ())

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
        """Return the keys of the inputs that something has read and still depends on, present or not."""
        return frozenset(self._referenced.get(collection, ()))

    # Roots

    def add_root(self, query: Query[..., Any], args: tuple[Any, ...], changed: Callable[[Memo], None]) -> None:
        """Make a query's call an output: `evaluate` keeps it up to date and calls `changed` first, and when it differs.

        `changed` is also called when the query raises: the memo's `failure` says why, its `value` is the last good one.
        """
        memo = self._memos.get_or_add(query, args)
        self._memos.set_root(memo, self._outputs)
        self._outputs.observers[memo] = changed
        self._outputs.due[memo] = True

    def remove_root(self, query: Query[..., Any], args: tuple[Any, ...]) -> None:
        """Make a query's call an output no more; it is collected unless something reads it."""
        memo = self._memos.of(query).get(args)
        if memo is not None:
            self._outputs.observers.pop(memo, None)
            self._outputs.due.pop(memo, None)
            self._memos.set_root(memo, None)

    # Evaluation

    def evaluate(self) -> None:
        """Bring all outputs up to date, then collect the memos that nothing reads any more."""
        deque(self.steps(), maxlen=0)

    def steps(self) -> Iterator[None]:
        """Do the same in steps, as small as queries are; between any two inputs may be set, but nothing be read."""
        while True:
            yield from self._indexes.refresh()
            if self._memos.waited_for:
                self._memos.refresh_waited_for()
                yield
            elif self._outputs.due:
                self._refresh_output(next(iter(self._outputs.due)))
                yield
            elif self._memos.has_unreferenced:
                yield from self._collect()
            else:
                break
        self._indexes.evaluated = True

    def _refresh_output(self, memo: Memo) -> None:
        if self._memos.refresh_in_steps(memo):
            self._memos.refresh_root(memo)
            if self._outputs.due.pop(memo):
                self._outputs.observers[memo](memo)

    def _collect(self) -> Iterator[None]:
        for memo in self._memos.collect():
            if memo.query == INPUT:
                collection, key = memo.args
                self._referenced[collection].discard(key)
            yield

    def _refresh_indexes(self) -> None:
        deque(self._indexes.refresh(), maxlen=0)

    # Diagnosis

    @property
    def failures(self) -> list[QueryError]:
        """What is failing now because of bugs: outputs and index entries whose last good value stands in."""
        return [each for each in self._memos.failing.values() if not each.not_synced]

    @property
    def failing(self) -> list[tuple[Query[..., Any], tuple[Any, ...], QueryError]]:
        """The outputs and index entries that are failing now because of bugs, be it one in another's entry."""
        found = ((each, failure) for each, failure in self._memos.failing.items() if failure.bug)
        return [(each.query, each.args, failure) for each, failure in found]  # type: ignore[misc]  # none is an input

    @property
    def failing_entries(self) -> list[QueryError]:
        """Why indexes fail for inputs now, whose last entries stand in, or are missing."""
        return [failure for memo, failure in self._memos.failing.items() if memo.root is not self._outputs]

    def trace(self, query: Query[..., Any], args: tuple[Any, ...], depth: int = 64) -> Trace | None:
        """Return what a remembered call read, and what that read, down to the inputs; None if it is not remembered."""
        memo = self._memos.of(query).get(args)
        return None if memo is None else trace(memo, depth)
