"""TLSRoutes: what the definition refuses, the model does."""

from __future__ import annotations

from typing import Any, Final

import pytest

from translator.objects.gateway_api.tlsroute import TLSRoute
from translator.registry import KINDS

RULES = [{"backendRefs": [{"name": "a", "port": 443}]}]
REFUSED: Final[list[tuple[dict[str, Any], str]]] = [
    ({"rules": RULES}, "spec.hostnames"),
    ({"rules": RULES, "hostnames": []}, "spec.hostnames"),
    ({"rules": RULES, "hostnames": [f"h{each}.org" for each in range(1025)]}, "spec.hostnames"),
    ({"rules": RULES, "hostnames": ["a.org", "10.0.0.1"]}, "spec.hostnames[1]"),
    ({"rules": RULES, "hostnames": ["*"]}, "spec.hostnames[0]"),
    ({"rules": RULES, "hostnames": ["a.*.org"]}, "spec.hostnames[0]"),
    ({"rules": RULES, "hostnames": ["A.org"]}, "spec.hostnames[0]"),
    ({"rules": RULES * 2, "hostnames": ["a.org"]}, "spec.rules"),
    ({"rules": [], "hostnames": ["a.org"]}, "spec.rules"),
    ({"rules": [{"backendRefs": []}], "hostnames": ["a.org"]}, "spec.rules[0].backendRefs"),
]
"""Specs that are refused, each with the field that is at fault."""


def route(**spec: Any) -> dict[str, Any]:
    """Return a TLSRoute with these fields."""
    api, metadata = "gateway.networking.k8s.io/v1", {"name": "route"}
    return {"apiVersion": api, "kind": "TLSRoute", "metadata": metadata, "spec": spec}


def test_a_route_is_read() -> None:
    """A route has hostnames, and a rule with weighted backends."""
    backends = [{"name": "a", "port": 443, "weight": 3}, {"name": "b", "port": 443}]
    hostnames = ["*.example.com", "a.example.com", "1.2.3"]
    found = KINDS.parse(route(hostnames=hostnames, rules=[{"name": "main", "backendRefs": backends}])).object
    assert isinstance(found, TLSRoute)
    assert found.hostnames == ("*.example.com", "a.example.com", "1.2.3")
    assert found.rule_names == ("main",)
    assert [each.weight for each in found.spec.rules[0].backend_refs] == [3, 1]


@pytest.mark.parametrize(("spec", "field"), REFUSED)
def test_what_is_refused(spec: dict[str, Any], field: str) -> None:
    """A route has 1 to 1024 hostnames, of which none is an IP address, and one rule with backends."""
    parsed = KINDS.parse(route(**spec))
    assert parsed.object is None
    assert [each.where for each in parsed.problems] == [field]
