"""Agents as backends, and the methods that clients may call at them."""

from __future__ import annotations

from typing import Any

import pytest

from translator.objects.headgate.a2apolicies import MOST_METHODS
from translator.registry import KINDS

HEADGATE = "gateway.headgate.dev/v1alpha1"


def faults(kind: str, **spec: Any) -> list[str]:
    """Return what is wrong with an object."""
    raw = {"apiVersion": HEADGATE, "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    return [str(each) for each in KINDS.parse(raw).problems]


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"host": "a.test"},
        {"port": 80},
        {"host": "a.test", "port": 80, "backendRef": {"name": "a", "port": 80}},
        {"backendRef": {"name": "a", "port": 80}, "port": 80},
        {"host": "a.test", "port": 80, "publicURL": "a.test"},
        {"host": "a.test", "port": 80, "publicURL": "https://user@a.test"},
    ],
)
def test_agents_that_are_wrong(found: dict[str, Any]) -> None:
    """An agent is at one place, and its public URL is a whole one."""
    assert faults("Backend", a2a=found)


def test_agents() -> None:
    """An agent is at a host and port, or at what a reference names."""
    assert faults("Backend", a2a={"host": "a.test", "port": 80, "publicURL": "https://a.test/x"}) == []
    assert faults("Backend", a2a={"backendRef": {"name": "a", "port": 80}}) == []


def test_the_most_methods() -> None:
    """A policy lists so many methods, and no more; none of them is a pattern."""
    target = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "r"}]}
    names = [f"method/{number}" for number in range(MOST_METHODS + 1)]
    assert faults("TrafficPolicy", **target, a2a={"methods": {"allow": names[:-1]}}) == []
    assert faults("TrafficPolicy", **target, a2a={"methods": {"allow": names}})
    assert faults("TrafficPolicy", **target, a2a={"methods": {"allow": ["tasks/*"]}})
