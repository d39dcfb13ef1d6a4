"""How remembered calls are kept up to date: what changed is pushed, what came of it is pulled.

A cell that read something changed is *dirty* and runs again; what read that cell in turn is *suspect*, and runs again
only if what it suspects came out different. `translator.engine.database` says what there is to read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final

from translator.engine.memo import BUSY, CHECKING, CLEAN, DIRTY, RUNNING, SUSPECT, UNSET, Cell
from translator.engine.query import Ahead, CycleError, Query, QueryError

PART: Final = 128
"""Of so many calls that a query reads at once, and that are not up to date, each is a step of its own."""


class Postponed(BaseException):
    """A query waits for calls that are evaluated first, in steps of their own; then it runs again. No query catches it.

    Attributes:
        cells: those calls.
    """

    def __init__(self, cells: list[Cell]) -> None:
        """Take what is waited for."""
        super().__init__()
        self.cells = cells


class Evaluation(ABC):
    """Cells, who reads whom, and what is to be looked at.

    `runs` counts, by query name, how often functions really ran; `looks`, how often a cell was brought up to date,
    whether its function had to run for that or not.
    """

    def __init__(self, ahead: Iterable[Ahead]) -> None:
        """Begin with no cells, and these indexes and hubs."""
        self.runs: Counter[str] = Counter()
        self.looks = 0
        self._cells: defaultdict[Query[..., Any] | str, dict[tuple[Any, ...], Cell]] = defaultdict(dict)
        self._stack: list[Cell] = []
        self._orphans: set[Cell] = set()
        self._outputs: dict[Cell, Callable[[Cell], None]] = {}
        self._due: OrderedDict[Cell, bool] = OrderedDict()  # outputs to look at; True: new or changed, to be reported
        # By index the inputs to file again, by hub the cells to look at.
        self._stale: dict[Ahead, set[Any]] = {each: set() for each in ahead}
        self._untold: list[tuple[Cell, list[Cell]]] = []  # hubs that changed, and the readers to be told
        self._in_steps = False  # whether what is evaluated now may be postponed
        self._waited_for: list[Cell] = []

    @abstractmethod
    def _suspect_root(self, cell: Cell) -> None:
        """Have an index's entries or an output looked at in time."""

    def _add(self, query: Query[..., Any] | str, args: tuple[Any, ...], value: object) -> Cell:
        cell = self._cells[query][args] = Cell(query, args, value)
        if not self._stack:
            self._orphans.add(cell)
        return cell

    def _record(self, cell: Cell) -> None:
        if self._stack:
            reader = self._stack[-1]
            known = reader.dependencies
            if cell not in known:
                assert isinstance(known, dict), "only what runs reads"
                known[cell] = None
                cell.add_dependent(reader)

    def _assign(self, cell: Cell, value: object) -> None:
        """Give an input's or a bucket's cell a new value."""
        if cell.value != value:
            cell.value = value
            self._tell(cell, cell.dependents)

    def _tell(self, cell: Cell, readers: Iterable[Cell]) -> None:
        """Have these readers run again, and what is behind them looked at, because `cell` is different."""
        for reader in readers:
            self._suspect(reader, cell)
            reader.state = DIRTY

    def _suspect(self, cell: Cell, source: Cell) -> None:
        """Mark `cell`, and all behind it, as perhaps changed because of `source`."""
        pending = [(cell, source)]
        while pending:
            cell, source = pending.pop()
            cell.suspect(source)
            if cell.state is not CLEAN:
                continue
            cell.state = SUSPECT
            if cell.root:
                self._suspect_root(cell)
            stale = None if isinstance(cell.query, str) else self._stale.get(cell.query)
            if stale is not None:
                stale.add(cell)
            else:
                pending.extend((reader, cell) for reader in cell.dependents)

    def _refresh(self, cell: Cell) -> None:
        self._stack.append(cell)
        self.looks += 1
        try:
            if cell.state is SUSPECT:
                self._check(cell)
            if cell.state is DIRTY:
                self._run(cell)
        except Postponed:
            cell.state = SUSPECT if cell.state is CHECKING else DIRTY
            raise
        finally:
            self._stack.pop()
        cell.state = CLEAN
        cell.suspects = None

    def _refresh_in_steps(self, cell: Cell) -> bool:
        """Bring an output up to date, unless it has to wait for others; tell whether it is."""
        self._in_steps = True
        try:
            if cell.state is not CLEAN:
                self._refresh(cell)
        except Postponed as postponed:
            self._waited_for += postponed.cells
        finally:
            self._in_steps = False
        return cell.state is CLEAN

    def _refresh_waited_for(self) -> None:
        """Bring one more cell up to date that is waited for; it waits for none itself, so that cycles are noticed."""
        cell = self._waited_for.pop()
        if cell.state is not CLEAN:
            self._refresh(cell)

    def _wait_for(self, query: Query[..., Any], calls: list[tuple[Any, ...]]) -> None:
        """Have many calls evaluated before the query that is about to read them, which has read them then.

        Raises:
            Postponed: that is so.
        """
        if not self._in_steps:
            return
        cells = self._cells[query]
        late = [args for args in calls if (cell := cells.get(args)) is None or cell.state not in (CLEAN, *BUSY)]
        if len(late) > PART:
            waited_for = [cells.get(args) or self._add(query, args, UNSET) for args in late]
            for each in waited_for:
                self._record(each)
            raise Postponed(waited_for)

    def _check(self, cell: Cell) -> None:
        """Bring up to date what `cell` suspects, in the order in which it read it; if one is different, that is enough.

        What it read after that may be of no interest any more.
        """
        cell.state = CHECKING
        for suspect in cell.suspects_in_order():
            if suspect.state in BUSY:
                cell.state = DIRTY  # it is waiting for this cell: whether that is a cycle, the function will tell
            elif suspect.state is not CLEAN:
                self._refresh(suspect)
            if cell.state is DIRTY:
                break

    def _cycle(self, cell: Cell) -> CycleError:
        """Tell that the cell on top of the stack reads `cell`, which waits for it.

        What led there is counted among what the top has read: once that changes, the cycle may be gone.
        """
        path = self._stack[self._stack.index(cell) :]
        for dependency in [each for waiting in path[:-1] for each in waiting.dependencies]:
            if dependency.state is CLEAN:
                self._record(dependency)
        return CycleError(" reads ".join(each.label for each in (*path, cell)))

    def _run(self, cell: Cell) -> None:
        assert isinstance(cell.query, Query)
        before, reads = cell.dependencies, dict[Cell, None]()
        cell.dependencies = reads
        value, failure = cell.value, None
        cell.state = RUNNING
        self.runs[cell.query.name] += 1
        try:
            value = cell.query.function(self, *cell.args)
        except Postponed:
            cell.dependencies = tuple(dict.fromkeys((*before, *reads)))
            raise
        except QueryError as error:
            failure = error
        except Exception as error:  # a bug in one query stays inside the outputs that read it
            failure = QueryError(cell.label, error)
        cell.dependencies = tuple(reads)
        for dependency in before:
            if dependency not in reads:
                self._drop(dependency, cell)
        if value != cell.value or (failure is not cell.failure and str(failure) != str(cell.failure)):
            cell.value, cell.failure = value, failure
            self._changed(cell)

    def _changed(self, cell: Cell) -> None:
        if cell in self._outputs:
            self._due[cell] = True
        for reader in cell.dependents:
            if reader.state is SUSPECT or reader.state is CHECKING:
                reader.state = DIRTY
        if cell.query in self._stale:
            # Those who do not know yet; what is running now must not be overtaken by the news.
            self._untold.append((cell, [reader for reader in cell.dependents if reader.state is CLEAN]))

    def _drop(self, dependency: Cell, reader: Cell) -> None:
        dependency.drop_dependent(reader)
        if not dependency.dependents:
            self._orphans.add(dependency)
