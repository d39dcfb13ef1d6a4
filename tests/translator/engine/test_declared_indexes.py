"""Indexes are found where they are declared, in the order in which they read each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.translator.test_index_bugs import CLUSTER, population
from translator.engine.database import Database
from translator.engine.query import declared_in, index
from translator.registry import KINDS
from translator.translator import Translator


def test_a_package_s_indexes_are_those_that_its_modules_declare() -> None:
    """The indexes of one package do not get into another, whose name may begin like it."""

    @index("Number")
    def mine(_db: Database, name: str) -> Iterator[tuple[str, str]]:
        yield name, name

    assert mine in declared_in("tests")
    assert mine in declared_in(__name__)
    assert mine not in declared_in("translator")
    assert not declared_in("translato")
    assert set(declared_in("translator.gateway")) < set(declared_in("translator"))


def test_an_index_that_nobody_holds_is_forgotten() -> None:
    """Programs that come and go, as those of tests do, leave nothing behind in the registry."""

    def made(number: int) -> None:
        @index("Number")
        def each(_db: Database, name: str) -> Iterator[tuple[str, int]]:
            yield name, number

        assert each in declared_in(__name__)

    before = len(declared_in(__name__))
    made(1)
    made(2)
    assert len(declared_in(__name__)) == before


def test_an_index_comes_after_those_that_it_reads() -> None:
    """So no index of the translator is brought up to date twice because another one was stale."""
    translator = Translator(CLUSTER)
    translator.edit(population(CLUSTER))
    translator.evaluate()
    database = translator._db
    order = {each.name: place for place, each in enumerate(declared_in("translator"))}
    pairs = set[tuple[str, str]]()
    for each in declared_in("translator"):
        over = tuple(name for name in each.collections if not isinstance(name, str))
        types = (kind for kind, model in KINDS.items() if issubclass(model, over))
        for collection in (*types, *(name for name in each.collections if isinstance(name, str))):
            for key in database.inputs(collection):
                found = database.trace(each.entries, (key,))
                lines = "\n".join(found.lines()) if found is not None else ""
                pairs |= {(read, each.name) for read in re.findall(r"^ *(?:select|count) (\w+)\(", lines, re.M)}
    assert ("grants", "backends") in pairs
    assert [(read, name) for read, name in pairs if order[read] >= order[name]] == []
