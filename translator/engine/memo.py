"""Memos: the remembered values of a database, and the tree of reads that explains one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from translator.engine.query import Query, QueryError


class State(Enum):
    """How far a memo's value can be trusted."""

    CLEAN = "clean"
    MAYBE_DIRTY = "maybe dirty"
    DIRTY = "dirty"
    VERIFYING = "verifying"
    EXECUTING = "executing"


CLEAN, MAYBE_DIRTY, DIRTY, VERIFYING, EXECUTING = State
BUSY: Final = (VERIFYING, EXECUTING)
"""The states of a memo that waits for what it reads: whoever reads it meanwhile closes a cycle."""


class _Unset:
    """The value of a memo that never ran: equal to nothing."""

    def __repr__(self) -> str:
        return "<unset>"


UNSET: Final = _Unset()


FEW: Final = 8
"""Up to so many memos are held in a tuple, which takes a third of the memory of a set."""


class Root(Protocol):
    """What keeps memos up to date for themselves, and not for what reads them."""

    def on_maybe_dirty(self, memo: Memo) -> None:
        """Take that a memo has to be refreshed in time."""
        ...

    def on_changed(self, memo: Memo) -> None:
        """Take that a memo was refreshed and is different."""
        ...


class Memo:
    """One remembered value: an input, a bucket of an index, or a query's call.

    There are some dozen for each object that is read, so they are small: most have few readers, and no
    dependency that may have changed.

    Attributes:
        query: what was called; for an input or a bucket what it is.
        args: with which arguments.
        value: what came of it, the last time that it did not fail.
        failure: why the last call failed, if it did.
        state: how far that can be trusted.
        dependencies: what it has read, in that order; a dict while it runs.
        dependents: what has read it.
        maybe_changed: those of its dependencies that may be different by now; None for none.
        root: what keeps it, and keeps it up to date, for itself; None if only its readers do.
    """

    __slots__ = ("args", "dependencies", "dependents", "failure", "maybe_changed", "query", "root", "state", "value")

    def __init__(self, query: Query[..., Any] | str, args: tuple[Any, ...], value: object) -> None:
        self.query = query
        self.args = args
        self.value = value
        self.failure: QueryError | None = None
        self.state = CLEAN if isinstance(query, str) else DIRTY
        self.dependencies: tuple[Memo, ...] | dict[Memo, None] = ()
        self.dependents: tuple[Memo, ...] | set[Memo] = ()
        self.maybe_changed: dict[Memo, None] | None = None
        self.root: Root | None = None

    @property
    def label(self) -> str:
        """The memo as a reader would write it: ``attachment(HTTPRoute default/web)``."""
        name = self.query if isinstance(self.query, str) else self.query.name
        return f"{name}({', '.join(map(str, self.args))})"

    def add_dependent(self, reader: Memo) -> None:
        """Note that `reader` has read it, if it did not before."""
        known = self.dependents
        if isinstance(known, set):
            known.add(reader)
        elif reader not in known:
            self.dependents = (*known, reader) if len(known) < FEW else {*known, reader}

    def drop_dependent(self, reader: Memo) -> None:
        """Note that `reader` does not read it any more."""
        known = self.dependents
        if isinstance(known, set):
            known.discard(reader)
        else:
            self.dependents = tuple(each for each in known if each is not reader)

    def note_maybe_changed(self, source: Memo) -> None:
        """Note that `source`, which it has read, may be different."""
        if self.maybe_changed is None:
            self.maybe_changed = {}
        self.maybe_changed[source] = None

    def maybe_changed_in_order(self) -> Collection[Memo]:
        """Return the dependencies that may have changed, in the order in which it read it."""
        found = self.maybe_changed or {}
        return tuple(found) if len(found) < 2 else [each for each in self.dependencies if each in found]


def reads_itself(memo: Memo) -> bool:
    """Tell whether a memo is among what it read, or what that read, and so on; costs a step for each read."""
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
    """One node of the answer to "why is this so?": what was read, what it was, and what that was read from."""

    label: str
    value: object
    reads: tuple[Trace, ...]

    def lines(self, indent: int = 0) -> Iterator[str]:
        """Give the tree as indented lines of text, one per read."""
        yield f"{'  ' * indent}{self.label}"
        for read in self.reads:
            yield from read.lines(indent + 1)


def trace(memo: Memo, depth: int, seen: set[Memo] | None = None) -> Trace:
    """Tell what a memo read, and what that read, `depth` levels down; what is read in many places is shown once."""
    seen = set() if seen is None else seen
    reads = () if memo in seen or not depth else tuple(memo.dependencies)
    seen.add(memo)
    return Trace(memo.label, memo.failure or memo.value, tuple(trace(each, depth - 1, seen) for each in reads))
