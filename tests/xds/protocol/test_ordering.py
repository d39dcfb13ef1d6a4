"""Make before break, and what happens to it when a client refuses, is slow, or says nothing."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.xds.sample_resources import ca, cluster, endpoints, inline_listener, listener, path, routes
from tests.xds.talk import Talk, settled
from xds.resources.resource import Reference
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


@both
def test_a_route_waits_until_its_new_cluster_is_accepted(delta: bool) -> None:
    """CDS comes first, then EDS; RDS only after the ACK of the very cluster that it leads to."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    assert talk.hear(CLUSTER) == (["b"], [])
    assert talk.hear() is None
    talk.accept(CLUSTER)
    assert talk.hear(ROUTE) == (["r"], [])


@both
def test_the_old_cluster_goes_last(delta: bool) -> None:
    """A cluster is removed once the route that led to it was replaced and that was accepted, and a little later."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.hear(CLUSTER)
    talk.accept(CLUSTER)
    talk.hear(ROUTE)
    talk.now += 100
    assert talk.hear() is None
    talk.accept(ROUTE, *(() if delta else ("r",)))
    assert talk.hear() is None
    talk.now += 1
    assert talk.hear(CLUSTER) == ([], ["a"])


@both
def test_a_route_without_new_clusters_does_not_wait(delta: bool) -> None:
    """A cluster that was not accepted yet holds back only what leads to it."""
    a, b = cluster("a", eds=False), cluster("b", eds=False)
    one, two = listener("l1", 81, "r1"), listener("l2", 82, "r2")
    talk = settled(a, routes("r1", {"/": "a"}), routes("r2", {"/": "a"}), one, two, delta=delta)
    talk.publish(a, b, routes("r1", {"/x": "a"}), routes("r2", {"/": "b"}), one, two)
    assert talk.hear(CLUSTER) == (["b"], [])
    assert talk.hear(ROUTE) == (["r1"], [])
    assert talk.hear() is None


@both
def test_nothing_waits_for_a_cluster_without_a_deadline(delta: bool) -> None:
    """A route is sent after the deadline though its cluster was never accepted."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.hear(CLUSTER)
    assert talk.hear() is None
    assert talk.session.deadline() == 5.0
    talk.now = 5.0
    assert talk.hear(ROUTE) == (["r"], [])


@both
def test_a_deadline_holds_while_clusters_keep_coming(delta: bool) -> None:
    """A route whose clusters change all the time is sent at the latest after the deadline."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("c0"))
    talk.hear(CLUSTER)
    assert talk.hear() is None
    for step in range(1, 5):
        talk.now += 1
        talk.publish(*path(f"c{step}"))
        talk.accept(CLUSTER)
        heard = talk.hear(CLUSTER)
        assert heard is not None
        assert heard[0] == [f"c{step}"]
        assert talk.hear() is None
    talk.now += 1
    assert talk.hear(ROUTE) == (["r"], [])


@both
def test_an_update_while_one_is_in_flight_goes_straight_to_the_newest(delta: bool) -> None:
    """A route on its way to one cluster is sent once, to the newest, when that is accepted."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.hear(CLUSTER)
    talk.publish(*path("c"))
    assert talk.hear() is None
    talk.accept(CLUSTER)
    assert talk.hear(CLUSTER) == (["c"], [])
    assert talk.hear() is None
    talk.accept(CLUSTER)
    assert talk.hear(ROUTE) == (["r"], [])
    talk.accept(ROUTE, *(() if delta else ("r",)))
    talk.hear()
    talk.now += 1
    assert talk.hear(CLUSTER) == ([], ["a", "b"])


@both
def test_a_cluster_that_is_back_before_its_removal_stays(delta: bool) -> None:
    """A cluster which is gone and comes back within the delay is neither removed nor sent."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("a")[1:])
    assert talk.hear() is None
    talk.publish(*path("a"))
    talk.now += 10
    assert talk.hear() is None
    assert talk.session.deadline() is None


@both
def test_listeners_are_removed_with_those_that_take_their_place(delta: bool) -> None:
    """A listener that is gone and its successor on the same port are in one response, which may wait for a cluster."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(cluster("a"), endpoints("a"), routes("r", {"/": "a"}), listener("m", 80, "r"))
    assert talk.hear(LISTENER) == (["m"], ["l"])


@both
def test_a_listener_stays_while_the_one_in_its_place_waits(delta: bool) -> None:
    """A listener is not removed while the one that takes over its port waits for its cluster."""
    a, b = cluster("a", eds=False), cluster("b", eds=False)
    talk = settled(a, inline_listener("l", 80, "a"), delta=delta)
    talk.publish(a, b, inline_listener("m", 80, "b"))
    assert talk.hear(CLUSTER) == (["b"], [])
    talk.now += 1
    assert talk.hear() is None
    talk.accept(CLUSTER)
    assert talk.hear(LISTENER) == (["m"], ["l"])


