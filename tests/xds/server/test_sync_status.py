"""The sync status of a snapshot among many clients, at the cost of those that answered."""

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


def refusing(group: SnapshotGroup, bad: int) -> Talk:
    """Return a client that has refused so many clusters of the group's snapshot."""
    talk = Talk(delta=True)
    talk.session.update(group.snapshot or Snapshot())
    group.add(talk.session, Member(lambda: None, lambda _: None))
    talk.ask(CLUSTER)
    talk.hear(CLUSTER)
    talk.reject(CLUSTER)
    while talk.hear(CLUSTER) is not None:
        talk.reject(CLUSTER)
    group.note(talk.session)
    assert len(talk.session.nacks()) == bad
    return talk


def test_an_answer_costs_what_its_client_refuses() -> None:
    """However many clients refuse how much, what is looked at for one answer is what that one client refuses."""
    bad, clients = 20, 30
    group = SnapshotGroup(lambda: None)
    group.publish(Snapshot.of(cluster(f"c{number}", eds=False) for number in range(bad)))
    talks = [refusing(group, bad) for _ in range(clients)]
    sync_status = group.sync_status()
    assert sync_status is not None
    assert (sync_status.clients, sync_status.acked, sync_status.synced) == (clients, clients, 0)
    assert len(sync_status.nacks) == bad
    looked = 0
    plain = NackState.__hash__

    def counted(refusal: NackState) -> int:
        nonlocal looked
        looked += 1
        return plain(refusal)

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


def test_what_most_refuse_is_listed() -> None:
    """The NACKs of the most clients are listed of many."""
    group = SnapshotGroup(lambda: None)
    names = [f"c{number:03}" for number in range(MAX_NACKS + 1)]
    group.publish(Snapshot.of(cluster(name, eds=False) for name in names))
    talks = [refusing(group, len(names)) for _ in range(2)]
    talks[0].session.retry(CLUSTER, ["c000"])
    group.note(talks[0].session)
    sync_status = group.sync_status()
    assert sync_status is not None
    assert len(sync_status.nacks) == MAX_NACKS
    assert "c000" not in {each.nack.name for each in sync_status.nacks}


@both
def test_a_listener_counts_with_what_it_asks_for(delta: bool) -> None:
    """A client that has accepted a listener and did not yet ask for its certificate has not answered all."""
    pair = KeyPair(b"certificate", b"key")
    resources = [https_listener("l", 443, "r", "own"), routes("r", {}), certificate("own", pair)]
    talk = Talk(*resources, delta=delta)
    for url, names in ((CLUSTER, []), (LISTENER, []), (ROUTE, ["r"])):
        talk.ask(url, *names)
        talk.hear(url)
        talk.accept(url, *(() if delta else names))
    assert not talk.session.acked()
    talk.ask(SECRET, "own")
    assert not talk.session.acked()
    talk.hear(SECRET)
    talk.accept(SECRET, *(() if delta else ["own"]))
    assert talk.session.acked()
    assert talk.session.synced()


@both
def test_a_refused_listener_asks_for_nothing(delta: bool) -> None:
    """A NACK that stands counts as an answer, though nothing that the resource refers to is then requested."""
    talk = Talk(listener("l", 80, "r"), routes("r", {}), delta=delta)
    talk.ask(CLUSTER)
    while talk.hear() is not None:
        talk.accept(CLUSTER)
    talk.ask(LISTENER)
    talk.hear(LISTENER)
    talk.reject(LISTENER)
    assert talk.session.acked()
    assert not talk.session.synced()
