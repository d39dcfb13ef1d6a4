"""No route leads to Headgate's own addresses, however they are written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.world import Raw, edit, manifest
from translator.inputs import Settings, in_cluster
from translator.own_addresses import OwnAddress, overlap, reached, reaches
from translator.translator import Translator
from xds.resources.types import CLUSTER, LISTENER

OWN = (
    OwnAddress(18000, "Headgate's xDS server", ("127.0.0.1",)),
    OwnAddress(19080, "Headgate's own administration", ("0.0.0.0", "192.0.2.7")),
)

SPELLINGS = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "::1",
    "::",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:0.0.0.0",
    "::1%lo",
]
"""IP addresses at which a connection reaches this machine's loopback."""

NAMES = [
    "localhost",
    "a.localhost",
    "localhost.localdomain",
    "LOCALHOST",
    "127.1",
    "0x7f000001",
    "2130706433",
    "shop.test",
]
"""Names: what they resolve to is known only to Envoy, and can change."""


@pytest.mark.parametrize("host", [*SPELLINGS, *NAMES])
def test_every_spelling_reaches_headgate(host: str) -> None:
    """Loopback in any form, and any name, counts at a port of Headgate's and at no other."""
    assert reached(OWN, host, 18000) is OWN[0]
    assert reached(OWN, host, 3000) is None


def test_the_machine_s_addresses_count_where_headgate_is_on_all() -> None:
    """Another machine's address at the same port number is anybody's; this machine's is not."""
    assert reached(OWN, "192.0.2.7", 19080) is OWN[1]
    assert reached(OWN, "::ffff:192.0.2.7", 19080) is OWN[1]
    assert reached(OWN, "192.0.2.8", 19080) is None
    assert reached(OWN, "192.0.2.7", 18000) is None


@given(st.ip_addresses(), st.ip_addresses())
def test_overlap_is_symmetric(one: object, other: object) -> None:
    """Two addresses clash whichever comes first; an address clashes with itself and with all of its family."""
    assert overlap(str(one), str(other)) == overlap(str(other), str(one))
    assert overlap(str(one), str(one))
    assert overlap(str(one), "::" if ":" in str(one) else "0.0.0.0")


def translated(settings: Settings, *objects: dict[str, Any]) -> Translator:
    """Return a Gateway `web` with a route `shop` to port 80 of the Service `shop`, and some objects."""
    translator = Translator(settings)
    listener = {"name": "http", "port": 8080, "protocol": "HTTP"}
    group = "gateway.networking.k8s.io/v1"
    gateway = manifest(group, "Gateway", "web", spec={"gatewayClassName": "headgate", "listeners": [listener]})
    rule = {"backendRefs": [{"name": "shop", "port": 80}]}
    route = manifest(group, "HTTPRoute", "shop", spec={"parentRefs": [{"name": "web"}], "rules": [rule]})
    translator.edit(map(edit, (gateway, route, *objects)))
    assert translator.evaluate().failures == []
    return translator


def refused(translator: Translator) -> str:
    """Why the route's references are not resolved; "" if they are. What is refused has no cluster."""
    (kind,) = [each for each in translator.statuses if each.kind == "HTTPRoute"]
    (parent,) = translator.statuses[kind]["parents"]
    (found,) = [each for each in parent["conditions"] if each["type"] == "ResolvedRefs"]
    (snapshot,) = translator.snapshots.values()
    assert bool(snapshot.resources(CLUSTER)) == (found["status"] == "True")
    return "" if found["status"] == "True" else f"{found['reason']} {found['message']}"


def service(**spec: Any) -> dict[str, Any]:
    """Return the Service `shop`."""
    return manifest("v1", "Service", "shop", spec=spec)


@pytest.mark.parametrize("port", [18000, 3000])
@pytest.mark.parametrize("host", [each for each in SPELLINGS if "%" not in each])
def test_an_endpoint_that_is_headgate_is_refused(host: str, port: int) -> None:
    """An EndpointSlice cannot lead a route to a port of Headgate's; any other port of loopback is as good as ever."""
    slices = manifest(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "shop-1",
        addressType="IPv6" if ":" in host else "IPv4",
        endpoints=[{"addresses": ["192.0.2.1"]}, {"addresses": [host]}],
        ports=[{"port": port}],
    )
    slices["metadata"]["labels"] = {"kubernetes.io/service-name": "shop"}
    if ":" in host:
        slices["endpoints"] = slices["endpoints"][1:]
    why = refused(translated(Settings(own=OWN, offline=True), service(ports=[{"port": 80}]), slices))
    assert bool(why) == (port == 18000)
    if why:
        assert why.startswith("UnsupportedValue")
        assert host in why
        assert "Headgate's xDS server" in why


