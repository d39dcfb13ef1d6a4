"""Queries and indexes as they are declared; `translator.graph` evaluates them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from translator.graph import Graph

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound="Graph")


class Query(Generic[P, R]):
    """A pure function whose calls are remembered; made by the decorator `query`."""

    __slots__ = ("function", "name")

    def __init__(self, function: Callable[Concatenate[Any, P], R]) -> None:
        """Wrap `function`, whose first parameter is the database."""
        self.function = function
        self.name = function.__name__

    def __call__(self, db: Graph, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the function's value for `args` as of the current inputs, and record that the caller read it.

        Raises:
            QueryError: the function, or one that it reads, raised.
        """
        assert not kwargs, "queries take positional arguments: they are the cell's key"
        return db.read(self, args)  # type: ignore[no-any-return]

    def each(self, db: Graph, calls: Iterable[tuple[Any, ...]]) -> list[R]:
        """Return the values of many calls, given by their arguments, in their order: for queries that read thousands.

        Raises:
            QueryError: the function, or one that it reads, raised.
        """
        return db.read_each(self, calls)

    def __repr__(self) -> str:
        return f"<query {self.name}>"


def query(function: Callable[Concatenate[D, P], R]) -> Query[P, R]:
    """Make a pure function of the database and hashable arguments an incremental one."""
    return Query(function)


K = TypeVar("K", bound=Hashable)
E = TypeVar("E")


class Index(Generic[K, E]):
    """A derived listing: for every input of `domains`, under which keys which elements are filed. See `index`."""

    __slots__ = ("domains", "entries")

    def __init__(self, domains: tuple[str, ...], function: Callable[[Any, Any], Iterable[tuple[K, E]]]) -> None:
        """Take the domains that the index is over, and the function from (database, input key) to its entries."""
        self.domains = domains
        self.entries: Query[[Any], tuple[tuple[K, E], ...]] = Query(lambda db, key: tuple(function(db, key)))
        self.entries.name = function.__name__

    @property
    def name(self) -> str:
        """The name of the function that files the elements."""
        return self.entries.name

    def __repr__(self) -> str:
        return f"<index {self.name}>"


def index(*domains: str) -> Callable[[Callable[[D, Any], Iterable[tuple[K, E]]]], Index[K, E]]:
    """Make a generator of (key, element) pairs, called for each input key of `domains`, an index over them.

    The function is a query like any other and may read whatever it likes, other indexes included; elements of one
    bucket must be hashable and comparable with each other. An index is brought up to date before any query runs.
    """
    return lambda function: Index(domains, function)


Ahead = Index[Any, Any] | Query[..., Any]
"""An index or a hub: what is brought up to date ahead of other queries."""


class Unknown(Exception):
    """A query depends on inputs of which it is not known yet what they are, or whether there are any."""


class QueryError(Exception):
    """A query that raised, seen from what read it; `__cause__` is the original exception.

    Attributes:
        cell: the innermost query that raised.
        unknown: whether it raised only because not all inputs are known yet, which is no bug.
    """

    def __init__(self, cell: str, cause: BaseException) -> None:
        """Name the innermost query that raised, and why."""
        super().__init__(f"{cell}: {type(cause).__name__}: {cause}")
        self.cell = cell
        self.unknown = isinstance(cause, Unknown)
        self.__cause__ = cause


class CycleError(Exception):
    """A query that reads itself, by way of others."""
