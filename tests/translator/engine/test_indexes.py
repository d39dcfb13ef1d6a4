"""Indexes: derived multimaps that queries read by key."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

import pytest

from tests.translator.engine.numbers import NUMBER, Reports, number, positive, ran, signs
from translator.engine.database import Database
from translator.engine.query import CycleError, QueryError, index, query


@index(NUMBER)
def company(db: Database, name: str) -> Iterator[tuple[int, str]]:
    """Index every number's name by the count of positive ones: an index that reads another."""
    yield db.count(signs, "positive"), name


@index(NUMBER, "Word")
def initials(db: Database, name: str) -> Iterator[tuple[str, int]]:
    """Index the lengths of names of numbers and words by initial: elements that repeat."""
    yield name[0], len(name)


@index(NUMBER)
def tens(db: Database, name: str) -> Iterator[tuple[int, str]]:
    """Index numbers by their tens, and read nothing but the input; 13 raises, and 0 has no entry."""
    value = db.input(NUMBER, name)
    if value == 13:
        raise ValueError("unlucky")
    if value:
        yield value // 10, name


@query
def ambiguous(db: Database) -> bool:
    """Return whether a bucket has several elements."""
    return db.has_several(signs, "positive")


@query
def how_many(db: Database) -> int:
    """Return the count of a bucket."""
    return db.count(signs, "positive")


def indexed(**numbers: int) -> Database:
    """Return a database with indexes in an unfavourable order: one that reads another comes first."""
    made = Database((company, signs, initials))
    for name, value in numbers.items():
        made.set(NUMBER, name, value)
    return made


def test_buckets_are_sorted() -> None:
    """A bucket has its elements in ascending order, whatever the order of the edits."""
    db = indexed(c=1, a=2, d=-1, b=3)
    assert db.select(signs, "positive") == ("a", "b", "c")
    assert db.select(signs, "negative") == ("d",)
    assert db.select(signs, "none") == ()
    assert [db.count(signs, each) for each in ("positive", "none")] == [3, 0]


def test_an_index_follows_edits() -> None:
    """Elements are added to, moved between and removed from buckets."""
    db = indexed(a=1, b=2)
    assert positive(db) == ("a", "b")
    db.set(NUMBER, "a", -1)
    db.set(NUMBER, "c", 3)
    assert positive(db) == ("b", "c")
    db.set(NUMBER, "b", None)
    assert positive(db) == ("c",)
    assert db.select(signs, "negative") == ("a",)


def test_a_bucket_depends_on_its_members_only() -> None:
    """An input that stays in its bucket, or has another key, does not invalidate the bucket's readers."""
    db = indexed(a=1)
    positive(db)
    db.set(NUMBER, "a", 2)
    db.set(NUMBER, "z", -1)
    positive(db)
    assert ran(db, "positive") == [1]


def test_a_count_is_narrower_than_a_listing() -> None:
    """An element that replaces another changes the elements, not their count."""
    db = indexed(a=1)
    assert (positive(db), how_many(db)) == (("a",), 1)
    db.set(NUMBER, "a", None)
    db.set(NUMBER, "b", 1)
    assert (positive(db), how_many(db)) == (("b",), 1)
    assert ran(db, "positive", "how_many") == [2, 1]


def test_whether_there_are_several_is_narrower_than_their_count() -> None:
    """Only the second element of a bucket changes whether it has several."""
    db = indexed(a=1)
    found = [ambiguous(db)]
    for name, value in (("b", 2), ("c", 3), ("a", None), ("b", None)):
        db.set(NUMBER, name, value)
        found.append(ambiguous(db))
    assert found == [False, True, True, True, False]
    assert ran(db, "ambiguous") == [3]


def test_entries_that_read_only_their_input_have_no_memo() -> None:
    """They follow it all the same, and execute once for each change of it."""
    db = Database([tens])
    for value, name in enumerate("abcdef"):
        db.set(NUMBER, name, value)
    db.evaluate()
    assert len(db) == 0
    assert db.select(tens, 0) == ("b", "c", "d", "e", "f")
    db.set(NUMBER, "b", 20)
    db.set(NUMBER, "c", 2)
    db.set(NUMBER, "d", None)
    db.evaluate()
    assert [db.select(tens, each) for each in range(3)] == [("c", "e", "f"), (), ("b",)]
    assert ran(db, "tens") == [7]
    assert len(db) == 0


