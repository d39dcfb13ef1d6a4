"""Queries and an index over numbers, for tests of the database."""

from __future__ import annotations

from collections.abc import Iterator

from translator.engine.database import Database
from translator.engine.memo import Memo
from translator.engine.query import index, query

NUMBER = "Number"


@query
def number(db: Database, name: str) -> int:
    """Return an input; 0 if it is absent."""
    found: int | None = db.input(NUMBER, name)
    return 0 if found is None else found


@query
def parity(db: Database, name: str) -> int:
    """Return a narrow projection of a number."""
    return number(db, name) % 2


@query
def parity_name(db: Database, name: str) -> str:
    """Return a value derived from the projection."""
    return "odd" if parity(db, name) else "even"


@query
def quotient(db: Database, one: str, other: str) -> int:
    """Return a quotient; raises for a divisor of 0."""
    return number(db, one) // number(db, other)


@query
def guarded(db: Database, one: str, other: str) -> int:
    """Return a quotient, or 0 for a divisor of 0."""
    return quotient(db, one, other) if parity_of_sign(db, other) else 0


@query
def parity_of_sign(db: Database, name: str) -> bool:
    """Return whether a number is not 0."""
    return number(db, name) != 0


@query
def chosen(db: Database, which: str) -> int:
    """Return one of two numbers, selected by a third."""
    return number(db, "left") if parity(db, which) else number(db, "right")


@query
def ping(db: Database, name: str) -> int:
    """Read `pong` if the input selects it."""
    first = number(db, "first")
    return pong(db, name) if number(db, f"{name} goes on") else first


@query
def pong(db: Database, name: str) -> int:
    """Read `ping` if the input selects it."""
    return ping(db, name) if number(db, f"{name} comes back") else 7


class Reports(list[Memo]):
    """The reported memos of outputs."""

    @property
    def values(self) -> list[object]:
        """The values of the reported memos as they are now."""
        return [each.value for each in self]


def database(**numbers: int) -> Database:
    """Return a database with these numbers."""
    made = Database()
    for name, value in numbers.items():
        made.set(NUMBER, name, value)
    return made


def ran(db: Database, *names: str) -> list[int]:
    """Return the number of executions of each of some queries."""
    return [db.executions[name] for name in names]


@index(NUMBER)
def signs(db: Database, name: str) -> Iterator[tuple[str, str]]:
    """Index the names of numbers by their sign; 0 has no entry, and 13 raises."""
    value = number(db, name)
    if value == 13:
        raise ValueError("unlucky")
    if value:
        yield "positive" if value > 0 else "negative", name


@query
def positive(db: Database) -> tuple[str, ...]:
    """Return the elements of a bucket."""
    return db.select(signs, "positive")
