"""Which inputs the outputs depend on: what a source must bring in, of kinds that it brings in only on demand."""

from __future__ import annotations

from tests.translator.engine.numbers import NUMBER, Reports, chosen, database, parity


def test_wanted_are_the_inputs_that_outputs_depend_on() -> None:
    """An input that was looked for is wanted though it is not there; one that nobody looks at is not."""
    db = database(which=1, idle=5)
    assert db.referenced(NUMBER) == frozenset()
    db.add_root(chosen, ("which",), Reports().append)
    db.evaluate()
    assert db.referenced(NUMBER) == {"which", "left"}
    assert db.referenced("Other") == frozenset()


def test_what_is_not_read_any_more_is_not_wanted() -> None:
    """With the branch that an output takes, what is wanted changes; with the last output it ends."""
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
