"""Cells: the remembered values of a graph, and the tree of reads that explains one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from translator.query import Query, QueryError


class State(Enum):
    """How far a cell's value can be trusted."""

    CLEAN = "clean"
    SUSPECT = "suspect"
    DIRTY = "dirty"
    CHECKING = "checking"
    RUNNING = "running"


CLEAN, SUSPECT, DIRTY, CHECKING, RUNNING = State
BUSY: Final = (CHECKING, RUNNING)
"""The states of a cell that waits for what it reads: whoever reads it meanwhile closes a cycle."""


class _Unset:
    """The value of a cell that never ran: equal to nothing."""

    def __repr__(self) -> str:
        return "<unset>"


UNSET: Final = _Unset()


class Cell:
    """One remembered value: an input, a bucket of an index, or a query's call."""

    __slots__ = ("args", "dependencies", "dependents", "failure", "query", "root", "state", "suspects", "value")

    def __init__(self, query: Query[..., Any] | str, args: tuple[Any, ...], value: object) -> None:
        self.query = query
        self.args = args
        self.value = value
        self.failure: QueryError | None = None
        self.state = CLEAN if isinstance(query, str) else DIRTY
        self.dependencies: dict[Cell, int] = {}
        self.dependents: set[Cell] = set()
        self.suspects: dict[Cell, None] = {}
        self.root: Callable[[], None] | None = None  # told when the cell turns suspect; keeps it from being collected

    @property
    def label(self) -> str:
        """The cell as a reader would write it: ``attachment(HTTPRoute default/web)``."""
        name = self.query if isinstance(self.query, str) else self.query.name
        return f"{name}({', '.join(map(str, self.args))})"


def reads_itself(cell: Cell) -> bool:
    """Tell whether a cell is among what it read, or what that read, and so on; costs a step for each read."""
    seen: set[Cell] = set()
    pending = list(cell.dependencies)
    while pending:
        each = pending.pop()
        if each is cell:
            return True
        if each not in seen:
            seen.add(each)
            pending.extend(each.dependencies)
    return False


@dataclass(frozen=True, slots=True)
class Why:
    """One node of the answer to "why is this so?": what was read, what it was, and what that was read from."""

    label: str
    value: object
    reads: tuple[Why, ...]

    def lines(self, indent: int = 0) -> Iterator[str]:
        """Give the tree as indented lines of text, one per read."""
        yield f"{'  ' * indent}{self.label}"
        for read in self.reads:
            yield from read.lines(indent + 1)


def explain(cell: Cell, depth: int, told: set[Cell] | None = None) -> Why:
    """Tell what a cell read, and what that read, `depth` levels down; what is read in many places is told once."""
    told = set() if told is None else told
    reads = () if cell in told or not depth else tuple(cell.dependencies)
    told.add(cell)
    return Why(cell.label, cell.failure or cell.value, tuple(explain(each, depth - 1, told) for each in reads))
