"""The cost of ListenerSets: of many on one Gateway, and of an edit of one, counted in executed queries and bytes."""

from __future__ import annotations

import base64
from collections import Counter

import pytest

from bench.world import Raw, edit, endpoint_slice, gateway, manifest, removal, service
from tests.certificates import key_pair
from translator.inputs import Edit, Settings
from translator.ir.route_scope import SCOPES
from translator.refs import Ref
from translator.resources.routes import MOST_MISDIRECTED
from translator.translator import Changes, Translator
from xds.resources.types import ROUTE

pytestmark = pytest.mark.slow

API = "gateway.networking.k8s.io/v1"
GATEWAY = Ref("Gateway", "shop", "web")
FEW, MANY = 100, 1_000


def parent(**listener: object) -> Raw:
    """Return the Gateway, with one listener for a wildcard that covers the hostnames of all sets."""
    made = gateway(hostname="*.example.com")
    made["spec"]["allowedListeners"] = {"namespaces": {"from": "All"}}
    made["spec"]["listeners"][0].update(listener)
    return made


def listener_set(number: int, port: int = 10080, hostname: str = "", tls: bool = False) -> Raw:
    """Return the ListenerSet of a number, with a hostname of its own, in one of ten namespaces."""
    listener = {"name": "web", "port": port, "protocol": "HTTP", "hostname": hostname or f"host-{number}.example.com"}
    if tls:
        reference = {"name": "certificate", "namespace": "shop"}
        listener |= {"protocol": "HTTPS", "tls": {"certificateRefs": [reference]}}
    spec = {"parentRef": {"name": "web", "namespace": "shop"}, "listeners": [listener]}
    return manifest(API, "ListenerSet", f"set-{number}", f"team-{number % 10}", spec=spec)


def route(number: int) -> Raw:
    """Return the route of a ListenerSet."""
    backend = {"name": "service-0", "namespace": "shop", "port": 80}
    spec = {"parentRefs": [{"kind": "ListenerSet", "name": f"set-{number}"}], "rules": [{"backendRefs": [backend]}]}
    return manifest(API, "HTTPRoute", f"route-{number}", f"team-{number % 10}", spec=spec)


def grants() -> list[Edit]:
    """Return the ReferenceGrants for the Service, and for the certificate."""
    givers = [
        {"group": "gateway.networking.k8s.io", "kind": kind, "namespace": f"team-{number}"}
        for number in range(10)
        for kind in ("HTTPRoute", "ListenerSet")
    ]
    targets = [{"group": "", "kind": "Service"}, {"group": "", "kind": "Secret"}]
    spec = {"from": givers[:16], "to": targets}, {"from": givers[16:], "to": targets}
    return [edit(manifest(API, "ReferenceGrant", f"grant-{at}", spec=each)) for at, each in enumerate(spec)]


def world(sets: int) -> Translator:
    """Return a Gateway with so many ListenerSets, each with a route."""
    made = Translator(Settings(offline=True))
    made.edit([edit(parent()), edit(service(0)), edit(endpoint_slice(0)), *grants()])
    made.edit(edit(each(number)) for number in range(sets) for each in (listener_set, route))
    assert made.evaluate().failures == []
    return made


@pytest.fixture(scope="module", params=[FEW, MANY])
def found(request: pytest.FixtureRequest) -> Translator:
    """Return a Gateway with few, and one with many ListenerSets; tests leave it as they found it."""
    made: Translator = world(request.param)
    return made


def cost(translator: Translator, *edits: Edit) -> tuple[Counter[str], Changes]:
    """Make edits; return how often each query ran, and the changes."""
    before = Counter(translator.executions)
    translator.edit(edits)
    changes = translator.evaluate()
    assert changes.failures == []
    return Counter(translator.executions) - before, changes


def route_bytes(translator: Translator) -> int:
    """Return the size of the route configurations of the Gateway."""
    return sum(len(each.body) for each in translator.snapshots[GATEWAY].resources(ROUTE).values())


def test_many_sets_cost_so_many_times_as_much_as_one() -> None:
    """Each of a thousand ListenerSets costs as much as each of a hundred: in queries that run, and in bytes."""
    few, many = world(FEW), world(MANY)
    runs = [sum(each.executions.values()) for each in (few, many)]
    assert runs[1] <= runs[0] * MANY / FEW
    sizes = [
        sum(len(found.body) for found in each.snapshots[GATEWAY].resources(ROUTE).values()) for each in (few, many)
    ]
    assert sizes[1] <= sizes[0] * MANY / FEW * 1.1


