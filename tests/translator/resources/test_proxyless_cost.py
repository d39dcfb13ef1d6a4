"""The cost of an edit to gRPC clients, among 1,000 routes of Gateways, counted in queries and changed resources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.world import Raw, edit, endpoint_slice, route, world
from translator.inputs import Edit, Settings
from translator.translator import Changes, Translator
from xds.resources.snapshot import diff
from xds.resources.types import CLUSTER, ENDPOINT, ROUTE

pytestmark = pytest.mark.slow

ROUTES, HOSTS, SERVICES = 1_000, 20, 100
Changed = dict[str, frozenset[str]]


@pytest.fixture
def large() -> Translator:
    """Return a Gateway with 1,000 routes over 20 hosts to 100 Services."""
    made = Translator(Settings(offline=True))
    made.edit(world(ROUTES, HOSTS, SERVICES))
    assert made.evaluate().failures == []
    return made


CLIENTS = "other"
TARGET = "service-7.shop.svc.cluster.local:80"


@contextmanager
def grpc_clients(translator: Translator) -> Iterator[None]:
    """Have gRPC clients ask for a Service meanwhile."""
    translator.set_requested(CLIENTS, frozenset({TARGET}))
    translator.evaluate()
    try:
        yield
    finally:
        translator.set_requested(CLIENTS, frozenset())
        translator.evaluate()


def service_route(backend: int) -> Raw:
    """Return a route of the Service that gRPC clients ask for."""
    found = route(ROUTES, HOSTS, SERVICES)
    found["spec"]["parentRefs"] = [{"group": "", "kind": "Service", "name": "service-7"}]
    found["spec"]["rules"][0]["backendRefs"][0]["name"] = f"service-{backend}"
    return found


def client_cost(translator: Translator, *edits: Edit) -> tuple[int, Changed, Changes]:
    """Make edits, count, and return the changed resources of gRPC clients."""
    before, runs = translator.client_snapshots[CLIENTS], sum(translator.executions.values())
    translator.edit(edits)
    changes = translator.evaluate()
    assert changes.failures == []
    made = sum(translator.executions.values()) - runs
    return made, diff(before, translator.client_snapshots[CLIENTS]), changes


def test_a_grpc_client_asks(large: Translator) -> None:
    """A client that asks for a Service costs a few queries, and one that goes away costs none."""
    runs = sum(large.executions.values())
    with grpc_clients(large):
        assert sum(large.executions.values()) - runs <= 12
        assert len(large.client_snapshots[CLIENTS]) == 4
        runs = sum(large.executions.values())
    assert sum(large.executions.values()) == runs
    assert large.client_snapshots == {}


def test_a_route_of_a_service(large: Translator) -> None:
    """A route of a Service that comes, changes and goes costs a few queries, and concerns no Gateway."""
    with grpc_clients(large):
        runs, changed, changes = client_cost(large, edit(service_route(8)))
        assert runs <= 21
        assert changed.keys() == {ROUTE, CLUSTER, ENDPOINT}
        assert changes.snapshots == {}
        runs, changed, changes = client_cost(large, edit(service_route(9)))
        assert runs <= 17
        assert changed.keys() == {ROUTE, CLUSTER, ENDPOINT}
        assert changes.snapshots == {}


def test_endpoints_of_grpc_clients(large: Translator) -> None:
    """New endpoints of a Service change two assignments: that of Envoys, and that of clients."""
    with grpc_clients(large):
        runs, changed, _ = client_cost(large, edit(endpoint_slice(7, address="10.9.9.9")))
        assert runs <= 7
        assert changed.keys() == {ENDPOINT}


def test_routes_of_gateways_beside_grpc_clients(large: Translator) -> None:
    """A change of a Gateway's route costs clients nothing."""
    with grpc_clients(large):
        runs, changed, _ = client_cost(large, edit(route(7, HOSTS, SERVICES, path="/elsewhere")))
        assert (runs <= 9, changed) == (True, {})
