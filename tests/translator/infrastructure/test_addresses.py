"""Addresses: those that a Gateway requests, those of its Service, and those in its status."""

from __future__ import annotations

import json

import pytest

from headgate_proto.envoy.config.listener.v3 import listener_pb2
from tests.translator.infrastructure.gateways import GATEWAY, Cluster, gateway, parameters, service, with_parameters

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


def assigned(*ingress: str) -> str:
    """Return the status of a Service with addresses of its load balancer."""
    return f"status: {{loadBalancer: {{ingress: [{', '.join(ingress)}]}}}}"


def programmed(cluster: Cluster) -> tuple[str, str]:
    """Return status and reason of the Gateway's condition Programmed."""
    return cluster.condition("Programmed")[:2]


def requesting(*addresses: str) -> str:
    """Return a Gateway that requests addresses."""
    return gateway(f"addresses: [{', '.join(addresses)}]")


def test_programmed_needs_an_address_and_acknowledgement() -> None:
    """With only one of them, the Gateway is not programmed."""
    cluster = Cluster(gateway())
    assert (cluster.addresses, programmed(cluster)) == ([], ("False", "AddressNotAssigned"))
    cluster.apply(service(""))
    cluster.deliver()
    assert programmed(cluster) == ("False", "AddressNotAssigned")
    cluster.apply(service(assigned("{ip: 192.0.2.1}")))
    assert (cluster.addresses, programmed(cluster)) == ([("IPAddress", "192.0.2.1")], ("True", "Programmed"))
    cluster.deliver(clients=0)
    assert programmed(cluster) == ("False", "Pending")


def test_hostnames() -> None:
    """A load balancer may have a hostname, or several addresses."""
    cluster = Cluster(
        gateway(), service(assigned("{hostname: lb.example.com}", "{ip: 192.0.2.1}", "{ip: '2001:db8::1'}"))
    )
    assert cluster.addresses == [
        ("Hostname", "lb.example.com"),
        ("IPAddress", "192.0.2.1"),
        ("IPAddress", "2001:db8::1"),
    ]


def test_a_cluster_ip() -> None:
    """Without a load balancer, the Service's own address is the Gateway's."""
    cluster = Cluster(parameters("{service: {type: ClusterIP}}"), with_parameters(), service("", "ClusterIP"))
    assert cluster.addresses == [("IPAddress", "10.96.0.7")]


def test_a_static_address() -> None:
    """It is requested from the load balancer; another assigned address does not count as it."""
    cluster = Cluster(requesting("{value: 192.0.2.9}"))
    assert cluster.body("Service")["spec"]["loadBalancerIP"] == "192.0.2.9"
    cluster.deliver()
    cluster.apply(service(assigned("{ip: 192.0.2.1}")))
    assert programmed(cluster) == ("False", "AddressNotUsable")
    cluster.apply(service(assigned("{ip: 192.0.2.9}")))
    assert (programmed(cluster), cluster.addresses) == (("True", "Programmed"), [("IPAddress", "192.0.2.9")])


def test_external_addresses() -> None:
    """Without a load balancer, all requested addresses become external IPs of the Service."""
    reference = "infrastructure: {parametersRef: {group: gateway.headgate.dev, kind: GatewayParameters, name: mine}}"
    addresses = "addresses: [{value: 192.0.2.9}, {value: 192.0.2.8}]"
    cluster = Cluster(parameters("{service: {type: ClusterIP}}"), gateway(f"{reference}\n  {addresses}"))
    wanted = ["192.0.2.9", "192.0.2.8"]
    assert cluster.body("Service")["spec"]["externalIPs"] == wanted
    made = service("", "ClusterIP").replace("ports:", f"externalIPs: {wanted}, ports:")
    cluster.apply(made)
    assert cluster.addresses == [("IPAddress", each) for each in wanted]


