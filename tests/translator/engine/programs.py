"""Random programs of queries and indexes for the database, and a naive evaluation to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from translator.engine.database import Database
from translator.engine.query import Index, Query, QueryError, index, query

NUMBER = "Number"
KEYS = range(4)
"""The keys of inputs, and of buckets."""

ABSENT = -1
FAILED = "failed"
Inputs = Mapping[int, int]
Form = Literal["sum", "choose", "divide"]


class Read(NamedTuple):
    """One read: of the input `key`, of the node `place`, or of the bucket `key` of the index `place`."""

    what: Literal["input", "node", "select", "count"]
    place: int
    key: int


@dataclass(frozen=True)
class Node:
    """A query: the sum of its reads, one of two selected by the first, or a division that may raise."""

    kind: Form
    reads: tuple[Read, Read, Read]
    modulus: int
    firewall: bool = False


@dataclass(frozen=True)
class IndexNode:
    """An index of each input by the sum of its value and of some reads."""

    reads: tuple[Read, ...]


Program = tuple[Node | IndexNode, ...]


Reader = Callable[[Read], int]
"""A function that returns the value of a read."""


def compute(node: Node, reader: Reader) -> int:
    """Return the value of a node."""
    one, two, three = node.reads
    if node.kind == "choose":
        return reader(two) if reader(one) % 2 else reader(three)
    if node.kind == "divide":
        return reader(one) // reader(two)
    return (reader(one) + 2 * reader(two) + 3 * reader(three)) % node.modulus


def entries(node: IndexNode, key: int, reader: Reader) -> Iterator[tuple[int, int]]:
    """Yield the entries of an input."""
    total = reader(Read("input", 0, key)) + sum(map(reader, node.reads))
    yield total % len(KEYS), key
    if total % 3 == 0:
        yield 0, total


Bucket = tuple[int, ...]


def number(read: int | Bucket) -> int:
    """Return a number for a read; different lists may have the same, since one for each would be too large."""
    if isinstance(read, int):
        return read
    return sum(place * (element + 1) for place, element in enumerate(read, 1))


class Naive:
    """An evaluation of one query of a program without a database; after a failure, create another one."""

    def __init__(self, program: Program, inputs: Inputs) -> None:
        self.program, self.inputs = program, inputs
        self.known: dict[int, int | str] = {}

    def node(self, place: int) -> int | str:
        """Return the value of a node; FAILED if it raises, or reads itself."""
        if place not in self.known:
            self.known[place] = FAILED  # during the evaluation, to detect cycles
            node = self.program[place]
            assert isinstance(node, Node)
            with suppress(ZeroDivisionError, QueryError):
                self.known[place] = compute(node, self)
        return self.known[place]

    def bucket(self, place: int, key: int) -> Bucket:
        """Return the elements of a bucket."""
        node = self.program[place]
        assert isinstance(node, IndexNode)
        filed: set[int] = set()
        for each in self.inputs:
            filed |= {element for under, element in entries(node, each, self) if under == key}
        return tuple(sorted(filed))

    def __call__(self, read: Read) -> int:
        """Return a read as a number."""
        return number(self.exactly(read))

    def exactly(self, read: Read) -> int | Bucket:
        """Return a read unchanged, to decide whether it differs from another."""
        if read.what == "input":
            return self.inputs.get(read.key, ABSENT)
        if read.what == "node":
            value = self.node(read.place)
            if isinstance(value, str):
                raise QueryError(str(read.place), ZeroDivisionError())
            return value
        bucket = self.bucket(read.place, read.key)
        return bucket if read.what == "select" else len(bucket)


Seen = list[tuple[Read, int | str | Bucket]]


class Compiled:
    """A program as a database, with a log of what each query saw in its last run and in the one before.

    Indexes are listed as they read each other, or, `backwards`, the hard way round.
    """

    def __init__(self, program: Program, inputs: Inputs | None = None, *, backwards: bool = False) -> None:
        self.program = program
        self.queries: dict[int, Query[[], int]] = {}
        self.indexes: dict[int, Index[int, int]] = {}
        self.log: dict[tuple[int, int | None], Seen] = {}
        self.reruns: list[tuple[tuple[int, int | None], Seen]] = []
        for place, each in enumerate(program):
            if isinstance(each, Node):
                self.queries[place] = query(firewall=each.firewall)(self._query(place, each))
            else:
                self.indexes[place] = index(NUMBER)(self._index(place, each))
        self.database = Database(self.indexes[place] for place in sorted(self.indexes, reverse=backwards))
        for key, value in (inputs or {}).items():
            self.database.set(NUMBER, key, value)

    def _query(self, place: int, node: Node) -> Callable[[Database], int]:
        def function(db: Database) -> int:
            return compute(node, self._reader(db, (place, None)))

        function.__name__ = f"node {place}"
        return function

    def _index(self, place: int, node: IndexNode) -> Callable[[Database, int], Iterator[tuple[int, int]]]:
        def function(db: Database, key: int) -> Iterator[tuple[int, int]]:
            return entries(node, key, self._reader(db, (place, key)))

        function.__name__ = f"index {place}"
        return function

    def _reader(self, db: Database, call: tuple[int, int | None]) -> Reader:
        if call in self.log:
            self.reruns.append((call, self.log[call]))
        seen = self.log[call] = []

        def read(what: Read) -> int:
            seen.append((what, FAILED))
            value = self._answer(db, what)
            seen[-1] = (what, value)
            return number(value)

        return read

    def _answer(self, db: Database, read: Read) -> int | Bucket:
        if read.what == "input":
            found: int | None = db.input(NUMBER, read.key)
            return ABSENT if found is None else found
        if read.what == "node":
            return self.queries[read.place](db)
        if read.what == "select":
            return tuple(db.select(self.indexes[read.place], read.key))
        return db.count(self.indexes[read.place], read.key)

    def node(self, place: int) -> int | str:
        """Read a node from outside of queries; FAILED if it raises."""
        try:
            return self.queries[place](self.database)
        except QueryError:
            return FAILED


@st.composite
def programs(draw: st.DrawFn, *, bugs: bool = True, cycles: bool = False, indexes: bool = True) -> Program:
    """Programs in which each reads only what comes before, or, with `cycles`, any.

    With `bugs`, queries may raise, and then no index reads one: what it files would depend on when it last worked.
    """
    size = draw(st.integers(1, 8))
    bugs = bugs and draw(st.booleans())
    kinds = [draw(st.sampled_from(["node", "node", "index"] if indexes else ["node"])) for _ in range(size)]
    made: list[Node | IndexNode] = []
    for place, kind in enumerate(kinds):
        reads = _reads(kinds if cycles else kinds[:place], nodes=not bugs or kind == "node")
        if kind == "index":
            made.append(IndexNode(tuple(draw(st.lists(reads, max_size=2)))))
        else:
            forms: list[Form] = ["sum", "choose", "divide"] if bugs else ["sum", "choose"]
            form = draw(st.sampled_from(forms))
            three = draw(st.tuples(reads, reads, reads))
            made.append(Node(form, three, draw(st.integers(1, 4)), firewall=draw(st.booleans())))
    return tuple(made)


def _reads(kinds: list[str], *, nodes: bool) -> st.SearchStrategy[Read]:
    inputs = st.builds(Read, st.just("input"), st.just(0), st.sampled_from(KEYS))
    queries = [place for place, kind in enumerate(kinds) if kind == "node" and nodes]
    listings = [place for place, kind in enumerate(kinds) if kind == "index"]
    choices = [inputs]
    if queries:
        choices.append(st.builds(Read, st.just("node"), st.sampled_from(queries), st.just(0)))
    if listings:
        views = st.sampled_from(["select", "count"])
        choices.append(st.builds(Read, views, st.sampled_from(listings), st.sampled_from(KEYS)))
    return st.one_of(choices)


Edits = list[tuple[int, int | None]]


def edits() -> st.SearchStrategy[Edits]:
    """Return a strategy of edits between two evaluations: a key and its new value, None to remove it."""
    return st.lists(st.tuples(st.sampled_from(KEYS), st.none() | st.integers(0, 3)), max_size=4)


def final(batches: list[Edits]) -> dict[int, int]:
    """Return the inputs after all edits."""
    inputs = dict(each for batch in batches for each in batch)
    return {key: value for key, value in inputs.items() if value is not None}
