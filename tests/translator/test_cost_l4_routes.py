"""The cost of an edit of a TCPRoute, TLSRoute or UDPRoute among 100 of them."""

from __future__ import annotations

import pytest

from bench.world import Raw, edit, endpoint_slice, gateway, manifest, removal
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from tests.translator.costs import GATEWAY, cost, https_gateway, put_back
from translator.translator import Translator
from xds.resources.types import ENDPOINT, LISTENER

pytestmark = pytest.mark.slow


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
    assert found.runs <= 19
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
    assert found.runs <= 14
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
    assert found.runs <= 18
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
