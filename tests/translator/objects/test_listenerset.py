"""ListenerSets: what the definition refuses, the model does."""

from __future__ import annotations

from typing import Any

import pytest

from translator.objects.gateway_api.listenerset import ListenerSet
from translator.registry import KINDS

HTTP = {"name": "a", "port": 80, "protocol": "HTTP"}


def listener_set(*listeners: dict[str, Any], **parent: str) -> dict[str, Any]:
    """Return a ListenerSet with these listeners."""
    spec = {"parentRef": {"name": "web", **parent}, "listeners": list(listeners)}
    api = "gateway.networking.k8s.io/v1"
    return {"apiVersion": api, "kind": "ListenerSet", "metadata": {"name": "set"}, "spec": spec}


def test_a_set_is_read() -> None:
    """The parent is a Gateway of the set's namespace unless the set says otherwise; listeners are those of Gateways."""
    found = KINDS.parse(listener_set(HTTP)).object
    assert isinstance(found, ListenerSet)
    parent = found.spec.parent_ref
    assert (parent.group, parent.kind, parent.namespace) == ("gateway.networking.k8s.io", "Gateway", None)
    assert found.spec.listeners[0].allowed_routes.namespaces.from_ == "Same"


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        ([], "spec.listeners: must have at least 1 item"),
        ([{**HTTP, "port": 0}], "spec.listeners[0].port: must be at least 1"),
        ([HTTP, {**HTTP, "port": 81}], "spec.listeners[1].name: is the name of an earlier listener"),
        (
            [HTTP, {**HTTP, "name": "b"}],
            "spec.listeners[1]: has the port, protocol and hostname of an earlier listener",
        ),
        ([{**HTTP, "tls": {"mode": "Passthrough"}}], "spec.listeners[0].tls: must not be set for protocol HTTP"),
    ],
)
def test_invalid_sets_are_refused(listeners: list[dict[str, Any]], expected: str) -> None:
    """The rules for listeners are those of Gateways, and a port is a number from 1."""
    parsed = KINDS.parse(listener_set(*listeners))
    assert parsed.object is None
    assert [str(each) for each in parsed.problems if str(each).startswith(expected)]
