"""Several responses of a type are outstanding, as of a client that is late: each is judged by its own answer."""

import pytest

from tests.xds.sample_resources import cluster, endpoints
from tests.xds.talk import Talk
from xds.protocol.outstanding import MAX_OUTSTANDING
from xds.resources.types import CLUSTER, ENDPOINT

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


def late(*, delta: bool) -> tuple[Talk, str]:
    """Return a client that has not answered two responses: one adds the cluster b, the other the cluster c."""
    talk = Talk(cluster("a", eds=False), delta=delta)
    talk.settle(CLUSTER)
    talk.publish(cluster("a", eds=False), cluster("b", eds=False))
    assert talk.hear(CLUSTER) == (["b"], [])
    first = talk.nonces[CLUSTER]
    talk.now += 5
    talk.publish(*(cluster(each, eds=False) for each in "abc"))
    assert talk.hear(CLUSTER) == (["c"], [])
    return talk, first


@both
def test_a_late_nack_is_not_covered_by_the_next_ack(delta: bool) -> None:
    """The first of two responses is rejected late, the second is accepted: what the first held counts as refused."""
    talk, first = late(delta=delta)
    answer = talk.ask(CLUSTER, nonce=first, error="b is bad")
    assert answer is not None
    assert answer.error == "b is bad"
    assert talk.accept(CLUSTER) is not None
    assert talk.hear() is None
    assert [each.names for each in talk.session.nack_groups()] == [("b",)]
    assert not talk.session.synced()
    assert talk.session.substreams[CLUSTER].holdings().keys() == {"a", "c"}


@both
def test_the_second_may_be_the_bad_one(delta: bool) -> None:
    """The first of two responses is accepted late, the second is rejected: only what the second held is refused."""
    talk, first = late(delta=delta)
    assert talk.ask(CLUSTER, nonce=first) is not None
    talk.reject(CLUSTER)
    assert talk.hear() is None
    assert [each.names for each in talk.session.nack_groups()] == [("c",)]


@both
def test_one_nack_for_two_responses_blames_either(delta: bool) -> None:
    """Envoy may give one answer to two responses: then the culprit is looked for in both."""
    talk, _ = late(delta=delta)
    talk.reject(CLUSTER)
    while (heard := talk.hear(CLUSTER)) is not None:
        talk.reject(CLUSTER) if "b" in heard[0] else talk.accept(CLUSTER)
    assert [each.names for each in talk.session.nack_groups()] == [("b",)]


@both
def test_one_ack_for_two_responses_accepts_both(delta: bool) -> None:
    """An ACK stands for what came before it, too: a client answers in order, a NACK would have come first."""
    talk, _ = late(delta=delta)
    talk.accept(CLUSTER)
    assert not talk.session.substreams[CLUSTER].unacked()
    assert talk.hear() is None


@both
def test_a_late_nack_of_what_has_changed_since(delta: bool) -> None:
    """The newer version that was sent meanwhile is judged by its own answer, and what was held before both is kept."""
    talk = Talk(cluster("a", eds=False), delta=delta)
    talk.settle(CLUSTER)
    nonces = []
    for timeout in (2, 3):
        talk.publish(cluster("a", eds=False, timeout=timeout))
        assert talk.hear(CLUSTER) == (["a"], [])
        nonces.append(talk.nonces[CLUSTER])
        talk.now += 5
    talk.ask(CLUSTER, nonce=nonces[0], error="2 is too much")
    assert talk.session.substreams[CLUSTER].holdings() == {"a": cluster("a", eds=False).version}
    talk.ask(CLUSTER, nonce=nonces[1], error="3 too")
    assert talk.hear() is None
    [refusal] = talk.session.nacks()
    assert (refusal.nack.message, refusal.still_used) == ("3 too", cluster("a", eds=False))


@both
def test_how_many_are_kept_is_bounded(delta: bool) -> None:
    """A few responses are kept for a client that never answers; a late NACK of a forgotten one is still a NACK."""
    talk = Talk(endpoints("a", 1), delta=delta)
    talk.ask(ENDPOINT, "a")
    talk.hear()
    first = talk.nonces[ENDPOINT]
    for port in range(2, 3 * MAX_OUTSTANDING):
        talk.now += 5
        talk.publish(endpoints("a", port))
        assert talk.hear() == (["a"], [])
    outstanding = talk.session.substreams[ENDPOINT].outstanding
    assert len(list(outstanding)) == MAX_OUTSTANDING
    assert talk.ask(ENDPOINT, *(() if delta else ("a",)), nonce=first, error="no") is not None
    assert len(list(outstanding)) == MAX_OUTSTANDING - 1


@both
def test_a_repeated_answer_is_about_nothing_else(delta: bool) -> None:
    """A client that rejects one response twice does not reject the next one with it."""
    talk = Talk(cluster("a", eds=False), cluster("b", eds=False), delta=delta)
    talk.settle(CLUSTER)
    talk.publish(cluster("a", timeout=2), cluster("b", eds=False))
    assert talk.hear(CLUSTER) == (["a"], [])
    first = talk.nonces[CLUSTER]
    talk.reject(CLUSTER)
    talk.publish(cluster("a", timeout=2), cluster("b", timeout=2))
    assert talk.hear(CLUSTER) == (["b"], [])
    assert talk.ask(CLUSTER, nonce=first, error="no") is None
    talk.accept(CLUSTER)
    assert [each.nack.name for each in talk.session.nacks()] == ["a"]


def test_a_full_response_holds_what_is_not_answered() -> None:
    """A full response is rejected for what the one before it held, too: what it brought itself is not to blame."""
    talk, first = late(delta=False)
    talk.ask(CLUSTER, nonce=first, error="b is bad")
    talk.reject(CLUSTER, error="b is bad")
    assert talk.hear(CLUSTER) == (["c"], [])
    talk.accept(CLUSTER)
    assert talk.hear() is None
    assert [each.nack.name for each in talk.session.nacks()] == ["b"]
    assert talk.session.substreams[CLUSTER].holdings().keys() == {"a", "c"}


@both
def test_what_changes_all_the_time_does_not_hide_the_culprit(delta: bool) -> None:
    """Resources that changed since a rejected response was sent are left out of its bisection."""
    names = ("bad", "b", "c", "d", "e")
    talk = Talk(*(endpoints(each, 1) for each in names), delta=delta)
    talk.ask(ENDPOINT, *names)
    talk.hear(ENDPOINT)
    again = () if delta else names
    talk.accept(ENDPOINT, *again)
    ports = dict.fromkeys(names, 2)
    for port in range(3, 13):
        talk.publish(*(endpoints(each, ports[each]) for each in names))
        if (heard := talk.hear(ENDPOINT)) is None:
            break
        if changing := [each for each in heard[0] if each != "bad"]:
            ports[changing[0]] = port
            talk.publish(*(endpoints(each, ports[each]) for each in names))
        talk.reject(ENDPOINT, *again) if "bad" in heard[0] else talk.accept(ENDPOINT, *again)
    assert [each.nack.name for each in talk.session.nacks()] == ["bad"]
