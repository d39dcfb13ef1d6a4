"""When a client is in sync with its snapshot, and what the server does and keeps for it then."""

import pytest

from tests.xds.sample_resources import cluster, endpoints, listener, routes
from tests.xds.talk import Talk, settled
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


@both
def test_synced_means_that_the_whole_snapshot_is_accepted(delta: bool) -> None:
    """A client is synced once listeners, their routes, and the clusters are accepted, not before."""
    everything = [cluster("a", eds=False), routes("r", {"/": "a"}), listener("l", 80, "r")]
    talk = Talk(*everything, delta=delta)
    assert not talk.session.synced()
    for url, names in ((CLUSTER, ()), (LISTENER, ()), (ROUTE, ("r",))):
        talk.request(url, *names)
        talk.response(url)
        assert not talk.session.synced()
        talk.accept(url, *(names if not delta else ()))
    assert talk.session.synced()
    talk.publish(*everything[:2], listener("l", 81, "r"))
    assert not talk.session.synced()


@both
def test_a_client_that_never_answers_keeps_one_old_snapshot(delta: bool) -> None:
    """However many snapshots are published, only the resources sent to a client that never answers stay in memory."""
    talk = Talk(cluster("a"), delta=delta)
    talk.request(CLUSTER)
    talk.response()
    for timeout in range(2, 200):
        talk.publish(cluster("a", timeout=timeout), cluster(f"c{timeout}"))
        talk.response()
    substream = talk.session.substreams[CLUSTER]
    assert len(substream.dirty) <= 2 + 198
    [response] = substream.outstanding
    assert list(response.upserts) == ["a"]


@both
def test_a_client_in_sync_is_idle_until_something_changes_for_it(delta: bool) -> None:
    """Once it has accepted all, nothing is due, now or later, whatever changes of which it gets nothing."""
    talk = settled(cluster("a"), endpoints("a"), delta=delta)
    assert talk.session.idle()
    talk.publish(cluster("a"), endpoints("a"), endpoints("b"), routes("r", {"/": "a"}))
    assert talk.session.idle()
    assert talk.session.deadline() is None
    talk.publish(cluster("a"), endpoints("a", 2))
    assert not talk.session.idle()
    assert talk.response(ENDPOINT) == (["a"], [])
    talk.accept(ENDPOINT, *(() if delta else ("a",)))
    assert talk.session.idle()
    talk.request(ENDPOINT, *(("new",) if delta else ("a", "new")))
    assert not talk.session.idle()