def test_editing_a_listener_of_a_set(found: Translator) -> None:
    """A set's listener with another hostname: no listener of another set is read again, and no route of one."""
    runs, changes = cost(found, edit(listener_set(7, hostname="other.example.com")))
    assert max(runs[each] for each in ("valid_listeners", "listeners", "attachable_listeners")) <= 2
    assert max(runs[each] for each in ("attachment", "route_status", "route_entries", "listener_set_status")) <= 2
    assert sum(runs.values()) <= 60 + SCOPES
    assert changes.statuses == {}
    _, changes = cost(found, edit(listener_set(7)))
    assert changes.statuses == {}


def test_adding_and_removing_a_set(found: Translator) -> None:
    """A set comes and goes at the cost of its own listeners, routes and status, and of the Gateway's."""
    runs, changes = cost(found, edit(listener_set(5_000)), edit(route(5_000)))
    assert sum(runs.values()) <= 80 + SCOPES
    statuses = {"Gateway shop/web", "HTTPRoute team-0/route-5000", "ListenerSet team-0/set-5000"}
    assert {str(each) for each in changes.statuses} == statuses
    runs, changes = cost(found, removal(listener_set(5_000)), removal(route(5_000)))
    assert sum(runs.values()) <= 60 + SCOPES
    assert {str(each) for each in changes.statuses} == statuses


def test_a_set_on_a_port_of_its_own(found: Translator) -> None:
    """A set moves to a port that no other has: it gets a listener there, and no other set is looked at."""
    runs, _ = cost(found, edit(listener_set(7, port=10081)))
    assert runs["valid_listeners"] <= 2
    assert sum(runs.values()) <= 60 + SCOPES
    cost(found, edit(listener_set(7)))


def test_a_policy_of_one_set(found: Translator) -> None:
    """A policy of one set concerns the virtual hosts of its port once, and no route of another set is evaluated."""
    target = {"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "set-7"}
    cors = {"allowOrigins": ["https://a.test"]}
    spec = {"targetRefs": [target], "cors": cors}
    policy = manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", "policy", "team-7", spec=spec)
    runs, _ = cost(found, edit(policy))
    assert runs["attachment"] <= 1
    assert runs["route_entries"] <= 1
    cost(found, removal(policy))


def https(sets: int) -> Translator:
    """Return a Gateway with so many ListenerSets of one HTTPS listener each."""
    data = dict(zip(("tls.crt", "tls.key"), key_pair("one"), strict=True))
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    secret = manifest("v1", "Secret", "certificate", type="kubernetes.io/tls", data=encoded)
    made = Translator(Settings(offline=True))
    made.edit([edit(parent()), edit(secret), *grants()])
    made.edit(edit(listener_set(number, port=10443, tls=True)) for number in range(sets))
    assert made.evaluate().failures == []
    return made


def test_many_https_listeners() -> None:
    """Tables of HTTPS listeners name each other's hostnames only while these are few: their size is not squared."""
    few, many = https(2 * MOST_MISDIRECTED), https(4 * MOST_MISDIRECTED)
    sizes = [
        sum(len(found.body) for found in each.snapshots[GATEWAY].resources(ROUTE).values()) for each in (few, many)
    ]
    assert sizes[1] <= 2.1 * sizes[0]
    runs, _ = cost(many, edit(listener_set(5_000, port=10443, tls=True)))
    assert runs["table_resource"] <= 2
    assert sum(runs.values()) <= 60 + SCOPES


def test_overlapping_hostnames() -> None:
    """A wildcard listener names few of the hostnames within its own, and another one changes no status but its own."""
    reference = {"certificateRefs": [{"name": "certificate"}]}
    found = https(FEW)
    sharing = parent()
    tls = {"name": "tls", "port": 10443, "protocol": "HTTPS", "hostname": "*.example.com", "tls": reference}
    sharing["spec"]["listeners"].append(tls)
    cost(found, edit(sharing))
    conditions = found.statuses[GATEWAY]["listeners"][1]["conditions"]
    (message,) = (each["message"] for each in conditions if each["type"] == "OverlappingTLSConfig")
    assert "host-0.example.com, host-1.example.com, host-10.example.com and others of other ListenerSets" in message
    runs, changes = cost(found, edit(listener_set(5_000, port=10443, tls=True)))
    assert {str(each) for each in changes.statuses} == {"ListenerSet team-0/set-5000", "Gateway shop/web"}
    assert runs["listener_set_status"] <= 2
