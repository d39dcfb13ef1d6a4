"""Make before break, with NACKs, slow clients, and clients that never answer."""

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
    """CDS comes first, then EDS; RDS only after the ACK of the cluster that it refers to."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    assert talk.response(CLUSTER) == (["b"], [])
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(ROUTE) == (["r"], [])


@both
def test_the_old_cluster_is_removed_last(delta: bool) -> None:
    """A cluster is removed a short delay after the route that replaced the one to it was accepted."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.response(CLUSTER)
    talk.accept(CLUSTER)
    talk.response(ROUTE)
    talk.now += 100
    assert talk.response() is None
    talk.accept(ROUTE, *(() if delta else ("r",)))
    assert talk.response() is None
    talk.now += 1
    assert talk.response(CLUSTER) == ([], ["a"])


@both
def test_a_route_without_new_clusters_does_not_wait(delta: bool) -> None:
    """A cluster that was not accepted yet delays only its dependents."""
    a, b = cluster("a", eds=False), cluster("b", eds=False)
    one, two = listener("l1", 81, "r1"), listener("l2", 82, "r2")
    talk = settled(a, routes("r1", {"/": "a"}), routes("r2", {"/": "a"}), one, two, delta=delta)
    talk.publish(a, b, routes("r1", {"/x": "a"}), routes("r2", {"/": "b"}), one, two)
    assert talk.response(CLUSTER) == (["b"], [])
    assert talk.response(ROUTE) == (["r1"], [])
    assert talk.response() is None


@both
def test_a_wait_for_a_cluster_has_a_deadline(delta: bool) -> None:
    """A route is sent after the deadline although its cluster was never accepted."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.response(CLUSTER)
    assert talk.response() is None
    assert talk.session.deadline() == 5.0
    talk.now = 5.0
    assert talk.response(ROUTE) == (["r"], [])


@both
def test_new_clusters_do_not_extend_the_deadline(delta: bool) -> None:
    """A route whose clusters change continuously is sent after the deadline at the latest."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("c0"))
    talk.response(CLUSTER)
    assert talk.response() is None
    for step in range(1, 5):
        talk.now += 1
        talk.publish(*path(f"c{step}"))
        talk.accept(CLUSTER)
        received = talk.response(CLUSTER)
        assert received is not None
        assert received[0] == [f"c{step}"]
        assert talk.response() is None
    talk.now += 1
    assert talk.response(ROUTE) == (["r"], [])


@both
def test_an_update_during_a_wait_skips_to_the_newest(delta: bool) -> None:
    """A route that waits for a cluster is sent once, in its newest version, when that one's cluster is accepted."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.response(CLUSTER)
    talk.publish(*path("c"))
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(CLUSTER) == (["c"], [])
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(ROUTE) == (["r"], [])
    talk.accept(ROUTE, *(() if delta else ("r",)))
    talk.response()
    talk.now += 1
    assert talk.response(CLUSTER) == ([], ["a", "b"])


@both
def test_a_cluster_added_again_before_its_removal_stays(delta: bool) -> None:
    """A cluster that is added again within the removal delay is neither removed nor sent."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("a")[1:])
    assert talk.response() is None
    talk.publish(*path("a"))
    talk.now += 10
    assert talk.response() is None
    assert talk.session.deadline() is None


@both
def test_a_listener_and_its_successor_are_in_one_response(delta: bool) -> None:
    """A removed listener and its successor on the same port are in one response, which may wait for a cluster."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(cluster("a"), endpoints("a"), routes("r", {"/": "a"}), listener("m", 80, "r"))
    assert talk.response(LISTENER) == (["m"], ["l"])


@both
def test_a_listener_stays_while_its_successor_waits(delta: bool) -> None:
    """A listener is not removed while the one that takes over its port waits for its cluster."""
    a, b = cluster("a", eds=False), cluster("b", eds=False)
    talk = settled(a, inline_listener("l", 80, "a"), delta=delta)
    talk.publish(a, b, inline_listener("m", 80, "b"))
    assert talk.response(CLUSTER) == (["b"], [])
    talk.now += 1
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(LISTENER) == (["m"], ["l"])


@both
def test_a_route_waits_for_the_endpoints_of_its_cluster(delta: bool) -> None:
    """A route to an accepted cluster waits until its endpoints are accepted, as it would answer 503 without them."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.response(CLUSTER)
    talk.accept(CLUSTER)
    talk.request(ENDPOINT, *(("b",) if delta else ("a", "b")), nonce=talk.nonces[ENDPOINT])
    assert talk.response(ENDPOINT) == (["b"], [])
    assert talk.response() is None
    talk.accept(ENDPOINT, *(() if delta else ("a", "b")))
    assert talk.response(ROUTE) == (["r"], [])


