"""One stream, rule by rule, in the words of the "xDS REST and gRPC protocol"."""

import pytest

from tests.xds.sample_resources import cluster, endpoints
from tests.xds.talk import Talk
from xds.protocol.response_cache import ResponseCache
from xds.protocol.session import ProtocolError, Session
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, RUNTIME, SECRET

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


@both
def test_a_client_waits_for_a_snapshot(delta: bool) -> None:
    """Nothing is sent before there is a snapshot; then all requested resources are."""
    session = Session(delta=delta, clock=lambda: 0.0)
    talk = Talk(delta=delta)
    talk.session = session
    talk.request(CLUSTER)
    talk.request(ENDPOINT, "a")
    assert talk.response() is None
    session.update(Snapshot.of([cluster("a"), endpoints("a")]))
    assert talk.response(CLUSTER) == (["a"], [])
    assert talk.response(ENDPOINT) == (["a"], [])
    assert talk.response() is None


@both
def test_when_to_send_an_update(delta: bool) -> None:
    """The management server should only send updates when the resources have changed: an ACK has no response."""
    talk = Talk(cluster("a"), endpoints("b"), delta=delta)
    talk.request(CLUSTER)
    assert talk.response() == (["a"], [])
    talk.accept(CLUSTER)
    assert talk.response() is None
    talk.publish(cluster("a"), endpoints("b", 1))
    assert talk.response() is None
    talk.publish(cluster("a", timeout=2))
    assert talk.response() == (["a"], [])


@both
def test_each_response_has_its_own_nonce(delta: bool) -> None:
    """Clients with equal responses share bytes and nonce; a response repeated on a stream has another nonce."""
    cache = ResponseCache()
    one, two = (Talk(cluster("a"), delta=delta, cache=cache) for _ in range(2))
    nonces: list[str] = []
    for timeout in (1, 2, 1, 2):
        received = []
        for talk in (one, two):
            talk.publish(cluster("a", timeout=timeout))
            if not nonces:
                talk.request(CLUSTER)
            response = talk.session.next()
            assert response is not None
            received.append(response)
            talk.nonces[CLUSTER] = response.nonce
            assert talk.accept(CLUSTER) is not None
        assert (received[0].data is received[1].data) == (len(nonces) < 2)
        nonces.append(received[0].nonce)
    assert len(set(nonces)) == 4
    assert cache.made == 2


@both
def test_one_response_is_outstanding(delta: bool) -> None:
    """Changes during an outstanding response are sent together after its answer, in their newest version."""
    talk = Talk(cluster("a"), delta=delta)
    talk.request(CLUSTER)
    assert talk.response() == (["a"], [])
    for timeout in (2, 3):
        talk.publish(cluster("a", timeout=timeout), cluster("b"))
        assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response() == (["a", "b"], [])
    talk.accept(CLUSTER)
    assert talk.response() is None


@both
def test_a_client_that_never_answers_gets_the_newest_after_the_deadline(delta: bool) -> None:
    """An outstanding response delays the next one of its type only until the ACK deadline."""
    talk = Talk(cluster("a"), delta=delta)
    talk.request(CLUSTER)
    assert talk.response() == (["a"], [])
    assert talk.session.deadline() is None
    talk.publish(cluster("a"), cluster("b"))
    assert talk.response() is None
    talk.now = talk.session.deadline() or 0
    assert talk.now == 5.0
    assert talk.response() == (["b"], [])
    assert not talk.session.synced()
    talk.accept(CLUSTER)
    assert not talk.session.substreams[CLUSTER].unacked()


@both
def test_unrelated_types_do_not_wait_for_each_other(delta: bool) -> None:
    """Each type is a logical stream of its own: an outstanding response delays no other type."""
    talk = Talk(cluster("a"), endpoints("a"), delta=delta)
    talk.request(CLUSTER)
    talk.request(ENDPOINT, "a")
    assert talk.response(CLUSTER)
    assert talk.response(ENDPOINT)
    talk.accept(ENDPOINT, *(() if delta else ("a",)))
    talk.publish(cluster("a"), endpoints("a", 1))
    assert talk.response(ENDPOINT) == (["a"], [])


def test_a_stale_nonce_is_ignored_in_sotw() -> None:
    """The management server should not send a response for any request that has a stale nonce."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=False)
    talk.request(ENDPOINT, "a")
    talk.response()
    old = talk.nonces[ENDPOINT]
    talk.accept(ENDPOINT, "a")
    talk.publish(endpoints("a", 1), endpoints("b"))
    assert talk.response() == (["a"], [])
    assert talk.request(ENDPOINT, "a", "b", nonce=old) is None
    assert talk.response() is None
    assert talk.accept(ENDPOINT, "a", "b") is not None
    assert talk.response() == (["b"], [])


def test_a_name_dropped_and_requested_with_a_stale_nonce_is_resent_in_sotw() -> None:
    """A client that drops a name and requests it again, during an outstanding response, gets the resource again."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=False)
    talk.request(ENDPOINT, "a", "b")
    talk.response()
    old = talk.nonces[ENDPOINT]
    talk.accept(ENDPOINT, "a", "b")
    talk.publish(endpoints("a"), endpoints("b", 1))
    assert talk.response() == (["b"], [])
    for names in ("b", "ab"):
        assert talk.request(ENDPOINT, *names, nonce=old) is None
    assert talk.response() is None
    assert not talk.session.synced()
    assert talk.accept(ENDPOINT, "a", "b") is not None
    assert talk.response() == (["a"], [])


