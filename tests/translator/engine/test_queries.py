"""The incremental evaluation: what runs again after an edit, and what does not."""

from __future__ import annotations

import pytest

from tests.translator.engine.numbers import (
    NUMBER,
    Reports,
    chosen,
    database,
    guarded,
    number,
    parity,
    parity_name,
    quotient,
    ran,
)
from translator.engine.database import Database
from translator.engine.memo import Trace
from translator.engine.query import QueryError, query


def test_a_query_runs_once_for_many_reads() -> None:
    """What was evaluated is remembered until something that it read changes."""
    db = database(a=3)
    assert [parity(db, "a"), parity(db, "a"), parity_name(db, "a")] == [1, 1, "odd"]
    assert ran(db, "number", "parity", "parity_name") == [1, 1, 1]


def test_calls_with_other_arguments_are_other_cells() -> None:
    """Each combination of arguments is remembered by itself."""
    db = database(a=3, b=4)
    assert [parity_name(db, "a"), parity_name(db, "b")] == ["odd", "even"]
    db.set(NUMBER, "b", 5)
    assert [parity_name(db, "a"), parity_name(db, "b")] == ["odd", "odd"]
    assert ran(db, "parity_name") == [3]


def test_keyword_arguments_are_refused() -> None:
    """A query's arguments are its memo's key, so they are positional."""
    with pytest.raises(AssertionError, match="positional"):
        number(database(a=1), name="a")


def test_an_equal_result_stops_the_wave() -> None:
    """What reads a projection does not run when the projection comes out the same (early cutoff)."""
    db = database(a=3)
    assert parity_name(db, "a") == "odd"
    db.set(NUMBER, "a", 5)
    assert parity_name(db, "a") == "odd"
    assert ran(db, "number", "parity", "parity_name") == [2, 2, 1]


def test_setting_an_equal_input_costs_nothing() -> None:
    """An input that is set to what it is makes nothing run, not even itself be looked at."""
    db = database(a=3)
    db.add_root(parity_name, ("a",), Reports().append)
    db.evaluate()
    before = sum(db.executions.values())
    db.set(NUMBER, "a", 3)
    db.evaluate()
    assert sum(db.executions.values()) == before


def test_absence_is_a_read() -> None:
    """A query that found no input runs again when it comes, and again when it goes."""
    db = Database()
    assert parity_name(db, "a") == "even"
    db.set(NUMBER, "a", 1)
    assert parity_name(db, "a") == "odd"
    db.set(NUMBER, "a", None)
    assert parity_name(db, "a") == "even"


def test_removing_what_is_not_there_is_nothing() -> None:
    """An input that never was can be removed."""
    db = Database()
    db.set(NUMBER, "a", None)
    assert not db.inputs(NUMBER)


def test_inputs_are_listed_by_domain() -> None:
    """The owner sees the inputs of a domain, and only those that are there."""
    db = database(a=1, b=2)
    db.set(NUMBER, "b", None)
    assert dict(db.inputs(NUMBER)) == {"a": 1}
    assert dict(db.inputs("Other")) == {}


def test_only_what_is_asked_for_is_evaluated() -> None:
    """Invalidation is pushed but evaluation is pulled: an edit by itself runs nothing."""
    db = database(a=3)
    parity_name(db, "a")
    before = sum(db.executions.values())
    db.set(NUMBER, "a", 4)
    assert sum(db.executions.values()) == before


def test_reads_that_became_obsolete_are_not_evaluated() -> None:
    """What a query read after something that is different now is not brought up to date for its sake."""
    db = database(one=6, other=2)
    assert guarded(db, "one", "other") == 3
    db.set(NUMBER, "other", 0)
    assert guarded(db, "one", "other") == 0  # the quotient would raise
    assert ran(db, "quotient") == [1]


@pytest.mark.parametrize("edits", [{"one": 8, "other": 0}, {"other": 0, "one": 8}])
def test_reads_are_verified_in_the_order_in_which_they_were_made(edits: dict[str, int]) -> None:
    """When several reads may have changed, the first is verified first, whichever changed first."""
    db = database(one=6, other=2)
    assert guarded(db, "one", "other") == 3
    for name, value in edits.items():
        db.set(NUMBER, name, value)
    assert guarded(db, "one", "other") == 0
    assert ran(db, "quotient") == [1]


def test_a_read_that_is_no_longer_made_is_forgotten() -> None:
    """A query does not run for an input that its last run did not read."""
    db = database(which=1, left=10, right=20)
    assert chosen(db, "which") == 10
    db.set(NUMBER, "which", 2)
    assert chosen(db, "which") == 20
    runs = sum(db.executions.values())
    db.set(NUMBER, "left", 11)
    assert chosen(db, "which") == 20
    assert sum(db.executions.values()) == runs


def test_why_names_the_recorded_reads() -> None:
    """The answer is the tree of reads, in their order, down to the inputs and with their values."""
    db = database(one=6, other=2)
    guarded(db, "one", "other")
    why = db.trace(guarded, ("one", "other"))
    assert why is not None
    assert list(why.lines()) == [
        "guarded(one, other)",
        "  parity_of_sign(other)",
        "    number(other)",
        "      input(Number, other)",
        "  quotient(one, other)",
        "    number(one)",
        "      input(Number, one)",
        "    number(other)",
    ]
    assert why.reads[1].reads[0] == Trace("number(one)", 6, (Trace("input(Number, one)", 6, ()),))


def test_why_is_bounded_by_depth() -> None:
    """No more levels are told than asked for."""
    db = database(a=3)
    parity_name(db, "a")
    why = db.trace(parity_name, ("a",), depth=1)
    assert why == Trace("parity_name(a)", "odd", (Trace("parity(a)", 1, ()),))


def test_why_of_what_is_not_remembered_is_nothing() -> None:
    """There is no tree of what was never evaluated."""
    assert Database().trace(parity, ("a",)) is None


def test_why_tells_of_a_failure() -> None:
    """The value of a memo that raised is the error."""
    db = database(one=6)
    with pytest.raises(QueryError):
        quotient(db, "one", "other")
    why = db.trace(quotient, ("one", "other"))
    assert why is not None
    assert isinstance(why.value, QueryError)


@query
def meddling(db: Database) -> int:
    """Break the rules of purity."""
    db.set(NUMBER, "a", 2)
    return len(db.inputs(NUMBER))


def test_a_query_cannot_change_inputs() -> None:
    """Inputs do not change while queries run."""
    with pytest.raises(QueryError, match="inputs do not change while queries run"):
        meddling(database(a=1))


@query
def quotients(db: Database, other: str) -> tuple[int, ...]:
    """Many divisions at once."""
    return tuple(quotient.each(db, ((one, other) for one in "abc")))


def test_many_calls_are_read_as_one_after_the_other() -> None:
    """What was read at once is recorded call by call: only what changed runs again, and a bug among them is told."""
    db = database(a=6, b=4, c=2, two=2)
    assert quotients(db, "two") == (3, 2, 1)
    db.set(NUMBER, "b", 8)
    assert quotients(db, "two") == (3, 4, 1)
    assert ran(db, "quotient", "quotients") == [4, 2]
    db.set(NUMBER, "two", 0)
    with pytest.raises(QueryError, match="ZeroDivisionError"):
        quotients(db, "two")
    db.set(NUMBER, "two", 1)
    assert quotients(db, "two") == (6, 8, 2)
