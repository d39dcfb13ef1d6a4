"""Firewall queries are brought up to date first, so that an equal result costs their readers nothing."""

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
"""What everyone reads, as a firewall query and as another one: -1, 0 or 1; it fails for 13."""


@query(firewall=True)
def opposite(db: Database, name: str) -> int:
    """Return a firewall query that reads another."""
    return -sign(db, name)


@query
def scaled(db: Database, by: int) -> int:
    """One of many readers."""
    return by * opposite(db, "a")


@query
def plainly_scaled(db: Database, by: int) -> int:
    """One of many readers of what is no firewall query."""
    return by * plain_sign(db, "a")


@query
def when_asked(db: Database) -> int:
    """Read a firewall query only if the input says so."""
    return sign(db, "a") if number(db, "ask") else 0


def firewalls(reader: Query[[int], int] = scaled) -> tuple[Database, Reports]:
    """Return a database in which many outputs read a firewall query, and what they report."""
    db, reports = Database(), Reports()
    db.set(NUMBER, "a", 5)
    for by in range(READERS):
        db.add_root(reader, (by,), reports.append)
    db.evaluate()
    reports.clear()
    return db, reports


def verifications(db: Database, value: int) -> int:
    """How many memos are verified when the input becomes `value`."""
    before = db.verifications
    db.set(NUMBER, "a", value)
    db.evaluate()
    return db.verifications - before


def test_a_firewall_that_comes_out_equal_costs_its_readers_nothing() -> None:
    """Where a thousand memos would have been looked at, only the firewall query and what it reads are."""
    plain, _ = firewalls(plainly_scaled)
    assert verifications(plain, 7) > READERS
    db, reports = firewalls()
    assert verifications(db, 7) == 2
    assert (db.executions["sign"], db.executions["opposite"], reports) == (2, 1, [])


def test_a_firewall_that_changes_is_told() -> None:
    """Each reader of a firewall query that came out different runs once, and the outputs tell."""
    db, reports = firewalls()
    assert verifications(db, -7) == READERS + 3
    assert (db.executions["opposite"], db.executions["scaled"]) == (2, 2 * READERS)
    assert sorted(reports.values) == list(range(1, READERS))  # type: ignore[type-var]  # 0 times anything is as it was


def test_a_firewall_that_fails_and_recovers() -> None:
    """What a firewall query raises reaches its readers' outputs once, and goes away with its cause."""
    db, reports = firewalls()
    verifications(db, 13)
    assert len(reports) == len(db.failures) == READERS
    verifications(db, 8)
    assert db.failures == []
    assert scaled(db, 3) == -3


def test_a_firewall_that_nobody_reads_is_let_be() -> None:
    """A firewall query whose last reader is gone does not run, and is collected; read again, it is up to date."""
    db = Database()
    db.set(NUMBER, "a", 5)
    db.set(NUMBER, "ask", 1)
    db.add_root(when_asked, (), Reports().append)
    db.evaluate()
    db.set(NUMBER, "ask", 0)
    db.evaluate()
    verifications(db, -5)
    assert (db.executions["sign"], len(db)) == (1, 3)
    db.set(NUMBER, "ask", 1)
    assert when_asked(db) == -1


@query
def through(db: Database) -> int:
    """Return what a firewall query may come to read, though it reads that firewall query itself."""
    return circular(db)


@query(firewall=True)
def circular(db: Database) -> int:
    """Return a firewall query that reads itself by way of another if the input says so."""
    return through(db) if number(db, "circle") else 0


def test_a_firewall_that_comes_to_read_itself_fails() -> None:
    """A cycle through a firewall query is found though its readers were not in doubt, and ends when its cause does."""
    db, reports = Database(), Reports()
    db.add_root(through, (), reports.append)
    db.evaluate()
    db.set(NUMBER, "circle", 1)
    db.evaluate()
    assert "circular() reads through() reads circular()" in str(reports[-1].failure)
    db.set(NUMBER, "circle", 0)
    db.evaluate()
    assert (db.failures, reports.values[-1]) == ([], 0)
