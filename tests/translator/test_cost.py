"""The cost of an edit among 10,000 routes, counted in executed queries and changed resources."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.world import Raw, edit, endpoint_slice, gateway, manifest, removal, route, service, world
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from tests.certificates import key_pair, self_signed
from translator.inputs import AffectedRoute, AttributedNack, Edit, GatewaySyncStatus, Settings, StillServed
from translator.refs import Ref
from translator.status.nacks import attribute_nacks
from translator.translator import Changes, Translator
from xds.protocol.nacks import Nack, NackState
from xds.resources.snapshot import diff
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

ROUTES, HOSTS, SERVICES = 10_000, 100, 1_000
GATEWAY = Ref("Gateway", "shop", "web")
Changed = dict[str, frozenset[str]]


@pytest.fixture(scope="module")
def large() -> Translator:
    """Return a Gateway with 10,000 routes over 100 hosts to 1,000 Services; tests leave it as they found it."""
    made = Translator(Settings(offline=True))
    made.edit([*world(ROUTES, HOSTS, SERVICES), edit(secret("one"))])
    made.edit([edit(https_gateway())])
    assert made.evaluate().failures == []
    return made


def secret(pair: str) -> Raw:
    """Return the Secret of the Gateway's HTTPS listener, with a certificate of that name."""
    data = dict(zip(("tls.crt", "tls.key"), key_pair(pair), strict=True))
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return manifest("v1", "Secret", "certificate", type="kubernetes.io/tls", data=encoded)


def https_gateway() -> Raw:
    """Return the Gateway with an HTTPS listener beside, to which the hosts of no route belong."""
    made = gateway(hostname="*.example.com")
    tls = {"certificateRefs": [{"name": "certificate"}]}
    listener = {"name": "https", "port": 10443, "protocol": "HTTPS", "hostname": "*.test", "tls": tls}
    made["spec"]["listeners"].append(listener)
    return made


def config_map(name: str, certificate: str) -> Raw:
    """Return a ConfigMap with CA certificates."""
    return manifest("v1", "ConfigMap", name, data={"ca.crt": certificate})


def backend_tls(name: str, target: str) -> Raw:
    """Return a BackendTLSPolicy for a Service, which trusts the ConfigMap `ca`."""
    trusted = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}], "hostname": "a.example.com"}
    targets = [{"group": "", "kind": "Service", "name": target}]
    spec = {"targetRefs": targets, "validation": trusted}
    return manifest("gateway.networking.k8s.io/v1", "BackendTLSPolicy", name, spec=spec)


class Cost:
    """The cost and the changes of an evaluation."""

    def __init__(self, runs: int, changes: Changes, resources: Changed) -> None:
        self.runs, self.changes, self.resources = runs, changes, resources

    @property
    def statuses(self) -> list[str]:
        """The objects whose status changed."""
        return sorted(map(str, self.changes.statuses))


def cost(translator: Translator, *edits: Edit) -> Cost:
    """Make edits and count."""
    before, runs = translator.snapshots[GATEWAY], sum(translator.executions.values())
    translator.edit(edits)
    changes = translator.evaluate()
    assert changes.failures == []
    return Cost(sum(translator.executions.values()) - runs, changes, diff(before, translator.snapshots[GATEWAY]))


@contextmanager
def put_back(translator: Translator, *edits: Edit) -> Iterator[None]:
    """Undo what a test did, whatever became of it."""
    try:
        yield
    finally:
        translator.edit(edits)
        translator.evaluate()


def test_changing_a_route(large: Translator) -> None:
    """One route in 10,000 re-runs nine queries and changes the one RouteConfiguration that it is in."""
    with put_back(large, edit(route(7, HOSTS, SERVICES))):
        found = cost(large, edit(route(7, HOSTS, SERVICES, path="/elsewhere")))
    assert found.runs <= 9
    assert found.resources == {ROUTE: {"port-10080"}}
    assert found.statuses == []


