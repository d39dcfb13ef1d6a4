"""Membership and sharded records, of any size and order. With an API server: test_exchange_e2e.py."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from watchers.peers.membership import EXPIRY_SECONDS, RENEWAL_SECONDS, Membership, Shard
from watchers.peers.shards import MAX_SHARD_BYTES, MAX_SHARDS, ShardedRecords, decode

keys = st.text("abc/", min_size=1, max_size=4)
words = st.one_of(st.none(), st.integers(0, 9), st.text('xyz"é', max_size=9))
puts = st.lists(st.tuples(keys, words), max_size=60)


class Speaker:
    """Says its words in objects, one at a time, as a replica does."""

    def __init__(self, name: str, held: ShardedRecords) -> None:
        self.name = name
        self.held = held

    def write(self, hearing: Membership, most: int) -> set[str]:
        """Write some of the parts that have changed; gives the keys that are heard to have changed."""
        changed: set[str] = set()
        for number in self.held.next_shards[:most]:
            self.held.dirty.discard(number)
            part = Shard(self.name, number, self.held.count, decode(self.held.body(number)), "1")
            changed |= hearing.update(f"{self.name}-{number}", part, 0.0)
        return changed


def said(held: ShardedRecords) -> dict[str, Any]:
    """All that is in the parts."""
    return {key: word for number in range(held.count) for key, word in decode(held.body(number)).items()}


@given(puts)
def test_all_that_is_put_is_said(given_words: list[tuple[str, Any]]) -> None:
    """Put together, the parts say the last word of each key, and no part is longer than may be."""
    held = ShardedRecords(max_bytes=64)
    for key, word in given_words:
        held.put(key, word)
    assert said(held) == {key: word for key, word in dict(given_words).items() if word is not None}
    assert all(len(held.body(number).encode()) <= 64 for number in range(held.count))


@given(puts, st.data())
def test_only_what_changes_is_said_again(given_words: list[tuple[str, Any]], data: st.DataObject) -> None:
    """A part that is not marked says the same as when it was said."""
    held = ShardedRecords(max_bytes=64)
    last: dict[int, str] = {}
    for key, word in given_words:
        held.put(key, word)
        for number in range(held.count):
            if number in held.dirty:
                if data.draw(st.booleans()):
                    held.dirty.discard(number)
                    last[number] = held.body(number)
            else:
                assert held.body(number) == last[number]


def test_what_is_said_again_is_not_written_again() -> None:
    """The same word of a key once more is no news."""
    held = ShardedRecords()
    held.put("a", [1])
    held.dirty.clear()
    held.put("a", [1])
    held.put("b", None)
    assert held.dirty == set()


def test_a_hundred_thousand_gateways() -> None:
    """So many are said without loss, in parts that the API server takes, and one that changes is one part."""
    held = ShardedRecords()
    for number in range(100_000):
        held.put(f"namespace-{number % 100}/gateway-{number}", [1, True, []])
    assert not held.is_truncated
    assert held.count <= MAX_SHARDS
    assert len(said(held)) == 100_000
    assert max(len(held.body(number)) for number in range(held.count)) <= MAX_SHARD_BYTES
    held.dirty.clear()
    held.put("namespace-0/gateway-0", [1, False, []])
    assert len(held.dirty) == 1


def test_more_than_all_parts_hold_loses_the_longest_words_only() -> None:
    """Beyond all bounds what is short is said still; once there is room again all of it is."""
    held = ShardedRecords(max_bytes=100, max_shards=2)
    for number in range(10):
        held.put(f"short {number}", number)
    for number in range(9):
        held.put(f"long {number}", "x" * 50)
    assert held.is_truncated
    found = said(held)
    assert {f"short {number}" for number in range(10)} <= found.keys()
    assert all(len(held.body(number)) <= 100 for number in range(held.count))
    for number in range(9):
        held.put(f"long {number}", None)
    assert said(held) == {f"short {number}": number for number in range(10)}


def test_a_word_that_fits_nowhere_is_not_said() -> None:
    """It takes no other with it, and makes no more parts."""
    held = ShardedRecords(max_bytes=100)
    held.put("a", 1)
    held.put("b", "x" * 200)
    assert (said(held), held.count, held.is_truncated) == ({"a": 1}, 1, False)
    held.put("b", 2)
    held.put("b", "x" * 200)
    assert said(held) == {"a": 1}


@example(
    [("B", "a", "x" * 9, 1), ("B", "aa", 0, 0), ("B", "a/", "x" * 8 + '"', 0), ("B", "ab", 0, 0), ("B", "a", None, 0)]
)
@given(st.lists(st.tuples(st.sampled_from("AB"), keys, words, st.integers(0, 2)), max_size=80))
def test_what_is_said_is_heard(steps: list[tuple[str, str, Any, int]]) -> None:
    """Whoever takes each part as it comes hears in the end what is said, and is told of every key that changed."""
    hearing = Membership("me")
    speakers = {name: Speaker(name, ShardedRecords(max_bytes=48)) for name in "AB"}
    wanted: dict[str, dict[str, Any]] = {name: {} for name in "AB"}
    known: dict[str, list[Any]] = {}

    def listen(changed: set[str]) -> None:
        every = {key for each in wanted.values() for key in each}
        now = {key: sorted(map(str, hearing.records(key))) for key in every}
        assert {key for key in every if now[key] != known.get(key, [])} <= changed
        known.update(now)

    for name, key, word, most in steps:
        wanted[name][key] = word
        speakers[name].held.put(key, word)
        listen(speakers[name].write(hearing, most))
    for each in speakers.values():
        while each.held.dirty:
            listen(each.write(hearing, 1))
    for key, heard in known.items():
        assert heard == sorted(str(each[key]) for each in wanted.values() if each.get(key) is not None)


@given(st.lists(keys, unique=True, min_size=1, max_size=40), st.randoms())
def test_no_word_is_missed_while_there_become_more_parts(names: list[str], order: random.Random) -> None:
    """What was heard once is heard on, whatever has been written of the new parts."""
    hearing, held = Membership("me"), ShardedRecords(max_bytes=10_000)
    speaker = Speaker("A", held)
    for key in names:
        held.put(key, 1)
    speaker.write(hearing, MAX_SHARDS)
    held.put("more", "x" * 9_000)
    held.put("still more", "x" * 9_000)
    while held.dirty:
        speaker.write(hearing, 1)
        assert [list(hearing.records(key)) for key in order.sample(names, len(names))] == [[1]] * len(names)
    assert held.count > 1


def part(speaker: str, said: Mapping[str, Any]) -> Shard:
    """All that a replica says, in one part."""
    return Shard(speaker, 0, 1, said, "7")


def test_a_replica_does_not_hear_itself() -> None:
    """What this one says is not about what others say."""
    hearing = Membership("me")
    assert hearing.update("m", part("me", {"a": 1}), 0.0) == set()
    assert list(hearing.records("a")) == []


def test_who_is_silent_for_long_is_gone() -> None:
    """Its words count no more, and its objects are to be deleted; as soon as it is heard again it counts again."""
    hearing = Membership("me")
    hearing.update("o", part("other", {"a": 1}), 0.0)
    now = 0.0
    while now < EXPIRY_SECONDS:
        assert list(hearing.records("a")) == [1]
        assert hearing.expired() == {}
        hearing.update("m", part("me", {}), now)
        now += RENEWAL_SECONDS
    hearing.update("m", part("me", {}), now)
    assert list(hearing.records("a")) == []
    assert hearing.expired() == {"o": part("other", {"a": 1})}
    hearing.update("o", part("other", {"a": 2}), now)
    assert (list(hearing.records("a")), hearing.expired()) == ([2], {})


def test_nobody_is_gone_because_the_api_server_was_away() -> None:
    """However long this one heard nothing, its own words included: the others have as much time as ever after that."""
    hearing = Membership("me")
    hearing.update("m", part("me", {}), 0.0)
    hearing.update("o", part("other", {"a": 1}), 0.0)
    hearing.update("m", part("me", {}), 1000.0)
    hearing.update("m", part("me", {}), 1000.0 + RENEWAL_SECONDS)
    assert (list(hearing.records("a")), hearing.expired()) == ([1], {})


def test_who_takes_back_what_it_said_is_forgotten_at_once() -> None:
    """An object that is deleted says nothing any more."""
    hearing = Membership("me")
    hearing.update("o", part("other", {"a": 1}), 0.0)
    assert hearing.update("o", None, 0.0) == {"a"}
    assert hearing.update("never there", None, 0.0) == set()
    assert list(hearing.records("a")) == []


def test_words_of_another_version_do_no_harm() -> None:
    """What is no object of words is as if nothing were said."""
    for text in ("", "[1]", "{", "1", orjson.dumps({"a": 1}).decode()):
        assert dict(decode(text)) == ({"a": 1} if text.startswith('{"') else {})
