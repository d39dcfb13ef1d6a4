"""Resources that a reconnecting client reports (`initial_resource_versions`) are not resent."""

from tests.xds.sample_resources import cluster, endpoints, listener, routes
from tests.xds.talk import Talk
from xds.protocol.session import Session
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER


def test_initial_resource_versions() -> None:
    """On reconnection, equal resources are not sent, missing ones are removed, and different ones are sent."""
    kept, changed = cluster("kept"), cluster("changed")
    talk = Talk(kept, changed, cluster("new"), delta=True)
    talk.request(CLUSTER, "*", had={"kept": kept.version, "changed": "old", "gone": "old"})
    assert talk.response() == (["changed", "new"], [])
    talk.accept(CLUSTER)
    assert talk.response() is None
    talk.now += 1
    assert talk.response() == ([], ["gone"])


def test_initial_resource_versions_of_later_requests_are_ignored() -> None:
    """Only the first request of a stream reports versions; a later one does not prevent a response."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=True)
    talk.request(ENDPOINT, "a")
    talk.response()
    talk.accept(ENDPOINT)
    talk.request(ENDPOINT, "b", had={"b": endpoints("b").version})
    assert talk.response() == (["b"], [])


def test_initial_resource_versions_before_the_first_snapshot() -> None:
    """A client that reconnects before there is a snapshot does not get equal resources later."""
    session = Session(delta=True, clock=lambda: 0.0)
    talk = Talk(delta=True)
    talk.session = session
    talk.request(CLUSTER, had={"a": cluster("a").version})
    session.update(Snapshot.of([cluster("a"), cluster("b")]))
    assert talk.response() == (["b"], [])


def test_an_up_to_date_client_is_sent_nothing() -> None:
    """A reconnected client with all resources gets no message, and counts as synced."""
    everything = [cluster("a"), endpoints("a"), routes("r", {"/": "a"}), listener("l", 80, "r")]
    talk = Talk(*everything, delta=True)
    for each in everything:
        wildcard = each.type_url in (CLUSTER, LISTENER)
        talk.request(each.type_url, *(() if wildcard else (each.name,)), had={each.name: each.version})
    assert talk.response() is None
    assert talk.session.synced()
