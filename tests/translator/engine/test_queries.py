"""Incremental evaluation of queries: which ones execute again after an edit."""

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


def test_a_query_executes_once_for_many_reads() -> None:
    """A value is stored until one of its dependencies changes."""
    db = database(a=3)
    assert [parity(db, "a"), parity(db, "a"), parity_name(db, "a")] == [1, 1, "odd"]
    assert ran(db, "number", "parity", "parity_name") == [1, 1, 1]


def test_calls_with_other_arguments_are_other_memos() -> None:
    """Each combination of arguments has a memo of its own."""
    db = database(a=3, b=4)
    assert [parity_name(db, "a"), parity_name(db, "b")] == ["odd", "even"]
    db.set(NUMBER, "b", 5)
    assert [parity_name(db, "a"), parity_name(db, "b")] == ["odd", "odd"]
    assert ran(db, "parity_name") == [3]


def test_keyword_arguments_are_refused() -> None:
    """A query's arguments are its memo's key, so they are positional."""
    with pytest.raises(AssertionError, match="positional"):
        number(database(a=1), name="a")


def test_an_equal_result_stops_the_propagation() -> None:
    """A reader of a projection does not execute if the projection is equal (early cutoff)."""
    db = database(a=3)
    assert parity_name(db, "a") == "odd"
    db.set(NUMBER, "a", 5)
    assert parity_name(db, "a") == "odd"
    assert ran(db, "number", "parity", "parity_name") == [2, 2, 1]


def test_setting_an_equal_input_costs_nothing() -> None:
    """An input that is set to an equal value executes and verifies nothing."""
    db = database(a=3)
    db.add_root(parity_name, ("a",), Reports().append)
    db.evaluate()
    before = sum(db.executions.values())
    db.set(NUMBER, "a", 3)
    db.evaluate()
    assert sum(db.executions.values()) == before


def test_an_absent_input_is_a_dependency() -> None:
    """A query that read an absent input executes again when it is added, and when it is removed."""
    db = Database()
    assert parity_name(db, "a") == "even"
    db.set(NUMBER, "a", 1)
    assert parity_name(db, "a") == "odd"
    db.set(NUMBER, "a", None)
    assert parity_name(db, "a") == "even"


def test_removing_an_absent_input_changes_nothing() -> None:
    """An input that was never set can be removed."""
    db = Database()
    db.set(NUMBER, "a", None)
    assert not db.inputs(NUMBER)


def test_inputs_are_listed_by_collection() -> None:
    """The owner can list the present inputs of a collection."""
    db = database(a=1, b=2)
    db.set(NUMBER, "b", None)
    assert dict(db.inputs(NUMBER)) == {"a": 1}
    assert dict(db.inputs("Other")) == {}


def test_edits_execute_nothing() -> None:
    """Invalidation is pushed but evaluation is pulled: an edit by itself executes nothing."""
    db = database(a=3)
    parity_name(db, "a")
    before = sum(db.executions.values())
    db.set(NUMBER, "a", 4)
    assert sum(db.executions.values()) == before


def test_obsolete_dependencies_are_not_evaluated() -> None:
    """A dependency that was read after a changed one is not refreshed by the verification."""
    db = database(one=6, other=2)
    assert guarded(db, "one", "other") == 3
    db.set(NUMBER, "other", 0)
    assert guarded(db, "one", "other") == 0  # the quotient would raise
    assert ran(db, "quotient") == [1]


@pytest.mark.parametrize("edits", [{"one": 8, "other": 0}, {"other": 0, "one": 8}])
def test_dependencies_are_verified_in_the_order_of_the_reads(edits: dict[str, int]) -> None:
    """If several dependencies may have changed, they are verified in the order of the reads."""
    db = database(one=6, other=2)
    assert guarded(db, "one", "other") == 3
    for name, value in edits.items():
        db.set(NUMBER, name, value)
    assert guarded(db, "one", "other") == 0
    assert ran(db, "quotient") == [1]


def test_a_dropped_dependency_does_not_invalidate() -> None:
    """A query does not execute for an input that its last execution did not read."""
    db = database(which=1, left=10, right=20)
    assert chosen(db, "which") == 10
    db.set(NUMBER, "which", 2)
    assert chosen(db, "which") == 20
    runs = sum(db.executions.values())
    db.set(NUMBER, "left", 11)
    assert chosen(db, "which") == 20
    assert sum(db.executions.values()) == runs


def test_a_trace_has_the_dependencies() -> None:
    """A trace is the tree of dependencies in order, down to the inputs, with their values."""
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


def test_a_trace_is_bounded_by_depth() -> None:
    """A trace has no more levels than requested."""
    db = database(a=3)
    parity_name(db, "a")
    why = db.trace(parity_name, ("a",), depth=1)
    assert why == Trace("parity_name(a)", "odd", (Trace("parity(a)", 1, ()),))


def test_a_call_without_a_memo_has_no_trace() -> None:
    """A call that was never evaluated has no trace."""
    assert Database().trace(parity, ("a",)) is None


def test_a_trace_has_failures() -> None:
    """The value of a failed memo in a trace is its error."""
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
    """Inputs cannot be set while a query executes."""
    with pytest.raises(QueryError, match="inputs do not change while queries run"):
        meddling(database(a=1))


@query
def quotients(db: Database, other: str) -> tuple[int, ...]:
    """Return many quotients, read at once."""
    return tuple(quotient.each(db, ((one, other) for one in "abc")))


def test_many_calls_are_separate_dependencies() -> None:
    """Calls read at once are separate dependencies: only changed ones execute again, and a bug in one is reported."""
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
