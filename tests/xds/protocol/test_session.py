"""One stream, rule by rule; each test is named after the rule of the "xDS REST and gRPC protocol" that it holds."""

import pytest

from tests.xds.sample_resources import cluster, endpoints, listener, routes
from tests.xds.talk import Talk
from xds.protocol.response_cache import ResponseCache
from xds.protocol.session import ProtocolError, Session
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, RUNTIME, SECRET

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


@both
def test_a_client_waits_for_a_snapshot(delta: bool) -> None:
    """Nothing is sent before there is a snapshot; then all that was asked for."""
    session = Session(delta=delta, clock=lambda: 0.0)
    talk = Talk(delta=delta)
    talk.session = session
    talk.ask(CLUSTER)
    talk.ask(ENDPOINT, "a")
    assert talk.hear() is None
    session.update(Snapshot.of([cluster("a"), endpoints("a")]))
    assert talk.hear(CLUSTER) == (["a"], [])
    assert talk.hear(ENDPOINT) == (["a"], [])
    assert talk.hear() is None


@both
def test_when_to_send_an_update(delta: bool) -> None:
    """The management server should only send updates when the resources have changed: an ACK is not answered."""
    talk = Talk(cluster("a"), endpoints("b"), delta=delta)
    talk.ask(CLUSTER)
    assert talk.hear() == (["a"], [])
    talk.accept(CLUSTER)
    assert talk.hear() is None
    talk.publish(cluster("a"), endpoints("b", 1))
    assert talk.hear() is None
    talk.publish(cluster("a", timeout=2))
    assert talk.hear() == (["a"], [])


@both
def test_each_response_has_its_own_nonce(delta: bool) -> None:
    """Clients that are sent the same share its bytes and nonce; what a stream is sent again has another nonce."""
    cache = ResponseCache()
    one, two = (Talk(cluster("a"), delta=delta, cache=cache) for _ in range(2))
    nonces: list[str] = []
    for timeout in (1, 2, 1, 2):
        heard = []
        for talk in (one, two):
            talk.publish(cluster("a", timeout=timeout))
            if not nonces:
                talk.ask(CLUSTER)
            response = talk.session.next()
            assert response is not None
            heard.append(response)
            talk.nonces[CLUSTER] = response.nonce
            assert talk.accept(CLUSTER) is not None
        assert (heard[0].data is heard[1].data) == (len(nonces) < 2)
        nonces.append(heard[0].nonce)
    assert len(set(nonces)) == 4
    assert cache.made == 2


@both
def test_one_response_is_outstanding(delta: bool) -> None:
    """Changes that come while a response is unanswered are sent together after the answer, and only the newest."""
    talk = Talk(cluster("a"), delta=delta)
    talk.ask(CLUSTER)
    assert talk.hear() == (["a"], [])
    for timeout in (2, 3):
        talk.publish(cluster("a", timeout=timeout), cluster("b"))
        assert talk.hear() is None
    talk.accept(CLUSTER)
    assert talk.hear() == (["a", "b"], [])
    talk.accept(CLUSTER)
    assert talk.hear() is None


@both
def test_a_client_that_never_answers_is_told_the_newest_after_a_deadline(delta: bool) -> None:
    """A response that is not answered holds back the next of its type for the deadline, not for ever."""
    talk = Talk(cluster("a"), delta=delta)
    talk.ask(CLUSTER)
    assert talk.hear() == (["a"], [])
    assert talk.session.deadline() is None
    talk.publish(cluster("a"), cluster("b"))
    assert talk.hear() is None
    talk.now = talk.session.deadline() or 0
    assert talk.now == 5.0
    assert talk.hear() == (["b"], [])
    assert not talk.session.synced()
    talk.accept(CLUSTER)
    assert not talk.session.substreams[CLUSTER].unacked()


@both
def test_unrelated_types_do_not_wait_for_each_other(delta: bool) -> None:
    """Each type is a logical stream of its own: an unanswered one holds back no other."""
    talk = Talk(cluster("a"), endpoints("a"), delta=delta)
    talk.ask(CLUSTER)
    talk.ask(ENDPOINT, "a")
    assert talk.hear(CLUSTER)
    assert talk.hear(ENDPOINT)
    talk.accept(ENDPOINT, *(() if delta else ("a",)))
    talk.publish(cluster("a"), endpoints("a", 1))
    assert talk.hear(ENDPOINT) == (["a"], [])