@both
def test_a_route_waits_for_the_endpoints_of_its_cluster_too(delta: bool) -> None:
    """A route to a cluster that is accepted still waits until the endpoints of that are, as without them it is 503."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.hear(CLUSTER)
    talk.accept(CLUSTER)
    talk.ask(ENDPOINT, *(("b",) if delta else ("a", "b")), nonce=talk.nonces[ENDPOINT])
    assert talk.hear(ENDPOINT) == (["b"], [])
    assert talk.hear() is None
    talk.accept(ENDPOINT, *(() if delta else ("a", "b")))
    assert talk.hear(ROUTE) == (["r"], [])


@both
def test_a_changed_cluster_gets_its_endpoints_and_secrets_again(delta: bool) -> None:
    """Warming of a cluster is completed only by a new assignment, even though there is no change in endpoints."""
    shared = [endpoints("a"), endpoints("b"), ca("s", "pem")]
    talk = settled(cluster("a", secret="s"), cluster("b"), *shared, delta=delta)
    talk.publish(cluster("a", secret="s", timeout=2), cluster("b"), *shared)
    assert talk.hear(CLUSTER) == (["a"], [])
    assert talk.hear(ENDPOINT) == (["a"], [])
    assert talk.hear(SECRET) == (["s"], [])
    assert talk.hear() is None


@both
def test_endpoints_are_not_held_back_by_a_warming_cluster(delta: bool) -> None:
    """While the CDS response is unanswered, for want of endpoints, assignments that are asked for are sent."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.hear(CLUSTER)
    talk.publish(*path("b"), cluster("c"))
    talk.accept(ENDPOINT, *(("b",) if delta else ("a", "b")))
    assert talk.hear(ENDPOINT) == (["b"], [])
    assert talk.hear() is None


@both
def test_a_refused_resource_is_not_sent_in_a_loop(delta: bool) -> None:
    """A rejected resource is sent again only when it changes."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("a", timeout=2))
    assert talk.hear(CLUSTER) == (["a"], [])
    talk.reject(CLUSTER, error="a: bad timeout")
    talk.publish(*path("a", timeout=2), cluster("b"))
    assert talk.hear(CLUSTER) == (["b"], [])
    [rejection] = talk.session.nack_groups()
    assert rejection == (CLUSTER, ("a",), "a: bad timeout")
    talk.accept(CLUSTER)
    assert not talk.session.synced()
    talk.publish(*path("a", timeout=3), cluster("b"))
    assert talk.hear(CLUSTER) == (["a"], [])
    assert not talk.session.nack_groups()


def test_the_last_good_version_stays_in_sotw_responses() -> None:
    """A full response holds the last good version of what the client refused, or it would delete that."""
    talk = settled(*path("a"), delta=False)
    talk.publish(*path("a", timeout=2))
    talk.hear(CLUSTER)
    talk.reject(CLUSTER)
    talk.publish(*path("a", timeout=2), cluster("b"))
    response = talk.session.next()
    assert response is not None
    assert cluster("a").body in response.data
    assert cluster("a", timeout=2).body not in response.data


@both
@pytest.mark.parametrize("says_why", [True, False], ids=["named", "bisected"])
def test_the_culprit_among_many_is_found(delta: bool, says_why: bool) -> None:
    """After a NACK the valid resources take effect; the bad one is found by its name, or else by bisection."""
    bad = "c5"
    talk = settled(delta=delta)
    made = [cluster(f"c{number}", eds=False) for number in range(10)]
    talk.publish(*made)
    responses = 0
    while (heard := talk.hear()) is not None:
        responses += 1
        if bad in heard[0]:
            talk.reject(CLUSTER, error=f"cluster {bad}: no" if says_why else "no")
        else:
            talk.accept(CLUSTER)
    assert [each.names for each in talk.session.nack_groups()] == [(bad,)]
    assert not talk.session.substreams[CLUSTER].unacked()
    assert responses <= (3 if says_why else 9)


@both
def test_what_a_refused_route_still_uses_is_not_removed(delta: bool) -> None:
    """A cluster stays while the client goes on with an older route that leads to it, having refused the newer."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.hear(CLUSTER)
    talk.accept(CLUSTER)
    talk.hear(ROUTE)
    talk.reject(ROUTE, *(() if delta else ("r",)), error="bad route")
    talk.now += 100
    assert talk.hear() is None
    talk.publish(cluster("b"), endpoints("b"), routes("r", {"/x": "b"}), listener("l", 80, "r"))
    assert talk.hear(ROUTE) == (["r"], [])
    talk.accept(ROUTE, *(() if delta else ("r",)))
    talk.hear()
    talk.now += 1
    assert talk.hear(CLUSTER) == ([], ["a"])


