"""Addresses: what a Gateway asks for, what its Service is told, and what its status says."""

from __future__ import annotations

from tests.translator.deployment.gateways import Cluster, gateway, parameters, service, with_parameters


def given(*ingress: str) -> str:
    """The status of a Service whose load balancer has given addresses."""
    return f"status: {{loadBalancer: {{ingress: [{', '.join(ingress)}]}}}}"


def programmed(cluster: Cluster) -> tuple[str, str]:
    """Whether the Gateway is programmed, and why."""
    return cluster.condition("Programmed")[:2]


def asking(*addresses: str) -> str:
    """A Gateway that asks for addresses."""
    return gateway(f"addresses: [{', '.join(addresses)}]")


def test_programmed_needs_an_address_and_acknowledgement() -> None:
    """With one of them alone the Gateway is not programmed."""
    cluster = Cluster(gateway())
    assert (cluster.addresses, programmed(cluster)) == ([], ("False", "AddressNotAssigned"))
    cluster.apply(service(""))
    cluster.deliver()
    assert programmed(cluster) == ("False", "AddressNotAssigned")
    cluster.apply(service(given("{ip: 192.0.2.1}")))
    assert (cluster.addresses, programmed(cluster)) == ([("IPAddress", "192.0.2.1")], ("True", "Programmed"))
    cluster.deliver(clients=0)
    assert programmed(cluster) == ("False", "Pending")


def test_hostnames() -> None:
    """A load balancer may have a name, or several addresses."""
    cluster = Cluster(gateway(), service(given("{hostname: lb.example.com}", "{ip: 192.0.2.1}", "{ip: '2001:db8::1'}")))
    assert cluster.addresses == [
        ("Hostname", "lb.example.com"),
        ("IPAddress", "192.0.2.1"),
        ("IPAddress", "2001:db8::1"),
    ]


def test_within_the_cluster() -> None:
    """Without a load balancer the Service's own address is the Gateway's."""
    cluster = Cluster(parameters("{service: {type: ClusterIP}}"), with_parameters(), service("", "ClusterIP"))
    assert cluster.addresses == [("IPAddress", "10.96.0.7")]


def test_a_static_address() -> None:
    """The load balancer is asked for it; another one that it gives is not it."""
    cluster = Cluster(asking("{value: 192.0.2.9}"))
    assert cluster.body("Service")["spec"]["loadBalancerIP"] == "192.0.2.9"
    cluster.deliver()
    cluster.apply(service(given("{ip: 192.0.2.1}")))
    assert programmed(cluster) == ("False", "AddressNotUsable")
    cluster.apply(service(given("{ip: 192.0.2.9}")))
    assert (programmed(cluster), cluster.addresses) == (("True", "Programmed"), [("IPAddress", "192.0.2.9")])


def test_external_addresses() -> None:
    """Where there is no load balancer, all that are asked for become external addresses of the Service."""
    reference = "infrastructure: {parametersRef: {group: gateway.headgate.dev, kind: GatewayParameters, name: mine}}"
    addresses = "addresses: [{value: 192.0.2.9}, {value: 192.0.2.8}]"
    cluster = Cluster(parameters("{service: {type: ClusterIP}}"), gateway(f"{reference}\n  {addresses}"))
    wanted = ["192.0.2.9", "192.0.2.8"]
    assert cluster.body("Service")["spec"]["externalIPs"] == wanted
    made = service("", "ClusterIP").replace("ports:", f"externalIPs: {wanted}, ports:")
    cluster.apply(made)
    assert cluster.addresses == [("IPAddress", each) for each in wanted]


def test_static_addresses_as_the_conformance_suite_asks() -> None:
    """An unsupported type is not accepted; a usable with an unusable one not programmed; in the end one is left."""
    unsupported, unusable, usable = "{type: test/fake, value: x}", "{value: 192.0.2.8}", "{value: 192.0.2.9}"
    cluster = Cluster(asking(unsupported, unusable, usable))
    cluster.deliver()
    assert cluster.condition("Accepted")[:2] == ("False", "UnsupportedAddress")
    cluster.apply(asking(unusable, usable), service(given("{ip: 192.0.2.8}")))
    assert cluster.condition("Accepted")[:2] == ("True", "Accepted")
    assert programmed(cluster) == ("False", "AddressNotUsable")
    cluster.apply(asking(usable), service(given("{ip: 192.0.2.9}")))
    assert programmed(cluster) == ("True", "Programmed")
    assert cluster.addresses == [("IPAddress", "192.0.2.9")]


def test_addresses_that_no_service_can_have() -> None:
    """Kubernetes refuses them, so it is not asked."""
    cluster = Cluster(asking("{value: 127.0.0.1}", "{value: '::'}", "{value: 224.0.0.1}"))
    assert programmed(cluster) == ("False", "AddressNotUsable")
    assert "loadBalancerIP" not in cluster.body("Service")["spec"]


def test_any_address() -> None:
    """An address without a value asks for any, which is what there is without asking."""
    cluster = Cluster(asking("{type: IPAddress}"), service(given("{ip: 192.0.2.1}")))
    cluster.deliver()
    assert (programmed(cluster), cluster.addresses) == (("True", "Programmed"), [("IPAddress", "192.0.2.1")])
