"""Records of sync status: encoding, decoding, and aggregation over replicas."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.world import edit, gateway
from headgate.controlplane.sync_records import (
    MOST_CHARACTERS,
    MOST_NACKS,
    MOST_ROUTES,
    MOST_RULES,
    aggregate,
    decode,
    encode,
)
from translator.inputs import AffectedRoute, AttributedNack, GatewaySyncStatus, Settings, StillServed
from translator.refs import Ref
from translator.translator import Translator
from watchers.peers.shards import MAX_SHARD_BYTES
from xds.protocol.nacks import Nack

GATEWAY = Ref("Gateway", "shop", "web")

texts = st.text(max_size=9)
routes = st.builds(
    AffectedRoute,
    st.builds(Ref, texts, texts, texts),
    st.lists(texts, max_size=MOST_RULES).map(tuple),
    st.sampled_from(StillServed),
    st.integers(0, 9),
)
nacks = st.builds(
    AttributedNack,
    st.builds(Nack, texts, texts, st.text(max_size=99)),
    st.lists(routes, max_size=MOST_ROUTES).map(tuple),
)
statuses = st.builds(
    GatewaySyncStatus,
    st.integers(1, 9),
    st.booleans(),
    st.lists(nacks, max_size=MOST_NACKS).map(tuple),
    snapshot=texts,
)


@given(statuses)
def test_published_records_are_received(status: GatewaySyncStatus) -> None:
    """Another replica decodes exactly the encoded sync status, through JSON."""
    assert decode(orjson.loads(orjson.dumps(encode(status)))) == status


def test_gateways_without_proxies_have_no_record() -> None:
    """A replica without proxies of a Gateway has no record of it."""
    assert encode(GatewaySyncStatus()) is None


def test_records_are_bounded() -> None:
    """Records are bounded, however many NACKs there are and however long their messages."""
    route = Ref("HTTPRoute", "n" * 63, "r" * 253)
    concerned = (AffectedRoute(route, ("x" * 253,) * 99, StillServed.NOTHING),) * 99
    many = tuple(AttributedNack(Nack("type", str(number), "x" * 9999), concerned) for number in range(99))
    decoded = decode(record := encode(GatewaySyncStatus(1, False, many)))
    assert len(decoded.nacks) == MOST_NACKS
    assert {len(each.nack.message) for each in decoded.nacks} == {MOST_CHARACTERS}
    assert {len(each.routes) for each in decoded.nacks} == {MOST_ROUTES}
    assert len(orjson.dumps(record)) < MAX_SHARD_BYTES


def test_records_keep_their_form() -> None:
    """The form of a record is stable, so that replicas of two versions understand each other during a rollout."""
    effect = AffectedRoute(Ref("HTTPRoute", "shop", "cart"), ("0", "pay"), StillServed.OTHER_RULES, 7)
    status = GatewaySyncStatus(
        2, True, (AttributedNack(Nack("type.googleapis.com/C", "cart", "no"), (effect,)),), snapshot="v1"
    )
    record = (
        b'["v1",2,true,[["type.googleapis.com/C","cart","no",'
        b'[["HTTPRoute","shop","cart",["0","pay"],"other rules",7]]]]]'
    )
    assert orjson.dumps(encode(status)) == record
    assert decode(orjson.loads(record)) == status


STRANGE = ["a", "b", "c", [1, ["HTTPRoute", "n", "r", [], "something new", 0]]]


@pytest.mark.parametrize(
    "record", [None, 1, [1], ["1", True, []], {}, ["v", 1, True, [1, ["a"]]], ["v", 1, True, [STRANGE]]]
)
def test_unknown_records_are_ignored(record: object) -> None:
    """A record of an unknown form decodes to an empty sync status."""
    known = [GatewaySyncStatus(1, True, found, snapshot="v") for found in ((), (AttributedNack(Nack("a", "b", "c")),))]
    assert decode(record) in (GatewaySyncStatus(), *known)


def test_records_without_a_snapshot_acknowledge_nothing() -> None:
    """Proxies in a record without a snapshot are counted, and have not acknowledged the current one."""
    decoded = decode([3, True, []])
    assert decoded == GatewaySyncStatus(3, snapshot="")
    assert not aggregate([GatewaySyncStatus(1, True, snapshot="v"), decoded]).all_acked


def test_a_snapshot_is_acknowledged_if_all_replicas_say_so() -> None:
    """Proxies are added up; a replica without all ACKs makes the Gateway pending; one without proxies is ignored."""
    assert aggregate(
        [GatewaySyncStatus(2, True), GatewaySyncStatus(1, True), GatewaySyncStatus()]
    ) == GatewaySyncStatus(3, True)
    assert aggregate([GatewaySyncStatus(2, True), GatewaySyncStatus(1, False)]) == GatewaySyncStatus(3, False)
    assert aggregate([]) == GatewaySyncStatus()


def test_only_equal_snapshots_add_up() -> None:
    """ACKs of another snapshot do not count, whichever is newer."""
    one, other = GatewaySyncStatus(1, True, snapshot="one"), GatewaySyncStatus(2, True, snapshot="other")
    assert aggregate([one, one]) == GatewaySyncStatus(2, True, snapshot="one")
    assert aggregate([one, other]) == aggregate([other, one]) == GatewaySyncStatus(3, False, snapshot="")
    assert aggregate([one, GatewaySyncStatus()]) == one


def test_equal_nacks_of_replicas_are_one() -> None:
    """The same NACK of proxies of two replicas is one, although one of the messages is cut."""
    here = GatewaySyncStatus(1, True, (AttributedNack(Nack("type", "name", "no" * MOST_CHARACTERS)),))
    there = decode(encode(here))
    assert aggregate([here, there]).nacks == there.nacks


def test_a_hanging_replica_makes_no_gateway_programmed() -> None:
    """A Gateway is not programmed while the proxies of one replica have not got the current snapshot."""
    leader, other = Translator(Settings()), Translator(Settings())
    for each in (leader, other):
        each.edit([edit(gateway())])
        each.evaluate()
    both = [leader, other]
    leader.set_sync_status(GATEWAY, _added_up(both))
    leader.evaluate()
    assert _programmed(leader) == "True"
    leader.edit([edit(gateway(port=8081))])  # the other replica hangs
    leader.evaluate()
    leader.set_sync_status(GATEWAY, _added_up(both))
    leader.evaluate()
    assert leader.acknowledged.awaiting == {GATEWAY}
    leader.acknowledged.overdue(GATEWAY)
    leader.evaluate()
    assert _programmed(leader) == "False"
    other.edit([edit(gateway(port=8081))])
    other.evaluate()
    leader.set_sync_status(GATEWAY, _added_up(both))
    leader.evaluate()
    assert _programmed(leader) == "True"


def _added_up(replicas: list[Translator]) -> GatewaySyncStatus:
    """Return the aggregated sync status of replicas, whose proxies acknowledged their own replica's snapshot."""
    own, *others = (GatewaySyncStatus(1, True, snapshot=each.snapshots[GATEWAY].version) for each in replicas)
    return aggregate([own, *(decode(orjson.loads(orjson.dumps(encode(each)))) for each in others)])


def _programmed(translator: Translator) -> str:
    conditions = translator.statuses[GATEWAY]["conditions"]
    return next(str(each["status"]) for each in conditions if each["type"] == "Programmed")
