"""Policies of authorisation that never were valid: nobody is let in, by requests or by connections."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, edit, gateway, manifest, world
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from translator.envoy.http_filters import CLOSED
from translator.inputs import Edit, Invalid, Settings
from translator.objects.partial import partial_object
from translator.refs import Ref
from translator.translator import Translator
from xds import LISTENER, ROUTE, Reference

WEB = Ref("Gateway", NAMESPACE, GATEWAY)
GROUP = "gateway.networking.k8s.io"
VERSION = "gateway.headgate.dev/v1alpha1"
OPEN = {"rules": [{"action": "Allow", "principal": {"clientCIDRs": ["0.0.0.0/0"]}}]}


def target(kind: str, name: str) -> Raw:
    """Return a target."""
    return {"group": GROUP, "kind": kind, "name": name}


def unreadable(**spec: Any) -> Edit:
    """Return the edit that has a policy of the Gateway be invalid which never was valid."""
    raw = manifest(VERSION, "TrafficPolicy", "invalid", spec={"targetRefs": [target("Gateway", GATEWAY)], **spec})
    return Edit(Ref("TrafficPolicy", NAMESPACE, "invalid"), Invalid("spec.rbac is not a map", partial_object(raw)))


def own(kind: str, name: str) -> Edit:
    """Return the edit that gives a route a policy which lets everybody in."""
    spec = {"targetRefs": [target(kind, name)], "rbac": OPEN}
    return edit(manifest(VERSION, "TrafficPolicy", f"own-{name}", spec=spec))


def serving(*edits: Edit) -> Translator:
    """Return a translator with a route of requests, and one of connections."""
    made = gateway()
    made["spec"]["listeners"].append({"name": "tcp", "protocol": "TCP", "port": 10090})
    reference = {"name": GATEWAY, "sectionName": "tcp"}
    rules = [{"backendRefs": [{"name": "service-0", "port": 80}]}]
    tcp = manifest(f"{GROUP}/v1", "TCPRoute", "tcp", spec={"parentRefs": [reference], "rules": rules})
    translator = Translator(Settings(offline=True))
    translator.edit((*world(1, 1, 1), edit(made), edit(tcp), *edits))
    assert translator.evaluate().failures == []
    return translator


def closed(translator: Translator) -> tuple[bool, bool]:
    """Return whether requests are answered with 500, and whether connections are closed."""
    table = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    listener = translator.snapshots[WEB].get(Reference(LISTENER, "port-10090"))
    assert table is not None
    assert listener is not None
    routes = RouteConfiguration.FromString(table.body)
    entries = [dict(route.typed_per_filter_config) for host in routes.virtual_hosts for route in host.routes]
    configs = [{**routes.typed_per_filter_config, **each}.get(CLOSED) for each in entries]
    requests = all(each is not None and each.type_url.endswith(HTTPFault.__name__) for each in configs)
    chains = Listener.FromString(listener.body).filter_chains
    return requests, not any(each.filters for each in chains)


def test_it_is_open_without_a_policy() -> None:
    """Without a policy, requests and connections are forwarded."""
    assert closed(serving()) == (False, False)


@pytest.mark.parametrize("enforced", [{}, {"enforced": True}, {"enforced": "yes"}], ids=str)
def test_nobody_is_let_in(enforced: Raw) -> None:
    """A policy of the Gateway that cannot be read closes all routes; their own ones end that, unless it is enforced."""
    assert closed(serving(unreadable(rbac=7, **enforced))) == (True, True)
    both = own("HTTPRoute", "route-0"), own("TCPRoute", "tcp")
    assert closed(serving(unreadable(rbac=7, **enforced), *both)) == ((True, True) if enforced else (False, False))


def test_a_policy_about_something_else() -> None:
    """One that says nothing of authorisation closes no connection."""
    assert closed(serving(unreadable(timeouts=7))) == (False, False)
