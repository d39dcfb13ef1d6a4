"""The cost of an edit of a unit of a policy among 10,000 routes, counted in executed queries and changed resources."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bench.world import Raw, edit, manifest, removal
from tests.translator.costs import GATEWAY, HOSTS, ROUTES, Cost, cost, put_back
from translator.translator import Translator
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

pytestmark = pytest.mark.slow

TABLES = {ROUTE: frozenset({"port-10080", "port-10443/*.test"})}
PLAIN = {ROUTE: frozenset({"port-10080"})}


def policy(kind: str, target: str, section: str = "", **spec: Any) -> Raw:
    """Return a TrafficPolicy, of one name for each target."""
    reference = {"group": "gateway.networking.k8s.io", "kind": kind, "name": target}
    if section:
        reference["sectionName"] = section
    name = "-".join(filter(None, ("policy", target, section)))
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", name, spec={"targetRefs": [reference], **spec})


def buffer(size: int) -> Raw:
    """Return a unit that is a filter."""
    return {"buffer": {"maxRequestSize": size}}


def timeout(seconds: int) -> Raw:
    """Return a unit that Envoy has in routes only."""
    return {"timeouts": {"request": f"{seconds}s"}}


def counted(translator: Translator, found: Raw) -> tuple[Cost, Counter[str]]:
    """Make an edit and count, by query too."""
    before = Counter(translator.executions)
    made = cost(translator, edit(found))
    assert LISTENER not in made.resources
    return made, Counter(translator.executions) - before


def test_a_policy_of_a_route(large: Translator) -> None:
    """An edit of the policy of one route, or of a rule of it, concerns that route: one RouteConfiguration is sent."""
    for unit in (buffer, timeout):
        first = policy("HTTPRoute", "route-7", **unit(1000))
        with put_back(large, removal(first)):
            counted(large, first)
            found, queries = counted(large, policy("HTTPRoute", "route-7", **unit(2000)))
            assert found.resources == PLAIN
            assert found.statuses == []
            assert found.runs <= 17
            assert queries["route_entries"] == queries["encoded_host"] == queries["table_resource"] == 1


def test_a_filter_of_the_gateway(large: Translator) -> None:
    """What filters do for all routes is written above them: an edit sends each table, and no route is looked at."""
    first = policy("Gateway", GATEWAY.name, **buffer(1000))
    with put_back(large, removal(first)):
        found, queries = counted(large, first)
        assert found.resources == TABLES
        assert queries["route_entries"] == queries["rules"] == 0
        assert found.runs <= HOSTS + 32
        found, queries = counted(large, policy("Gateway", GATEWAY.name, **buffer(2000)))
        assert found.resources == TABLES
        assert queries["route_entries"] == queries["encoded_host"] == 0
        assert found.runs <= 20
        assert found.statuses == []


def test_a_filter_of_the_gateway_beside_those_of_routes(large: Translator) -> None:
    """A route with policies of its own says what differs: it is looked at again only if that changes."""
    near = [policy("HTTPRoute", f"route-{number}", **buffer(5000)) for number in range(5)]
    other = policy("HTTPRoute", "route-9", csrf={"percentageEnabled": 100})
    first = policy("Gateway", GATEWAY.name, **buffer(1000))
    with put_back(large, *(removal(each) for each in (first, other, *near))):
        cost(large, *map(edit, (*near, other)))
        counted(large, first)
        found, queries = counted(large, policy("Gateway", GATEWAY.name, **buffer(2000)))
        assert queries["route_entries"] == 0
        assert found.resources == TABLES
        assert found.runs <= 40


def authorizer(timeout: str, service: int = 1) -> Raw:
    """Return a GatewayExtension with an authorizer, which is asked by gRPC."""
    call = {"backendRef": {"name": f"service-{service}", "port": 80}, "requestTimeout": timeout}
    version = "gateway.headgate.dev/v1alpha1"
    return manifest(version, "GatewayExtension", "authorizer", spec={"extAuth": {"grpcService": call}})


def test_an_authorizer_of_the_gateway(large: Translator) -> None:
    """An edit of a provider that the policy of a Gateway refers to sends each table, and no route is looked at."""
    found = policy("Gateway", GATEWAY.name, extAuth={"extensionRef": {"name": "authorizer"}})
    with put_back(large, removal(authorizer("1s")), removal(found)):
        counted(large, authorizer("1s"))
        made, queries = counted(large, found)
        assert made.resources.keys() == {ROUTE, CLUSTER, ENDPOINT}
        assert made.resources[ROUTE] == TABLES[ROUTE]
        assert queries["route_entries"] == queries["rules"] == 0
        made, queries = counted(large, authorizer("2s"))
        assert made.resources == TABLES
        assert queries["route_entries"] == queries["encoded_host"] == 0
        assert made.runs <= 25
        made, queries = counted(large, authorizer("2s", service=2))
        assert made.resources.keys() == {ROUTE, CLUSTER, ENDPOINT}
        assert queries["route_entries"] == queries["encoded_host"] == 0


def test_a_route_s_field_of_the_gateway(large: Translator) -> None:
    """What Envoy has in routes only has every route be made again, once: one RouteConfiguration is sent."""
    first = policy("Gateway", GATEWAY.name, **timeout(10))
    with put_back(large, removal(first)):
        found, queries = counted(large, first)
        assert found.resources == PLAIN
        assert queries["route_entries"] == queries["route_status"] == queries["backends"] == ROUTES
        assert queries["encoded_host"] == HOSTS
        assert queries["rules"] == 0
        assert found.runs <= 8 * ROUTES + 5 * HOSTS  # five of them file each route with the policies that it hears of
