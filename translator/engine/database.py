"""Incremental evaluation: inputs, queries and indexes.

*Inputs* are set from outside. A *query* is a pure function of what it reads; each evaluated call is a cell, and every
read is recorded, absence included. An *index* files elements under keys, derived from each input of some domains;
reading one bucket of it depends on that bucket only. A *hub* is a query that so much reads that even looking at all of
that costs: it is brought up to date first, and its readers are told only if it came out different.

Invalidation is pushed: a changed input marks what read it as dirty, and all behind that as suspect. Evaluation is
pulled: a suspect cell brings up to date what it suspects, in the order in which it read it, and runs again only if
something turned out different. An equal result stops the wave.

The rules of purity, which make this sound: a query reads only through the database it is given; what it returns is
immutable and compared with ``==``; it does no I/O and looks at no clock; it lists things through an index's key, never
all of them.

The cost of an edit follows the edges of what changes: give wide readers narrow projections, and make widely read
projections hubs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast

from translator.engine.index import ALL, UNSURE, UNSURELY, VIEWS, Entries, Incomplete, Listing
from translator.engine.memo import BUSY, CLEAN, UNSET, Cell, Why, explain, reads_itself
from translator.engine.memos import Evaluation
from translator.engine.query import Ahead, CycleError, Index, Query, QueryError, Unknown

K = TypeVar("K", bound=Hashable)
E = TypeVar("E")
V = TypeVar("V")

UNKNOWN: Final = "unknown"
"""The domain of the names of those domains whose inputs are not known yet."""
ABSENT: Final = "absent"
"""The domain of those inputs of domains on demand, by domain and key, that are known not to be there."""
ROUNDS: Final = 100
"""How often indexes and hubs may turn each other stale before that is taken for a cycle."""


class Graph(Evaluation):
    """Inputs, queries, indexes and outputs. Not thread-safe: one task owns it."""

    def __init__(self, ahead: Iterable[Ahead] = (), on_demand: Iterable[str] = ()) -> None:
        """Make an empty graph.

        Args:
            ahead: its indexes and hubs; one that reads another of them is best listed after it.
            on_demand: domains of which inputs are fetched once something has read them: one that is not there yet is
                unknown until `set_absent` says that there is none. No index is over them.
        """
        super().__init__(ahead)
        self._on_demand = frozenset(on_demand)
        self._inputs: dict[str, dict[Any, object]] = {}
        self._wanted: dict[str, set[Any]] = {}
        self._evaluated = False  # whether all that was there at the start has been
        self._failing: dict[Cell, QueryError] = {}
        self._listings = {each: Listing() for each in self._stale if isinstance(each, Index)}
        assert len({each.name for each in self._listings}) == len(self._listings), "indexes have names of their own"
        self._by_entries = {query: each for each in self._listings for query in (each.entries, each.partitions)}
        self._by_domain: dict[str, list[Index[Any, Any]]] = {}
        for each in self._listings:
            for domain in each.domains:
                self._by_domain.setdefault(domain, []).append(each)

    def __len__(self) -> int:
        """How many cells are remembered."""
        return sum(map(len, self._cells.values()))

    # Inputs

    def set(self, domain: str, key: Any, value: object) -> None:
        """Set the input `key` of `domain`; None removes it. Costs nothing more when `value` equals what is there."""
        assert not self._stack, "inputs do not change while queries run"
        inputs = self._inputs.setdefault(domain, {})
        before = inputs.get(key)
        if before is None and value is None:
            return
        if value is None:
            del inputs[key]
        else:
            inputs[key] = value
        cell = self._cells["input"].get((domain, key))
        if cell is not None:
            self._assign(cell, value)
        if before is None or value is None:
            for each in self._by_domain.get(domain, ()):
                self._stale[each].add(key)

    def input(self, domain: str, key: Any) -> Any:
        """Read an input: its value, or None where there is none.

        Raises:
            Unknown: it is not known whether there is one.
        """
        cell = self._cells["input"].get((domain, key))
        if cell is None:
            cell = self._add("input", (domain, key), self._inputs.get(domain, {}).get(key))
            self._wanted.setdefault(domain, set()).add(key)
        self._record(cell)
        if cell.value is None:
            if domain in self._inputs.get(UNKNOWN, ()):
                self.input(UNKNOWN, domain)
                raise Unknown(domain)
            if domain in self._on_demand and not self.input(ABSENT, (domain, key)):
                raise Unknown(domain)
        return cell.value

    def inputs(self, domain: str) -> Mapping[Any, object]:
        """Give the inputs of a domain by key, for the owner of the graph; queries use an index instead."""
        assert not self._stack, "a query lists by an index"
        return MappingProxyType(self._inputs.get(domain, {}))

    def expect(self, domain: str, *, unknown: bool) -> None:
        """Take whether it is unknown what inputs a domain has, as at the start none is.

        While it is, a query that reads an absent input of it, or an index over it, raises `Unknown`. So does one that
        reads a partition of an index to which entries may belong that raised before they ever had a value.
        """
        assert not self._stack, "inputs do not change while queries run"
        self.set(UNKNOWN, domain, unknown or None)
        for each in self._by_domain.get(domain, ()):
            touched = self._listings[each].refile(UNSURE, UNSURELY if unknown else ())
            self._tell_buckets(each, list(touched))
        if unknown:
            inputs = self._cells["input"]
            for cell in [inputs[domain, key] for key in self._wanted.get(domain, ())]:
                self._tell(cell, cell.dependents if cell.value is None else ())

    def set_absent(self, domain: str, keys: frozenset[Any]) -> bool:
        """Take which inputs of a domain on demand are known not to be there, of all that are wanted; tell what is new.

        Returns:
            Whether those are others than before.
        """
        assert domain in self._on_demand
        before = {key for each, key in self._inputs.get(ABSENT, ()) if each == domain}
        for key in before ^ keys:
            self.set(ABSENT, (domain, key), True if key in keys else None)
        return before != keys

    def wanted(self, domain: str) -> frozenset[Any]:
        """Give the keys of a domain that something has read and still depends on, whether they are there or not."""
        return frozenset(self._wanted.get(domain, ()))

    # Reads

    def read(self, query: Query[..., Any], args: tuple[Any, ...]) -> Any:
        """Return a query's value for `args`, evaluated if need be; record the read.

        Raises:
            QueryError: the query raised.
        """
        cell = self._cells[query].get(args) or self._add(query, args, UNSET)
        if not self._stack:
            self._settle()
        if cell.state is CLEAN:
            self._record(cell)
        elif cell.state in BUSY:
            raise self._cycle(cell)
        else:
            self._record(cell)
            self._refresh(cell)
        if cell.failure is not None:
            raise QueryError(cell.failure.cell, cell.failure.__cause__ or cell.failure)
        return cell.value

    def read_each(self, query: Query[..., Any], calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Return a query's values for many calls, as `read` would; what is up to date costs a quarter of that.

        Raises:
            QueryError: the query raised.
        """
        assert self._stack, "it is queries that read so much"
        self._wait_for(query, calls := list(calls))
        reader, cells, values = self._stack[-1], self._cells[query], list[Any]()
        reads = cast(dict[Cell, None], reader.dependencies)
        for args in calls:
            cell = cells.get(args)
            if cell is None or cell.state is not CLEAN or cell.failure is not None:
                values.append(self.read(query, args))
                continue
            reads[cell] = None
            if reader not in cell.dependents:
                cell.add_dependent(reader)
            values.append(cell.value)
        return values

    def select(self, index: Index[K, E], key: K) -> tuple[E, ...]:
        """Read an index's bucket: its elements in ascending order, empty where there is none.

        Raises:
            Unknown: it is not known what is to be in it.
        """
        return self._bucket(tuple, index, key)

    def count(self, index: Index[K, E], key: K) -> int:
        """Read how many elements an index has under `key`, without depending on which."""
        return self._bucket(len, index, key)

    def _bucket(self, view: Callable[[list[E]], V], index: Index[K, E], key: K) -> V:
        if not self._stack:
            self._settle()
            return view(self._listings[index].items(key))
        if self._listings[index].incomplete:
            self._check_complete(index, key)
        return self._read_bucket(view, index, key)

    def _check_complete(self, index: Index[Any, Any], key: Any) -> None:
        for marker in (UNSURE, Incomplete(index.partition_of(key))):
            if marker in self._listings[index].incomplete:
                bugs = self._read_bucket(tuple, index, marker)
                raise Unknown(index.name, next(filter(None, bugs), ""))

    def _read_bucket(self, view: Callable[[list[E]], V], index: Index[Any, E], key: Any) -> V:
        name, args = f"{VIEWS[view]} {index.name}", (key,)
        cell = self._cells[name].get(args) or self._add(name, args, view(self._listings[index].items(key)))
        self._record(cell)
        return cast(V, cell.value)

    # Outputs

    def pin(self, query: Query[..., Any], args: tuple[Any, ...], changed: Callable[[Cell], None]) -> None:
        """Make a query's call an output: `evaluate` keeps it up to date and calls `changed` first, and when it differs.

        `changed` is also called when the query raises: the cell's `failure` says why, its `value` is the last good one.
        """
        cell = self._cells[query].get(args) or self._add(query, args, UNSET)
        cell.root = True
        self._outputs[cell] = changed
        self._due[cell] = True

    def unpin(self, query: Query[..., Any], args: tuple[Any, ...]) -> None:
        """Make a query's call an output no more; it is collected unless something reads it."""
        cell = self._cells[query].get(args)
        if cell is not None:
            self._outputs.pop(cell, None)
            self._due.pop(cell, None)
            self._uproot(cell)

    def evaluate(self) -> None:
        """Bring all outputs up to date, then collect the cells that nothing reads any more."""
        deque(self.steps(), maxlen=0)

    def steps(self) -> Iterator[None]:
        """Do the same in steps, as small as queries are; between any two inputs may be set, but nothing be read."""
        while True:
            yield from self._settling()
            if self._waited_for:
                self._refresh_waited_for()
                yield
            elif self._due:
                self._refresh_output(next(iter(self._due)))
                yield
            elif self._orphans:
                yield from self._collecting()
            else:
                break
        self._evaluated = True

    def _refresh_output(self, cell: Cell) -> None:
        if self._refresh_in_steps(cell):
            self._refresh_root(cell)
            if self._due.pop(cell):
                self._outputs[cell](cell)

    @property
    def failures(self) -> list[QueryError]:
        """What is failing now because of bugs: outputs and index entries whose last good value stands in."""
        return [each for each in self._failing.values() if not each.unknown]

    @property
    def failing(self) -> list[tuple[Query[..., Any], tuple[Any, ...], QueryError]]:
        """The outputs and index entries that are failing now because of bugs, be it one in another's entry."""
        found = ((each, failure) for each, failure in self._failing.items() if failure.bug)
        return [(each.query, each.args, failure) for each, failure in found]  # type: ignore[misc]  # none is an input

    def why(self, query: Query[..., Any], args: tuple[Any, ...], depth: int = 64) -> Why | None:
        """Tell what a remembered call read, and what that read, down to the inputs; None if it is not remembered."""
        cell = self._cells[query].get(args)
        return None if cell is None else explain(cell, depth)

    # Inner workings

    def _suspect_root(self, cell: Cell) -> None:
        """Have an index's entries or an output looked at in time."""
        index = self._by_entries.get(cell.query)  # type: ignore[arg-type]  # of no input or bucket
        if index is not None:
            self._stale[index].add(*cell.args)
        else:
            self._due.setdefault(cell, False)

    def _refresh_root(self, cell: Cell) -> None:
        if cell.state is not CLEAN:
            self._refresh(cell)
        if cell.failure is not None:
            self._failing[cell] = cell.failure
        else:
            self._failing.pop(cell, None)

    def _uproot(self, cell: Cell) -> None:
        cell.root = False
        self._failing.pop(cell, None)
        self._orphans.add(cell)

    def _settle(self) -> None:
        deque(self._settling(), maxlen=0)

    def _settling(self) -> Iterator[None]:
        """Bring indexes and hubs up to date, so that they are like inputs to what is evaluated after.

        One may be looked at while another that it reads is still stale; it is then stale again, until nothing is.
        """
        for _ in range(ROUNDS * len(self._stale) + 1):
            each = next((each for each, stale in self._stale.items() if stale), None)
            if each is None:
                return
            stale = list(self._stale[each])
            self._stale[each].clear()
            yield from self._refile(each, stale) if isinstance(each, Index) else self._refresh_hubs(stale)
            while self._untold:
                self._tell(*self._untold.pop())
        raise CycleError("indexes and hubs turn each other stale without end")

    def _refresh_hubs(self, cells: list[Cell]) -> Iterator[None]:
        for cell in cells:
            yield
            if cell.dependents and cell.state is not CLEAN:
                self._refresh(cell)
                if cell.failure is None and reads_itself(cell):
                    # It was not noticed: what stood between was taken for certain.
                    cell.failure = QueryError(cell.label, CycleError(f"{cell.label} reads itself"))
                    self._changed(cell)

    def _refile(self, index: Index[Any, Any], sources: list[Any]) -> Iterator[None]:
        touched: dict[Hashable, None] = {}
        for source in sources:
            yield
            touched.update(dict.fromkeys(self._listings[index].refile(source, self._entries(index, source))))
        self._tell_buckets(index, touched)

    def _tell_buckets(self, index: Index[Any, Any], touched: Collection[Hashable]) -> None:
        listing = self._listings[index]
        for view, name in VIEWS.items():
            buckets = self._cells[f"{name} {index.name}"]
            for key in touched:
                if (cell := buckets.get((key,))) is not None:
                    self._assign(cell, view(listing.items(key)))
            for marker in listing.incomplete.intersection(touched):
                for cell in buckets.values():
                    (key,) = cell.args
                    if marker is UNSURE or marker == Incomplete(index.partition_of(key)):
                        self._tell(cell, cell.dependents)

    def _entries(self, index: Index[Any, Any], source: Any) -> Entries:
        cell = self._cells[index.entries].get((source,)) or self._add(index.entries, (source,), UNSET)
        if (partitions := self._cells[index.partitions].get((source,))) is not None:
            self._uproot(partitions)
        if not any(source in self._inputs.get(domain, ()) for domain in index.domains):
            self._uproot(cell)
            return ()
        cell.root = True
        self._refresh_root(cell)
        if cell.failure is not None and (cell.value is UNSET or not cell.value):
            missing = cell.failure.unknown or self._may_have_been_there(index, source, cell)
            return self._missing(index, source, cell.failure.bug) if missing else ()
        return cast(Entries, cell.value)

    def _missing(self, index: Index[Any, Any], source: Any, bug: str) -> Entries:
        """Give what to file of an input of which it is not known under which keys it belongs: where it may belong."""
        cell = self._cells[index.partitions].get((source,)) or self._add(index.partitions, (source,), UNSET)
        cell.root = True
        self._refresh_root(cell)
        partitions = (ALL,) if cell.failure is not None else cast(tuple[Hashable, ...], cell.value)
        return tuple((Incomplete(each), bug) for each in partitions)

    def _may_have_been_there(self, index: Index[Any, Any], source: Any, cell: Cell) -> bool:
        """Whether an input for which an index fails may have been listed by an earlier process.

        What comes later and fails from the beginning has never been of use to anybody: it is left out.
        """
        at_start = not self._evaluated or any(each in self._inputs.get(UNKNOWN, ()) for each in index.domains)
        return cell.value is UNSET and (at_start or self._listings[index].is_incomplete(source))

    def _collecting(self) -> Iterator[None]:
        while self._orphans:
            yield
            cell = self._orphans.pop()
            if cell.dependents or cell.root:
                continue
            self._cells[cell.query].pop(cell.args, None)
            if cell.query == "input":
                domain, key = cell.args
                self._wanted[domain].discard(key)
            for dependency in cell.dependencies:
                self._drop(dependency, cell)
        self._orphans.clear()  # A set keeps room for the most that it ever held.
