"""The cost of an edit among 10,000 routes, counted in executed queries and changed resources."""

from __future__ import annotations

import pytest

from bench.world import Raw, edit, endpoint_slice, gateway, manifest, removal, route, service
from tests.certificates import key_pair
from tests.translator.costs import GATEWAY, HOSTS, ROUTES, SERVICES, cost, https_gateway, put_back, secret
from translator.inputs import AffectedRoute, AttributedNack, GatewaySyncStatus, StillServed
from translator.refs import Ref
from translator.status.nacks import attribute_nacks
from translator.translator import Translator
from xds.protocol.nacks import Nack, NackState
from xds.resources.types import LISTENER, ROUTE, SECRET

pytestmark = pytest.mark.slow


def test_changing_a_route(large: Translator) -> None:
    """One route in 10,000 re-runs nine queries and changes the one RouteConfiguration that it is in."""
    with put_back(large, edit(route(7, HOSTS, SERVICES))):
        found = cost(large, edit(route(7, HOSTS, SERVICES, path="/elsewhere")))
    assert found.runs <= 9
    assert found.resources == {ROUTE: {"port-10080"}}
    assert found.statuses == []


def test_touching_a_route(large: Translator) -> None:
    """A route that comes again with other bookkeeping re-runs nothing at all."""
    again = route(7, HOSTS, SERVICES)
    again["metadata"] |= {"resourceVersion": "8", "managedFields": []}
    before = large.verifications
    found = cost(large, edit(again))
    assert large.verifications == before
    assert (found.runs, found.resources, found.statuses) == (0, {}, [])


def test_moving_a_route_to_another_service(large: Translator) -> None:
    """A route that no longer needs a cluster which others need changes no cluster."""
    moved = route(7, HOSTS, SERVICES)
    moved["spec"]["rules"][0]["backendRefs"][0]["name"] = "service-8"
    with put_back(large, edit(route(7, HOSTS, SERVICES))):
        found = cost(large, edit(moved))
    assert found.runs <= 9
    assert found.resources == {ROUTE: {"port-10080"}}


def test_adding_and_removing_a_route(large: Translator) -> None:
    """A route that comes, and one that goes, re-run fourteen queries at most; the listener's count follows."""
    added = route(ROUTES, HOSTS, SERVICES)
    found = cost(large, edit(added))
    assert found.runs <= 14
    assert found.resources == {ROUTE: {"port-10080"}}
    assert found.statuses == ["Gateway shop/web", "HTTPRoute shop/route-10000"]
    gone = cost(large, removal(added))
    assert gone.runs <= 4
    assert gone.resources == {ROUTE: {"port-10080"}}
    assert gone.changes.statuses[Ref("HTTPRoute", "shop", "route-10000")] is None


def test_overlapping_another_route(large: Translator) -> None:
    """A match that a route of the same host has already is told at the later route, and no other route is looked at."""
    same = route(107, HOSTS, SERVICES, path="/route-7")
    with put_back(large, edit(route(107, HOSTS, SERVICES))):
        before = large.verifications
        found = cost(large, edit(same))
        # "shop/route-107" is before "shop/route-7".
        assert found.statuses == ["HTTPRoute shop/route-7"]
        assert found.runs <= 11
        assert large.verifications - before <= 30
    assert cost(large, edit(route(107, HOSTS, SERVICES))).statuses == []


def test_changing_a_certificate(large: Translator) -> None:
    """A new certificate changes its Secret, and no listener is touched."""
    with put_back(large, edit(secret("one"))):
        found = cost(large, edit(secret("two")))
    assert found.runs <= 3
    assert found.resources == {SECRET: {"shop/certificate"}}
    assert found.statuses == []


def test_objects_that_nobody_refers_to(large: Translator) -> None:
    """A Namespace, Secret, Service or EndpointSlice that nothing refers to re-runs next to nothing."""
    stranger = service(SERVICES)
    edits = [
        edit(manifest("v1", "Namespace", "elsewhere", namespace="") | {"metadata": {"name": "elsewhere"}}),
        edit(manifest("v1", "Secret", "other", data={"password": "eA=="})),
        edit(stranger),
        edit(endpoint_slice(SERVICES)),
    ]
    with put_back(large, *(each._replace(object=None) for each in edits)):
        found = cost(large, *edits)
    assert found.runs <= 2  # one is whether policies for backends select the Service
    assert (found.resources, found.statuses) == ({}, [])


def test_an_unrelated_gateway(large: Translator) -> None:
    """Another Gateway on another port comes and goes without the first one being touched."""
    other = gateway(port=10081)
    other["metadata"]["name"] = "other"
    found = cost(large, edit(other))
    assert found.runs <= 51  # of which one for each discovered filter, and one for whether its models are counted
    assert found.resources == {}
    assert found.statuses == ["Gateway shop/other"]
    gone = cost(large, removal(other))
    assert gone.runs <= 21
    assert gone.changes.snapshots == {Ref("Gateway", "shop", "other"): None}


def test_annotating_the_gateway(large: Translator) -> None:
    """Bookkeeping in the Gateway concerns what reads its metadata, and does not have its routes looked at."""
    annotated = https_gateway()
    annotated["metadata"]["annotations"] = {"note": "new"}
    with put_back(large, edit(https_gateway())):
        before = large.verifications
        found = cost(large, edit(annotated))
        assert large.verifications - before <= 18
    assert found.runs <= 7
    assert (found.resources, found.statuses) == ({}, [])