def test_entries_without_a_memo_stay_while_their_index_fails() -> None:
    """The last entries of an input stay until its index recovers, whether it has a memo meanwhile or not."""
    db = Database([tens])
    db.set(NUMBER, "a", 20)
    db.set(NUMBER, "b", 0)
    db.evaluate()
    db.set(NUMBER, "a", 13)
    db.set(NUMBER, "b", 13)
    db.evaluate()
    assert sorted(each.label for each in db.failures) == ["tens(a)", "tens(b)"]
    assert [db.select(tens, each) for each in range(3)] == [(), (), ("a",)]
    db.set(NUMBER, "a", 10)
    db.set(NUMBER, "b", 11)
    db.evaluate()
    assert (db.failures, db.select(tens, 1), len(db)) == ([], ("a", "b"), 0)


def test_an_index_may_read_another() -> None:
    """An index that was refreshed before the one that it reads is refreshed again."""
    db = indexed(a=1, b=2, c=-3)
    assert db.select(company, 2) == ("a", "b", "c")
    db.set(NUMBER, "c", 3)
    assert db.select(company, 2) == ()
    assert db.select(company, 3) == ("a", "b", "c")


def test_an_element_of_several_inputs_stays_until_the_last_one_is_removed() -> None:
    """A bucket lists an element once, while at least one input contributes it."""
    db = indexed(aa=1, ab=1)
    db.set("Word", "ac", "x")
    assert db.select(initials, "a") == (2,)
    db.set(NUMBER, "aa", None)
    db.set("Word", "ac", None)
    assert db.select(initials, "a") == (2,)
    db.set(NUMBER, "ab", None)
    assert db.select(initials, "a") == ()


def test_a_key_in_two_collections_is_indexed_while_either_has_it() -> None:
    """An index over several collections has entries of a key until none of them has it."""
    db = indexed(ab=1)
    db.set("Word", "ab", "x")
    db.set(NUMBER, "ab", None)
    assert db.select(initials, "a") == (2,)
    db.set("Word", "ab", None)
    assert db.select(initials, "a") == ()


def test_a_failing_index_keeps_its_entries() -> None:
    """The entries of an input whose function raises stay until it recovers; the failure is reported."""
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


def test_an_index_drops_a_removed_input() -> None:
    """The memos for an input are removed with it, including a failure."""
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
    """Yield an entry exactly if there is none: an index that never settles."""
    if not db.count(contrary, "lonely"):
        yield "lonely", name


def test_indexes_that_never_settle_raise() -> None:
    """An index that invalidates itself endlessly raises, as a cycle does."""
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
    """Index the names of things and words by initial."""
    yield name[0], name


def test_an_index_over_a_type_is_over_all_collections_of_it() -> None:
    """A type stands for the collections of its objects, and of objects of derived types, and for no other."""
    db = Database((by_initial,), types={"Thing": Thing, "Tool": Tool, "Number": int})
    for collection, name in (("Thing", "hat"), ("Tool", "hammer"), ("Number", "hundred"), ("Word", "hello")):
        db.set(collection, name, object())
    assert db.select(by_initial, "h") == ("hammer", "hat", "hello")
    db.set("Tool", "hammer", None)
    assert db.select(by_initial, "h") == ("hat", "hello")


def test_an_index_over_a_type_is_incomplete_until_all_its_collections_are_synced() -> None:
    """While one of its collections is not synced, the index is incomplete."""
    db = Database((by_initial,), types={"Thing": Thing, "Tool": Tool})
    listed = query(lambda db: db.select(by_initial, "h"))
    db.set_synced("Tool", False)
    with pytest.raises(QueryError):
        listed(db)
    db.set_synced("Tool", True)
    assert listed(db) == ()


@index(NUMBER, partitions=lambda _, name: (name[0],), partition_of=itemgetter(0))
def divided(db: Database, name: str) -> Iterator[tuple[tuple[str, int], str]]:
    """Index the names of numbers by their initial and the number that they are divided by, which may not be synced."""
    yield (name[0], number(db, name) // db.input("Divisor", name)), name


def test_a_partition_may_become_incomplete_again() -> None:
    """Further inputs of a partition that was found incomplete leave it so, whatever its keys are made of."""
    db = Database((divided,))
    read = query(lambda db, initial: db.select(divided, (initial, 2)))
    db.set_synced("Divisor", False)
    db.set(NUMBER, "one", 2)
    for _ in range(2):
        with pytest.raises(QueryError, match="NotSyncedError: divided"):
            read(db, "o")
        assert read(db, "a") == ()
        db.set(NUMBER, "other", 4)
    for name, divisor in (("one", 1), ("other", 2)):
        db.set("Divisor", name, divisor)
    assert read(db, "o") == ("one", "other")
