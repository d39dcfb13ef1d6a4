"""The outputs of the database: reports, bugs, cycles, and the collection of memos."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.translator.engine.numbers import (
    NUMBER,
    Reports,
    chosen,
    database,
    guarded,
    parity,
    parity_name,
    ping,
    pong,
    quotient,
    ran,
)
from translator.engine.database import Database
from translator.engine.memo import Memo
from translator.engine.query import CycleError, Query, QueryError


def test_readers_of_a_bug_raise() -> None:
    """A query that raises makes its readers raise, with the innermost query's name and the original exception."""
    db = database(one=6, other=0)
    with pytest.raises(QueryError, match=r"quotient\(one, other\): ZeroDivisionError") as caught:
        quotient(db, "one", "other")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.label == "quotient(one, other)"


def test_a_bug_stays_inside_its_output() -> None:
    """An output that raises is reported and keeps its last good value; the others are not affected."""
    db = database(one=6, other=2, third=1)
    reports, others = Reports(), Reports()
    db.add_root(quotient, ("one", "other"), reports.append)
    db.add_root(quotient, ("one", "third"), others.append)
    db.evaluate()
    db.set(NUMBER, "other", 0)
    db.set(NUMBER, "third", 2)
    db.evaluate()
    assert (reports[-1].value, others[-1].value) == (3, 3)
    assert [str(each) for each in db.failures] == [str(reports[-1].failure)]
    assert (len(reports), len(others)) == (2, 2)


def test_a_failing_output_recovers() -> None:
    """Once the query no longer raises, its output is reported, and there is no failure."""
    db = database(one=6, other=0)
    reports = Reports()
    db.add_root(quotient, ("one", "other"), reports.append)
    db.evaluate()
    assert [each.failure is not None for each in reports] == [True]
    db.set(NUMBER, "other", 3)
    db.evaluate()
    assert reports.values == [2, 2]
    assert reports[-1].failure is None
    assert db.failures == []


def test_recovery_to_the_last_good_value_is_reported() -> None:
    """A failed output is reported when it recovers, even with the value that it had before."""
    db = database(one=6, other=2)
    reports = Reports()
    db.add_root(quotient, ("one", "other"), reports.append)
    for other in (2, 0, 2):
        db.set(NUMBER, "other", other)
        db.evaluate()
    assert len(reports) == 3
    assert db.failures == []


def test_a_removed_root_is_no_failure() -> None:
    """The bug of an output that was removed is not a failure."""
    db = database(one=6, other=0)
    db.add_root(quotient, ("one", "other"), Reports().append)
    db.evaluate()
    db.remove_root(quotient, ("one", "other"))
    assert db.failures == []


def test_a_cycle_raises_and_names_its_path() -> None:
    """A query that reads itself by another raises, and the error has the path."""
    db = database(**{"x goes on": 1, "x comes back": 1})
    with pytest.raises(QueryError, match=re.escape("ping(x) reads pong(x) reads ping(x)")) as caught:
        ping(db, "x")
    assert isinstance(caught.value.__cause__, CycleError)


@pytest.mark.parametrize("first", [ping, pong])
def test_a_cycle_closed_by_an_edit_is_detected(first: Query[[str], int]) -> None:
    """A cycle is detected although its queries had values before, whichever of them is verified first."""
    db = database(**{"x goes on": 1})
    reports = Reports()
    for each in (ping, pong):
        db.add_root(each, ("x",), reports.append)
    db.evaluate()
    assert reports.values == [7, 7]
    db.set(NUMBER, "x comes back", 1)
    with pytest.raises(QueryError, match="CycleError"):
        first(db, "x")
    db.evaluate()
    assert [isinstance(each.__cause__, CycleError) for each in db.failures] == [True, True]
    for way in ("ping(x) reads pong(x)", "pong(x) reads ping(x)"):
        assert all(way in str(each) for each in db.failures)
    assert [each.value for each in reports] == [7] * len(reports)


@pytest.mark.parametrize("undone", ["x goes on", "x comes back"])
@pytest.mark.parametrize("outputs", [(ping, pong), (pong, ping)])
def test_a_cycle_broken_by_an_edit_recovers(outputs: tuple[Query[[str], int], ...], undone: str) -> None:
    """Wherever a cycle is broken, and whichever of its queries is verified first, they recover."""
    db = database(**{"x goes on": 1, "x comes back": 1, "first": 5})
    for each in outputs:
        db.add_root(each, ("x",), Reports().append)
    db.evaluate()
    assert len(db.failures) == 2
    db.set(NUMBER, undone, 0)
    db.evaluate()
    assert db.failures == []
    assert {ping(db, "x"), pong(db, "x")} == ({5} if undone == "x goes on" else {7})


def test_a_reversed_dependency_is_no_cycle() -> None:
    """Two queries, of which one read the other, may reverse this in one edit."""
    db = database(**{"x goes on": 1, "first": 5})
    for each in (ping, pong):
        db.add_root(each, ("x",), Reports().append)
    db.evaluate()
    db.set(NUMBER, "x goes on", 0)
    db.set(NUMBER, "x comes back", 1)
    db.evaluate()
    assert db.failures == []
    assert (ping(db, "x"), pong(db, "x")) == (5, 5)