def test_changing_ca_certificates(large: Translator) -> None:
    """Renewed CA certificates for clients change their Secret, and no listener is touched."""
    validated = https_gateway()
    references = [{"group": "", "kind": "ConfigMap", "name": "ca"}]
    validated["spec"]["tls"] = {"frontend": {"default": {"validation": {"caCertificateRefs": references}}}}
    certificates = [manifest("v1", "ConfigMap", "ca", data={"ca.crt": key_pair(each)[0]}) for each in ("one", "two")]
    with put_back(large, edit(https_gateway()), removal(certificates[0])):
        cost(large, edit(certificates[0]), edit(validated))
        found = cost(large, edit(certificates[1]))
    assert found.runs <= 4
    assert found.resources == {SECRET: {"ConfigMap/shop/ca"}}
    assert found.statuses == []


def test_changing_a_certificate_reference(large: Translator) -> None:
    """A listener that loses its certificate goes with what only it needed, and no query of a route runs."""
    changed = https_gateway()
    changed["spec"]["listeners"][1]["tls"]["certificateRefs"][0]["name"] = "missing"
    with put_back(large, edit(https_gateway())):
        found = cost(large, edit(changed))
    assert found.resources.keys() == {LISTENER, ROUTE, SECRET}
    assert found.statuses == ["Gateway shop/web"]
    assert found.runs <= 25


def traffic_policy(kind: str, target: str, **cors: object) -> Raw:
    """Return the TrafficPolicy of a Gateway or a route."""
    spec = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": kind, "name": target}], "cors": cors}
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", target, spec=spec)


def test_changing_the_policy_of_the_gateway(large: Translator) -> None:
    """Routes inherit what a Gateway's policy says: no query of a route runs, one of a host only for the first."""
    policy = traffic_policy("Gateway", "web", allowOrigins=["https://a.com"])
    tables = {ROUTE: frozenset({"port-10080", "port-10443/*.test"})}
    with put_back(large, removal(policy)):
        first = cost(large, edit(policy))
        assert first.resources == tables
        assert first.statuses == ["TrafficPolicy shop/web"]
        assert first.runs <= HOSTS + 39  # each virtual host has a route more, for preflights
        found = cost(large, edit(traffic_policy("Gateway", "web", allowOrigins=["https://b.com"])))
        assert found.resources == tables
        assert found.statuses == []
        assert found.runs <= 22
    assert cost(large, removal(policy)).runs == 0


def test_changing_the_policy_of_a_route(large: Translator) -> None:
    """The first policy among some forty routes has these looked at; after that one concerns its route alone."""
    policy = traffic_policy("HTTPRoute", "route-7", allowOrigins=["*"])
    with put_back(large, removal(policy)):
        first = cost(large, edit(policy))
        assert first.resources == {ROUTE: {"port-10080"}}
        assert first.runs <= 135
        found = cost(large, edit(traffic_policy("HTTPRoute", "route-7", allowOrigins=["https://b.com"])))
        assert found.resources == {ROUTE: {"port-10080"}}
        assert found.runs <= 17


def test_cells_come_and_go_with_objects(large: Translator) -> None:
    """Nothing is left of edits that were undone: the translator remembers as much as before."""
    before = large.memos
    added = route(ROUTES, HOSTS, SERVICES)
    cost(large, edit(added), edit(route(7, HOSTS, SERVICES, path="/elsewhere")))
    cost(large, removal(added), edit(route(7, HOSTS, SERVICES)))
    assert large.memos == before


def test_a_refusal_by_a_proxy(large: Translator) -> None:
    """That a proxy refuses a table of 10,000 routes has the queries run of the one route that it concerns, and back."""
    url = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    concern = AffectedRoute(Ref("HTTPRoute", "shop", "route-7"), ("0",), StillServed.PREVIOUS_VERSION)
    told = GatewaySyncStatus(1, False, (AttributedNack(Nack(url, "port-10080", "no"), (concern,)),))
    for delivery in (told, GatewaySyncStatus(1, True)):
        before = large.verifications
        large.set_sync_status(GATEWAY, delivery)
        found = cost(large)
        assert found.statuses == ["HTTPRoute shop/route-7"]
        assert found.resources == {}
        assert found.runs <= 3
        assert large.verifications - before < 20
    with put_back(large):
        large.set_sync_status(GATEWAY, GatewaySyncStatus(2, True))
        assert cost(large).statuses == []


def test_whom_a_refusal_concerns(large: Translator) -> None:
    """To find the route that a refusal concerns, only the virtual hosts are looked into that changed."""
    before = large.snapshots[GATEWAY].resources(ROUTE)["port-10080"]
    with put_back(large, edit(route(7, HOSTS, SERVICES))):
        cost(large, edit(route(7, HOSTS, SERVICES, path="/elsewhere")))
        now = large.snapshots[GATEWAY]
        (found,) = attribute_nacks(now, [NackState(Nack(ROUTE, "port-10080", "no"), before)])
        hosts = {id(each) for each in before.origin}  # type: ignore[attr-defined]
        assert [each.route.name for each in found.routes] == ["route-7"]
        new = [each for each in now.resources(ROUTE)["port-10080"].origin if id(each) not in hosts]  # type: ignore[attr-defined]
        assert [len(each) for each in new] == [ROUTES // HOSTS]
