"""Which inputs the outputs depend on: what a source must bring in, of kinds that it brings in only on demand."""

from __future__ import annotations

from tests.translator.numbers import NUMBER, Reports, chosen, graph, parity


def test_wanted_are_the_inputs_that_outputs_depend_on() -> None:
    """An input that was looked for is wanted though it is not there; one that nobody looks at is not."""
    db = graph(which=1, idle=5)
    assert db.wanted(NUMBER) == frozenset()
    db.pin(chosen, ("which",), Reports().append)
    db.evaluate()
    assert db.wanted(NUMBER) == {"which", "left"}
    assert db.wanted("Other") == frozenset()


def test_what_is_not_read_any_more_is_not_wanted() -> None:
    """With the branch that an output takes, what is wanted changes; with the last output it ends."""
    db = graph(which=1)
    db.pin(chosen, ("which",), Reports().append)
    db.pin(parity, ("other",), Reports().append)
    db.evaluate()
    db.set(NUMBER, "which", 2)
    db.evaluate()
    assert db.wanted(NUMBER) == {"which", "right", "other"}
    db.unpin(chosen, ("which",))
    db.evaluate()
    assert db.wanted(NUMBER) == {"other"}
    db.unpin(parity, ("other",))
    db.evaluate()
    assert db.wanted(NUMBER) == frozenset()
