"""Dependencies, through all types and at any depth: the order of removals, waits, and resends."""

from unittest.mock import patch

import pytest

from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.config.route.v3 import route_components_pb2, route_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from tests.xds.sample_resources import (
    ADS,
    ca,
    cluster,
    endpoints,
    inline_listener,
    listener,
    routes,
    scope,
    scoped_listener,
)
from tests.xds.talk import Talk, settled
from xds.protocol import dependencies
from xds.resources.collection import collection, includes, is_glob
from xds.resources.resource import Reference, Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, LISTENER, ROUTE, SCOPED_ROUTE, VIRTUAL_HOST

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


def table(name: str) -> Resource:
    """Return a route configuration with virtual hosts by VHDS."""
    message = route_pb2.RouteConfiguration(name=name)
    message.vhds.config_source.CopyFrom(ADS)
    return Resource.pack(message)


def host(name: str, to: str) -> Resource:
    """Return a virtual host with a route to a cluster."""
    message = route_components_pb2.VirtualHost(name=name, domains=["*"])
    route = message.routes.add()
    route.match.prefix, route.route.cluster = "/", to
    return Resource.pack(message)


def scoped(to: str) -> list[Resource]:
    """Return a listener, a scope, its route configuration and a cluster with TLS: a chain of all types."""
    leads = [ca(f"s-{to}", "pem"), cluster(to, secret=f"s-{to}"), endpoints(to), routes(f"r-{to}", {"/": to})]
    return [*leads, scope("s", "k", f"r-{to}"), scoped_listener("l", 80)]


def on_demand(to: str) -> list[Resource]:
    """Return a listener, a route configuration with VHDS, its virtual host and cluster."""
    return [cluster(to), endpoints(to), table("t"), host("t/all", to), listener("l", 80, "t")]


def removed(talk: Talk, until: float) -> dict[str, float]:
    """Return the time of each removal until a given time, by name; all responses are accepted."""
    found: dict[str, float] = {}
    while True:
        while (received := talk.response()) is not None:
            found.update(dict.fromkeys(received[1], talk.now))
            for url in talk.nonces:
                names = talk.session.substreams[url].subscription.names
                talk.accept(url, *(() if talk.session.delta else names))
        if talk.now >= until:
            return found
        talk.now += 1


@pytest.mark.parametrize(("base", "last"), [(scoped("a"), "s-a"), (on_demand("a"), "a")], ids=["scopes", "hosts"])
def test_dependencies_of_a_removed_listener_stay_while_it_drains(base: list[Resource], last: str) -> None:
    """Nothing in a chain of references is removed before the listener has drained; then its parts are, one by one."""
    talk = settled(*base, delta=True)
    talk.publish()
    assert removed(talk, 599) == {"l": 0}
    gone = removed(talk, 620)
    assert gone.keys() == {each.name for each in base} - {"l"}
    assert gone[last] == max(gone.values())


def test_full_responses_contain_dependencies_of_a_removed_listener() -> None:
    """In the state-of-the-world variant, scopes and clusters of a removed listener stay until it has drained."""
    talk = settled(*scoped("a"), delta=False)
    talk.publish()
    assert removed(talk, 599) == {"l": 0}
    assert removed(talk, 620).keys() == {"s", "a"}


@both
def test_a_scope_is_removed_before_its_listener(delta: bool) -> None:
    """A scope whose listener stays is removed after the removal delay."""
    base = scoped("a")
    talk = settled(*base, delta=delta)
    talk.publish(*(each for each in base if each.type_url != SCOPED_ROUTE))
    assert removed(talk, 3) == {"s": 1}


def test_a_virtual_host_is_removed_before_its_route_configuration() -> None:
    """A virtual host whose route configuration stays is removed after the removal delay."""
    base = on_demand("a")
    talk = settled(*base, delta=True)
    talk.publish(*(each for each in base if each.type_url != VIRTUAL_HOST))
    assert removed(talk, 3) == {"t/all": 1}


@both
def test_a_scope_waits_for_the_clusters_of_its_route_configuration(delta: bool) -> None:
    """A scope with another used route configuration waits until the new cluster of that is accepted."""
    one, two = routes("r1", {"/": "a"}), routes("r2", {"/": "a"})
    base = [cluster("a", eds=False), scoped_listener("l", 80)]
    other = scope("o", "other", "r2")
    talk = settled(*base, one, two, scope("s", "k", "r1"), other, delta=delta)
    new = [cluster("b", eds=False), routes("r2", {"/": "b"})]
    talk.publish(*base, one, *new, scope("s", "k", "r2"), other)
    assert talk.response(CLUSTER) == (["b"], [])
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(ROUTE) == (["r2"], [])
    assert talk.response() is None
    talk.accept(ROUTE, *(() if delta else ("r1", "r2")))
    assert talk.response(SCOPED_ROUTE) == (["s"], [])


@both
def test_a_listener_waits_for_its_new_route_configuration(delta: bool) -> None:
    """A listener with another used route configuration, which changes, waits until that is accepted."""
    base = [cluster("a", eds=False), routes("r1", {"/": "a"}), listener("m", 81, "r2")]
    talk = settled(*base, routes("r2", {"/": "a"}), listener("l", 80, "r1"), delta=delta)
    talk.publish(*base, routes("r2", {"/": "a", "/new": "a"}), listener("l", 80, "r2"))
    assert talk.response(ROUTE) == (["r2"], [])
    assert talk.response() is None
    talk.accept(ROUTE, *(() if delta else ("r1", "r2")))
    assert talk.response(LISTENER) == (["l"], [])