def test_changing_the_authorities_of_a_backend(large: Translator) -> None:
    """An edit of CA certificates sends these alone: no cluster, and no route."""
    bundles = [config_map("ca", self_signed(name)[0]) for name in ("one", "other")]
    removals = [removal(backend_tls("policy", "service-7")), removal(bundles[0])]
    with put_back(large, *removals):
        first = cost(large, edit(bundles[0]), edit(backend_tls("policy", "service-7")))
        assert first.resources.keys() == {ROUTE, CLUSTER, ENDPOINT, SECRET}
        assert {len(names) for kind, names in first.resources.items() if kind != ROUTE} <= {1, 2}
        found = cost(large, edit(bundles[1]))
        assert found.resources == {SECRET: {"ConfigMap/shop/ca"}}
        assert found.statuses == []
        assert found.runs <= 4


def external(name: str, hostname: str) -> Raw:
    """Return an XBackend, at a host."""
    spec = {"type": "ExternalHostname", "externalHostname": {"hostname": hostname}, "port": {"number": 443}}
    return manifest("gateway.networking.x-k8s.io/v1alpha1", "XBackend", name, spec=spec)


def test_changing_an_xbackend(large: Translator) -> None:
    """An edit of an XBackend changes its cluster and the one route to it; of another one that nobody names, nothing."""
    to_it = route(7, HOSTS, SERVICES)
    reference = {"group": "gateway.networking.x-k8s.io", "kind": "XBackend", "name": "api"}
    to_it["spec"]["rules"][0]["backendRefs"] = [reference]
    objects = [external("api", "api.example.com"), external("other", "api.example.com")]
    with put_back(large, *map(removal, objects), edit(route(7, HOSTS, SERVICES))):
        cost(large, *map(edit, (*objects, to_it)))
        found = cost(large, edit(external("api", "new.example.com")))
        assert found.runs <= 12
        assert {each: len(names) for each, names in found.resources.items()} == {CLUSTER: 2, ROUTE: 1}
        assert found.statuses == []
        unnamed = cost(large, edit(external("other", "new.example.com")))
        assert (unnamed.resources, unnamed.statuses) == ({}, [])
        assert unnamed.runs <= 2


def test_renewing_the_client_certificate_of_the_gateway(large: Translator) -> None:
    """An edit of the certificate that backends are presented sends it alone: no cluster, and no route."""
    presenting = https_gateway()
    presenting["spec"]["tls"] = {"backend": {"clientCertificateRef": {"name": "client"}}}
    client = secret("one")
    client["metadata"]["name"] = "client"
    bundle = config_map("ca", self_signed("one")[0])
    policy = backend_tls("policy", "service-7")
    with put_back(large, edit(https_gateway()), removal(client), removal(policy), removal(bundle)):
        large.edit([edit(presenting), edit(client), edit(bundle), edit(policy)])
        assert large.evaluate().failures == []
        client["data"] = secret("two")["data"]
        found = cost(large, edit(client))
        assert found.resources == {SECRET: {"shop/client"}}
        assert found.statuses == []
        assert found.runs <= 4


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
    """A route that comes, and one that goes, re-run a dozen queries at most; the listener's count follows."""
    added = route(ROUTES, HOSTS, SERVICES)
    found = cost(large, edit(added))
    assert found.runs <= 13
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


def test_losing_the_last_endpoint(large: Translator) -> None:
    """The ten routes of a Service are told that it has no endpoints; while pods are not ready they are not."""
    idle, empty = endpoint_slice(7), endpoint_slice(7)
    idle["endpoints"][0]["conditions"] = {"ready": False}
    empty["endpoints"] = []
    with put_back(large, edit(endpoint_slice(7))):
        assert cost(large, edit(idle)).statuses == []
        found = cost(large, edit(empty))
        assert len(found.statuses) == ROUTES // SERVICES
        assert found.runs <= 3 + 2 * ROUTES // SERVICES


def test_changing_an_endpoint_slice(large: Translator) -> None:
    """New endpoints change their ClusterLoadAssignment and nothing else."""
    with put_back(large, edit(endpoint_slice(7))):
        found = cost(large, edit(endpoint_slice(7, address="10.9.9.9")))
    assert found.runs <= 5
    ((url, names),) = found.resources.items()
    assert url == ENDPOINT
    (name,) = names
    assert name.startswith("shop/service-7:80/")
    assert found.statuses == []


