"""A listener has another name where its socket would have to be another one, and keeps it elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import edit, manifest
from translator.inputs import Settings, in_cluster
from translator.refs import Ref
from translator.translator import Translator
from xds import LISTENER

API, OURS = "gateway.networking.k8s.io", "gateway.headgate.dev"
WEB = Ref("Gateway", "shop", "web")


def names(settings: Settings, default: dict[str, Any], *addresses: str) -> set[str]:
    """Return the names of the listeners of a Gateway with a port, under a policy and at addresses."""
    spec: dict[str, Any] = {
        "gatewayClassName": "headgate",
        "listeners": [{"name": "http", "port": 8080, "protocol": "HTTP"}],
    }
    if addresses:
        spec["addresses"] = [{"type": "IPAddress", "value": each} for each in addresses]
    policy = {"targetRefs": [{"group": API, "kind": "Gateway", "name": "web"}], "default": default}
    translator = Translator(settings)
    translator.edit(
        edit(each)
        for each in (
            manifest(f"{API}/v1", "GatewayClass", "headgate", "", spec={"controllerName": settings.controller_name}),
            manifest(f"{API}/v1", "Gateway", "web", "shop", spec=spec),
            manifest(f"{OURS}/v1alpha1", "ListenerPolicy", "sockets", "shop", spec=policy),
        )
    )
    assert not translator.evaluate().failures
    return set(translator.snapshots[WEB].resources(LISTENER))


@pytest.mark.parametrize("default", [{}, {"maxAcceptPerSocketEvent": 3}, {"perConnectionBufferLimitBytes": "64Ki"}])
def test_what_an_open_socket_takes_over_changes_no_name(default: dict[str, Any]) -> None:
    """A listener that Envoy can replace at its socket keeps its name."""
    assert names(Settings(), default) == {"port-8080"}


def test_each_socket_has_a_name() -> None:
    """Of a port that no other program may share, each value of the socket's options and addresses has a name."""
    found = [
        names(Settings(), {}),
        names(Settings(), {"tcpKeepalive": {"keepAliveProbes": 3}}),
        names(Settings(), {"tcpKeepalive": {"keepAliveProbes": 4}}),
        names(Settings(), {"socketBufferLimit": "64Ki"}),
        names(Settings(), {}, "127.0.0.2"),
        names(Settings(), {}, "127.0.0.1", "127.0.0.2"),
    ]
    assert len({name for each in found for name in each}) == len(found)
    assert names(Settings(), {}, "127.0.0.1") == {"port-8080"}


def test_ports_that_are_shared_keep_the_name() -> None:
    """In a cluster, where Envoy opens a second socket beside the first, no option changes the name."""
    assert names(in_cluster(), {"tcpKeepalive": {}, "socketBufferLimit": "64Ki"}) == {"port-8080"}
