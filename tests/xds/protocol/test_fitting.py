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
    """A client with an outstanding response gets newly requested resources, but no change before its deadline."""
    talk = Talk(endpoints("a"), endpoints("b"), endpoints("c"), delta=delta)
    talk.request(ENDPOINT, "a")
    assert talk.response() == (["a"], [])
    talk.request(ENDPOINT, "b", *([] if delta else ["a"]))
    assert talk.response() == (["b"], [])
    talk.publish(endpoints("a", 1), endpoints("b"), endpoints("c"))
    assert talk.response() is None
    talk.request(ENDPOINT, "c", *([] if delta else ["a", "b"]))
    assert talk.response() == (["c"], [])
    talk.now += 5
    assert talk.response() == (["a"], [])


def test_names_that_do_not_exist_are_answered_at_once() -> None:
    """A delta client with an outstanding response is told at once that a requested name does not exist."""
    talk = Talk(endpoints("a"), delta=True)
    talk.request(ENDPOINT, "a")
    talk.response()
    talk.request(ENDPOINT, "none")
    assert talk.response() == ([], ["none"])


def test_a_nack_affects_only_its_response() -> None:
    """A NACK of the response for a newly subscribed name does not affect another outstanding response."""
    talk = Talk(endpoints("a"), endpoints("b"), delta=True)
    talk.request(ENDPOINT, "a")
    talk.response()
    first = talk.nonces[ENDPOINT]
    talk.request(ENDPOINT, "b")
    talk.response()
    talk.request(ENDPOINT, nonce=first)
    talk.reject(ENDPOINT, error="bad")
    assert talk.response() is None
    assert [each.names for each in talk.session.nack_groups()] == [("b",)]


@both
def test_a_requested_route_waits_for_its_clusters(delta: bool) -> None:
    """An immediate response keeps the order: a route configuration waits until its cluster is accepted."""
    base = [cluster("a", eds=False), routes("r", {"/": "a"}), listener("l", 80, "r")]
    talk = settled(*base, delta=delta)
    talk.publish(*base[:1], base[2], routes("r", {"/x": "a"}), cluster("b", eds=False), routes("s", {"/": "b"}))
    assert talk.response(CLUSTER) == (["b"], [])
    assert talk.response(ROUTE) == (["r"], [])
    talk.request(ROUTE, "s", *([] if delta else ["r"]))
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(ROUTE) == (["s"], [])


@both
def test_resources_in_bisection_are_not_sent_at_once(delta: bool) -> None:
    """In a bisection, the halves are sent one after another, even if they were requested."""
    talk = Talk(*(endpoints(each) for each in "abcd"), delta=delta)
    talk.request(ENDPOINT, *"abcd")
    talk.response()
    talk.reject(ENDPOINT, *"abcd")
    assert talk.response() == (["c", "d"], [])
    assert talk.response() is None


def all_of(talk: Talk) -> list[Response]:
    """Return all responses that are due, each accepted."""
    found = []
    while (response := talk.session.next()) is not None:
        found.append(response)
        names = talk.session.substreams[response.type_url].subscription.names
        talk.nonces[response.type_url] = response.nonce
        talk.accept(response.type_url, *(() if talk.session.delta else names))
    return found


@both
def test_many_resources_are_sent_in_several_responses(delta: bool) -> None:
    """No response exceeds a client's default limit, each resource is in one of them, and few are needed."""
    names = [f"e{number:02}" for number in range(32)]
    made = [wide(name) for name in names]
    talk = Talk(*made, delta=delta)
    talk.request(ENDPOINT, *names)
    found = all_of(talk)
    assert sorted(name for each in found for name in each.changed) == names
    assert max(len(each.data) for each in found) < LIMIT
    assert len(found) <= 2 + sum(len(each.body) for each in made) // RESPONSE_BYTES
    assert len(found) > 1


def test_equal_responses_are_shared_by_clients() -> None:
    """Two clients get the same responses, whatever the order of their requests."""
    made = [wide(f"e{number}") for number in range(12)]
    talks = [Talk(*made, delta=True), Talk(*made, delta=True)]
    for talk, order in zip(talks, (1, -1), strict=True):
        talk.request(ENDPOINT, *[each.name for each in made][::order])
    one, two = ([each.changed for each in all_of(talk)] for talk in talks)
    assert one == two


def test_a_resource_that_is_too_long_is_sent_alone() -> None:
    """A single resource cannot be split; the others are sent in another response."""
    talk = Talk(wide("a", 1), endpoints("b", *[65_000] * 200_000), wide("c", 1), delta=True)
    talk.request(ENDPOINT, "a", "b", "c")
    assert sorted(each.changed for each in all_of(talk)) == [("a",), ("b",), ("c",)]


def test_many_removals_are_sent_in_several_responses() -> None:
    """Removed names are split like resources."""
    names = [f"{number:05}" + "x" * 250 for number in range(20_000)]
    talk = Talk(delta=True, max_names=len(names))
    talk.request(ENDPOINT, *names)
    found = all_of(talk)
    assert sorted(name for each in found for name in each.removed) == names
    assert max(len(each.data) for each in found) < LIMIT
    assert all(discovery_pb2.DeltaDiscoveryResponse.FromString(each.data).removed_resources for each in found)


def test_a_full_response_is_not_split() -> None:
    """A full response deletes the resources that it omits, and is therefore never split."""
    made = [inline_listener(f"l{number}" + "x" * 60_000, 1000 + number, "a") for number in range(70)]
    talk = Talk(*made, delta=False)
    talk.request(LISTENER)
    [response] = all_of(talk)
    assert len(response.changed) == 70
    assert len(response.data) > LIMIT
