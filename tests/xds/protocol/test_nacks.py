"""Rejected resources are remembered when the client reconnects, and delay no others."""

import pytest

from tests.xds.sample_resources import cluster, endpoints, listener, routes
from tests.xds.talk import Talk
from xds.protocol.nacks import NackHistory
from xds.resources.types import CLUSTER, LISTENER, ROUTE

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


def comes_back(nack_history: NackHistory, *, delta: bool, bad: int = 2, node: str = "envoy-1") -> Talk:
    """Return a new stream of a client, for a snapshot in which the cluster b is bad."""
    talk = Talk(cluster("a"), cluster("b", timeout=bad), cluster("c"), delta=delta)
    talk.session.client_nacks = nack_history.of("gateway", node)
    return talk


def refuse(talk: Talk) -> None:
    """Refuses b, by name, and takes all else."""
    talk.ask(CLUSTER)
    while (heard := talk.hear()) is not None:
        if "b" in heard[0]:
            talk.reject(CLUSTER, error="b is bad")
        else:
            talk.accept(CLUSTER)


@both
def test_a_version_refused_before_comes_last_and_alone(delta: bool) -> None:
    """On a new stream of the same client the good ones come in one response, then once more the bad one."""
    nack_history = NackHistory()
    refuse(comes_back(nack_history, delta=delta))
    talk = comes_back(nack_history, delta=delta)
    talk.ask(CLUSTER)
    assert talk.hear() == (["a", "c"], [])
    talk.accept(CLUSTER)
    assert talk.hear() == (["b"], [])
    talk.reject(CLUSTER, error="no")
    assert talk.hear() is None
    assert [each.names for each in talk.session.nack_groups()] == [("b",)]


@both
def test_another_client_or_another_version_is_not_suspected(delta: bool) -> None:
    """A resource that one client rejected is sent to others with all else; so is a version that it did not reject."""
    nack_history = NackHistory()
    refuse(comes_back(nack_history, delta=delta))
    for talk in (comes_back(nack_history, delta=delta, node="envoy-2"), comes_back(nack_history, delta=delta, bad=3)):
        talk.ask(CLUSTER)
        assert talk.hear() == (["a", "b", "c"], [])


@both
def test_what_is_taken_after_all_is_suspected_no_more(delta: bool) -> None:
    """A client that takes what it refused, as after a restart, is sent it like all else from then on."""
    nack_history = NackHistory()
    refuse(comes_back(nack_history, delta=delta))
    talk = comes_back(nack_history, delta=delta)
    talk.settle(CLUSTER)
    assert not talk.session.nack_groups()
    assert len(nack_history) == 0


@both
def test_a_refused_version_that_is_published_again_comes_apart(delta: bool) -> None:
    """On one stream too, a version refused before does not take others down with it when it returns."""
    talk = Talk(cluster("a"), cluster("b"), delta=delta)
    talk.settle(CLUSTER)
    talk.publish(cluster("a"), cluster("b", timeout=2))
    talk.hear()
    talk.reject(CLUSTER)
    talk.publish(cluster("a"), cluster("b"))
    assert talk.hear() is None
    talk.publish(cluster("a", timeout=3), cluster("b", timeout=2))
    assert talk.hear() == (["a"], [])
    talk.accept(CLUSTER)
    assert talk.hear() == (["b"], [])


def test_a_full_response_keeps_what_a_returning_client_may_hold() -> None:
    """A full response to a client with unknown resources holds a rejected one, too: without, it would be deleted."""
    nack_history = NackHistory()
    refuse(comes_back(nack_history, delta=False))
    talk = comes_back(nack_history, delta=False)
    talk.ask(CLUSTER, version="of another server")
    assert talk.hear() == (["a", "b", "c"], [])


@both
def test_a_suspected_cluster_holds_up_only_its_own_routes(delta: bool) -> None:
    """Routes to clusters that were taken are sent while the suspected one is tried."""
    nack_history = NackHistory()
    refuse(comes_back(nack_history, delta=delta))
    talk = comes_back(nack_history, delta=delta)
    clusters = [cluster("a"), cluster("b", timeout=2), cluster("c")]
    talk.publish(*clusters, endpoints("a"), routes("r", {"/": "a"}), listener("l", 80, "r"))
    for url, names in ((CLUSTER, ()), (LISTENER, ()), (ROUTE, ("r",))):
        talk.ask(url, *names)
    assert talk.hear(CLUSTER) == (["a", "c"], [])
    assert talk.hear() is None
    talk.accept(CLUSTER)
    assert talk.hear(CLUSTER) == (["b"], [])
    assert talk.hear(ROUTE) == (["r"], [])
    talk.accept(ROUTE, *(() if delta else ("r",)))
    assert talk.hear(LISTENER) == (["l"], [])


def test_memory_is_bounded() -> None:
    """The history keeps a client's newest NACKs, and the clients with the newest NACKs."""
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


def test_what_was_refused_last_is_kept_longest() -> None:
    """A client or resource with another NACK counts as new in the history."""
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
