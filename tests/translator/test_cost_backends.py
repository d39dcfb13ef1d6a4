"""The cost of an edit of a backend among 10,000 routes to 1,000 Services, and of its endpoints and TLS."""

from __future__ import annotations

import pytest

from bench.world import Raw, edit, endpoint_slice, manifest, removal, route, service
from tests.certificates import self_signed
from tests.translator.costs import HOSTS, ROUTES, SERVICES, cost, https_gateway, put_back, secret
from translator.translator import Translator
from xds.resources.types import CLUSTER, ENDPOINT, ROUTE, SECRET

pytestmark = pytest.mark.slow


def config_map(name: str, certificate: str) -> Raw:
    """Return a ConfigMap with CA certificates."""
    return manifest("v1", "ConfigMap", name, data={"ca.crt": certificate})


def backend_tls(name: str, target: str) -> Raw:
    """Return a BackendTLSPolicy for a Service, which trusts the ConfigMap `ca`."""
    trusted = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}], "hostname": "a.example.com"}
    targets = [{"group": "", "kind": "Service", "name": target}]
    spec = {"targetRefs": targets, "validation": trusted}
    return manifest("gateway.networking.k8s.io/v1", "BackendTLSPolicy", name, spec=spec)


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


def groups(*names: str) -> Raw:
    """Return a Backend with a group for each Service."""
    found = [{"backendRefs": [{"name": name, "port": 80}]} for name in names]
    return manifest("gateway.headgate.dev/v1alpha1", "Backend", "groups", spec={"priorityGroups": found})


def test_changing_priority_groups(large: Translator) -> None:
    """An edit of a member's endpoints sends these alone; of the groups, their clusters and the one route to them."""
    to_it = route(7, HOSTS, SERVICES)
    to_it["spec"]["rules"][0]["backendRefs"] = [{"group": "gateway.headgate.dev", "kind": "Backend", "name": "groups"}]
    removals = [removal(groups("service-8")), edit(route(7, HOSTS, SERVICES)), edit(endpoint_slice(8))]
    with put_back(large, *removals):
        first = cost(large, edit(groups("service-8", "service-9")), edit(to_it))
        assert {each: len(names) for each, names in first.resources.items()} == {CLUSTER: 2, ROUTE: 1}
        found = cost(large, edit(endpoint_slice(8, address="10.9.9.9")))
        assert {each: len(names) for each, names in found.resources.items()} == {ENDPOINT: 1}
        assert found.runs <= 5
        swapped = cost(large, edit(groups("service-9", "service-8")))
        assert {each: len(names) for each, names in swapped.resources.items()} == {CLUSTER: 4, ROUTE: 1}
        assert swapped.runs <= 16
        assert swapped.statuses == []


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