def pod(name: str, ip: str, *nodes: str, going: bool = False) -> str:
    """Return a proxy's pod."""
    deletion = "deletionTimestamp: '2026-01-01T00:00:00Z', " if going else ""
    addresses = ", ".join(f"{{ip: '{each}'}}" for each in nodes)
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: web, {deletion}labels: {{gateway.networking.k8s.io/gateway-name: shop}}}}
status: {{hostIP: '{nodes[0]}', hostIPs: [{addresses}], podIP: {ip}}}
"""


def test_node_ports() -> None:
    """The addresses are those of nodes with proxies, of both IP families; a terminating proxy does not count."""
    cluster = Cluster(parameters("{service: {type: NodePort}}"), with_parameters(), service("", "NodePort"))
    cluster.deliver()
    assert (cluster.addresses, programmed(cluster)) == ([], ("False", "AddressNotAssigned"))
    one = pod("one", "10.0.0.1", "192.0.2.1", "2001:db8::1")
    cluster.apply(one, pod("two", "10.0.0.2", "192.0.2.2"), pod("three", "10.0.0.3", "192.0.2.1"))
    assert cluster.addresses == [("IPAddress", each) for each in ("192.0.2.1", "192.0.2.2", "2001:db8::1")]
    assert programmed(cluster) == ("True", "Programmed")
    cluster.apply(pod("two", "10.0.0.2", "192.0.2.2", going=True))
    assert cluster.addresses == [("IPAddress", each) for each in ("192.0.2.1", "2001:db8::1")]


def test_the_host_network() -> None:
    """Proxies in the host network are reached at the nodes, on the Gateway's own ports."""
    cluster = Cluster(parameters("{service: {type: ClusterIP}}"), with_parameters(), service("", "ClusterIP"))
    cluster.apply(pod("one", "192.0.2.1", "192.0.2.1"))
    assert cluster.addresses == [("IPAddress", "192.0.2.1")]


def test_addresses_are_bounded() -> None:
    """A status has at most sixteen addresses."""
    cluster = Cluster(parameters("{service: {type: NodePort}}"), with_parameters(), service("", "NodePort"))
    cluster.apply(*(pod(f"p{number}", "10.0.0.1", f"192.0.2.{number}") for number in range(20)))
    assert len(cluster.addresses) == 16


@pytest.mark.parametrize("spec", ["{service: {type: ClusterIP}}", "{selfManaged: true}"])
def test_a_requested_hostname(spec: str) -> None:
    """Without a load balancer, a requested hostname is used: its owner routes it here."""
    reference = "infrastructure: {parametersRef: {group: gateway.headgate.dev, kind: GatewayParameters, name: mine}}"
    asked = gateway(f"{reference}\n  addresses: [{{type: Hostname, value: shop.example.com}}]")
    cluster = Cluster(parameters(spec), asked, service("", "ClusterIP"))
    cluster.deliver()
    assert cluster.addresses == [("Hostname", "shop.example.com")]
    assert programmed(cluster) == ("True", "Programmed")


def test_a_hostname_of_the_load_balancer() -> None:
    """It is used once the load balancer has it, and reported as missing until then."""
    cluster = Cluster(requesting("{type: Hostname, value: lb.example.com}"))
    cluster.deliver()
    assert "loadBalancerIP" not in cluster.body("Service")["spec"]
    cluster.apply(service(assigned("{hostname: other.example.com}")))
    assert programmed(cluster) == ("False", "AddressNotUsable")
    cluster.apply(service(assigned("{hostname: lb.example.com}")))
    assert programmed(cluster) == ("True", "Programmed")


def test_ip_families() -> None:
    """Proxies bind the IP families assigned to the Service; until it exists, those that it will request."""
    cluster = Cluster(parameters("{service: {ipFamilies: [IPv6]}}"), with_parameters())
    assert bound_addresses(cluster) == ["0.0.0.0", "::"]
    cluster.apply(service("").replace("spec: {", "spec: {ipFamilies: [IPv4], "))
    assert bound_addresses(cluster) == ["0.0.0.0"]
    before = cluster.body("Deployment")
    cluster.apply(service("").replace("spec: {", "spec: {ipFamilies: [IPv4, IPv6], "))
    assert bound_addresses(cluster) == ["0.0.0.0", "::"]
    assert cluster.body("Deployment") != before
    cluster.apply(parameters("{service: {ipFamilies: [IPv5]}}"))
    assert bound_addresses(cluster) == ["0.0.0.0", "::"]


def bound_addresses(cluster: Cluster) -> list[str]:
    """Return the addresses that proxies bind for readiness and for the Gateway's listeners."""
    bootstrap = json.loads(cluster.body("ConfigMap")["data"]["bootstrap.json"])
    readiness = bootstrap["static_resources"]["listeners"][0]
    places = (readiness, *readiness.get("additional_addresses", ()))
    (found,) = cluster.translator.snapshots[GATEWAY].resources(LISTENER).values()
    listener = listener_pb2.Listener.FromString(found.body)
    served = (listener.address, *(each.address for each in listener.additional_addresses))
    addresses = [each["address"]["socket_address"]["address"] for each in places]
    assert addresses == [each.socket_address.address for each in served]
    return addresses


