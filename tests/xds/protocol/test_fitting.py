"""Requested resources are sent at once, in responses of a size that clients accept."""

import pytest

from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.xds.sample_resources import cluster, endpoints, inline_listener, listener, routes
from tests.xds.talk import Talk, settled
from xds.protocol.fitting import RESPONSE_BYTES
from xds.protocol.session import Response
from xds.resources.resource import Resource
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
LIMIT = 4 << 20
"""The longest message that gRPC's clients accept by default."""


def wide(name: str, count: int = 20_000) -> Resource:
    """Return the assignment of a cluster with many endpoints: about 20 bytes for each."""
    return endpoints(name, *range(1, count + 1))


@both
def test_new_names_are_answered_at_once(delta: bool) -> None:
    """A client that has not answered a response is sent what it asks for, but no change before its deadline."""
    talk = Talk(endpoints("a"), endpoints("b"), endpoints("c"), delta=delta)
    talk.ask(ENDPOINT, "a")
    assert talk.hear() == (["a"], [])
    talk.ask(ENDPOINT, "b", *([] if delta else ["a"]))
    assert talk.hear() == (["b"], [])
    talk.publish(endpoints("a", 1), endpoints("b"), endpoints("c"))
    assert talk.hear() is None
    talk.ask(ENDPOINT, "c", *([] if delta else ["a", "b"]))
    assert talk.hear() == (["c"], [])
    talk.now += 5
    assert talk.hear() == (["a"], [])


def test_names_that_do_not_exist_are_answered_at_once() -> None:
    """A delta client that has not answered a response is told that what it asks for does not exist."""
    talk = Talk(endpoints("a"), delta=True)
    talk.ask(ENDPOINT, "a")
    talk.hear()
    talk.ask(ENDPOINT, "none")
    assert talk.hear() == ([], ["none"])


def test_a_refusal_is_about_the_response_it_answers() -> None:
    """A NACK of the response for a newly subscribed name does not affect another outstanding response."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=True)
    talk.ask(ENDPOINT, "a")
    talk.hear()
    first = talk.nonces[ENDPOINT]
    talk.ask(ENDPOINT, "b")
    talk.hear()
    talk.ask(ENDPOINT, nonce=first)
    talk.reject(ENDPOINT, error="bad")
    assert talk.hear() is None
    assert [each.names for each in talk.session.nack_groups()] == [("b",)]


@both
def test_a_route_that_is_asked_for_still_waits_for_its_clusters(delta: bool) -> None:
    """An immediate response keeps the order: a route configuration waits until its cluster is accepted."""
    base = [cluster("a", eds=False), routes("r", {"/": "a"}), listener("l", 80, "r")]
    talk = settled(*base, delta=delta)
    talk.publish(*base[:1], base[2], routes("r", {"/x": "a"}), cluster("b", eds=False), routes("s", {"/": "b"}))
    assert talk.hear(CLUSTER) == (["b"], [])
    assert talk.hear(ROUTE) == (["r"], [])
    talk.ask(ROUTE, "s", *([] if delta else ["r"]))
    assert talk.hear() is None
    talk.accept(CLUSTER)
    assert talk.hear(ROUTE) == (["s"], [])


@both
def test_what_is_under_trial_is_not_answered_at_once(delta: bool) -> None:
    """While a culprit is looked for, its halves are sent one after the other, though they were asked for."""
    talk = Talk(*(endpoints(each) for each in "abcd"), delta=delta)
    talk.ask(ENDPOINT, *"abcd")
    talk.hear()
    talk.reject(ENDPOINT, *"abcd")
    assert talk.hear() == (["c", "d"], [])
    assert talk.hear() is None


def all_of(talk: Talk) -> list[Response]:
    """All responses that are due, each accepted."""
    found = []
    while (response := talk.session.next()) is not None:
        found.append(response)
        names = talk.session.substreams[response.type_url].subscription.names
        talk.nonces[response.type_url] = response.nonce
        talk.accept(response.type_url, *(() if talk.session.delta else names))
    return found


@both
def test_many_resources_are_sent_in_several_responses(delta: bool) -> None:
    """No response is longer than a client's default limit, each resource is in one of them, and few are needed."""
    names = [f"e{number:02}" for number in range(32)]
    made = [wide(name) for name in names]
    talk = Talk(*made, delta=delta)
    talk.ask(ENDPOINT, *names)
    found = all_of(talk)
    assert sorted(name for each in found for name in each.changed) == names
    assert max(len(each.data) for each in found) < LIMIT
    assert len(found) <= 2 + sum(len(each.body) for each in made) // RESPONSE_BYTES
    assert len(found) > 1


def test_equal_responses_are_shared_by_clients() -> None:
    """Two clients are sent the same parts, whatever the order in which they asked."""
    made = [wide(f"e{number}") for number in range(12)]
    talks = [Talk(*made, delta=True), Talk(*made, delta=True)]
    for talk, order in zip(talks, (1, -1), strict=True):
        talk.ask(ENDPOINT, *[each.name for each in made][::order])
    one, two = ([each.changed for each in all_of(talk)] for talk in talks)
    assert one == two


def test_a_resource_that_is_too_long_is_sent_alone() -> None:
    """A single resource cannot be parted; those beside it are sent in another response."""
    talk = Talk(wide("a", 1), endpoints("b", *[65_000] * 200_000), wide("c", 1), delta=True)
    talk.ask(ENDPOINT, "a", "b", "c")
    assert sorted(each.changed for each in all_of(talk)) == [("a",), ("b",), ("c",)]


def test_many_removals_are_sent_in_several_responses() -> None:
    """Names that are gone are parted like resources."""
    names = [f"{number:05}" + "x" * 250 for number in range(20_000)]
    talk = Talk(delta=True, max_names=len(names))
    talk.ask(ENDPOINT, *names)
    found = all_of(talk)
    assert sorted(name for each in found for name in each.removed) == names
    assert max(len(each.data) for each in found) < LIMIT
    assert all(discovery_pb2.DeltaDiscoveryResponse.FromString(each.data).removed_resources for each in found)


def test_a_full_response_is_whole() -> None:
    """A full response deletes what it leaves out, and so is never parted."""
    made = [inline_listener(f"l{number}" + "x" * 60_000, 1000 + number, "a") for number in range(70)]
    talk = Talk(*made, delta=False)
    talk.ask(LISTENER)
    [response] = all_of(talk)
    assert len(response.changed) == 70
    assert len(response.data) > LIMIT
