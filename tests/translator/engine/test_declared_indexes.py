"""Declared indexes are found by package, in the order in which they read each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.translator.test_index_bugs import CLUSTER, population
from translator.engine.database import Database
from translator.engine.query import declared_in, index
from translator.registry import KINDS
from translator.translator import Translator


def test_declared_indexes_of_a_package() -> None:
    """A package's indexes are those of its modules, not those of a package whose name has the same prefix."""

    @index("Number")
    def mine(_db: Database, name: str) -> Iterator[tuple[str, str]]:
        yield name, name

    assert mine in declared_in("tests")
    assert mine in declared_in(__name__)
    assert mine not in declared_in("translator")
    assert not declared_in("translato")
    assert set(declared_in("translator.gateway")) < set(declared_in("translator"))


def test_an_unreferenced_index_is_not_declared() -> None:
    """An index that is garbage-collected, as those of tests are, leaves the registry."""

    def made(number: int) -> None:
        @index("Number")
        def each(_db: Database, name: str) -> Iterator[tuple[str, int]]:
            yield name, number

        assert each in declared_in(__name__)

    before = len(declared_in(__name__))
    made(1)
    made(2)
    assert len(declared_in(__name__)) == before


def test_an_index_follows_the_indexes_that_it_reads() -> None:
    """No index of the translator is refreshed twice because another one was stale."""
    translator = Translator(CLUSTER)
    translator.edit(population(CLUSTER))
    translator.evaluate()
    database = translator._db
    order = {each.name: place for place, each in enumerate(declared_in("translator"))}
    pairs = set[tuple[str, str]]()
    for each in declared_in("translator"):
        for collection in (kind for kind, model in KINDS.items() if each.is_over(kind, model)):
            for key in database.inputs(collection):
                found = database.trace(each.entries, (key,))
                lines = "\n".join(found.lines()) if found is not None else ""
                pairs |= {(read, each.name) for read in re.findall(r"^ *(?:select|count) (\w+)\(", lines, re.M)}
    assert ("grants", "backends") in pairs
    assert [(read, name) for read, name in pairs if order[read] >= order[name]] == []
