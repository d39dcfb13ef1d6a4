"""Memos: the stored values of a database, and traces, which explain one by its dependencies."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from translator.engine.query import Query, QueryError


class State(Enum):
    """The state of a memo's value."""

    CLEAN = "clean"
    MAYBE_DIRTY = "maybe dirty"
    DIRTY = "dirty"
    VERIFYING = "verifying"
    EXECUTING = "executing"


CLEAN, MAYBE_DIRTY, DIRTY, VERIFYING, EXECUTING = State
BUSY: Final = (VERIFYING, EXECUTING)
"""The states of a memo that waits for its dependencies: a query that reads it meanwhile closes a cycle."""


class _Unset:
    """The value of a memo that never executed; equal to no other value."""

    def __repr__(self) -> str:
        return "<unset>"


UNSET: Final = _Unset()


FEW: Final = 8
"""Most memos stored in a tuple, which takes a third of the memory of a set."""


class Root(Protocol):
    """The owner of memos that are kept up to date, whether they have readers or not."""

    def on_maybe_dirty(self, memo: Memo) -> None:
        """Schedule the refresh of a memo."""
        ...

    def on_changed(self, memo: Memo) -> None:
        """Process a changed value of a memo."""
        ...


class Stored:
    """What memos are of that no query computes: the inputs of a collection, or the reads of an index's buckets.

    Attributes:
        name: the name of the read, such as "input" or "select routes".
        collection: the collection of inputs; None for buckets.
    """

    __slots__ = ("collection", "name")

    def __init__(self, name: str, collection: str | None = None) -> None:
        """Name the read, and the collection that it is of."""
        self.name = name
        self.collection = collection

    def args(self, key: Any) -> tuple[Any, ...]:
        """Return the arguments of the read whose memo has a key."""
        return (key,) if self.collection is None else (self.collection, key)


class Memo:
    """One stored value: an input, a bucket of an index, or a query's call.

    There are two dozen per object, so they are small: most have few readers, one dependency or few, and none that may
    have changed.

    Attributes:
        query: the query that was called; for an input or a bucket, what it is of.
        key: the memo's key among those of the query: the arguments, or the only one.
        value: the value of the last call that did not fail.
        failure: the error of the last call, if it failed.
        state: the state of the value.
        reads: the memos that it has read, in order; one is stored itself. A dict while it executes.
        maybe_changed: the dependencies whose values may have changed; None if there are none.
        root: the owner that keeps it up to date; None if only its readers do.
    """

    __slots__ = ("_dependents", "failure", "key", "maybe_changed", "query", "reads", "root", "state", "value")

    def __init__(self, query: Query[..., Any] | Stored, key: Any, value: object, state: State) -> None:
        self.query = query
        self.key = key
        self.value = value
        self.failure: QueryError | None = None
        self.state = state
        self.reads: Memo | tuple[Memo, ...] | dict[Memo, None] = ()
        self._dependents: Memo | tuple[Memo, ...] | set[Memo] = ()  # most have one reader: it is stored itself
        self.maybe_changed: dict[Memo, None] | None = None
        self.root: Root | None = None

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of the call."""
        return self.query.args(self.key)

    @property
    def label(self) -> str:
        """The memo as a call: ``attachment(HTTPRoute default/web)``."""
        return f"{self.query.name}({', '.join(map(str, self.args))})"

    @property
    def dependencies(self) -> Collection[Memo]:
        """The memos that it has read, in order."""
        known = self.reads
        return (known,) if isinstance(known, Memo) else known

    @property
    def dependents(self) -> Collection[Memo]:
        """The memos that have read it."""
        known = self._dependents
        return (known,) if isinstance(known, Memo) else known

    def add_dependent(self, reader: Memo) -> None:
        """Add a reader, unless it is one already."""
        known = self._dependents
        if not known:
            self._dependents = reader
        elif isinstance(known, set):
            known.add(reader)
        elif isinstance(known, Memo):
            if known is not reader:
                self._dependents = (known, reader)
        elif reader not in known:
            self._dependents = (*known, reader) if len(known) < FEW else {*known, reader}

    def drop_dependent(self, reader: Memo) -> None:
        """Remove a reader."""
        known = self._dependents
        if isinstance(known, set):
            known.discard(reader)
        else:
            rest = tuple(each for each in self.dependents if each is not reader)
            self._dependents = rest[0] if len(rest) == 1 else rest

    def note_maybe_changed(self, source: Memo) -> None:
        """Record that a dependency may have changed."""
        if self.maybe_changed is None:
            self.maybe_changed = {}
        self.maybe_changed[source] = None

    def maybe_changed_in_order(self) -> Collection[Memo]:
        """Return the dependencies that may have changed, in the order in which it read them."""
        found = self.maybe_changed or {}
        return tuple(found) if len(found) < 2 else [each for each in self.dependencies if each in found]


def reads_itself(memo: Memo) -> bool:
    """Return whether a memo is one of its transitive dependencies; visits each of them once."""
    seen: set[Memo] = set()
    pending = list(memo.dependencies)
    while pending:
        each = pending.pop()
        if each is memo:
            return True
        if each not in seen:
            seen.add(each)
            pending.extend(each.dependencies)
    return False


@dataclass(frozen=True, slots=True)
class Trace:
    """One node of the tree that explains a value by its dependencies.

    Attributes:
        label: the memo as a call.
        value: its value, or its error.
        reads: its dependencies.
    """

    label: str
    value: object
    reads: tuple[Trace, ...]

    def lines(self, indent: int = 0) -> Iterator[str]:
        """Yield the tree as indented lines of text, one for each dependency."""
        yield f"{'  ' * indent}{self.label}"
        for read in self.reads:
            yield from read.lines(indent + 1)


def trace(memo: Memo, depth: int, seen: set[Memo] | None = None) -> Trace:
    """Return the dependencies of a memo as a tree, `depth` levels deep; those of a repeated memo are shown once."""
    seen = set() if seen is None else seen
    reads = () if memo in seen or not depth else tuple(memo.dependencies)
    seen.add(memo)
    return Trace(memo.label, memo.failure or memo.value, tuple(trace(each, depth - 1, seen) for each in reads))