def test_a_removal_without_a_response_has_no_deadline_in_sotw() -> None:
    """After the removal delay of a resource whose removal cannot be sent, there is no deadline."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=False)
    talk.request(ENDPOINT, "a", "b")
    talk.response()
    talk.accept(ENDPOINT, "a", "b")
    talk.publish(endpoints("a"))
    assert talk.response() is None
    assert talk.session.deadline() == 1.0
    talk.now = 1.0
    assert talk.response() is None
    assert talk.session.deadline() is None


def test_a_stale_nonce_still_subscribes_in_delta() -> None:
    """The server must honor changes to the subscription even with a stale nonce, which is no ACK."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=True)
    talk.request(ENDPOINT, "a")
    talk.response()
    assert talk.request(ENDPOINT, "b", nonce="stale") is None
    assert not talk.session.synced()
    assert talk.response() == (["b"], [])
    assert talk.accept(ENDPOINT) is not None
    assert talk.response() is None


@both
def test_newly_requested_resources_are_resent(delta: bool) -> None:
    """The server must resend any newly requested resources, even if it previously sent them."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=delta)
    talk.request(ENDPOINT, "a", "b")
    assert talk.response() == (["a", "b"], [])
    talk.accept(ENDPOINT, *(() if delta else ("a", "b")))
    if delta:
        talk.request(ENDPOINT, drop=["b"])
        assert talk.response() is None
        talk.request(ENDPOINT, "b")
    else:
        talk.accept(ENDPOINT, "a")
        assert talk.response() is None
        talk.accept(ENDPOINT, "a", "b")
    assert talk.response() == (["b"], [])


def test_a_name_subscribed_again_is_sent_again_in_delta() -> None:
    """The client may have "forgotten" those resources despite apparently remaining subscribed."""
    talk = Talk(endpoints("a"), delta=True)
    talk.request(ENDPOINT, "a")
    talk.response()
    talk.accept(ENDPOINT)
    talk.request(ENDPOINT, "a")
    assert talk.response() == (["a"], [])


def test_a_resource_that_does_not_exist_is_removed_in_delta() -> None:
    """A subscribed name without a resource is in removed_resources; the resource is sent once it exists."""
    talk = Talk(endpoints("a"), delta=True)
    talk.request(ENDPOINT, "a", "none")
    assert talk.response() == (["a"], ["none"])
    talk.accept(ENDPOINT)
    assert talk.response() is None
    talk.publish(endpoints("a"), endpoints("none"))
    assert talk.response() == (["none"], [])


def test_a_resource_that_does_not_exist_is_not_answered_in_sotw() -> None:
    """SotW cannot report that a resource does not exist; it is sent once it exists."""
    talk = Talk(cluster("x"), delta=False)
    talk.request(ENDPOINT, "none")
    assert talk.response() is None
    talk.publish(endpoints("none"))
    assert talk.response() == (["none"], [])


def test_a_cluster_that_does_not_exist_is_answered_in_sotw() -> None:
    """LDS and CDS responses include all requested resources: the absence of a name is the answer."""
    talk = Talk(delta=False)
    for url in (CLUSTER, LISTENER):
        talk.request(url, "none")
        assert talk.response(url) == ([], ["none"])
    talk.accept(CLUSTER, "none")
    assert talk.response() is None


@both
def test_an_empty_wildcard_is_answered(delta: bool) -> None:
    """The first request for all listeners or clusters gets an empty response, so that a client can start."""
    talk = Talk(delta=delta)
    talk.request(CLUSTER)
    assert talk.response(CLUSTER) == ([], [])
    talk.accept(CLUSTER)
    assert talk.response() is None


def test_full_state_in_sotw() -> None:
    """LDS and CDS responses include all resources, those of other types only changed ones."""
    a, b = [cluster("a"), endpoints("a")], [cluster("b"), endpoints("b")]
    talk = Talk(*a, *b, delta=False)
    talk.request(CLUSTER)
    talk.request(ENDPOINT, "a", "b")
    talk.response(CLUSTER)
    talk.response(ENDPOINT)
    talk.accept(CLUSTER)
    talk.accept(ENDPOINT, "a", "b")
    talk.publish(*a, cluster("b", timeout=2), endpoints("b", 1))
    sent = {response.type_url: response for response in iter(talk.session.next, None)}
    assert (sent[CLUSTER].resources, sent[CLUSTER].changed) == (2, ("b",))
    assert (sent[ENDPOINT].resources, sent[ENDPOINT].changed) == (1, ("b",))


def test_deleting_resources_in_sotw() -> None:
    """A cluster absent from a response is deleted; removals of other types are not sent."""
    talk = Talk(cluster("a"), cluster("b"), endpoints("b"), delta=False)
    talk.request(CLUSTER)
    talk.request(ENDPOINT, "b")
    talk.response(CLUSTER)
    talk.response(ENDPOINT)
    talk.accept(CLUSTER)
    talk.accept(ENDPOINT, "b")
    talk.publish(cluster("a"))
    assert talk.response() is None
    talk.now += 1
    assert talk.response(CLUSTER) == ([], ["b"])
    talk.accept(CLUSTER)
    assert talk.response() is None
    talk.now += 1
    assert talk.response() is None
    assert not talk.session.substreams[ENDPOINT].dirty


def test_unsubscribing_by_name_under_a_wildcard() -> None:
    """The server must send the resource if the wildcard includes it, or report that it is removed if not."""
    talk = Talk(cluster("a"), delta=True)
    talk.request(CLUSTER, "*", "a", "none")
    assert talk.response() == (["a"], ["none"])
    talk.accept(CLUSTER)
    talk.request(CLUSTER, drop=["a", "none"])
    assert talk.response() == (["a"], ["none"])


@both
def test_after_unsubscribing_from_everything_nothing_is_sent(delta: bool) -> None:
    """A client that unsubscribed from its names, or its wildcard, gets no changes any more."""
    talk = Talk(endpoints("a"), delta=delta)
    talk.request(ENDPOINT, "a")
    talk.response()
    talk.accept(ENDPOINT, *(() if delta else ("a",)))
    talk.request(ENDPOINT, drop=["a"], nonce=talk.nonces[ENDPOINT])
    talk.publish(endpoints("a", 1))
    assert talk.response() is None
    assert talk.session.deadline() is None


@both
def test_error_detail_distinguishes_nacks_from_acks(delta: bool) -> None:
    """A request with error_detail is a NACK; its `Ack` has the time since the response and the error text."""
    talk = Talk(cluster("a"), delta=delta)
    talk.request(CLUSTER)
    talk.response()
    talk.now = 2.0
    answer = talk.reject(CLUSTER, error="a is bad")
    assert answer == (CLUSTER, 2.0, "a is bad", None)
    talk.publish(cluster("a", timeout=2))
    talk.response()
    answer = talk.accept(CLUSTER)
    assert answer == (CLUSTER, 0.0, None, 0.0)
    assert talk.accept(CLUSTER) is None


@both
def test_the_node_and_type_of_later_requests_may_be_left_out_on_a_stream_by_type(delta: bool) -> None:
    """A stream of one type needs no type URL; an aggregated one does, and another type is an error."""
    talk = Talk(endpoints("a"), delta=delta, type_url=ENDPOINT)
    talk.request("", "a")
    assert talk.response(ENDPOINT) == (["a"], [])
    with pytest.raises(ProtocolError, match=r"Cluster on a stream of .*ClusterLoadAssignment"):
        talk.request(CLUSTER)
    with pytest.raises(ProtocolError, match="must name its resource type"):
        Talk(delta=delta).request("")


@both
def test_subscriptions_are_bounded(delta: bool) -> None:
    """Too many names in a request, too many subscribed names, and too many types are errors with a message."""
    talk = Talk(delta=delta, max_names=3)
    with pytest.raises(ProtocolError, match="4 resource names in one subscription; at most 3"):
        talk.request(ENDPOINT, "a", "b", "c", "d")
    if delta:
        talk.request(ENDPOINT, "a", "b")
        with pytest.raises(ProtocolError, match="4 resource names"):
            talk.request(ENDPOINT, "c", "d")
        with pytest.raises(ProtocolError, match="4 resource names"):
            Talk(delta=True, max_names=3).request(ENDPOINT, had=dict.fromkeys("abcd", "1"))
    for number in range(63):
        talk.request(f"type.googleapis.com/x{number}", "a")
    with pytest.raises(ProtocolError, match="more than 64 resource types"):
        talk.request("type.googleapis.com/one-too-many", "a")


@both
def test_an_unknown_type_is_no_error(delta: bool) -> None:
    """A subscription to an unknown type is answered like one to an unknown name."""
    talk = Talk(cluster("a"), delta=delta)
    talk.request(RUNTIME, "layer")
    talk.request("type.googleapis.com/unknown", "x")
    assert talk.response() == (([], ["layer"]) if delta else None)


def test_secrets_are_sent_when_requested() -> None:
    """A type that waits for no other is sent at once, even while clusters are not accepted."""
    talk = Talk(cluster("a", secret="s"), delta=True)
    talk.request(CLUSTER)
    talk.response()
    talk.request(SECRET, "s")
    assert talk.response(SECRET) == ([], ["s"])