@both
def test_a_listener_that_replaces_another_waits_for_its_clusters(delta: bool) -> None:
    """A listener with its own routes that replaces another is not sent before their cluster is accepted."""
    talk = settled(cluster("a", eds=False), inline_listener("l", 80, "a"), delta=delta)
    talk.publish(*[cluster(each, eds=False) for each in "ab"], routes("r", {"/": "b"}), listener("m", 80, "r"))
    assert talk.response(CLUSTER) == (["b"], [])
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(LISTENER) == (["m"], ["l"])


def test_virtual_hosts_are_resent_with_a_new_route_configuration() -> None:
    """Virtual hosts that a client dropped without their route configuration are resent; others are not."""
    talk = settled(*on_demand("a"), delta=True)
    more = [table("u"), host("u/all", "a")]
    talk.publish(*on_demand("a"), *more)
    assert talk.response(VIRTUAL_HOST) == (["u/all"], [])
    talk.accept(VIRTUAL_HOST)
    talk.request(ROUTE, "u")
    assert talk.response(ROUTE) == (["u"], [])
    assert talk.response(VIRTUAL_HOST) == (["u/all"], [])
    talk.accept(ROUTE)
    talk.accept(VIRTUAL_HOST)
    again = route_pb2.RouteConfiguration.FromString(table("u").body)
    again.ignore_port_in_host_matching = True
    talk.publish(*on_demand("a"), Resource.pack(again), more[1])
    assert talk.response(ROUTE) == (["u"], [])
    assert talk.response() is None


@both
def test_scopes_are_resent_with_a_listener(delta: bool) -> None:
    """Scopes are resent with a later listener, as Envoy subscribes to scopes only once."""
    base = scoped("a")
    talk = settled(*base, delta=delta)
    talk.publish(*base, scoped_listener("m", 81))
    assert talk.response(LISTENER) == (["m"], [])
    assert talk.response(SCOPED_ROUTE) == (["s"], [])
    talk.accept(SCOPED_ROUTE)
    talk.accept(LISTENER)
    assert talk.response() is None


def test_no_listener_is_left_out_of_the_first_full_response() -> None:
    """The first full response to a reconnected client with unknown listeners waits until it contains all of them."""
    base = [cluster("a", eds=False), inline_listener("l", 80, "a"), listener("m", 81, "r")]
    talk = Talk(*base, delta=False)
    talk.request(CLUSTER, version="of another server")
    talk.request(LISTENER, version="of another server")
    assert talk.response(CLUSTER) == (["a"], [])
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert talk.response(LISTENER) == (["l", "m"], [])


def test_a_reverted_change_has_no_deadline() -> None:
    """A change that is reverted while it waits leaves no deadline."""
    base = [cluster("a", eds=False), inline_listener("l", 80, "a")]
    talk = settled(*base, delta=True)
    talk.publish(*base, cluster("b", eds=False), inline_listener("m", 81, "b"))
    talk.response(CLUSTER)
    assert talk.response() is None
    talk.publish(*base, cluster("b", eds=False))
    assert talk.response() is None
    assert talk.session.deadline() is None


def test_an_empty_collection_does_not_dangle() -> None:
    """A snapshot without scopes and virtual hosts has no dangling references."""
    assert not Snapshot.of([scoped_listener("l", 80), table("t")]).dangling()
    [(_, need)] = Snapshot.of([scope("s", "k", "r")]).dangling()
    assert need == Reference(ROUTE, "r")


def test_the_collection_of_a_name() -> None:
    """A collection is a name without its last part, with the context parameters of a URL."""
    assert collection("t/a/b") == "t/a/*"
    assert collection("alone") == "*"
    assert collection("xdstp://here/type/a/b?x=1/2") == "xdstp://here/type/a/*?x=1/2"
    assert [is_glob(each) for each in ("xdstp://here/type/*", "xdstp://here/type/a", "t/*", "*")] == [
        True,
        False,
        False,
        False,
    ]
    assert includes({"t/*"}, "t/a")
    assert not includes({"t/*"}, "t/a/b")
    assert includes({"*"}, "anything/at/all")


def test_a_replaced_listener_drains_its_scopes() -> None:
    """A listener that changes from scopes to RDS leaves its scopes to its old connections."""
    base = scoped("a")
    talk = settled(*base, delta=True)
    message = listener_pb2.Listener.FromString(listener("l", 80, "r-a").body)
    manager = http_connection_manager_pb2.HttpConnectionManager()
    assert message.filter_chains[0].filters[0].typed_config.Unpack(manager)
    talk.publish(*base[:-2], Resource.pack(message))
    assert removed(talk, 599) == {}
    assert removed(talk, 602) == {"s": 601}


def test_new_clients_share_the_dependencies_of_a_snapshot() -> None:
    """Those of each resource are looked up once a snapshot, but for resources that are not of the snapshot."""
    clusters = [cluster(f"c{each}", eds=False) for each in range(8)]
    tables = [routes(f"r{each}", {"/": f"c{each}", "/x": "c0"}) for each in range(8)]
    snapshot = Snapshot.of([*clusters, *tables])
    named = {each.name: each for each in tables}
    some = {name: named[name] for name in ("r1", "r2", "r3", "r4", "r5")}
    with patch.object(dependencies, "_look_up", wraps=dependencies._look_up) as walks:
        for unacked in ({"c0"}, {"c1", "c7"}, set[str]()):
            expected = {"c0": set(named), "c1": {"r1", "r7"}}.get(min(unacked, default=""), set())
            for sent in (named, some):
                assert dependencies.waiting(sent, snapshot, {CLUSTER: [unacked]}) == expected & set(sent)
        assert walks.call_count == len(tables)
        changed = {**named, "r1": routes("r1", {"/": "c7"})}
        assert dependencies.waiting(changed, snapshot, {CLUSTER: [{"c7"}]}) == {"r1", "r7"}
        assert walks.call_count == len(tables) + 1
