"""Queries and indexes as they are declared; `translator.engine.database` evaluates them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, TypeVar, overload
from weakref import WeakKeyDictionary

P = ParamSpec("P")
R = TypeVar("R")


class Reader(Protocol):
    """What queries read each other through; `translator.engine.database.Database` is one."""

    def read(self, query: Query[..., Any], args: tuple[Any, ...]) -> Any:
        """Return a query's value for `args`, and record the read."""
        ...

    def read_each(self, query: Query[..., Any], calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Return a query's values for many calls, and record the reads."""
        ...


D = TypeVar("D", bound=Reader)


class Query(Generic[P, R]):
    """A pure function whose calls are remembered; made by the decorator `query`.

    Attributes:
        function: the function, whose first parameter is the database.
        firewall: whether changes stop at it until it is known to be different: see `query`.
    """

    __slots__ = ("firewall", "function", "name")

    def __init__(self, function: Callable[Concatenate[Any, P], R], *, firewall: bool = False) -> None:
        """Wrap `function`."""
        self.function = function
        self.firewall = firewall
        self.name = function.__name__

    def __call__(self, db: Reader, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the function's value for `args` as of the current inputs, and record that the caller read it.

        Raises:
            QueryError: the function, or one that it reads, raised.
        """
        assert not kwargs, "queries take positional arguments: they are the memo's key"
        return db.read(self, args)  # type: ignore[no-any-return]

    def each(self, db: Reader, calls: Iterable[tuple[Any, ...]]) -> list[R]:
        """Return the values of many calls, given by their arguments, in their order: for queries that read thousands.

        Raises:
            QueryError: the function, or one that it reads, raised.
        """
        return db.read_each(self, calls)

    def __repr__(self) -> str:
        return f"<query {self.name}>"


@overload
def query(function: Callable[Concatenate[D, P], R]) -> Query[P, R]: ...


@overload
def query(*, firewall: bool) -> Callable[[Callable[Concatenate[D, P], R]], Query[P, R]]: ...


def query(function: Callable[..., Any] | None = None, *, firewall: bool = False) -> Any:
    """Make a pure function of the database and hashable arguments an incremental one.

    Args:
        function: the function, where the decorator has no arguments.
        firewall: the query has very many readers, and often comes out equal. It is brought up to date before anything
            else is evaluated, and its readers are invalidated only if it is different.
    """
    if function is None:
        return lambda function: Query(function, firewall=firewall)
    return Query(function, firewall=firewall)


K = TypeVar("K", bound=Hashable)
E = TypeVar("E")


class _All:
    """Stands for all partitions of an index."""

    def __repr__(self) -> str:
        return "all"


ALL: Final = _All()

Partitions = Callable[[Any, Any], Iterable[Hashable]]
"""A function from (database, input key) to the partitions of an index that the input may contribute to."""


def _all(_db: Reader, _key: Any) -> Iterable[Hashable]:
    return (ALL,)


class Index(Generic[K, E]):
    """A derived listing: for every input of `collections`, which elements it has under which keys. See `index`.

    Attributes:
        collections: the collections that it is over, by name or by the type of what is in them.
        entries: by input, its keys and elements.
        partitions: by input, the partitions that it may contribute to; evaluated only where `entries` has no value.
        partition_of: gives the partition that a key belongs to.
        module: the module that declares it.
    """

    __slots__ = ("__weakref__", "collections", "entries", "module", "partition_of", "partitions")

    def __init__(
        self,
        collections: tuple[str | type, ...],
        function: Callable[[Any, Any], Iterable[tuple[K, E]]],
        partitions: Partitions = _all,
        partition_of: Callable[[K], Hashable] = lambda key: key,
    ) -> None:
        """Take the collections that the index is over, the function to its entries, and those to its partitions."""
        self.collections = collections
        self.entries: Query[[Any], tuple[tuple[K, E], ...]] = Query(lambda db, key: tuple(function(db, key)))
        self.entries.name = function.__name__
        self.partitions: Query[[Any], tuple[Hashable, ...]]
        self.partitions = Query(lambda db, key: tuple(dict.fromkeys(partitions(db, key))))
        self.partitions.name = f"partitions of {function.__name__}"
        self.partition_of = partition_of
        self.module = function.__module__
        _declared[self] = None

    @property
    def name(self) -> str:
        """The name of the function that files the elements."""
        return self.entries.name

    def __repr__(self) -> str:
        return f"<index {self.name}>"


_declared: WeakKeyDictionary[Index[Any, Any], None] = WeakKeyDictionary()
"""All indexes, in the order in which they were declared."""


def declared_in(package: str) -> tuple[Index[Any, Any], ...]:
    """Return the indexes that the modules of a package declare which are imported by now.

    They come in the order of their declarations. A module imports those whose indexes it reads, so an index comes after
    those that it reads.
    """
    return tuple(each for each in _declared if f"{each.module}.".startswith(f"{package}."))


def index(
    *collections: str | type, partitions: Partitions = _all, partition_of: Callable[[Any], Hashable] = lambda key: key
) -> Callable[[Callable[[D, Any], Iterable[tuple[K, E]]]], Index[K, E]]:
    """Make a generator of (key, element) pairs, called for each input key of `collections`, an index over them.

    The function is a query like any other and may read whatever it likes, other indexes included; elements of one
    bucket must be hashable and comparable with each other. An index is brought up to date before any query runs.

    An input whose entries cannot be computed, and never could, makes the partitions incomplete that it may belong to:
    whoever reads one of their keys raises `NotSyncedError`.

    Args:
        collections: the collections that it is over, each by its name; a type stands for all collections of objects of
            that type (`translator.engine.database.Database`).
        partitions: gives, for an input, a superset of the partitions of its keys. It reads as little as it can, so that
            it has a value where the entries have none; where it raises too, all partitions are incomplete.
        partition_of: gives the partition of a key, without reading anything; by default each key is its own.
    """
    return lambda function: Index(collections, function, partitions, partition_of)


class NotSyncedError(Exception):
    """A query depends on inputs of which it is not known yet what they are, or whether there are any.

    Attributes:
        bug: the bug for which that is so, "" if it is none: an index lacks entries that could not be computed.
    """

    def __init__(self, what: str, bug: str = "") -> None:
        """Say what is not known."""
        super().__init__(f"{what}, for a bug in {bug}" if bug else what)
        self.bug = bug


MOST_CHARACTERS: Final = 256
"""Of what a query is called with, so much is told of a bug in it."""


class QueryError(Exception):
    """A query that raised, seen from what read it; `__cause__` is the original exception.

    Attributes:
        label: the innermost query that raised, with its arguments.
        not_synced: whether it raised only because it depends on what is not known, which is no bug in it.
        bug: which bug it comes of, not in that one's own words, which may hold anything; "" if it comes of none.
    """

    def __init__(self, label: str, cause: BaseException) -> None:
        """Name the innermost query that raised, and why."""
        super().__init__(f"{label}: {type(cause).__name__}: {cause}")
        self.label = label
        self.not_synced = isinstance(cause, NotSyncedError)
        self.bug = (
            cause.bug if isinstance(cause, NotSyncedError) else f"{label[:MOST_CHARACTERS]}: {type(cause).__name__}"
        )
        self.__cause__ = cause


class CycleError(Exception):
    """A query that reads itself, by way of others."""