def test_a_stale_nonce_is_ignored_in_sotw() -> None:
    """The management server should not send a response for any request that has a stale nonce."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=False)
    talk.ask(ENDPOINT, "a")
    talk.hear()
    old = talk.nonces[ENDPOINT]
    talk.accept(ENDPOINT, "a")
    talk.publish(endpoints("a", 1), endpoints("b"))
    assert talk.hear() == (["a"], [])
    assert talk.ask(ENDPOINT, "a", "b", nonce=old) is None
    assert talk.hear() is None
    assert talk.accept(ENDPOINT, "a", "b") is not None
    assert talk.hear() == (["b"], [])


def test_what_is_dropped_and_asked_for_with_a_stale_nonce_is_resent_in_sotw() -> None:
    """A client that drops a name and asks for it again, while a response is under way, is sent the resource again."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=False)
    talk.ask(ENDPOINT, "a", "b")
    talk.hear()
    old = talk.nonces[ENDPOINT]
    talk.accept(ENDPOINT, "a", "b")
    talk.publish(endpoints("a"), endpoints("b", 1))
    assert talk.hear() == (["b"], [])
    for names in ("b", "ab"):
        assert talk.ask(ENDPOINT, *names, nonce=old) is None
    assert talk.hear() is None
    assert not talk.session.synced()
    assert talk.accept(ENDPOINT, "a", "b") is not None
    assert talk.hear() == (["a"], [])


def test_what_is_gone_wakes_nobody_in_sotw() -> None:
    """Once the removal delay of what cannot be said to be gone is over, there is nothing more to wait for."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=False)
    talk.ask(ENDPOINT, "a", "b")
    talk.hear()
    talk.accept(ENDPOINT, "a", "b")
    talk.publish(endpoints("a"))
    assert talk.hear() is None
    assert talk.session.deadline() == 1.0
    talk.now = 1.0
    assert talk.hear() is None
    assert talk.session.deadline() is None


def test_a_stale_nonce_still_subscribes_in_delta() -> None:
    """The server must honor changes to the subscription state even if the nonce is stale, and take it for no ACK."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=True)
    talk.ask(ENDPOINT, "a")
    talk.hear()
    assert talk.ask(ENDPOINT, "b", nonce="stale") is None
    assert not talk.session.synced()
    assert talk.hear() == (["b"], [])
    assert talk.accept(ENDPOINT) is not None
    assert talk.hear() is None