@both
def test_a_changed_cluster_gets_its_endpoints_and_secrets_again(delta: bool) -> None:
    """The warming of a cluster is completed only by a new assignment, even without a change of endpoints."""
    shared = [endpoints("a"), endpoints("b"), ca("s", "pem")]
    talk = settled(cluster("a", secret="s"), cluster("b"), *shared, delta=delta)
    talk.publish(cluster("a", secret="s", timeout=2), cluster("b"), *shared)
    assert talk.response(CLUSTER) == (["a"], [])
    assert talk.response(ENDPOINT) == (["a"], [])
    assert talk.response(SECRET) == (["s"], [])
    assert talk.response() is None


@both
def test_a_warming_cluster_does_not_delay_endpoints(delta: bool) -> None:
    """Requested assignments are sent while the CDS response is outstanding, as the cluster warms without endpoints."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.response(CLUSTER)
    talk.publish(*path("b"), cluster("c"))
    talk.accept(ENDPOINT, *(("b",) if delta else ("a", "b")))
    assert talk.response(ENDPOINT) == (["b"], [])
    assert talk.response() is None


@both
def test_a_rejected_resource_is_not_resent(delta: bool) -> None:
    """A rejected resource is sent again only when it changes."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("a", timeout=2))
    assert talk.response(CLUSTER) == (["a"], [])
    talk.reject(CLUSTER, error="a: bad timeout")
    talk.publish(*path("a", timeout=2), cluster("b"))
    assert talk.response(CLUSTER) == (["b"], [])
    [group] = talk.session.nack_groups()
    assert group == (CLUSTER, ("a",), "a: bad timeout")
    talk.accept(CLUSTER)
    assert not talk.session.synced()
    talk.publish(*path("a", timeout=3), cluster("b"))
    assert talk.response(CLUSTER) == (["a"], [])
    assert not talk.session.nack_groups()


def test_the_last_good_version_stays_in_sotw_responses() -> None:
    """A full response contains the last good version of a rejected resource, which would be deleted otherwise."""
    talk = settled(*path("a"), delta=False)
    talk.publish(*path("a", timeout=2))
    talk.response(CLUSTER)
    talk.reject(CLUSTER)
    talk.publish(*path("a", timeout=2), cluster("b"))
    response = talk.session.next()
    assert response is not None
    assert cluster("a").body in response.data
    assert cluster("a", timeout=2).body not in response.data


@both
@pytest.mark.parametrize("says_why", [True, False], ids=["named", "bisected"])
def test_bisection_finds_the_rejected_resource(delta: bool, says_why: bool) -> None:
    """After a NACK the valid resources take effect; the bad one is found by its name, or else by bisection."""
    bad = "c5"
    talk = settled(delta=delta)
    made = [cluster(f"c{number}", eds=False) for number in range(10)]
    talk.publish(*made)
    responses = 0
    while (received := talk.response()) is not None:
        responses += 1
        if bad in received[0]:
            talk.reject(CLUSTER, error=f"cluster {bad}: no" if says_why else "no")
        else:
            talk.accept(CLUSTER)
    assert [each.names for each in talk.session.nack_groups()] == [(bad,)]
    assert not talk.session.substreams[CLUSTER].unacked()
    assert responses <= (3 if says_why else 9)


@both
def test_the_cluster_of_a_route_in_use_is_not_removed(delta: bool) -> None:
    """A cluster stays while the client uses an older route to it, because it rejected the newer one."""
    talk = settled(*path("a"), delta=delta)
    talk.publish(*path("b"))
    talk.response(CLUSTER)
    talk.accept(CLUSTER)
    talk.response(ROUTE)
    talk.reject(ROUTE, *(() if delta else ("r",)), error="bad route")
    talk.now += 100
    assert talk.response() is None
    talk.publish(cluster("b"), endpoints("b"), routes("r", {"/x": "b"}), listener("l", 80, "r"))
    assert talk.response(ROUTE) == (["r"], [])
    talk.accept(ROUTE, *(() if delta else ("r",)))
    talk.response()
    talk.now += 1
    assert talk.response(CLUSTER) == ([], ["a"])


