"""Evaluation in steps: a query that reads thousands of calls does not evaluate them in one step."""

from __future__ import annotations

from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.translator.engine.numbers import NUMBER, Reports, parity_of_sign, quotient
from tests.translator.test_incremental import BEGINNINGS, EDITS, SETTINGS, assert_same, final
from tests.translator.test_incremental import evaluated as from_scratch
from translator.engine import memos as evaluation
from translator.engine.database import Database
from translator.engine.query import QueryError, query
from translator.inputs import Edit, Settings
from translator.translator import Translator

pytestmark = pytest.mark.slow

MANY = 10 * evaluation.PART


@query
def total(db: Database) -> int:
    """Return the sum of many calls."""
    return sum(quotient.each(db, ((str(each), "by") for each in range(MANY))))


@query
def doubled(db: Database) -> int:
    """Read a query with many reads."""
    return 2 * total(db)


@query
def circle(db: Database, name: str) -> int:
    """Read many calls of the same query."""
    return sum(circle.each(db, ((str(each),) for each in range(MANY)))) + parity_of_sign(db, name)


def numbers(by: int = 1) -> Database:
    """Return a database with many numbers and their divisor."""
    made = Database()
    for each in range(MANY):
        made.set(NUMBER, str(each), 1)
    made.set(NUMBER, "by", by)
    return made


def most_in_a_step(db: Database) -> int:
    """Evaluate; return the most executions in one step."""
    most, before = 0, sum(db.executions.values())
    for _ in db.steps():
        now = sum(db.executions.values())
        most, before = max(most, now - before), now
    return most


def test_many_calls_are_evaluated_in_steps() -> None:
    """Initially and after a change of all inputs, no step executes more than a few queries."""
    db, reports = numbers(), Reports()
    db.add_root(doubled, (), reports.append)
    assert most_in_a_step(db) < 10
    db.set(NUMBER, "by", -1)
    assert most_in_a_step(db) < 10
    assert [reports.values, db.executions["quotient"], len(reports)] == [[-2 * MANY] * 2, 2 * MANY, 2]
    size = len(db)
    db.remove_root(doubled, ())
    db.evaluate()
    assert (size > MANY, len(db)) == (True, 0)


def test_inputs_may_change_between_steps() -> None:
    """An input that is set while a query is postponed counts."""
    db, reports = numbers(), Reports()
    db.add_root(doubled, (), reports.append)
    steps = db.steps()
    for _ in range(MANY // 2):
        next(steps)
    db.set(NUMBER, "by", -1)
    for each in range(MANY // 2):
        db.set(NUMBER, str(each), 3)
    for _ in steps:
        pass
    assert reports.values == [-2 * (3 * MANY // 2 + MANY // 2)]


def test_a_postponed_query_fails_with_its_calls() -> None:
    """A query whose postponed calls raise fails, and recovers with them."""
    db, reports = numbers(by=0), Reports()
    db.add_root(total, (), reports.append)
    db.evaluate()
    assert [each.label for each in db.failures] == ["quotient(0, by)"]
    db.set(NUMBER, "by", 1)
    db.evaluate()
    assert (db.failures, reports.values[-1]) == ([], MANY)


def test_calls_that_read_their_reader_are_a_cycle() -> None:
    """A query that reads many calls of itself raises, whichever is evaluated first."""
    db = numbers()
    db.add_root(circle, ("0",), Reports().append)
    db.evaluate()
    assert "CycleError" in str(db.failures[0])
    with pytest.raises(QueryError, match="CycleError"):
        circle(db, "0")


STEPS = st.builds(lambda first, then: [first, *then], BEGINNINGS, st.lists(st.lists(EDITS, max_size=3), max_size=3))


@given(SETTINGS, STEPS, st.randoms(use_true_random=False))
def test_evaluation_in_steps_equals_evaluation_at_once(
    settings: Settings, steps: list[list[Edit]], chance: Random
) -> None:
    """The outputs are the same, however few queries each step executes."""
    translator = Translator(settings)
    with patch.object(evaluation, "PART", 0):
        for edits in steps:
            translator.edit(edits)
            assert translator.evaluate().failures == []
    assert_same(translator, from_scratch(settings, final(steps, chance), {}))
