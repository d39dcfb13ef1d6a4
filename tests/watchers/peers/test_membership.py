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
values = st.one_of(st.none(), st.integers(0, 9), st.text('xyz"é', max_size=9))
puts = st.lists(st.tuples(keys, values), max_size=60)


class PublishingPeer:
    """A replica that writes its dirty shards one by one."""

    def __init__(self, name: str, records: ShardedRecords) -> None:
        self.name = name
        self.records = records

    def write(self, membership: Membership, most: int) -> set[str]:
        """Write some of the dirty shards; return the keys whose records changed for a reader."""
        changed: set[str] = set()
        for number in self.records.next_shards[:most]:
            self.records.dirty.discard(number)
            shard = Shard(self.name, number, self.records.count, decode(self.records.body(number)), "1")
            changed |= membership.update(f"{self.name}-{number}", shard, 0.0)
        return changed


def published(records: ShardedRecords) -> dict[str, Any]:
    """Return all records in the shards."""
    return {key: record for number in range(records.count) for key, record in decode(records.body(number)).items()}


@given(puts)
def test_all_records_are_published(given_records: list[tuple[str, Any]]) -> None:
    """Together, the shards contain the last record of each key, and no shard is too long."""
    records = ShardedRecords(max_bytes=64)
    for key, record in given_records:
        records.put(key, record)
    assert published(records) == {key: record for key, record in dict(given_records).items() if record is not None}
    assert all(len(records.body(number).encode()) <= 64 for number in range(records.count))


@given(puts, st.data())
def test_only_dirty_shards_change(given_records: list[tuple[str, Any]], data: st.DataObject) -> None:
    """A shard that is not dirty has not changed since it was written."""
    records = ShardedRecords(max_bytes=64)
    last: dict[int, str] = {}
    for key, record in given_records:
        records.put(key, record)
        for number in range(records.count):
            if number in records.dirty:
                if data.draw(st.booleans()):
                    records.dirty.discard(number)
                    last[number] = records.body(number)
            else:
                assert records.body(number) == last[number]


def test_an_equal_record_is_not_written_again() -> None:
    """An equal record of a key makes no shard dirty."""
    records = ShardedRecords()
    records.put("a", [1])
    records.dirty.clear()
    records.put("a", [1])
    records.put("b", None)
    assert records.dirty == set()


def test_a_hundred_thousand_gateways() -> None:
    """That many records are published without loss, in shards that the API server accepts; a change is one shard."""
    records = ShardedRecords()
    for number in range(100_000):
        records.put(f"namespace-{number % 100}/gateway-{number}", [1, True, []])
    assert not records.is_truncated
    assert records.count <= MAX_SHARDS
    assert len(published(records)) == 100_000
    assert max(len(records.body(number)) for number in range(records.count)) <= MAX_SHARD_BYTES
    records.dirty.clear()
    records.put("namespace-0/gateway-0", [1, False, []])
    assert len(records.dirty) == 1


def test_above_the_limits_only_the_longest_records_are_left_out() -> None:
    """Above all limits, short records are still published; once there is room again, all are."""
    records = ShardedRecords(max_bytes=100, max_shards=2)
    for number in range(10):
        records.put(f"short {number}", number)
    for number in range(9):
        records.put(f"long {number}", "x" * 50)
    assert records.is_truncated
    found = published(records)
    assert {f"short {number}" for number in range(10)} <= found.keys()
    assert all(len(records.body(number)) <= 100 for number in range(records.count))
    for number in range(9):
        records.put(f"long {number}", None)
    assert published(records) == {f"short {number}": number for number in range(10)}


def test_a_too_long_record_is_left_out() -> None:
    """A record that is longer than a shard affects no other, and adds no shards."""
    records = ShardedRecords(max_bytes=100)
    records.put("a", 1)
    records.put("b", "x" * 200)
    assert (published(records), records.count, records.is_truncated) == ({"a": 1}, 1, False)
    records.put("b", 2)
    records.put("b", "x" * 200)
    assert published(records) == {"a": 1}


