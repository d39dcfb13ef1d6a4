"""Referenced inputs: those that the outputs depend on, which a source of an on-demand collection must fetch."""

from __future__ import annotations

from tests.translator.engine.numbers import NUMBER, Reports, chosen, database, parity


def test_referenced_inputs_are_those_that_outputs_depend_on() -> None:
    """An absent input that a query has read is referenced; one that no query reads is not."""
    db = database(which=1, idle=5)
    assert db.referenced(NUMBER) == frozenset()
    db.add_root(chosen, ("which",), Reports().append)
    db.evaluate()
    assert db.referenced(NUMBER) == {"which", "left"}
    assert db.referenced("Other") == frozenset()


def test_an_input_that_is_no_longer_read_is_not_referenced() -> None:
    """The referenced inputs change with the branch that an output takes, and end with the last output."""
    db = database(which=1)
    db.add_root(chosen, ("which",), Reports().append)
    db.add_root(parity, ("other",), Reports().append)
    db.evaluate()
    db.set(NUMBER, "which", 2)
    db.evaluate()
    assert db.referenced(NUMBER) == {"which", "right", "other"}
    db.remove_root(chosen, ("which",))
    db.evaluate()
    assert db.referenced(NUMBER) == {"other"}
    db.remove_root(parity, ("other",))
    db.evaluate()
    assert db.referenced(NUMBER) == frozenset()