@both
def test_newly_requested_resources_are_resent(delta: bool) -> None:
    """The server must resend any newly requested resources, even if it previously sent them."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=delta)
    talk.ask(ENDPOINT, "a", "b")
    assert talk.hear() == (["a", "b"], [])
    talk.accept(ENDPOINT, *(() if delta else ("a", "b")))
    if delta:
        talk.ask(ENDPOINT, drop=["b"])
        assert talk.hear() is None
        talk.ask(ENDPOINT, "b")
    else:
        talk.accept(ENDPOINT, "a")
        assert talk.hear() is None
        talk.accept(ENDPOINT, "a", "b")
    assert talk.hear() == (["b"], [])


def test_a_name_subscribed_again_is_sent_again_in_delta() -> None:
    """The client may have "forgotten" those resources despite apparently remaining subscribed."""
    talk = Talk(endpoints("a"), delta=True)
    talk.ask(ENDPOINT, "a")
    talk.hear()
    talk.accept(ENDPOINT)
    talk.ask(ENDPOINT, "a")
    assert talk.hear() == (["a"], [])


def test_a_resource_that_does_not_exist_is_removed_in_delta() -> None:
    """When a resource subscribed to does not exist, its name is in removed_resources; it is sent once it does."""
    talk = Talk(endpoints("a"), delta=True)
    talk.ask(ENDPOINT, "a", "none")
    assert talk.hear() == (["a"], ["none"])
    talk.accept(ENDPOINT)
    assert talk.hear() is None
    talk.publish(endpoints("a"), endpoints("none"))
    assert talk.hear() == (["none"], [])


def test_a_resource_that_does_not_exist_is_not_answered_in_sotw() -> None:
    """SotW has no way to say that a resource does not exist; the name is remembered until it does."""
    talk = Talk(cluster("x"), delta=False)
    talk.ask(ENDPOINT, "none")
    assert talk.hear() is None
    talk.publish(endpoints("none"))
    assert talk.hear() == (["none"], [])


def test_a_cluster_that_does_not_exist_is_answered_in_sotw() -> None:
    """LDS and CDS responses include all resources requested: absence of the name is the answer."""
    talk = Talk(delta=False)
    for url in (CLUSTER, LISTENER):
        talk.ask(url, "none")
        assert talk.hear(url) == ([], ["none"])
    talk.accept(CLUSTER, "none")
    assert talk.hear() is None


@both
def test_an_empty_wildcard_is_answered(delta: bool) -> None:
    """The first request for all listeners or clusters is answered though there are none, so that a client can start."""
    talk = Talk(delta=delta)
    talk.ask(CLUSTER)
    assert talk.hear(CLUSTER) == ([], [])
    talk.accept(CLUSTER)
    assert talk.hear() is None


def test_full_state_in_sotw() -> None:
    """LDS and CDS responses must include all resources, other types only what changed."""
    a, b = [cluster("a"), endpoints("a")], [cluster("b"), endpoints("b")]
    talk = Talk(*a, *b, delta=False)
    talk.ask(CLUSTER)
    talk.ask(ENDPOINT, "a", "b")
    talk.hear(CLUSTER)
    talk.hear(ENDPOINT)
    talk.accept(CLUSTER)
    talk.accept(ENDPOINT, "a", "b")
    talk.publish(*a, cluster("b", timeout=2), endpoints("b", 1))
    sent = {response.type_url: response for response in iter(talk.session.next, None)}
    assert (sent[CLUSTER].resources, sent[CLUSTER].changed) == (2, ("b",))
    assert (sent[ENDPOINT].resources, sent[ENDPOINT].changed) == (1, ("b",))


def test_deleting_resources_in_sotw() -> None:
    """A cluster absent from a response is deleted; the absence of other types is not told."""
    talk = Talk(cluster("a"), cluster("b"), endpoints("b"), delta=False)
    talk.ask(CLUSTER)
    talk.ask(ENDPOINT, "b")
    talk.hear(CLUSTER)
    talk.hear(ENDPOINT)
    talk.accept(CLUSTER)
    talk.accept(ENDPOINT, "b")
    talk.publish(cluster("a"))
    assert talk.hear() is None
    talk.now += 1
    assert talk.hear(CLUSTER) == ([], ["b"])
    talk.accept(CLUSTER)
    assert talk.hear() is None
    talk.now += 1
    assert talk.hear() is None
    assert not talk.session.substreams[ENDPOINT].dirty


def test_unsubscribing_by_name_under_a_wildcard() -> None:
    """The server must send the resource if the wildcard includes it, or say that it is removed if not."""
    talk = Talk(cluster("a"), delta=True)
    talk.ask(CLUSTER, "*", "a", "none")
    assert talk.hear() == (["a"], ["none"])
    talk.accept(CLUSTER)
    talk.ask(CLUSTER, drop=["a", "none"])
    assert talk.hear() == (["a"], ["none"])


@both
def test_after_unsubscribing_from_everything_nothing_is_sent(delta: bool) -> None:
    """A client that dropped its names, or its wildcard, is not told of changes any more."""
    talk = Talk(endpoints("a"), delta=delta)
    talk.ask(ENDPOINT, "a")
    talk.hear()
    talk.accept(ENDPOINT, *(() if delta else ("a",)))
    talk.ask(ENDPOINT, drop=["a"], nonce=talk.nonces[ENDPOINT])
    talk.publish(endpoints("a", 1))
    assert talk.hear() is None
    assert talk.session.deadline() is None


@both
def test_ack_and_nack_are_told_by_error_detail(delta: bool) -> None:
    """A NACK is the presence of error_detail; the answer says how long it took and, for a NACK, why."""
    talk = Talk(cluster("a"), delta=delta)
    talk.ask(CLUSTER)
    talk.hear()
    talk.now = 2.0
    answer = talk.reject(CLUSTER, error="a is bad")
    assert answer == (CLUSTER, 2.0, "a is bad", None)
    talk.publish(cluster("a", timeout=2))
    talk.hear()
    answer = talk.accept(CLUSTER)
    assert answer == (CLUSTER, 0.0, None, 0.0)
    assert talk.accept(CLUSTER) is None


@both
def test_the_node_and_type_of_later_requests_may_be_left_out_on_a_stream_by_type(delta: bool) -> None:
    """A stream of one type needs no type URL; an aggregated one does, and another type is an error."""
    talk = Talk(endpoints("a"), delta=delta, type_url=ENDPOINT)
    talk.ask("", "a")
    assert talk.hear(ENDPOINT) == (["a"], [])
    with pytest.raises(ProtocolError, match=r"Cluster on a stream of .*ClusterLoadAssignment"):
        talk.ask(CLUSTER)
    with pytest.raises(ProtocolError, match="must name its resource type"):
        Talk(delta=delta).ask("")


@both
def test_what_a_stream_may_ask_for_is_bounded(delta: bool) -> None:
    """Too many names in a request, or all together, and too many types are errors that say so."""
    talk = Talk(delta=delta, max_names=3)
    with pytest.raises(ProtocolError, match="4 resource names in one subscription; at most 3"):
        talk.ask(ENDPOINT, "a", "b", "c", "d")
    if delta:
        talk.ask(ENDPOINT, "a", "b")
        with pytest.raises(ProtocolError, match="4 resource names"):
            talk.ask(ENDPOINT, "c", "d")
        with pytest.raises(ProtocolError, match="4 resource names"):
            Talk(delta=True, max_names=3).ask(ENDPOINT, had=dict.fromkeys("abcd", "1"))
    for number in range(63):
        talk.ask(f"type.googleapis.com/x{number}", "a")
    with pytest.raises(ProtocolError, match="more than 64 resource types"):
        talk.ask("type.googleapis.com/one-too-many", "a")


@both
def test_a_type_of_which_there_is_nothing_is_no_error(delta: bool) -> None:
    """Subscribing to types that the server knows nothing of is answered like any unknown name."""
    talk = Talk(cluster("a"), delta=delta)
    talk.ask(RUNTIME, "layer")
    talk.ask("type.googleapis.com/unknown", "x")
    assert talk.hear() == (([], ["layer"]) if delta else None)


@both
def test_synced_means_that_the_whole_snapshot_is_accepted(delta: bool) -> None:
    """A client is synced once listeners, the routes they name, and the clusters are accepted; not before."""
    everything = [cluster("a", eds=False), routes("r", {"/": "a"}), listener("l", 80, "r")]
    talk = Talk(*everything, delta=delta)
    assert not talk.session.synced()
    for url, names in ((CLUSTER, ()), (LISTENER, ()), (ROUTE, ("r",))):
        talk.ask(url, *names)
        talk.hear(url)
        assert not talk.session.synced()
        talk.accept(url, *(names if not delta else ()))
    assert talk.session.synced()
    talk.publish(*everything[:2], listener("l", 81, "r"))
    assert not talk.session.synced()


@both
def test_an_unanswered_client_holds_only_one_old_set_of_resources(delta: bool) -> None:
    """However many snapshots are published, a client that never answers keeps what it was sent and nothing more."""
    talk = Talk(cluster("a"), delta=delta)
    talk.ask(CLUSTER)
    talk.hear()
    for timeout in range(2, 200):
        talk.publish(cluster("a", timeout=timeout), cluster(f"c{timeout}"))
        talk.hear()
    substream = talk.session.substreams[CLUSTER]
    assert len(substream.dirty) <= 2 + 198
    [response] = substream.outstanding
    assert list(response.upserts) == ["a"]


def test_secrets_are_sent_when_asked_for() -> None:
    """A type that nothing waits for is answered at once, even while clusters are not accepted."""
    talk = Talk(cluster("a", secret="s"), delta=True)
    talk.ask(CLUSTER)
    talk.hear()
    talk.ask(SECRET, "s")
    assert talk.hear(SECRET) == ([], ["s"])
