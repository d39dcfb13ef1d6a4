"""The database's indexes: derived listings that queries read by key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.translator.engine.numbers import NUMBER, Reports, positive, ran, signs
from translator.engine.database import Database
from translator.engine.query import CycleError, QueryError, index, query


@index(NUMBER)
def company(db: Database, name: str) -> Iterator[tuple[int, str]]:
    """File every number's name under how many positive ones there are: an index that reads another."""
    yield db.count(signs, "positive"), name


@index(NUMBER, "Word")
def initials(db: Database, name: str) -> Iterator[tuple[str, int]]:
    """File under each initial the length of the names of numbers and words: elements that repeat."""
    yield name[0], len(name)


@query
def how_many(db: Database) -> int:
    """Count a bucket."""
    return db.count(signs, "positive")


def indexed(**numbers: int) -> Database:
    """Return a database with indexes, the one that reads another listed first, which is the hard way round."""
    made = Database((company, signs, initials))
    for name, value in numbers.items():
        made.set(NUMBER, name, value)
    return made


def test_an_index_lists_in_order() -> None:
    """A bucket holds its elements in ascending order, whatever the order of the edits."""
    db = indexed(c=1, a=2, d=-1, b=3)
    assert db.select(signs, "positive") == ("a", "b", "c")
    assert db.select(signs, "negative") == ("d",)
    assert db.select(signs, "none") == ()
    assert [db.count(signs, each) for each in ("positive", "none")] == [3, 0]


def test_an_index_follows_edits() -> None:
    """Elements move between buckets, come and go."""
    db = indexed(a=1, b=2)
    assert positive(db) == ("a", "b")
    db.set(NUMBER, "a", -1)
    db.set(NUMBER, "c", 3)
    assert positive(db) == ("b", "c")
    db.set(NUMBER, "b", None)
    assert positive(db) == ("c",)
    assert db.select(signs, "negative") == ("a",)


def test_a_bucket_depends_on_its_members_only() -> None:
    """An input that stays in its bucket, or is indexed by another key, does not touch the bucket's readers."""
    db = indexed(a=1)
    positive(db)
    db.set(NUMBER, "a", 2)
    db.set(NUMBER, "z", -1)
    positive(db)
    assert ran(db, "positive") == [1]


def test_a_count_is_narrower_than_a_listing() -> None:
    """One that takes another's place changes what is listed, not how many there are."""
    db = indexed(a=1)
    assert (positive(db), how_many(db)) == (("a",), 1)
    db.set(NUMBER, "a", None)
    db.set(NUMBER, "b", 1)
    assert (positive(db), how_many(db)) == (("b",), 1)
    assert ran(db, "positive", "how_many") == [2, 1]


def test_an_index_may_read_another() -> None:
    """An index that was refreshed before the one that it reads is refreshed again."""
    db = indexed(a=1, b=2, c=-3)
    assert db.select(company, 2) == ("a", "b", "c")
    db.set(NUMBER, "c", 3)
    assert db.select(company, 2) == ()
    assert db.select(company, 3) == ("a", "b", "c")


def test_an_element_filed_twice_goes_with_the_last_of_those_who_filed_it() -> None:
    """A bucket lists an element once, and as long as any input files it."""
    db = indexed(aa=1, ab=1)
    db.set("Word", "ac", "x")
    assert db.select(initials, "a") == (2,)
    db.set(NUMBER, "aa", None)
    db.set("Word", "ac", None)
    assert db.select(initials, "a") == (2,)
    db.set(NUMBER, "ab", None)
    assert db.select(initials, "a") == ()


def test_a_key_of_two_domains_is_filed_while_either_has_it() -> None:
    """An index over several domains files a key until none of them has it."""
    db = indexed(ab=1)
    db.set("Word", "ab", "x")
    db.set(NUMBER, "ab", None)
    assert db.select(initials, "a") == (2,)
    db.set("Word", "ab", None)
    assert db.select(initials, "a") == ()


def test_an_index_that_raises_keeps_what_it_filed() -> None:
    """The entries of an input whose node raises stand in until it works again, and it is told meanwhile."""
    db = indexed(a=1, b=2)
    db.add_root(positive, (), Reports().append)
    db.evaluate()
    db.set(NUMBER, "a", 13)
    db.set(NUMBER, "b", -2)
    db.evaluate()
    assert positive(db) == ("a",)
    assert [each.label for each in db.failures] == ["signs(a)"]
    db.set(NUMBER, "a", -1)
    db.evaluate()
    assert (positive(db), db.failures) == ((), [])


def test_an_index_forgets_an_input_that_went() -> None:
    """What was remembered for node an input goes with it, a failure included."""
    db = indexed(a=1)
    db.evaluate()
    size = len(db)
    db.set(NUMBER, "b", 13)
    db.evaluate()
    assert len(db) > size
    assert len(db.failures) == 1
    db.set(NUMBER, "b", None)
    db.evaluate()
    assert len(db) == size
    assert db.failures == []


@index(NUMBER)
def contrary(db: Database, name: str) -> Iterator[tuple[str, str]]:
    """File under "lonely" what is not: an index that unsettles itself for ever."""
    if not db.count(contrary, "lonely"):
        yield "lonely", name


def test_indexes_that_never_settle_raise() -> None:
    """An index that turns itself stale again and again is taken for a cycle, and not followed for ever."""
    db = Database((contrary,))
    db.set(NUMBER, "a", 1)
    with pytest.raises(CycleError, match="without end"):
        db.evaluate()


class Thing:
    """The type of some collections' inputs."""


class Tool(Thing):
    """A type that derives from it."""


@index(Thing, "Word")
def by_initial(db: Database, name: str) -> Iterator[tuple[str, str]]:
    """File the names of things and words under their initials."""
    yield name[0], name


def test_an_index_over_a_type_is_over_all_collections_of_it() -> None:
    """A type stands for the collections of its objects, and of objects that derive from it; for no other."""
    db = Database((by_initial,), types={"Thing": Thing, "Tool": Tool, "Number": int})
    for collection, name in (("Thing", "hat"), ("Tool", "hammer"), ("Number", "hundred"), ("Word", "hello")):
        db.set(collection, name, object())
    assert db.select(by_initial, "h") == ("hammer", "hat", "hello")
    db.set("Tool", "hammer", None)
    assert db.select(by_initial, "h") == ("hat", "hello")


def test_an_index_over_a_type_is_incomplete_until_all_its_collections_are_synced() -> None:
    """While one of the collections is not listed, nobody knows what is missing."""
    db = Database((by_initial,), types={"Thing": Thing, "Tool": Tool})
    listed = query(lambda db: db.select(by_initial, "h"))
    db.set_synced("Tool", False)
    with pytest.raises(QueryError):
        listed(db)
    db.set_synced("Tool", True)
    assert listed(db) == ()
