"""Resources that a reconnecting client lists (`initial_resource_versions`) are not sent to it again."""

from tests.xds.sample_resources import cluster, endpoints, listener, routes
from tests.xds.talk import Talk
from xds.protocol.session import Session
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER


def test_initial_resource_versions() -> None:
    """On reconnect what the client has is not sent, what is gone is removed, what differs is sent."""
    kept, changed = cluster("kept"), cluster("changed")
    talk = Talk(kept, changed, cluster("new"), delta=True)
    talk.ask(CLUSTER, "*", had={"kept": kept.version, "changed": "old", "gone": "old"})
    assert talk.hear() == (["changed", "new"], [])
    talk.accept(CLUSTER)
    assert talk.hear() is None
    talk.now += 1
    assert talk.hear() == ([], ["gone"])


def test_initial_resource_versions_of_later_requests_are_ignored() -> None:
    """Versions are said in the first request of a stream only: what is claimed later is sent nevertheless."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=True)
    talk.ask(ENDPOINT, "a")
    talk.hear()
    talk.accept(ENDPOINT)
    talk.ask(ENDPOINT, "b", had={"b": endpoints("b").version})
    assert talk.hear() == (["b"], [])


def test_initial_resource_versions_are_kept_until_there_is_a_snapshot() -> None:
    """A client that reconnects before there is a snapshot is still not sent what it has."""
    session = Session(delta=True, clock=lambda: 0.0)
    talk = Talk(delta=True)
    talk.session = session
    talk.ask(CLUSTER, had={"a": cluster("a").version})
    session.update(Snapshot.of([cluster("a"), cluster("b")]))
    assert talk.hear() == (["b"], [])


def test_an_up_to_date_client_is_sent_nothing() -> None:
    """A reconnected client that has everything costs no message, and counts as synced."""
    everything = [cluster("a"), endpoints("a"), routes("r", {"/": "a"}), listener("l", 80, "r")]
    talk = Talk(*everything, delta=True)
    for each in everything:
        wildcard = each.type_url in (CLUSTER, LISTENER)
        talk.ask(each.type_url, *(() if wildcard else (each.name,)), had={each.name: each.version})
    assert talk.hear() is None
    assert talk.session.synced()
