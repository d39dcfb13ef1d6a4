"""NACKs are stored across reconnections, and delay no other resources."""

import pytest

from tests.xds.sample_resources import cluster, endpoints, listener, routes
from tests.xds.talk import Talk
from xds.protocol.nacks import NackHistory
from xds.resources.types import CLUSTER, LISTENER, ROUTE

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


def reconnected(nack_history: NackHistory, *, delta: bool, bad: int = 2, node: str = "envoy-1") -> Talk:
    """Return a new stream of a client, for a snapshot in which the cluster b is bad."""
    talk = Talk(cluster("a"), cluster("b", timeout=bad), cluster("c"), delta=delta)
    talk.session.client_nacks = nack_history.of("gateway", node)
    return talk


def reject_b(talk: Talk) -> None:
    """Reject b, identified by the error text, and accept all others."""
    talk.request(CLUSTER)
    while (received := talk.response()) is not None:
        if "b" in received[0]:
            talk.reject(CLUSTER, error="b is bad")
        else:
            talk.accept(CLUSTER)


@both
def test_a_version_rejected_before_is_sent_last_and_alone(delta: bool) -> None:
    """On a new stream of the client, the good resources are sent in one response, then the bad one."""
    nack_history = NackHistory()
    reject_b(reconnected(nack_history, delta=delta))
    talk = reconnected(nack_history, delta=delta)
    talk.request(CLUSTER)
    assert talk.response() == (["a", "c"], [])
    talk.accept(CLUSTER)
    assert talk.response() == (["b"], [])
    talk.reject(CLUSTER, error="no")
    assert talk.response() is None
    assert [each.names for each in talk.session.nack_groups()] == [("b",)]


@both
def test_other_clients_and_versions_are_not_affected(delta: bool) -> None:
    """A resource that one client rejected is sent to others with the rest; so is another version of it."""
    nack_history = NackHistory()
    reject_b(reconnected(nack_history, delta=delta))
    for talk in (reconnected(nack_history, delta=delta, node="envoy-2"), reconnected(nack_history, delta=delta, bad=3)):
        talk.request(CLUSTER)
        assert talk.response() == (["a", "b", "c"], [])


@both
def test_an_ack_removes_a_nack_from_the_history(delta: bool) -> None:
    """A resource that a client accepts after a NACK, as after a restart, is sent with the rest from then on."""
    nack_history = NackHistory()
    reject_b(reconnected(nack_history, delta=delta))
    talk = reconnected(nack_history, delta=delta)
    talk.settle(CLUSTER)
    assert not talk.session.nack_groups()
    assert len(nack_history) == 0


@both
def test_a_rejected_version_published_again_is_sent_alone(delta: bool) -> None:
    """On the same stream, too, a version rejected before does not affect others when it is published again."""
    talk = Talk(cluster("a"), cluster("b"), delta=delta)
    talk.settle(CLUSTER)
    talk.publish(cluster("a"), cluster("b", timeout=2))
    talk.response()
    talk.reject(CLUSTER)
    talk.publish(cluster("a"), cluster("b"))
    assert talk.response() is None
    talk.publish(cluster("a", timeout=3), cluster("b", timeout=2))
    assert talk.response() == (["a"], [])
    talk.accept(CLUSTER)
    assert talk.response() == (["b"], [])


def test_a_full_response_contains_resources_of_a_reconnected_client() -> None:
    """A full response to a client with unknown resources contains a rejected one, too, which would else be deleted."""
    nack_history = NackHistory()
    reject_b(reconnected(nack_history, delta=False))
    talk = reconnected(nack_history, delta=False)
    talk.request(CLUSTER, version="of another server")
    assert talk.response() == (["a", "b", "c"], [])


@both
def test_a_cluster_rejected_before_delays_only_its_routes(delta: bool) -> None:
    """Routes to accepted clusters are sent while a cluster rejected before is outstanding."""
    nack_history = NackHistory()
    reject_b(reconnected(nack_history, delta=delta))
    talk = reconnected(nack_history, delta=delta)
    clusters = [cluster("a"), cluster("b", timeout=2), cluster("c")]
    talk.publish(*clusters, endpoints("a"), routes("r", {"/": "a"}), listener("l", 80, "r"))
    for url, names in ((CLUSTER, ()), (LISTENER, ()), (ROUTE, ("r",))):
        talk.request(url, *names)
    assert talk.response(CLUSTER) == (["a", "c"], [])
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(CLUSTER) == (["b"], [])
    assert talk.response(ROUTE) == (["r"], [])
    talk.accept(ROUTE, *(() if delta else ("r",)))
    assert talk.response(LISTENER) == (["l"], [])


def test_the_history_is_bounded() -> None:
    """The history stores a client's newest NACKs, and the clients with the newest NACKs."""
    nack_history = NackHistory(max_clients=2, max_names=3)
    clients = [nack_history.of("gateway", str(number)) for number in range(4)]
    for client in clients:
        for number in range(10):
            client.add(cluster(f"c{number}"))
    assert len(nack_history) == 2
    assert [bool(each) for each in clients] == [False, False, True, True]
    assert cluster("c9") in clients[3]
    assert cluster("c0") not in clients[3]
    assert cluster("c9", timeout=2) not in clients[3]


def test_the_oldest_nack_is_dropped_first() -> None:
    """A client or resource with another NACK counts as the newest in the history."""
    nack_history = NackHistory(max_clients=2, max_names=2)
    one, two, three = (nack_history.of("gateway", each) for each in ("one", "two", "three"))
    one.add(cluster("a"))
    two.add(cluster("a"))
    one.add(cluster("b"))
    one.add(cluster("a", timeout=2))
    one.add(cluster("c"))
    assert [cluster("a", timeout=2) in one, cluster("b") in one, cluster("c") in one] == [True, False, True]
    three.add(cluster("a"))
    assert [bool(each) for each in (one, two, three)] == [True, False, True]
