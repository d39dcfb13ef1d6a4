"""A little spreadsheet for the tests of the database: numbers as inputs, queries and an index over them."""

from __future__ import annotations

from collections.abc import Iterator

from translator.engine.database import Database
from translator.engine.memo import Memo
from translator.engine.query import index, query

NUMBER = "Number"


@query
def number(db: Database, name: str) -> int:
    """Return the input of that name, 0 where there is none."""
    found: int | None = db.input(NUMBER, name)
    return 0 if found is None else found


@query
def parity(db: Database, name: str) -> int:
    """Return a narrow projection of a number."""
    return number(db, name) % 2


@query
def parity_name(db: Database, name: str) -> str:
    """Return a query behind the projection."""
    return "odd" if parity(db, name) else "even"


@query
def quotient(db: Database, one: str, other: str) -> int:
    """Return a division, which a 0 makes a bug."""
    return number(db, one) // number(db, other)


@query
def guarded(db: Database, one: str, other: str) -> int:
    """Return a division that looks first."""
    return quotient(db, one, other) if parity_of_sign(db, other) else 0


@query
def parity_of_sign(db: Database, name: str) -> bool:
    """Whether a number is not 0."""
    return number(db, name) != 0


@query
def chosen(db: Database, which: str) -> int:
    """One number or another, as a third says."""
    return number(db, "left") if parity(db, which) else number(db, "right")


@query
def ping(db: Database, name: str) -> int:
    """Read `pong` if the input says so."""
    first = number(db, "first")
    return pong(db, name) if number(db, f"{name} goes on") else first


@query
def pong(db: Database, name: str) -> int:
    """Read `ping` if the input says so."""
    return ping(db, name) if number(db, f"{name} comes back") else 7


class Reports(list[Memo]):
    """What an output told: each time its memo as it then was."""

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
    """How often the queries of these names ran so far."""
    return [db.executions[name] for name in names]


@index(NUMBER)
def signs(db: Database, name: str) -> Iterator[tuple[str, str]]:
    """File the names of numbers under their sign; 0 has none, and 13 is a bug."""
    value = number(db, name)
    if value == 13:
        raise ValueError("unlucky")
    if value:
        yield "positive" if value > 0 else "negative", name


@query
def positive(db: Database) -> tuple[str, ...]:
    """List a bucket."""
    return db.select(signs, "positive")
