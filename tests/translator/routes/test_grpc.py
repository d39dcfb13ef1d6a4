"""GRPCRoutes among many, and while they are not valid."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import Raw, edit, manifest, world
from translator.inputs import Edit, GatewaySyncStatus, Invalid, Settings
from translator.objects.partial import partial_object
from translator.refs import Ref
from translator.registry import KINDS
from translator.status.nacks import attribute_nacks
from translator.translator import Translator
from xds.protocol.nacks import Nack, NackState
from xds.resources.snapshot import diff
from xds.resources.types import ROUTE

GATEWAY = Ref("Gateway", "shop", "web")
ROUTES = 50


def grpc_route(number: int, method: str = "Add", **spec: Any) -> Raw:
    """Return a GRPCRoute of a service of its own."""
    matches = [{"method": {"service": f"shop.Service{number}", "method": method}}]
    rules = [{"matches": matches, "backendRefs": [{"name": f"service-{number % 5}", "port": 80}]}]
    made = {"parentRefs": [{"name": "web"}], "hostnames": ["grpc.example.com"], "rules": rules, **spec}
    return manifest("gateway.networking.k8s.io/v1", "GRPCRoute", f"grpc-{number}", spec=made)


def ref(number: int) -> Ref:
    """Return the name of a GRPCRoute."""
    return Ref("GRPCRoute", "shop", f"grpc-{number}")


@pytest.fixture
def translator() -> Translator:
    """Return a Gateway with HTTPRoutes and GRPCRoutes."""
    made = Translator(Settings())
    made.edit((*world(10, 2, 5), *(edit(grpc_route(each)) for each in range(ROUTES))))
    assert made.evaluate().failures == []
    return made


def accepted(translator: Translator, number: int) -> tuple[str, str, str]:
    """Return the condition Accepted of a route."""
    (parent,) = translator.statuses[ref(number)]["parents"]
    found = parent["conditions"][0]
    return found["status"], found["reason"], found["message"]


def attached(translator: Translator) -> int:
    """Return how many routes are attached to the listener."""
    return int(translator.statuses[GATEWAY]["listeners"][0]["attachedRoutes"])


def test_the_cost_of_a_change(translator: Translator) -> None:
    """A change of one GRPCRoute re-runs as few queries as one of an HTTPRoute, and changes one RouteConfiguration."""
    before, runs = translator.snapshots[GATEWAY], sum(translator.executions.values())
    translator.edit([edit(grpc_route(7, "Remove"))])
    changes = translator.evaluate()
    assert sum(translator.executions.values()) - runs <= 9
    assert list(changes.statuses) == []
    assert diff(before, translator.snapshots[GATEWAY]) == {ROUTE: {"port-10080"}}


def test_coming_and_going(translator: Translator) -> None:
    """GRPCRoutes count beside HTTPRoutes, as long as they are there."""
    assert attached(translator) == 10 + ROUTES
    translator.edit([Edit(ref(7), None)])
    translator.evaluate()
    assert attached(translator) == 10 + ROUTES - 1
    assert translator.has_no_status(ref(7))


def test_a_route_that_is_not_valid(translator: Translator) -> None:
    """A GRPCRoute that cannot be read says so, stays served as it was, and does not count."""
    raw = grpc_route(7, rules=[{"matches": [{"method": {"service": "a/b"}}]}])
    parsed = KINDS.parse(raw)
    assert parsed.object is None
    before = translator.snapshots[GATEWAY]
    translator.edit([Edit(ref(7), Invalid("; ".join(map(str, parsed.problems)), partial_object(raw)))])
    translator.evaluate()
    status, reason, message = accepted(translator, 7)
    assert (status, reason) == ("False", "UnsupportedValue")
    assert "spec.rules[0].matches[0].method.service: must be the full name of a service" in message
    assert translator.snapshots[GATEWAY] == before
    assert attached(translator) == 10 + ROUTES - 1


def test_a_nack(translator: Translator) -> None:
    """A GRPCRoute whose change the proxies refuse says so, and what they serve instead."""
    before = translator.snapshots[GATEWAY].resources(ROUTE)["port-10080"]
    translator.edit([edit(grpc_route(7, "Remove"))])
    translator.evaluate()
    nacks = attribute_nacks(translator.snapshots[GATEWAY], [NackState(Nack(ROUTE, "port-10080", "no"), before)])
    (nack,) = nacks
    assert [each.route for each in nack.routes] == [ref(7)]
    translator.set_sync_status(GATEWAY, GatewaySyncStatus(clients=1, nacks=nacks))
    translator.evaluate()
    (parent,) = translator.statuses[ref(7)]["parents"]
    partly = parent["conditions"][1]
    assert (partly["type"], partly["status"]) == ("PartiallyInvalid", "True")
    assert "refuses the route table port-10080 because of rule 0: no" in partly["message"]
    (other,) = translator.statuses[ref(8)]["parents"]
    assert [each["type"] for each in other["conditions"]] == ["Accepted", "ResolvedRefs"]


def test_default_gateways(translator: Translator) -> None:
    """A GRPCRoute attaches to the default Gateways if it asks for them."""
    spec = {
        "gatewayClassName": "headgate",
        "defaultScope": "All",
        "listeners": [{"name": "http", "port": 10081, "protocol": "HTTP"}],
    }
    translator.edit(
        [
            edit(manifest("gateway.networking.k8s.io/v1", "Gateway", "default", spec=spec)),
            edit(grpc_route(7, parentRefs=[], useDefaultGateways="All")),
        ]
    )
    translator.evaluate()
    assert accepted(translator, 7)[0] == "True"
    (parent,) = translator.statuses[ref(7)]["parents"]
    assert parent["parentRef"]["name"] == "default"