def test_clusters_of_unknown_routes_stay() -> None:
    """While a route of unknown content is being replaced, no cluster is removed, as the route may refer to it."""
    talk = Talk(*path("b"), delta=True)
    b = cluster("b").version
    talk.request(CLUSTER, had={"a": "old", "b": b})
    talk.request(LISTENER, had={"l": listener("l", 80, "r").version})
    talk.request(ROUTE, "r", had={"r": "old"})
    assert talk.response(ROUTE) == (["r"], [])
    talk.now += 100
    assert talk.response() is None
    talk.accept(ROUTE)
    assert talk.response() is None
    talk.now += 1
    assert talk.response(CLUSTER) == ([], ["a"])


def test_secrets_of_unknown_listeners_stay() -> None:
    """While a listener of unknown content is being replaced, no secret is removed, as the listener may use it."""
    talk = Talk(*path("a"), delta=True)
    talk.request(SECRET, "s", had={"s": "old"})
    talk.request(LISTENER, had={"l": "old"})
    assert talk.response(LISTENER) == (["l"], [])
    talk.now += 100
    assert talk.response() is None
    talk.accept(LISTENER)
    assert talk.response() is None
    talk.now += 1
    assert talk.response(SECRET) == ([], ["s"])


@both
def test_resources_replaced_by_outstanding_responses_stay(delta: bool) -> None:
    """While two responses are outstanding, the resources before each of them count as in use."""
    rest = [cluster("a"), cluster("b"), cluster("c"), *(endpoints(each) for each in "abc"), listener("l", 80, "r")]
    talk = settled(*rest, routes("r", {"/": "a"}), delta=delta)
    talk.publish(*rest, routes("r", {"/": "b"}))
    assert talk.response(ROUTE) == (["r"], [])
    talk.now += 5
    talk.publish(cluster("c"), endpoints("c"), listener("l", 80, "r"), routes("r", {"/": "c"}))
    assert talk.response(ROUTE) == (["r"], [])
    gone: list[str] = []
    for _ in range(3):
        talk.now += 1
        while (received := talk.response()) is not None:
            gone += received[1]
    assert not {"a", "b"}.intersection(gone)
    talk.accept(ROUTE, *(() if delta else ("r",)))
    assert talk.response() is None
    talk.now += 1
    removed = talk.response(CLUSTER)
    assert removed is not None
    assert removed[1] == ["a", "b"]


@both
def test_the_age_of_an_ack_counts_from_the_change(delta: bool) -> None:
    """An ACK has the age of the oldest change in its response, including one that had to wait."""
    talk = settled(*path("a"), delta=delta)
    talk.now = 10.0
    talk.session.update(Snapshot.of(path("b")), changed=8.0)
    talk.response(CLUSTER)
    talk.now = 11.0
    answer = talk.accept(CLUSTER)
    assert answer is not None
    assert answer.age == 3.0
    talk.now = 12.0
    talk.response(ROUTE)
    talk.now = 12.5
    answer = talk.accept(ROUTE, *(() if delta else ("r",)))
    assert answer is not None
    assert (answer.age, answer.seconds) == (4.5, 0.5)


@both
def test_the_age_counts_from_the_first_outstanding_change(delta: bool) -> None:
    """An ACK of the later of two responses has the age of the earlier one, which had no ACK."""
    talk = settled(cluster("a", eds=False), delta=delta)
    talk.publish(cluster("a", eds=False), cluster("b", eds=False))
    talk.response(CLUSTER)
    talk.now = 6.0
    talk.publish(cluster("a", eds=False), cluster("b", eds=False), cluster("c", eds=False))
    talk.response(CLUSTER)
    talk.now = 7.0
    answer = talk.accept(CLUSTER)
    assert answer is not None
    assert (answer.age, answer.seconds) == (7.0, 1.0)


class Unwalked(frozenset[Reference]):
    """References that must not be iterated over."""

    def __iter__(self) -> Iterator[Reference]:
        """Raise."""
        raise AssertionError("references were gone through")


@both
def test_unchanged_references_are_not_visited(delta: bool) -> None:
    """A route configuration of many clusters is sent to a client that has them without a visit of each reference."""
    base = [cluster("a"), endpoints("a", 1), listener("l", 80, "r")]
    talk = settled(*base, routes("r", {"/": "a"}), delta=delta)
    changed = routes("r", {"/a": "a"})
    talk.publish(*base, replace(changed, references=Unwalked(changed.references)))
    assert talk.response(ROUTE) == (["r"], [])