def test_an_output_is_reported_first_and_when_it_differs() -> None:
    """An output is reported once at the start, and then only when its value changes."""
    db = database(a=3)
    reports = Reports()
    db.add_root(parity_name, ("a",), reports.append)
    for value in (3, 5, 6, 8):
        db.set(NUMBER, "a", value)
        db.evaluate()
    assert len(reports) == 2
    assert reports[-1].value == "even"


@pytest.mark.parametrize("outputs", [(parity, parity_name), (parity_name, parity)])
def test_an_output_that_another_output_reads_is_reported(outputs: tuple[Query[[str], object], ...]) -> None:
    """Both outputs are reported, whichever is refreshed first, and for whichever reader."""
    db = database(a=3)
    reports = Reports()
    for each in outputs:
        db.add_root(each, ("a",), reports.append)
    db.evaluate()
    db.set(NUMBER, "a", 4)
    db.evaluate()
    assert sorted(each.label for each in reports) == ["parity(a)"] * 2 + ["parity_name(a)"] * 2


def test_an_output_that_its_owner_read_meanwhile_is_reported() -> None:
    """A direct read between an edit and `evaluate` does not suppress the report."""
    db = database(a=3)
    reports = Reports()
    db.add_root(parity, ("a",), reports.append)
    db.evaluate()
    db.set(NUMBER, "a", 4)
    assert parity(db, "a") == 0
    db.evaluate()
    assert len(reports) == 2


def test_roots_may_be_added_and_removed_by_a_report() -> None:
    """Roots that are added by a report are evaluated in the same evaluation; those removed in time are not."""
    db = database(a=3, b=4)
    added = Reports()

    def changed(memo: Memo) -> None:
        db.add_root(parity_name, ("b",), added.append)
        db.remove_root(quotient, ("a", "none"))

    db.add_root(parity_name, ("a",), changed)
    db.add_root(quotient, ("a", "none"), Reports().append)
    db.evaluate()
    assert added.values == ["even"]
    assert db.failures == []
    assert db.executions["quotient"] == 0


def test_memos_without_readers_are_collected() -> None:
    """Once an output is removed, the memos that only it read are collected."""
    db = database(one=6, other=2)
    db.add_root(parity_name, ("one",), Reports().append)
    db.evaluate()
    before = len(db)
    db.add_root(guarded, ("one", "other"), Reports().append)
    db.evaluate()
    assert len(db) > before
    db.remove_root(guarded, ("one", "other"))
    db.evaluate()
    assert len(db) == before


def test_memos_of_a_branch_not_taken_are_collected() -> None:
    """A branch that an output no longer takes is collected, and evaluated again if it is taken again."""
    db = database(which=1, left=10, right=20)
    db.add_root(chosen, ("which",), Reports().append)
    db.evaluate()
    size = len(db)
    for which, value in ((2, 20), (3, 10), (4, 20)):
        db.set(NUMBER, "which", which)
        db.evaluate()
        assert len(db) == size
        assert chosen(db, "which") == value


def test_memos_of_direct_reads_are_collected() -> None:
    """Memos that were created by a direct read are collected in the next evaluation."""
    db = database(a=3)
    assert parity_name(db, "a") == "odd"
    db.input(NUMBER, "nothing")
    db.evaluate()
    assert len(db) == 0


def test_a_removed_root_with_readers_stays() -> None:
    """A memo stays while another one reads it."""
    db = database(a=3)
    db.add_root(parity, ("a",), Reports().append)
    db.add_root(parity_name, ("a",), Reports().append)
    db.evaluate()
    size = len(db)
    db.remove_root(parity, ("a",))
    db.evaluate()
    assert len(db) == size
    assert ran(db, "parity") == [1]


def test_removing_an_unknown_root_changes_nothing() -> None:
    """A call that is no output can be removed from the outputs."""
    db = Database()
    db.remove_root(parity, ("a",))
    assert len(db) == 0


def test_outputs_are_evaluated_in_steps() -> None:
    """Inputs may be set between two steps: the result is as if they had been set before."""
    db = database(**{f"number{each}": each for each in range(10)})
    reports = Reports()
    for each in range(10):
        db.add_root(parity_name, (f"number{each}",), reports.append)
    steps = 0
    for steps, _ in enumerate(db.steps(), 1):
        if steps == 5:
            db.set(NUMBER, "number0", 7)
            db.set(NUMBER, "number9", 8)
    assert steps >= 10
    assert [db.trace(parity_name, (f"number{each}",)).value for each in (0, 9)] == ["odd", "even"]  # type: ignore[union-attr]
    assert db.executions["parity_name"] == 11


def test_memos_are_collected_in_steps() -> None:
    """Each step collects one memo, however many have no readers; inputs that are set meanwhile count."""
    names = [f"number{each}" for each in range(100)]
    db = database(**{name: each for each, name in enumerate(names)})
    for name in names:
        db.add_root(parity_name, (name,), Reports().append)
    db.evaluate()
    for name in names[1:]:
        db.remove_root(parity_name, (name,))
    sizes = [len(db)]
    for steps, _ in enumerate(db.steps()):
        sizes.append(len(db))
        if steps == 50:
            db.set(NUMBER, names[0], 7)
            db.set(NUMBER, names[1], 8)
    assert max(before - after for before, after in pairwise(sizes)) <= 1
    assert len(db) <= sizes[0] - 2 * len(names[1:])
    assert db.trace(parity_name, (names[0],)).value == "odd"  # type: ignore[union-attr]
