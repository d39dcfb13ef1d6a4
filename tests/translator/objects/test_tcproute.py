"""TCPRoutes and UDPRoutes: what the definitions refuse, the models do."""

from __future__ import annotations

from typing import Any, Final

import pytest

from translator.objects.gateway_api.tcproute import TCPRoute
from translator.objects.gateway_api.udproute import UDPRoute
from translator.registry import KINDS

BACKEND = {"name": "a", "port": 80}


def route(kind: str, *rules: dict[str, Any]) -> dict[str, Any]:
    """Return a route with these rules."""
    api, metadata = "gateway.networking.k8s.io/v1", {"name": "route"}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": {"rules": list(rules)}}


@pytest.mark.parametrize("kind", [TCPRoute, UDPRoute])
def test_a_route_is_read(kind: type[TCPRoute | UDPRoute]) -> None:
    """A rule has a name and weighted backends; a route has no hostnames."""
    found = KINDS.parse(route(kind.kind, {"name": "main", "backendRefs": [{**BACKEND, "weight": 3}, BACKEND]})).object
    assert isinstance(found, kind)
    assert found.rule_names == ("main",)
    assert [each.weight for each in found.spec.rules[0].backend_refs] == [3, 1]
    assert found.hostnames == ()


REFUSED: Final[list[tuple[list[dict[str, Any]], str]]] = [
    ([], "spec.rules"),
    ([{"backendRefs": [BACKEND]}] * 2, "spec.rules"),
    ([{}], "spec.rules[0].backendRefs"),
    ([{"backendRefs": []}], "spec.rules[0].backendRefs"),
    ([{"backendRefs": [BACKEND] * 17}], "spec.rules[0].backendRefs"),
    ([{"backendRefs": [{"name": "a"}]}], "spec.rules[0].backendRefs[0].port"),
    ([{"backendRefs": [{**BACKEND, "weight": -1}]}], "spec.rules[0].backendRefs[0].weight"),
    ([{"backendRefs": [{**BACKEND, "weight": 1_000_001}]}], "spec.rules[0].backendRefs[0].weight"),
]
"""Rules that are refused, each with the field that is at fault."""


@pytest.mark.parametrize("kind", ["TCPRoute", "UDPRoute"])
@pytest.mark.parametrize(("rules", "field"), REFUSED)
def test_what_is_refused(kind: str, rules: list[dict[str, Any]], field: str) -> None:
    """A route has one rule, with 1 to 16 backends that each have a port and a weight up to a million."""
    parsed = KINDS.parse(route(kind, *rules))
    assert parsed.object is None
    assert [each.where for each in parsed.problems] == [field]
