"""A used scope follows its route configuration, which the client requests because of a copy of the scope."""

import pytest

from headgate_proto.envoy.config.route.v3 import scoped_route_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.xds.sample_resources import cluster, inline_listener, routes, scope, scoped_listener
from tests.xds.talk import Talk, settled
from xds.resources.resource import Resource
from xds.resources.types import CLUSTER, LISTENER, ROUTE, SCOPED_ROUTE

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])

BASE = [cluster("a", eds=False), scoped_listener("l", 80), routes("r1", {"/": "a"})]


def request_routes(talk: Talk, *names: str) -> None:
    """Request route configurations, as Envoy does because of a scope; in SotW by all names."""
    talk.request(ROUTE, *(names[-1:] if talk.session.delta else names), nonce=talk.nonces[ROUTE])


def keys(talk: Talk) -> list[tuple[str, list[str]]]:
    """Return the scopes of the next response, in order, with the fragments of their keys."""
    response = talk.session.next()
    assert response is not None
    talk.nonces[response.type_url] = response.nonce
    if talk.session.delta:
        sent = [each.resource for each in discovery_pb2.DeltaDiscoveryResponse.FromString(response.data).resources]
    else:
        sent = list(discovery_pb2.DiscoveryResponse.FromString(response.data).resources)
    scopes = [scoped_route_pb2.ScopedRouteConfiguration.FromString(each.value) for each in sent]
    return [(each.name, [fragment.string_key for fragment in each.key.fragments]) for each in scopes]


def unchanged(delta: bool, name: str, *key: str) -> list[tuple[str, list[str]]]:
    """Return an unchanged scope that only a full response repeats, by default a copy for the key `k`."""
    return [] if delta else [(name, list(key) or ["k", "~staged"])]


@both
def test_a_scope_follows_its_route_configuration(delta: bool) -> None:
    """The cluster is sent first, then a copy of the scope, the route configuration, and the scope."""
    talk = settled(*BASE, scope("s", "k", "r1"), delta=delta)
    talk.publish(*BASE, cluster("b", eds=False), routes("r2", {"/": "b"}), scope("s", "k", "r2"))
    assert talk.response(CLUSTER) == (["b"], [])
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(SCOPED_ROUTE) == (["s~staged"], [])
    talk.accept(SCOPED_ROUTE)
    assert talk.response() is None
    request_routes(talk, "r1", "r2")
    assert talk.response(ROUTE) == (["r2"], [])
    assert talk.response() is None
    talk.accept(ROUTE, *(() if delta else ("r1", "r2")))
    assert talk.response(SCOPED_ROUTE) == (["s"], [])
    assert not talk.session.synced()
    talk.accept(SCOPED_ROUTE)
    assert talk.session.synced()
    assert not talk.session.idle()
    assert talk.response() is None
    talk.now += 1
    assert talk.response(SCOPED_ROUTE) == ([], ["s~staged"])


@both
def test_a_copy_has_a_key_that_no_request_matches(delta: bool) -> None:
    """A copy refers to the new route configuration by a key with one more fragment; a full response keeps the scope."""
    talk = settled(*BASE, scope("s", "k", "r1"), delta=delta)
    talk.publish(*BASE, routes("r2", {"/": "a"}), scope("s", "k", "r2"))
    response = talk.session.next()
    assert response is not None
    copy = scoped_route_pb2.ScopedRouteConfiguration(name="s~staged", route_configuration_name="r2")
    for each in ("k", "~staged"):
        copy.key.fragments.add(string_key=each)
    assert Resource.pack(copy).body in response.data
    assert (scope("s", "k", "r1").body in response.data) != delta


@both
def test_a_scope_is_switched_after_the_deadline_at_the_latest(delta: bool) -> None:
    """A scope is sent after a deadline if the client never subscribes to the new route configuration."""
    talk = settled(*BASE, scope("s", "k", "r1"), delta=delta)
    talk.publish(*BASE, routes("r2", {"/": "a"}), scope("s", "k", "r2"))
    assert talk.response(SCOPED_ROUTE) == (["s~staged"], [])
    talk.accept(SCOPED_ROUTE)
    assert talk.response() is None
    talk.now += 5
    assert talk.response(SCOPED_ROUTE) == (["s"], [])


@both
def test_a_copy_is_removed_when_it_is_not_needed(delta: bool) -> None:
    """A scope whose change is reverted loses its copy; one that changes again has another copy."""
    old = scope("s", "k", "r1")
    talk = settled(*BASE, old, delta=delta)
    talk.publish(*BASE, routes("r2", {"/": "a"}), scope("s", "k", "r2"))
    assert talk.response(SCOPED_ROUTE) == (["s~staged"], [])
    talk.accept(SCOPED_ROUTE)
    talk.publish(*BASE, routes("r3", {"/": "a"}), scope("s", "k", "r3"))
    assert talk.response(SCOPED_ROUTE) == (["s~staged"], [])
    talk.accept(SCOPED_ROUTE)
    talk.publish(*BASE, old)
    assert talk.response() is None
    talk.now += 1
    assert talk.response(SCOPED_ROUTE) == ([], ["s~staged"])
    talk.accept(SCOPED_ROUTE)
    assert talk.session.synced()
    assert talk.session.deadline() is None


