"""Firewall queries are refreshed first, so that an equal result costs their readers nothing."""

from __future__ import annotations

from tests.translator.engine.numbers import NUMBER, Reports, number
from translator.engine.database import Database
from translator.engine.query import Query, query

READERS = 1_000


def _sign(db: Database, name: str) -> int:
    value = number(db, name)
    if value == 13:
        raise ValueError("unlucky")
    return (value > 0) - (value < 0)


_sign.__name__ = "sign"
sign, plain_sign = query(firewall=True)(_sign), query(_sign)
"""The query that all others read, as a firewall query and as an ordinary one: -1, 0 or 1; it raises for 13."""


@query(firewall=True)
def opposite(db: Database, name: str) -> int:
    """Return a value of a firewall query that reads another."""
    return -sign(db, name)


@query
def scaled(db: Database, by: int) -> int:
    """Read a firewall query, as one of many readers."""
    return by * opposite(db, "a")


@query
def plainly_scaled(db: Database, by: int) -> int:
    """Read an ordinary query, as one of many readers."""
    return by * plain_sign(db, "a")


@query
def when_selected(db: Database) -> int:
    """Read a firewall query only if the input selects it."""
    return sign(db, "a") if number(db, "ask") else 0


def firewalls(reader: Query[[int], int] = scaled) -> tuple[Database, Reports]:
    """Return a database in which many outputs read a firewall query, and their reports."""
    db, reports = Database(), Reports()
    db.set(NUMBER, "a", 5)
    for by in range(READERS):
        db.add_root(reader, (by,), reports.append)
    db.evaluate()
    reports.clear()
    return db, reports


def verifications(db: Database, value: int) -> int:
    """Return the number of verified memos after a change of the input to `value`."""
    before = db.verifications
    db.set(NUMBER, "a", value)
    db.evaluate()
    return db.verifications - before


def test_an_equal_firewall_query_does_not_verify_its_readers() -> None:
    """Of a thousand readers, none is verified if the firewall query has an equal value."""
    plain, _ = firewalls(plainly_scaled)
    assert verifications(plain, 7) > READERS
    db, reports = firewalls()
    assert verifications(db, 7) == 2
    assert (db.executions["sign"], db.executions["opposite"], reports) == (2, 1, [])


def test_a_changed_firewall_query_executes_its_readers_once() -> None:
    """Each reader of a changed firewall query executes once, and the outputs are reported."""
    db, reports = firewalls()
    assert verifications(db, -7) == READERS + 3
    assert (db.executions["opposite"], db.executions["scaled"]) == (2, 2 * READERS)
    assert sorted(reports.values) == list(range(1, READERS))  # type: ignore[type-var]  # 0 times anything is as it was


def test_a_firewall_query_fails_and_recovers() -> None:
    """An error of a firewall query is reported once by its readers' outputs, and ends with its cause."""
    db, reports = firewalls()
    verifications(db, 13)
    assert len(reports) == len(db.failures) == READERS
    verifications(db, 8)
    assert db.failures == []
    assert scaled(db, 3) == -3


def test_a_firewall_query_without_readers_is_collected() -> None:
    """A firewall query without readers is not executed, and is collected; read again, it is up to date."""
    db = Database()
    db.set(NUMBER, "a", 5)
    db.set(NUMBER, "ask", 1)
    db.add_root(when_selected, (), Reports().append)
    db.evaluate()
    db.set(NUMBER, "ask", 0)
    db.evaluate()
    verifications(db, -5)
    assert (db.executions["sign"], len(db)) == (1, 3)
    db.set(NUMBER, "ask", 1)
    assert when_selected(db) == -1


@query
def through(db: Database) -> int:
    """Read a firewall query that may read this query."""
    return circular(db)


@query(firewall=True)
def circular(db: Database) -> int:
    """Return a firewall query's value that depends on itself if the input selects it."""
    return through(db) if number(db, "circle") else 0


def test_a_cycle_through_a_firewall_query_fails() -> None:
    """A cycle through a firewall query is detected although its readers are clean, and ends with its cause."""
    db, reports = Database(), Reports()
    db.add_root(through, (), reports.append)
    db.evaluate()
    db.set(NUMBER, "circle", 1)
    db.evaluate()
    assert "circular() reads through() reads circular()" in str(reports[-1].failure)
    db.set(NUMBER, "circle", 0)
    db.evaluate()
    assert (db.failures, reports.values[-1]) == ([], 0)
