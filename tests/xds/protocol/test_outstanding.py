"""Several outstanding responses of one type: each has its own ACK or NACK."""

import pytest

from tests.xds.sample_resources import cluster, endpoints
from tests.xds.talk import Talk
from xds.protocol.outstanding import MAX_OUTSTANDING
from xds.resources.types import CLUSTER, ENDPOINT

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


def late(*, delta: bool) -> tuple[Talk, str]:
    """Return a client with two outstanding responses: one adds the cluster b, the other the cluster c."""
    talk = Talk(cluster("a", eds=False), delta=delta)
    talk.settle(CLUSTER)
    talk.publish(cluster("a", eds=False), cluster("b", eds=False))
    assert talk.response(CLUSTER) == (["b"], [])
    first = talk.nonces[CLUSTER]
    talk.now += 5
    talk.publish(*(cluster(each, eds=False) for each in "abc"))
    assert talk.response(CLUSTER) == (["c"], [])
    return talk, first


@both
def test_a_late_nack_is_not_covered_by_the_next_ack(delta: bool) -> None:
    """The first of two responses is rejected late, the second accepted: the first's resource counts as rejected."""
    talk, first = late(delta=delta)
    answer = talk.request(CLUSTER, nonce=first, error="b is bad")
    assert answer is not None
    assert answer.error == "b is bad"
    assert talk.accept(CLUSTER) is not None
    assert talk.response() is None
    assert [each.names for each in talk.session.nack_groups()] == [("b",)]
    assert not talk.session.synced()
    assert talk.session.substreams[CLUSTER].holdings().keys() == {"a", "c"}


@both
def test_a_late_ack_before_a_nack(delta: bool) -> None:
    """The first of two responses is accepted late, the second rejected: only the second's resource is rejected."""
    talk, first = late(delta=delta)
    assert talk.request(CLUSTER, nonce=first) is not None
    talk.reject(CLUSTER)
    assert talk.response() is None
    assert [each.names for each in talk.session.nack_groups()] == [("c",)]


@both
def test_one_nack_for_two_responses_bisects_both(delta: bool) -> None:
    """Envoy may send one NACK for two responses: the rejected resource is searched in both."""
    talk, _ = late(delta=delta)
    talk.reject(CLUSTER)
    while (received := talk.response(CLUSTER)) is not None:
        talk.reject(CLUSTER) if "b" in received[0] else talk.accept(CLUSTER)
    assert [each.names for each in talk.session.nack_groups()] == [("b",)]


@both
def test_one_ack_for_two_responses_accepts_both(delta: bool) -> None:
    """An ACK covers earlier responses, too: a client answers in order, and a NACK would have come first."""
    talk, _ = late(delta=delta)
    talk.accept(CLUSTER)
    assert not talk.session.substreams[CLUSTER].unacked()
    assert talk.response() is None


@both
def test_a_late_nack_of_a_changed_resource(delta: bool) -> None:
    """The newer version sent meanwhile has its own answer, and the resource before both stays in use."""
    talk = Talk(cluster("a", eds=False), delta=delta)
    talk.settle(CLUSTER)
    nonces = []
    for timeout in (2, 3):
        talk.publish(cluster("a", eds=False, timeout=timeout))
        assert talk.response(CLUSTER) == (["a"], [])
        nonces.append(talk.nonces[CLUSTER])
        talk.now += 5
    talk.request(CLUSTER, nonce=nonces[0], error="2 is too much")
    assert talk.session.substreams[CLUSTER].holdings() == {"a": cluster("a", eds=False).version}
    talk.request(CLUSTER, nonce=nonces[1], error="3 too")
    assert talk.response() is None
    [state] = talk.session.nacks()
    assert (state.nack.message, state.still_used) == ("3 too", cluster("a", eds=False))


@both
def test_outstanding_responses_are_bounded(delta: bool) -> None:
    """A few responses are tracked for a client that never answers; a late NACK of an untracked one still counts."""
    talk = Talk(endpoints("a", 1), delta=delta)
    talk.request(ENDPOINT, "a")
    talk.response()
    first = talk.nonces[ENDPOINT]
    for port in range(2, 3 * MAX_OUTSTANDING):
        talk.now += 5
        talk.publish(endpoints("a", port))
        assert talk.response() == (["a"], [])
    outstanding = talk.session.substreams[ENDPOINT].outstanding
    assert len(list(outstanding)) == MAX_OUTSTANDING
    assert talk.request(ENDPOINT, *(() if delta else ("a",)), nonce=first, error="no") is not None
    assert len(list(outstanding)) == MAX_OUTSTANDING - 1


@both
def test_a_repeated_nack_affects_no_other_response(delta: bool) -> None:
    """A client that rejects one response twice does not reject the next one with it."""
    talk = Talk(cluster("a", eds=False), cluster("b", eds=False), delta=delta)
    talk.settle(CLUSTER)
    talk.publish(cluster("a", timeout=2), cluster("b", eds=False))
    assert talk.response(CLUSTER) == (["a"], [])
    first = talk.nonces[CLUSTER]
    talk.reject(CLUSTER)
    talk.publish(cluster("a", timeout=2), cluster("b", timeout=2))
    assert talk.response(CLUSTER) == (["b"], [])
    assert talk.request(CLUSTER, nonce=first, error="no") is None
    talk.accept(CLUSTER)
    assert [each.nack.name for each in talk.session.nacks()] == ["a"]


def test_a_full_response_repeats_outstanding_resources() -> None:
    """A full response may be rejected because of a resource that it repeats: its own resource is not blamed."""
    talk, first = late(delta=False)
    talk.request(CLUSTER, nonce=first, error="b is bad")
    talk.reject(CLUSTER, error="b is bad")
    assert talk.response(CLUSTER) == (["c"], [])
    talk.accept(CLUSTER)
    assert talk.response() is None
    assert [each.nack.name for each in talk.session.nacks()] == ["b"]
    assert talk.session.substreams[CLUSTER].holdings().keys() == {"a", "c"}


@both
def test_changed_resources_are_left_out_of_a_bisection(delta: bool) -> None:
    """Resources that changed after a rejected response was sent are left out of its bisection."""
    names = ("bad", "b", "c", "d", "e")
    talk = Talk(*(endpoints(each, 1) for each in names), delta=delta)
    talk.request(ENDPOINT, *names)
    talk.response(ENDPOINT)
    again = () if delta else names
    talk.accept(ENDPOINT, *again)
    ports = dict.fromkeys(names, 2)
    for port in range(3, 13):
        talk.publish(*(endpoints(each, ports[each]) for each in names))
        if (received := talk.response(ENDPOINT)) is None:
            break
        if changing := [each for each in received[0] if each != "bad"]:
            ports[changing[0]] = port
            talk.publish(*(endpoints(each, ports[each]) for each in names))
        talk.reject(ENDPOINT, *again) if "bad" in received[0] else talk.accept(ENDPOINT, *again)
    assert [each.nack.name for each in talk.session.nacks()] == ["bad"]