def test_adding_a_second_endpoint_slice(large: Translator) -> None:
    """One more slice of a Service does not make its routes be looked at."""
    second = endpoint_slice(7, address="10.9.9.9")
    second["metadata"]["name"] = "service-7-2"
    with put_back(large, removal(second)):
        found = cost(large, edit(second))
    assert found.runs <= 5
    assert found.resources.keys() == {ENDPOINT}


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
    assert found.runs <= 1
    assert (found.resources, found.statuses) == ({}, [])


def test_changing_a_service_in_what_is_not_served(large: Translator) -> None:
    """A port of a Service that no route names makes the Service be read, and no route."""
    more = service(7)
    more["spec"]["ports"].append({"name": "admin", "port": 81})
    with put_back(large, edit(service(7))):
        found = cost(large, edit(more))
    assert found.runs <= 3
    assert (found.resources, found.statuses) == ({}, [])


def test_changing_what_a_service_speaks(large: Translator) -> None:
    """A Service that ten routes use becomes another cluster: their queries run, not those of the other routes."""
    h2c = service(7)
    h2c["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    with put_back(large, edit(service(7))):
        found = cost(large, edit(h2c))
    assert found.runs <= 60
    assert found.resources.keys() == {CLUSTER, ENDPOINT, ROUTE}
    assert [len(names) for url, names in found.resources.items() if url == CLUSTER] == [2]


def test_an_unrelated_gateway(large: Translator) -> None:
    """Another Gateway on another port comes and goes without the first one being touched."""
    other = gateway(port=10081)
    other["metadata"]["name"] = "other"
    found = cost(large, edit(other))
    assert found.runs <= 37
    assert found.resources == {}
    assert found.statuses == ["Gateway shop/other"]
    gone = cost(large, removal(other))
    assert gone.runs <= 20
    assert gone.changes.snapshots == {Ref("Gateway", "shop", "other"): None}


def test_annotating_the_gateway(large: Translator) -> None:
    """Bookkeeping in the Gateway concerns what reads its metadata, and does not have its routes looked at."""
    annotated = https_gateway()
    annotated["metadata"]["annotations"] = {"note": "new"}
    with put_back(large, edit(https_gateway())):
        before = large.verifications
        found = cost(large, edit(annotated))
        assert large.verifications - before <= 16
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
    assert found.runs <= 24


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
        assert first.runs <= HOSTS + 17  # each virtual host has a route more, for preflights
        found = cost(large, edit(traffic_policy("Gateway", "web", allowOrigins=["https://b.com"])))
        assert found.resources == tables
        assert found.statuses == []
        assert found.runs <= 10
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
        assert found.runs <= 11


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


def test_changing_a_tcp_route(large: Translator) -> None:
    """A TCPRoute that forwards elsewhere changes the listener of its port, and no other, among 100 TCPRoutes."""
    wide = gateway()
    wide["spec"]["listeners"] += [
        {"name": f"tcp-{each}", "port": each, "protocol": "TCP"} for each in range(20000, 20020)
    ]
    routes = [tcp_route(each, 7) for each in range(100)]
    with put_back(large, edit(https_gateway()), *map(removal, routes)):
        large.edit([edit(wide), *map(edit, routes)])
        assert large.evaluate().failures == []
        found = cost(large, edit(tcp_route(3, 8)))
        unused = cost(large, edit(tcp_route(23, 8)))
    assert found.runs <= 18
    assert found.resources[LISTENER] == {"port-20003"}
    assert found.statuses == []
    assert (unused.resources.get(LISTENER), unused.statuses) == (None, [])


def test_an_endpoint_of_many_tcp_routes(large: Translator) -> None:
    """An endpoint is asked once for 100 TCPRoutes whether it leads back to their Gateway, and they only if it does."""
    wide = gateway()
    wide["spec"]["listeners"] += [
        {"name": f"tcp-{each}", "port": each, "protocol": "TCP"} for each in range(20000, 20020)
    ]
    routes = [tcp_route(each, 7) for each in range(100)]
    with put_back(large, edit(https_gateway()), edit(endpoint_slice(7)), *map(removal, routes)):
        large.edit([edit(wide), *map(edit, routes)])
        assert large.evaluate().failures == []
        moved = cost(large, edit(endpoint_slice(7, "127.0.0.1", 8081)))
        looped = cost(large, edit(endpoint_slice(7, "127.0.0.1", 20001)))
    assert moved.runs <= 10
    assert (set(moved.resources), moved.statuses) == ({ENDPOINT}, [])
    assert looped.resources[LISTENER] == {f"port-{each}" for each in range(20000, 20020)}
    assert len(looped.statuses) == 100


def test_changing_a_udp_route(large: Translator) -> None:
    """A UDPRoute that forwards elsewhere changes the endpoints of its port, and nothing else, among 100 UDPRoutes."""
    wide = gateway()
    wide["spec"]["listeners"] += [
        {"name": f"udp-{each}", "port": each, "protocol": "UDP"} for each in range(20000, 20020)
    ]
    services = [datagram_service(each) for each in (7, 8)]
    routes = [udp_route(each, 7) for each in range(100)]
    with put_back(large, edit(https_gateway()), *map(removal, [*routes, *services])):
        large.edit([edit(wide), *map(edit, [*routes, *services])])
        assert large.evaluate().failures == []
        found = cost(large, edit(udp_route(3, 8)))
        unused = cost(large, edit(udp_route(23, 8)))
    assert found.runs <= 13
    assert found.resources == {ENDPOINT: {"udp-20003"}}
    assert (found.statuses, unused.resources, unused.statuses) == ([], {}, [])


def datagram_service(number: int) -> Raw:
    """Return a Service of UDP at an address."""
    ports = [{"port": 53, "protocol": "UDP"}]
    return manifest("v1", "Service", f"udp-{number}", spec={"ports": ports, "clusterIP": f"10.0.0.{number}"})


def udp_route(number: int, backend: int) -> Raw:
    """Return one of the UDPRoutes of 20 ports, of which the first by name of each port serves."""
    rules = [{"backendRefs": [{"name": f"udp-{backend}", "port": 53}]}]
    spec = {"parentRefs": [{"name": "web", "port": 20000 + number % 20}], "rules": rules}
    return manifest("gateway.networking.k8s.io/v1", "UDPRoute", f"udp-{number:03}", spec=spec)


def test_changing_a_tls_route(large: Translator) -> None:
    """A TLSRoute that forwards elsewhere changes one filter chain of its listener, and no other listener."""
    wide = gateway()
    passthrough = {"mode": "Passthrough"}
    wide["spec"]["listeners"] += [
        {"name": f"tls-{port}", "port": port, "protocol": "TLS", "tls": passthrough} for port in (20443, 20444)
    ]
    routes = [tls_route(each, 7) for each in range(100)]
    with put_back(large, edit(https_gateway()), *map(removal, routes)):
        large.edit([edit(wide), *map(edit, routes)])
        assert large.evaluate().failures == []
        before = filter_chains(large)
        found = cost(large, edit(tls_route(3, 8)))
        after = filter_chains(large)
    assert found.runs <= 17
    assert found.resources[LISTENER] == {"port-20443"}
    assert found.statuses == []
    assert len(before) == 101
    assert [name for name, chain in after.items() if chain != before[name]] == ["port-20443/host-3.example.com"]


def tls_route(number: int, backend: int) -> Raw:
    """Return one of the TLSRoutes of a port, each with a hostname of its own."""
    rules = [{"backendRefs": [{"name": f"service-{backend}", "port": 80}]}]
    parents, hostnames = [{"name": "web", "port": 20443}], [f"host-{number}.example.com"]
    spec = {"parentRefs": parents, "hostnames": hostnames, "rules": rules}
    return manifest("gateway.networking.k8s.io/v1", "TLSRoute", f"tls-{number:03}", spec=spec)


def filter_chains(translator: Translator) -> dict[str, bytes]:
    """Return the filter chains of the port of TLSRoutes, by name."""
    found = Listener.FromString(translator.snapshots[GATEWAY].resources(LISTENER)["port-20443"].body)
    return {each.name: each.SerializeToString(deterministic=True) for each in found.filter_chains}


def tcp_route(number: int, backend: int) -> Raw:
    """Return one of the TCPRoutes of 20 ports, of which the first by name of each port serves."""
    rules = [{"backendRefs": [{"name": f"service-{backend}", "port": 80}]}]
    parents = [{"name": "web", "port": 20000 + number % 20}]
    spec = {"parentRefs": parents, "rules": rules}
    return manifest("gateway.networking.k8s.io/v1", "TCPRoute", f"tcp-{number:03}", spec=spec)
