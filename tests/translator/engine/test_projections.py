"""Indexes that declare what of an input their entries depend on."""

from __future__ import annotations

from collections.abc import Iterator

from translator.engine.database import Database
from translator.engine.query import index, query


def _letters(found: str | None) -> str | None:
    """Return the letters of a text in upper case; None without any."""
    return "".join(each for each in found or "" if each.isupper()) or None


@index("Text", projection=_letters)
def by_letter(db: Database, name: str) -> Iterator[tuple[str, str]]:
    """File texts under their letters in upper case."""
    for each in _letters(db.input("Text", name)) or "":
        yield each, name


@query
def texts(db: Database, letter: str) -> tuple[str, ...]:
    """Return the texts with a letter."""
    return db.select(by_letter, letter)


def test_only_a_change_of_the_projection_runs_an_index() -> None:
    """An input whose projection stays does not run the index; one whose projection changes does, and one can go."""
    db = Database([by_letter])
    values: list[object] = []
    db.add_root(texts, ("A",), lambda memo: values.append(memo.value))

    def runs(text: str | None) -> int:
        before = db.executions["by_letter"]
        db.set("Text", "one", text)
        db.evaluate()
        return db.executions["by_letter"] - before

    assert [runs("plain"), runs("plainer"), runs("A"), runs("A and more"), runs("AB"), runs("none"), runs("A")] == [
        *(0, 0, 1, 0, 1, 1, 1),
    ]
    assert values == [(), ("one",), (), ("one",)]
    assert runs(None) == 0
    assert values[-1] == ()
