"""What `headgate validate` says of protection that children of other namespaces may switch off."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from headgate.cli import app

OBJECTS = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, labels: {public: 'yes'}}
spec:
  rules:
  - backendRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: '*', namespace: PLACE}]
---
apiVersion: gateway.headgate.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: p}
spec:
  TARGETS
  UNIT
"""
NAMED = "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]"
SELECTED = "targetSelectors: [{group: gateway.networking.k8s.io, kind: HTTPRoute, matchLabels: {public: 'yes'}}]"


def warnings(folder: Path, place: str, targets: str, unit: str) -> list[str]:
    """Return the lines about the policy that are warnings."""
    text = OBJECTS.replace("PLACE", place).replace("TARGETS", targets).replace("UNIT", unit)
    (folder / "a.yaml").write_text(text)
    output = CliRunner().invoke(app, ["validate", "-f", str(folder)]).output
    return [each for each in output.splitlines() if "warning: TrafficPolicy" in each]


@pytest.mark.parametrize("targets", [NAMED, SELECTED])
def test_what_children_of_others_may_switch_off(tmp_path: Path, targets: str) -> None:
    """A policy that protects a route whose children are of another namespace should be enforced."""
    (found,) = warnings(tmp_path, "team", targets, "csrf: {}")
    assert "csrf protects HTTPRoute default/shop, whose children in other namespaces (team) may switch it off" in found


@pytest.mark.parametrize(
    ("place", "unit"),
    [("default", "csrf: {}"), ("team", "csrf: {}\n  enforced: true"), ("team", "timeouts: {request: 5s}")],
)
def test_what_is_well(tmp_path: Path, place: str, unit: str) -> None:
    """There is no warning for children of the same namespace, what is enforced, and what protects nothing."""
    assert warnings(tmp_path, place, NAMED, unit) == []