@both
def test_only_scopes_in_use_are_staged(delta: bool) -> None:
    """A new scope has no requests yet, and those of an on-demand scope wait: they are sent at once."""
    lazy = scoped_route_pb2.ScopedRouteConfiguration.FromString(scope("o", "o", "r1").body)
    lazy.on_demand = True
    talk = settled(*BASE, Resource.pack(lazy), delta=delta)
    lazy.route_configuration_name = "r2"
    talk.publish(*BASE, routes("r2", {"/": "a"}), Resource.pack(lazy), scope("n", "n", "r2"))
    assert talk.response(SCOPED_ROUTE) == (["n", "o"], [])


@both
def test_a_renamed_scope_is_retired_by_its_successor(delta: bool) -> None:
    """The old scope has its key until the new route configuration is accepted, then another key, and is removed."""
    talk = settled(*BASE, scope("s", "k", "r1"), delta=delta)
    talk.publish(*BASE, routes("r2", {"/": "a"}), scope("t", "k", "r2"))
    assert talk.response(SCOPED_ROUTE) == (["t~staged"], [])
    talk.accept(SCOPED_ROUTE)
    talk.now += 2
    assert talk.response() is None
    request_routes(talk, "r1", "r2")
    talk.response(ROUTE)
    talk.accept(ROUTE, *(() if delta else ("r1", "r2")))
    assert keys(talk) == [*unchanged(delta, "t~staged"), ("s", ["k", "~retired~s"]), ("t", ["k"])]
    assert not talk.session.synced()
    talk.accept(SCOPED_ROUTE)
    assert talk.session.synced()
    assert talk.response() is None
    talk.now += 1
    assert talk.response(SCOPED_ROUTE) == ([], ["s", "t~staged"])
    talk.accept(SCOPED_ROUTE)
    assert talk.session.deadline() is None


@both
def test_a_scope_that_gives_up_a_key_comes_before_the_one_that_takes_it(delta: bool) -> None:
    """Envoy removes the key that a scope had before, even if another scope of the response has it by then."""
    talk = settled(*BASE, scope("a", "i", "r1"), scope("b", "k", "r1"), scope("c", "l", "r1"), delta=delta)
    talk.publish(*BASE, scope("a", "k", "r1"), scope("b", "l", "r1"), scope("c", "m", "r1"))
    assert keys(talk) == [("c", ["m"]), ("b", ["l"]), ("a", ["k"])]


@both
def test_scopes_that_exchange_keys_change_one_by_one(delta: bool) -> None:
    """One of them is retired, so that the other gets its key at once; it gets its own in the next response."""
    talk = settled(*BASE, scope("a", "i", "r1"), scope("b", "k", "r1"), delta=delta)
    talk.publish(*BASE, scope("a", "k", "r1"), scope("b", "i", "r1"))
    assert keys(talk) == [("a", ["i", "~retired~a"]), ("b", ["i"])]
    talk.accept(SCOPED_ROUTE)
    assert not talk.session.synced()
    assert keys(talk) == [("a", ["k"]), *unchanged(delta, "b", "i")]
    talk.accept(SCOPED_ROUTE)
    assert talk.session.synced()
    assert talk.response() is None


@both
def test_a_scope_added_again_is_not_retired(delta: bool) -> None:
    """A scope that was retired, or is about to be, gets its key again as soon as it exists again."""
    old = scope("s", "k", "r1")
    talk = settled(*BASE, old, delta=delta)
    talk.publish(*BASE, scope("t", "k", "r1"))
    talk.publish(*BASE, old)
    assert talk.response() is None
    talk.publish(*BASE, scope("t", "k", "r1"))
    assert talk.response(SCOPED_ROUTE) == (["s", "t"], [])
    talk.accept(SCOPED_ROUTE)
    talk.publish(*BASE, old)
    assert keys(talk) == [("t", ["k", "~retired~t"]), ("s", ["k"])]
    talk.accept(SCOPED_ROUTE)
    assert talk.session.synced()
    assert talk.response() is None
    talk.now += 1
    assert talk.response(SCOPED_ROUTE) == ([], ["t"])


@both
def test_a_scope_is_replaced_although_a_listener_drains(delta: bool) -> None:
    """Resources of a draining listener stay, except a scope whose key another one takes over."""
    base = [*BASE, scoped_listener("m", 81)]
    talk = settled(*base, scope("s", "k", "r1"), scope("o", "o", "r1"), delta=delta)
    talk.publish(*BASE[::2], scope("t", "k", "r1"))
    assert talk.response(LISTENER) == ([], ["l", "m"])
    assert talk.response(SCOPED_ROUTE) == (["s", "t"], [])
    talk.accept(SCOPED_ROUTE)
    talk.accept(LISTENER)
    talk.now += 100
    assert talk.response() is None


@both
def test_listeners_that_swap_their_ports_are_sent_together(delta: bool) -> None:
    """A listener waits for the cluster of another whose port it takes, as Envoy would reject it; others do not."""
    a, b = cluster("a", eds=False), cluster("b", eds=False)
    before = [inline_listener(name, port, "a") for name, port in (("l", 80), ("m", 81), ("n", 82), ("o", 83))]
    talk = settled(a, *before, delta=delta)
    after = [inline_listener("l", 81, "b"), inline_listener("m", 80, "a"), inline_listener("p", 82, "a")]
    talk.publish(a, b, *after)
    assert talk.response(CLUSTER) == (["b"], [])
    assert talk.response(LISTENER) == (["p"], ["n", "o"])
    talk.accept(LISTENER)
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(LISTENER) == (["l", "m"], [])