def test_a_reconnected_client_keeps_what_its_unknown_resources_may_use() -> None:
    """While a route of unknown content is being replaced, no cluster is removed, as it may lead there."""
    talk = Talk(*path("b"), delta=True)
    b = cluster("b").version
    talk.ask(CLUSTER, had={"a": "old", "b": b})
    talk.ask(LISTENER, had={"l": listener("l", 80, "r").version})
    talk.ask(ROUTE, "r", had={"r": "old"})
    assert talk.hear(ROUTE) == (["r"], [])
    talk.now += 100
    assert talk.hear() is None
    talk.accept(ROUTE)
    assert talk.hear() is None
    talk.now += 1
    assert talk.hear(CLUSTER) == ([], ["a"])


def test_a_reconnected_client_keeps_the_secrets_of_its_unknown_listeners() -> None:
    """While a listener of unknown content is being replaced, no secret is removed, as it may be its certificate."""
    talk = Talk(*path("a"), delta=True)
    talk.ask(SECRET, "s", had={"s": "old"})
    talk.ask(LISTENER, had={"l": "old"})
    assert talk.hear(LISTENER) == (["l"], [])
    talk.now += 100
    assert talk.hear() is None
    talk.accept(LISTENER)
    assert talk.hear() is None
    talk.now += 1
    assert talk.hear(SECRET) == ([], ["s"])


@both
def test_what_an_unanswered_response_replaced_stays(delta: bool) -> None:
    """While a client answers neither of two responses, the resources before each of them count as in use."""
    rest = [cluster("a"), cluster("b"), cluster("c"), *(endpoints(each) for each in "abc"), listener("l", 80, "r")]
    talk = settled(*rest, routes("r", {"/": "a"}), delta=delta)
    talk.publish(*rest, routes("r", {"/": "b"}))
    assert talk.hear(ROUTE) == (["r"], [])
    talk.now += 5
    talk.publish(cluster("c"), endpoints("c"), listener("l", 80, "r"), routes("r", {"/": "c"}))
    assert talk.hear(ROUTE) == (["r"], [])
    gone: list[str] = []
    for _ in range(3):
        talk.now += 1
        while (heard := talk.hear()) is not None:
            gone += heard[1]
    assert not {"a", "b"}.intersection(gone)
    talk.accept(ROUTE, *(() if delta else ("r",)))
    assert talk.hear() is None
    talk.now += 1
    removed = talk.hear(CLUSTER)
    assert removed is not None
    assert removed[1] == ["a", "b"]


@both
def test_the_age_of_what_is_answered_counts_from_the_change(delta: bool) -> None:
    """An answer tells how old the oldest change was that it answers, also of one that had to wait."""
    talk = settled(*path("a"), delta=delta)
    talk.now = 10.0
    talk.session.update(Snapshot.of(path("b")), changed=8.0)
    talk.hear(CLUSTER)
    talk.now = 11.0
    answer = talk.accept(CLUSTER)
    assert answer is not None
    assert answer.age == 3.0
    talk.now = 12.0
    talk.hear(ROUTE)
    talk.now = 12.5
    answer = talk.accept(ROUTE, *(() if delta else ("r",)))
    assert answer is not None
    assert (answer.age, answer.seconds) == (4.5, 0.5)


@both
def test_the_age_counts_from_the_first_change_that_was_not_answered(delta: bool) -> None:
    """An answer to the later of two responses tells the age of what was in the earlier one, which had none."""
    talk = settled(cluster("a", eds=False), delta=delta)
    talk.publish(cluster("a", eds=False), cluster("b", eds=False))
    talk.hear(CLUSTER)
    talk.now = 6.0
    talk.publish(cluster("a", eds=False), cluster("b", eds=False), cluster("c", eds=False))
    talk.hear(CLUSTER)
    talk.now = 7.0
    answer = talk.accept(CLUSTER)
    assert answer is not None
    assert (answer.age, answer.seconds) == (7.0, 1.0)


class Unwalked(frozenset[Reference]):
    """References that must not be gone through."""

    def __iter__(self) -> Iterator[Reference]:
        """Fails."""
        raise AssertionError("references were gone through")


@both
def test_a_change_costs_no_walk_through_its_references(delta: bool) -> None:
    """A route configuration of many clusters is sent to a client that has them, without a look at each of them."""
    base = [cluster("a"), endpoints("a", 1), listener("l", 80, "r")]
    talk = settled(*base, routes("r", {"/": "a"}), delta=delta)
    changed = routes("r", {"/a": "a"})
    talk.publish(*base, replace(changed, references=Unwalked(changed.references)))
    assert talk.hear(ROUTE) == (["r"], [])
