"""Declarations of queries and indexes; `translator.engine.database` evaluates them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from inspect import CO_VARARGS
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, TypeVar, overload
from weakref import WeakKeyDictionary

P = ParamSpec("P")
R = TypeVar("R")


class Reader(Protocol):
    """The interface by which queries read each other; `translator.engine.database.Database` implements it."""

    def read(self, query: Query[..., Any], args: tuple[Any, ...]) -> Any:
        """Return a query's value for `args`, and record the dependency."""
        ...

    def read_each(self, query: Query[..., Any], calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Return a query's values for many calls, and record the dependencies."""
        ...


D = TypeVar("D", bound=Reader)


class Query(Generic[P, R]):
    """A pure function with memoised calls, created by the decorator `query`.

    Attributes:
        function: the function, whose first parameter is the database.
        firewall: whether its readers are invalidated only once its value has changed: see `query`.
        unary: whether it takes one argument beside the database: that is the key of its memos, and no tuple is kept.
    """

    __slots__ = ("firewall", "function", "name", "unary")

    def __init__(self, function: Callable[Concatenate[Any, P], R], *, firewall: bool = False) -> None:
        """Wrap `function`."""
        self.function = function
        self.firewall = firewall
        self.name = function.__name__
        code = function.__code__
        self.unary = code.co_argcount == 2 and not code.co_flags & CO_VARARGS

    def key(self, args: tuple[Any, ...]) -> Any:
        """Return the key of a call's memo among those of the query."""
        return args[0] if self.unary else args

    def args(self, key: Any) -> tuple[Any, ...]:
        """Return the arguments of the call whose memo has a key."""
        return (key,) if self.unary else key

    def __call__(self, db: Reader, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the function's value for `args` and the current inputs, and record the caller's dependency.

        Raises:
            QueryError: the function, or a query that it reads, raised.
        """
        assert not kwargs, "queries take positional arguments: they are the memo's key"
        return db.read(self, args)  # type: ignore[no-any-return]

    def each(self, db: Reader, calls: Iterable[tuple[Any, ...]]) -> list[R]:
        """Return the values of many calls, given by their arguments, in order; for queries that read thousands.

        Raises:
            QueryError: the function, or a query that it reads, raised.
        """
        return db.read_each(self, calls)

    def __repr__(self) -> str:
        return f"<query {self.name}>"


@overload
def query(function: Callable[Concatenate[D, P], R]) -> Query[P, R]: ...


@overload
def query(*, firewall: bool) -> Callable[[Callable[Concatenate[D, P], R]], Query[P, R]]: ...


def query(function: Callable[..., Any] | None = None, *, firewall: bool = False) -> Any:
    """Declare a pure function of the database and hashable arguments as a query.

    Args:
        function: the function, if the decorator has no arguments.
        firewall: whether the query is a firewall: for queries with very many readers and a value that rarely changes.
            It is refreshed before all other queries, and its readers are invalidated only if its value has changed.
    """
    if function is None:
        return lambda function: Query(function, firewall=firewall)
    return Query(function, firewall=firewall)


K = TypeVar("K", bound=Hashable)
E = TypeVar("E")


class _All:
    """All partitions of an index."""

    def __repr__(self) -> str:
        return "all"


ALL: Final = _All()

Partitions = Callable[[Any, Any], Iterable[Hashable]]
"""A function from (database, input key) to the partitions of an index to which the input may contribute."""


def _all(_db: Reader, _key: Any) -> Iterable[Hashable]:
    return (ALL,)


class Index(Generic[K, E]):
    """A derived multimap: the entries, (key, element) pairs, of every input of some collections. See `index`.

    Attributes:
        collections: the collections that it covers, by name or by the type of their objects.
        entries: the query from an input key to its entries.
        partitions: the query from an input key to the partitions to which it may contribute; evaluated only if
            `entries` has no value.
        partition_of: returns the partition of a key.
        projection: returns all that the entries depend on, of an input; None if that is not declared.
        module: the module that declares it.
    """

    __slots__ = ("__weakref__", "collections", "entries", "module", "partition_of", "partitions", "projection")

    def __init__(
        self,
        collections: tuple[str | type, ...],
        function: Callable[[Any, Any], Iterable[tuple[K, E]]],
        partitions: Partitions = _all,
        partition_of: Callable[[K], Hashable] = lambda key: key,
        projection: Callable[[Any], object] | None = None,
    ) -> None:
        """Declare an index; see `index` for the arguments."""
        self.collections = collections
        self.entries: Query[[Any], tuple[tuple[K, E], ...]] = Query(lambda db, key: tuple(function(db, key)))
        self.entries.name = function.__name__
        self.partitions: Query[[Any], tuple[Hashable, ...]]
        self.partitions = Query(lambda db, key: tuple(dict.fromkeys(partitions(db, key))))
        self.partitions.name = f"partitions of {function.__name__}"
        self.partition_of = partition_of
        self.projection = projection
        self.module = function.__module__
        _declared[self] = None

    def is_over(self, collection: str, type_: type | None) -> bool:
        """Return whether it is over a collection, whose objects are of a type if that is known."""
        return any(
            each == collection if isinstance(each, str) else type_ is not None and issubclass(type_, each)
            for each in self.collections
        )

    @property
    def name(self) -> str:
        """The name of the function that yields the entries."""
        return self.entries.name

    def __repr__(self) -> str:
        return f"<index {self.name}>"


_declared: WeakKeyDictionary[Index[Any, Any], None] = WeakKeyDictionary()
"""All indexes, in the order of their declarations."""


def declared_in(*packages: str) -> tuple[Index[Any, Any], ...]:
    """Return the indexes that the imported modules of some packages declare, in the order of their declarations.

    A module imports the modules whose indexes it reads, so an index comes after those that it reads.
    """
    prefixes = tuple(f"{each}." for each in packages)
    return tuple(each for each in _declared if f"{each.module}.".startswith(prefixes))


def index(
    *collections: str | type,
    partitions: Partitions = _all,
    partition_of: Callable[[Any], Hashable] = lambda key: key,
    projection: Callable[[Any], object] | None = None,
) -> Callable[[Callable[[D, Any], Iterable[tuple[K, E]]]], Index[K, E]]:
    """Declare a generator of entries, (key, element) pairs, as an index over the inputs of some collections.

    The generator is called with the database and an input key. It is a query, and may read other queries and indexes.
    The elements of one key must be hashable and comparable with each other. Indexes are refreshed before queries.

    An input whose entries have never been computed without an error makes the partitions incomplete to which it may
    contribute: a query that reads one of their keys raises `NotSyncedError`.

    Args:
        collections: the names of the collections that it covers; a type means all collections of objects of that type
            (`translator.engine.database.Database`).
        partitions: returns, for an input, a superset of the partitions of its keys. It should read as little as
            possible, so that it rarely fails when the entries do; if it raises, too, all partitions are incomplete.
        partition_of: returns the partition of a key, without reading anything; by default, each key is one.
        projection: for entries that depend on nothing but their input, of which few have any: returns what of it they
            depend on, or None; also takes None for an input that is not there. Without a change of that the generator
            is not called.
    """
    return lambda function: Index(collections, function, partitions, partition_of, projection)


class NotSyncedError(Exception):
    """A query depends on inputs that are not synced yet, or on an incomplete partition of an index.

    Attributes:
        bug: the bug that made the partition incomplete; "" if there is none.
    """

    def __init__(self, what: str, bug: str = "") -> None:
        """Name the collection or index, and the bug."""
        super().__init__(f"{what}, for a bug in {bug}" if bug else what)
        self.bug = bug


MOST_CHARACTERS: Final = 256
"""Most characters of a query's label, which includes its arguments, in the description of a bug."""


class QueryError(Exception):
    """A query raised; its readers get this error. `__cause__` is the original exception.

    Attributes:
        label: the innermost query that raised, with its arguments.
        not_synced: whether it raised `NotSyncedError`, which is not a bug of the query.
        bug: the query and type of the exception that caused it, without its message, which may contain anything; ""
            if no bug caused it.
    """

    def __init__(self, label: str, cause: BaseException) -> None:
        """Name the innermost query that raised, and its exception."""
        super().__init__(f"{label}: {type(cause).__name__}: {cause}")
        self.label = label
        self.not_synced = isinstance(cause, NotSyncedError)
        self.bug = (
            cause.bug if isinstance(cause, NotSyncedError) else f"{label[:MOST_CHARACTERS]}: {type(cause).__name__}"
        )
        self.__cause__ = cause


class CycleError(Exception):
    """A query reads itself, directly or by other queries."""