def test_static_addresses_of_the_conformance_suite() -> None:
    """An unsupported type is not accepted; a usable and an unusable address are not programmed; a usable one is."""
    unsupported, unusable, usable = "{type: test/fake, value: x}", "{value: 192.0.2.8}", "{value: 192.0.2.9}"
    cluster = Cluster(requesting(unsupported, unusable, usable))
    cluster.deliver()
    assert cluster.condition("Accepted")[:2] == ("False", "UnsupportedAddress")
    cluster.apply(requesting(unusable, usable), service(assigned("{ip: 192.0.2.8}")))
    assert cluster.condition("Accepted")[:2] == ("True", "Accepted")
    assert programmed(cluster) == ("False", "AddressNotUsable")
    cluster.apply(requesting(usable), service(assigned("{ip: 192.0.2.9}")))
    assert programmed(cluster) == ("True", "Programmed")
    assert cluster.addresses == [("IPAddress", "192.0.2.9")]


def test_addresses_that_no_service_can_have() -> None:
    """Addresses that Kubernetes rejects are not requested."""
    cluster = Cluster(requesting("{value: 127.0.0.1}", "{value: '::'}", "{value: 224.0.0.1}"))
    assert programmed(cluster) == ("False", "AddressNotUsable")
    assert "loadBalancerIP" not in cluster.body("Service")["spec"]


def test_any_address() -> None:
    """An address without a value requests any one, like a Gateway without addresses."""
    cluster = Cluster(requesting("{type: IPAddress}"), service(assigned("{ip: 192.0.2.1}")))
    cluster.deliver()
    assert (programmed(cluster), cluster.addresses) == (("True", "Programmed"), [("IPAddress", "192.0.2.1")])


def test_an_address_in_the_cluster_only() -> None:
    """A Gateway that asks for such an address only has a Service without a load balancer, and the Service's address."""
    settings = "{service: {loadBalancerClass: example.com/lb, externalTrafficPolicy: Local}}"
    reference = "infrastructure: {parametersRef: {group: gateway.headgate.dev, kind: GatewayParameters, name: mine}}"
    cluster = Cluster(parameters(settings), gateway(f"{reference}\n  addresses: [{{routability: Cluster}}]"))
    spec = cluster.body("Service")["spec"]
    assert spec["type"] == "ClusterIP"
    assert not spec.keys() & {"loadBalancerClass", "externalTrafficPolicy", "clusterIP"}
    assert programmed(cluster) == ("False", "AddressNotAssigned")
    cluster.deliver()
    cluster.apply(service("", "ClusterIP"))
    assert programmed(cluster) == ("True", "Programmed")
    wanted = {"type": "IPAddress", "value": "10.96.0.7", "routability": "Cluster"}
    assert cluster.translator.statuses[GATEWAY]["addresses"] == [wanted]


def test_a_static_address_in_the_cluster() -> None:
    """The Service is asked for it; another one does not count as it."""
    cluster = Cluster(requesting("{value: 10.96.0.9, routability: Cluster}"))
    assert cluster.body("Service")["spec"]["clusterIP"] == "10.96.0.9"
    cluster.deliver()
    cluster.apply(service("", "ClusterIP"))
    assert programmed(cluster) == ("False", "AddressNotUsable")
    cluster.apply(service("", "ClusterIP").replace("10.96.0.7", "10.96.0.9"))
    assert programmed(cluster) == ("True", "Programmed")


def test_an_address_in_the_cluster_beside_others() -> None:
    """With other addresses the Service keeps its load balancer; the one in the cluster is told beside its address."""
    cluster = Cluster(requesting("{value: 192.0.2.9}", "{routability: Cluster}"))
    spec = cluster.body("Service")["spec"]
    assert (spec["type"], spec["loadBalancerIP"]) == ("LoadBalancer", "192.0.2.9")
    cluster.deliver()
    cluster.apply(service(assigned("{ip: 192.0.2.9}")))
    assert programmed(cluster) == ("True", "Programmed")
    found = cluster.translator.statuses[GATEWAY]["addresses"]
    assert [each.get("routability", "") for each in found] == ["", "Cluster"]


def test_a_routability_of_somebody_else() -> None:
    """A routability that Headgate does not know is not accepted."""
    cluster = Cluster(requesting("{routability: example.com/public}"))
    assert cluster.condition("Accepted")[:2] == ("False", "UnsupportedAddress")