@example(
    [("B", "a", "x" * 9, 1), ("B", "aa", 0, 0), ("B", "a/", "x" * 8 + '"', 0), ("B", "ab", 0, 0), ("B", "a", None, 0)]
)
@given(st.lists(st.tuples(st.sampled_from("AB"), keys, values, st.integers(0, 2)), max_size=80))
def test_published_records_are_received(steps: list[tuple[str, str, Any, int]]) -> None:
    """A reader that receives the shards in order ends with all records, and is notified of every changed key."""
    membership = Membership("me")
    replicas = {name: PublishingPeer(name, ShardedRecords(max_bytes=48)) for name in "AB"}
    wanted: dict[str, dict[str, Any]] = {name: {} for name in "AB"}
    known: dict[str, list[Any]] = {}

    def listen(changed: set[str]) -> None:
        every = {key for each in wanted.values() for key in each}
        now = {key: sorted(map(str, membership.records(key))) for key in every}
        assert {key for key in every if now[key] != known.get(key, [])} <= changed
        known.update(now)

    for name, key, record, most in steps:
        wanted[name][key] = record
        replicas[name].records.put(key, record)
        listen(replicas[name].write(membership, most))
    for each in replicas.values():
        while each.records.dirty:
            listen(each.write(membership, 1))
    for key, received in known.items():
        assert received == sorted(str(each[key]) for each in wanted.values() if each.get(key) is not None)


@given(st.lists(keys, unique=True, min_size=1, max_size=40), st.randoms())
def test_no_record_is_lost_while_shards_are_doubled(names: list[str], order: random.Random) -> None:
    """A received record stays known, whichever of the new shards were written."""
    membership, records = Membership("me"), ShardedRecords(max_bytes=10_000)
    replica = PublishingPeer("A", records)
    for key in names:
        records.put(key, 1)
    replica.write(membership, MAX_SHARDS)
    records.put("more", "x" * 9_000)
    records.put("still more", "x" * 9_000)
    while records.dirty:
        replica.write(membership, 1)
        assert [list(membership.records(key)) for key in order.sample(names, len(names))] == [[1]] * len(names)
    assert records.count > 1


def shard(replica: str, published: Mapping[str, Any]) -> Shard:
    """Return the only shard of a replica."""
    return Shard(replica, 0, 1, published, "7")


def test_a_replica_ignores_its_own_records() -> None:
    """The records of this replica are not those of others."""
    membership = Membership("me")
    assert membership.update("m", shard("me", {"a": 1}), 0.0) == set()
    assert list(membership.records("a")) == []


def test_a_replica_without_heartbeat_expires() -> None:
    """Its records are dropped, and its Leases are to be deleted; with its next heartbeat it counts again."""
    membership = Membership("me")
    membership.update("o", shard("other", {"a": 1}), 0.0)
    now = 0.0
    while now < EXPIRY_SECONDS:
        assert list(membership.records("a")) == [1]
        assert membership.expired() == {}
        membership.update("m", shard("me", {}), now)
        now += RENEWAL_SECONDS
    membership.update("m", shard("me", {}), now)
    assert list(membership.records("a")) == []
    assert membership.expired() == {"o": shard("other", {"a": 1})}
    membership.update("o", shard("other", {"a": 2}), now)
    assert (list(membership.records("a")), membership.expired()) == ([2], {})


def test_no_replica_expires_without_own_heartbeats() -> None:
    """Time without own heartbeats does not count: other replicas then still have the full time."""
    membership = Membership("me")
    membership.update("m", shard("me", {}), 0.0)
    membership.update("o", shard("other", {"a": 1}), 0.0)
    membership.update("m", shard("me", {}), 1000.0)
    membership.update("m", shard("me", {}), 1000.0 + RENEWAL_SECONDS)
    assert (list(membership.records("a")), membership.expired()) == ([1], {})


def test_a_deleted_lease_removes_its_records() -> None:
    """A deleted Lease has no records any more."""
    membership = Membership("me")
    membership.update("o", shard("other", {"a": 1}), 0.0)
    assert membership.update("o", None, 0.0) == {"a"}
    assert membership.update("never there", None, 0.0) == set()
    assert list(membership.records("a")) == []


def test_invalid_records_are_ignored() -> None:
    """A shard that is not a JSON object counts as empty."""
    for text in ("", "[1]", "{", "1", orjson.dumps({"a": 1}).decode()):
        assert dict(decode(text)) == ({"a": 1} if text.startswith('{"') else {})
