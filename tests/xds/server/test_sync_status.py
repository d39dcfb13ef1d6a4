"""The sync status of a snapshot among many clients, at the cost of those that answer."""

from unittest.mock import patch

import pytest

from headgate.security.authority import KeyPair
from tests.xds.sample_resources import certificate, cluster, https_listener, listener, routes
from tests.xds.talk import Talk
from xds.protocol.nacks import NackState
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, LISTENER, ROUTE, SECRET
from xds.server.groups import MAX_NACKS, Member, SnapshotGroup

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


def rejecting(group: SnapshotGroup, bad: int) -> Talk:
    """Return a client that has rejected a number of clusters of the group's snapshot."""
    talk = Talk(delta=True)
    talk.session.update(group.snapshot or Snapshot())
    group.add(talk.session, Member(lambda: None, lambda _: None))
    talk.request(CLUSTER)
    talk.response(CLUSTER)
    talk.reject(CLUSTER)
    while talk.response(CLUSTER) is not None:
        talk.reject(CLUSTER)
    group.note(talk.session)
    assert len(talk.session.nacks()) == bad
    return talk


def test_an_answer_costs_its_client_s_nacks() -> None:
    """The cost of an answer depends only on that client's NACKs, not on those of others."""
    bad, clients = 20, 30
    group = SnapshotGroup(lambda: None)
    group.publish(Snapshot.of(cluster(f"c{number}", eds=False) for number in range(bad)))
    talks = [rejecting(group, bad) for _ in range(clients)]
    sync_status = group.sync_status()
    assert sync_status is not None
    assert (sync_status.clients, sync_status.acked, sync_status.synced) == (clients, clients, 0)
    assert len(sync_status.nacks) == bad
    looked = 0
    plain = NackState.__hash__

    def counted(nack: NackState) -> int:
        nonlocal looked
        looked += 1
        return plain(nack)

    with patch.object(NackState, "__hash__", counted):
        talks[0].session.retry(CLUSTER, ["c0"])
        group.note(talks[0].session)
        assert group.sync_status() is not None
    assert 0 < looked <= 6 * bad
    for talk in talks:
        group.discard(talk.session)
    after = group.sync_status()
    assert after is not None
    assert (after.nacks, after.acked) == ((), 0)


def test_the_most_frequent_nacks_are_listed() -> None:
    """Of many NACKs, those of the most clients are listed."""
    group = SnapshotGroup(lambda: None)
    names = [f"c{number:03}" for number in range(MAX_NACKS + 1)]
    group.publish(Snapshot.of(cluster(name, eds=False) for name in names))
    talks = [rejecting(group, len(names)) for _ in range(2)]
    talks[0].session.retry(CLUSTER, ["c000"])
    group.note(talks[0].session)
    sync_status = group.sync_status()
    assert sync_status is not None
    assert len(sync_status.nacks) == MAX_NACKS
    assert "c000" not in {each.nack.name for each in sync_status.nacks}


@both
def test_a_listener_counts_with_its_requested_resources(delta: bool) -> None:
    """A client that accepted a listener but has not requested its certificate yet has not answered all."""
    pair = KeyPair(b"certificate", b"key")
    resources = [https_listener("l", 443, "r", "own"), routes("r", {}), certificate("own", pair)]
    talk = Talk(*resources, delta=delta)
    for url, names in ((CLUSTER, []), (LISTENER, []), (ROUTE, ["r"])):
        talk.request(url, *names)
        talk.response(url)
        talk.accept(url, *(() if delta else names))
    assert not talk.session.acked()
    talk.request(SECRET, "own")
    assert not talk.session.acked()
    talk.response(SECRET)
    talk.accept(SECRET, *(() if delta else ["own"]))
    assert talk.session.acked()
    assert talk.session.synced()


@both
def test_a_rejected_listener_needs_no_requests(delta: bool) -> None:
    """A NACK in force counts as an answer, although Envoy requests nothing for the rejected listener."""
    talk = Talk(listener("l", 80, "r"), routes("r", {}), delta=delta)
    talk.request(CLUSTER)
    while talk.response() is not None:
        talk.accept(CLUSTER)
    talk.request(LISTENER)
    talk.response(LISTENER)
    talk.reject(LISTENER)
    assert talk.session.acked()
    assert not talk.session.synced()