@pytest.mark.parametrize("port", [18000, 3000])
def test_a_service_that_is_headgate_is_refused(port: int) -> None:
    """Neither an external name nor a cluster IP leads there; the reference's port is the one that counts."""
    listed = [{"port": 80}, {"port": port}]
    for spec in (
        {"type": "ExternalName", "externalName": "shop.test"},
        {"clusterIP": "127.0.0.1", "ports": [{**each, "name": f"p{each['port']}"} for each in listed]},
    ):
        translator = translated(Settings(own=OWN, offline=True), service(**spec))
        assert refused(translator) == ""
        rule = {"backendRefs": [{"name": "shop", "port": port}]}
        spec_of_route = {"parentRefs": [{"name": "web"}], "rules": [rule]}
        translator.edit([edit(manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", spec=spec_of_route))])
        assert translator.evaluate().failures == []
        assert bool(refused(translator)) == (port == 18000)


def gateway_class() -> Raw:
    """Return a GatewayClass of Headgate's."""
    spec = {"controllerName": "gateway.headgate.dev/controller"}
    made = manifest("gateway.networking.k8s.io/v1", "GatewayClass", "headgate", spec=spec)
    made["metadata"].pop("namespace", None)
    return made


def test_a_name_does_not_lead_to_the_administration_of_proxies_in_a_cluster() -> None:
    """Where names are allowed, they are not at the port where Envoy is administrated."""
    name = service(type="ExternalName", externalName="localhost")
    translator = translated(in_cluster(external_names=True, offline=True), name)
    rule = {"backendRefs": [{"name": "shop", "port": 19000}]}
    spec = {"parentRefs": [{"name": "web"}], "rules": [rule]}
    route = manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", spec=spec)
    translator.edit(map(edit, (gateway_class(), route)))
    assert translator.evaluate().failures == []
    assert "administration" in refused(translator)


def test_an_xbackend_does_not_lead_to_the_administration_of_proxies() -> None:
    """Whatever it is called, an external host is not at the port where Envoy is administrated."""
    group = "gateway.networking.x-k8s.io"
    for port in (443, 19000):
        spec = {
            "type": "ExternalHostname",
            "externalHostname": {"hostname": "api.example.com"},
            "port": {"number": port},
        }
        translator = translated(in_cluster(offline=True), service(ports=[{"port": 80}]))
        reference = {"group": group, "kind": "XBackend", "name": "api"}
        spec_of_route = {"parentRefs": [{"name": "web"}], "rules": [{"backendRefs": [reference]}]}
        translator.edit(
            map(
                edit,
                (
                    gateway_class(),
                    manifest(f"{group}/v1alpha1", "XBackend", "api", spec=spec),
                    manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", spec=spec_of_route),
                ),
            )
        )
        assert translator.evaluate().failures == []
        assert ("administration" in refused(translator)) == (port == 19000)


def test_a_listener_does_not_take_headgate_s_port() -> None:
    """A Gateway on an address of Headgate's is told so, and may have the port elsewhere."""
    translator = Translator(Settings(own=OWN, offline=True))
    listener = {"name": "http", "port": 18000, "protocol": "HTTP"}
    for name, addresses in (
        ("here", []),
        ("elsewhere", [{"value": "127.0.0.2"}]),
        ("everywhere", [{"value": "0.0.0.0"}]),
    ):
        spec = {"gatewayClassName": "headgate", "listeners": [listener], "addresses": addresses}
        translator.edit([edit(manifest("gateway.networking.k8s.io/v1", "Gateway", name, spec=spec))])
    translator.evaluate()
    served = {each.name: bool(found.resources(LISTENER)) for each, found in translator.snapshots.items()}
    assert served == {"here": False, "elsewhere": True, "everywhere": False}


@pytest.mark.parametrize(
    ("bound", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("127.0.0.1", "0.0.0.0"),
        ("::1", "::"),
        ("::1", "0:0:0:0:0:0:0:1%lo"),
        ("127.0.0.1", "localhost"),
        ("::1", "a.LOCALHOST."),
        ("0.0.0.0", "127.9.9.9"),
        ("0.0.0.0", "192.0.2.7"),
        ("0.0.0.0", "localhost"),
        ("::", "::1"),
        ("192.0.2.8", "192.0.2.8"),
    ],
)
def test_what_reaches_a_listener(bound: str, host: str) -> None:
    """A connection reaches the address that a listener is bound to, by any spelling, and those that this stands for."""
    assert reaches(bound, host, ["192.0.2.7"])


@pytest.mark.parametrize(
    ("bound", "host"),
    [
        ("127.0.0.1", "127.0.0.2"),
        ("127.0.0.2", "localhost"),
        ("127.0.0.2", "0.0.0.0"),
        ("127.0.0.1", "localhost.example.com"),
        ("0.0.0.0", "192.0.2.8"),
        ("0.0.0.0", "shop.test"),
        ("::", "127.0.0.1"),
        ("192.0.2.7", "127.0.0.1"),
        ("192.0.2.7", "0.0.0.0"),
    ],
)
def test_what_reaches_no_listener(bound: str, host: str) -> None:
    """Another address of the machine, another machine and a name that can be anything are no listener's address."""
    assert not reaches(bound, host, ["192.0.2.7"])
