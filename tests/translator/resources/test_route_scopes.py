"""Tables that are served by scopes, and what an edit of one sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.world import GATEWAY, NAMESPACE, Raw, edit, gateway, manifest, removal, route, world
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration
from translator.inputs import Settings
from translator.ir.route_scope import CHARACTERS, EVERY, SCOPES, scope_of, scope_of_host
from translator.refs import Ref
from translator.translator import Translator
from xds import LISTENER, ROUTE, SCOPED_ROUTE, Snapshot, diff

WEB = Ref("Gateway", NAMESPACE, GATEWAY)
LABELS = st.text("abcxyz019-", min_size=1, max_size=6).filter(lambda each: each.strip("-") == each)
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join((*labels, "example")))
HOSTNAMES = st.one_of(NAMES, NAMES.map(lambda name: f"*.{name}"))


def with_hostnames(number: int, *hostnames: str) -> Raw:
    """Return the route of a number, for hostnames."""
    made = route(number, 1, 1)
    made["spec"]["hostnames"] = list(hostnames)
    return made


def translated(objects: Iterable[Raw], threshold: int) -> Translator:
    """Translate a Gateway with other objects; with `threshold` hostnames it is served by scopes."""
    made = Translator(Settings(offline=True, scoped_hostnames=threshold))
    made.edit([edit(gateway()), *map(edit, objects)])
    assert made.evaluate().failures == []
    return made


def configurations(snapshot: Snapshot) -> dict[str, RouteConfiguration]:
    """Return the RouteConfigurations of a snapshot."""
    return {name: RouteConfiguration.FromString(each.body) for name, each in snapshot.resources(ROUTE).items()}


def is_scoped(translator: Translator) -> bool:
    """Whether the listener is served by scopes; then it has one of each, and no other RouteConfiguration."""
    snapshot = translator.snapshots[WEB]
    names, scopes = set(snapshot.resources(ROUTE)), set(snapshot.resources(SCOPED_ROUTE))
    assert (len(scopes) == SCOPES and names == scopes) or (not scopes and names == {"port-10080"})
    return bool(scopes)


def sent(translator: Translator, *edits: Raw) -> Counter[str]:
    """Make edits, and count the resources of each type that they change."""
    before = translator.snapshots[WEB]
    translator.edit(map(edit, edits))
    assert translator.evaluate().failures == []
    changes = diff(before, translator.snapshots[WEB])
    return Counter({type_url.rpartition(".")[2]: len(names) for type_url, names in changes.items()})


@given(st.text(sorted(CHARACTERS), min_size=1, max_size=20))
def test_spellings_of_a_host_have_one_scope(name: str) -> None:
    """Neither a port, nor a dot at the end, nor upper case changes the scope of a Host."""
    assert {scope_of_host(each) for each in (name, f"{name}:8080", f"{name}.", f"{name.upper()}.:1")} == {
        scope_of(name)
    }


@settings(max_examples=20)
@given(st.sets(HOSTNAMES, min_size=1, max_size=8))
def test_scopes_together_are_the_table(hostnames: set[str]) -> None:
    """Exact hostnames are in one scope, wildcards and what nobody serves in all; each virtual host is as without."""
    objects = [with_hostnames(number, each) for number, each in enumerate(sorted(hostnames))]
    plain = configurations(translated(objects, 0).snapshots[WEB])["port-10080"]
    whole = {each.name: each for each in plain.virtual_hosts}
    # Whether the scopes are worth it is another matter.
    objects += [
        with_hostnames(100 + number, *(f"filling-{number}-{each}.test" for each in range(16)))
        for number in range(2 * len(hostnames))
    ]
    made = translated(objects, 1)
    assert is_scoped(made)
    parts = configurations(made.snapshots[WEB])
    for name, host in whole.items():
        scope = scope_of("" if name == "*" else name)
        there = {
            int(part.rpartition("/")[2], 2): each
            for part, found in parts.items()
            for each in found.virtual_hosts
            if each.name == name
        }
        assert set(there) == (set(range(SCOPES)) if scope == EVERY else {scope})
        assert all(each == host for each in there.values())


def test_the_key_of_a_scope_is_its_name() -> None:
    """A scope, its key and its RouteConfiguration have one name, which says the table and the scope."""
    made = translated([with_hostnames(0, "a.example.com")], 1).snapshots[WEB].resources(SCOPED_ROUTE)
    for name, resource in made.items():
        scope = ScopedRouteConfiguration.FromString(resource.body)
        assert [each.string_key for each in scope.key.fragments] == [scope.route_configuration_name] == [name]
    assert sorted(made) == [f"port-10080//{number:06b}" for number in range(SCOPES)]


@pytest.mark.parametrize(("threshold", "scoped"), [(0, False), (2, True), (3, True), (4, False)])
def test_from_when_on_scopes_serve(threshold: int, scoped: bool) -> None:
    """With as many exact hostnames as the setting says, or more, a listener is served by scopes; 0 is never."""
    assert is_scoped(translated([with_hostnames(0, "a.test", "b.test", "c.test", "*.d.test")], threshold)) == scoped


def test_many_wildcards_are_not_copied_into_each_scope() -> None:
    """A listener with many routes for wildcards is not served by scopes, however many exact hostnames it has."""
    exact = [with_hostnames(number, f"host-{number}.test") for number in range(64)]
    wild = [with_hostnames(100 + number, "*.wild.test") for number in range(4)]
    assert is_scoped(translated([*exact, *wild[:3]], 10))
    assert not is_scoped(translated([*exact, *wild], 10))


@pytest.fixture
def scoped() -> Translator:
    """Return a Gateway with 600 routes on as many hosts, which is served by scopes."""
    made = Translator(Settings(offline=True))
    made.edit(world(600, 600, 5))
    assert made.evaluate().failures == []
    assert is_scoped(made)
    return made


def test_what_edits_send(scoped: Translator) -> None:
    """A route, new, changed or gone, has one RouteConfiguration sent; what all routes inherit has each sent once."""
    assert sent(scoped, route(1000, 1001, 5)) == {"RouteConfiguration": 1}
    assert sent(scoped, route(7, 600, 5, "/other")) == {"RouteConfiguration": 1}
    assert sent(scoped, route(8, 600, 5)) == {}
    before = scoped.snapshots[WEB]
    scoped.edit([removal(route(9, 600, 5))])
    scoped.evaluate()
    assert [len(names) for names in diff(before, scoped.snapshots[WEB]).values()] == [1]
    assert sent(scoped, with_hostnames(11, "*.wild.test")) == {"RouteConfiguration": SCOPES}
    assert sent(scoped, policy({"cors": {"allowOrigins": ["https://a.example"]}})) == {"RouteConfiguration": SCOPES}


def test_the_form_changes_with_the_routes(scoped: Translator) -> None:
    """A listener that comes below the threshold has one RouteConfiguration again, and no scopes."""
    scoped.edit([removal(route(number, 600, 5)) for number in range(101)])
    scoped.evaluate()
    assert not is_scoped(scoped)
    scoped.edit([edit(route(0, 600, 5))])
    scoped.evaluate()
    assert is_scoped(scoped)


def policy(spec: Raw, namespace: str = NAMESPACE) -> Raw:
    """Return a TrafficPolicy of the Gateway."""
    targets = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY}]
    return manifest(
        "gateway.headgate.dev/v1alpha1", "TrafficPolicy", "policy", namespace, spec={"targetRefs": targets, **spec}
    )


def test_a_policy_of_a_listener_set_in_another_namespace() -> None:
    """A policy that has redirects followed counts in the namespace of a ListenerSet, too, where no route is."""
    api, name = "gateway.networking.k8s.io/v1", "sets"
    wide = gateway()
    wide["spec"]["allowedListeners"] = {"namespaces": {"from": "All"}}
    listener = {"name": "web", "port": 10080, "protocol": "HTTP", "hostname": "*.example.com"}
    listener["allowedRoutes"] = {"namespaces": {"from": "All"}}
    spec = {"parentRef": {"name": GATEWAY, "namespace": NAMESPACE}, "listeners": [listener]}
    attached = with_hostnames(0, "a.example.com", "b.example.com")
    attached["spec"]["parentRefs"] = [{"kind": "ListenerSet", "name": "more", "namespace": name}]
    made = translated([attached, manifest(api, "ListenerSet", "more", name, spec=spec)], 2)
    made.edit([edit(wide)])
    made.evaluate()
    assert is_scoped(made)
    following = policy({"internalRedirect": {}}, name)
    following["spec"]["targetRefs"] = [{"group": api.split("/")[0], "kind": "ListenerSet", "name": "more"}]
    made.edit([edit(following)])
    made.evaluate()
    assert not is_scoped(made)


def authorizer(**fields: bool) -> Raw:
    """Return a GatewayExtension with an authorizer."""
    spec = {"extAuth": {"grpcService": {"backendRef": {"name": "service-0", "port": 80}}, **fields}}
    return manifest("gateway.headgate.dev/v1alpha1", "GatewayExtension", "authorizer", spec=spec)


ASKED = {"extAuth": {"extensionRef": {"name": "authorizer"}}}


def test_hosts_that_change_after_the_scope_is_chosen(scoped: Translator) -> None:
    """Where a request may get another Host and its route be chosen anew by that, one RouteConfiguration has all."""
    for spec, other, expected in (
        ({"internalRedirect": {}}, authorizer(), False),
        (ASKED, authorizer(clearRouteCache=True), False),
        (ASKED, authorizer(), True),
    ):
        scoped.edit([edit(policy(spec)), edit(other)])
        assert scoped.evaluate().failures == []
        assert is_scoped(scoped) == expected
    scoped.edit([removal(policy({})), edit(policy({"internalRedirect": {}}, "elsewhere"))])
    scoped.evaluate()
    assert is_scoped(scoped)
    assert len(scoped.snapshots[WEB].resources(LISTENER)) == 1
