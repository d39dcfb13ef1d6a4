"""The protocol of a backend: what its object says, or what the kind of route speaks by default."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.world import edit, service, world
from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from translator.envoy.cluster import HTTP_OPTIONS
from translator.inputs import Settings
from translator.ir.backend import Protocol
from translator.kinds import Registry
from translator.refs import Ref
from translator.registry import REGISTRY
from translator.translator import Translator
from xds.resources.types import CLUSTER

ROUTE = Ref("HTTPRoute", "shop", "route-1")
OF_HTTP2 = replace(REGISTRY, routes=tuple(replace(each, backend_protocols=(Protocol.H2C,)) for each in REGISTRY.routes))
"""Routes that speak HTTP/2 only."""


def translated(app_protocol: str, registry: Registry = REGISTRY) -> Translator:
    """Return a translator with one route to a Service whose port says what it speaks."""
    made = Translator(Settings(offline=True), registry=registry)
    some = service(1)
    if app_protocol:
        some["spec"]["ports"][0]["appProtocol"] = app_protocol
    made.edit((*world(2, 1, 2), edit(some)))
    assert made.evaluate().failures == []
    return made


def speaks_http2(made: Translator) -> bool:
    """Return whether the cluster of the Service is one of HTTP/2."""
    found = made.snapshots[Ref("Gateway", "shop", "web")].resources(CLUSTER)
    (body,) = (each.body for name, each in found.items() if name.startswith("shop/service-1:"))
    return HTTP_OPTIONS in Cluster.FromString(body).typed_extension_protocol_options


@pytest.mark.parametrize(("app_protocol", "http2"), [("", False), ("http", False), ("kubernetes.io/h2c", True)])
def test_both_protocols(app_protocol: str, http2: bool) -> None:
    """A kind of route that can speak both speaks its first to a port that does not say."""
    assert speaks_http2(translated(app_protocol)) == http2


@pytest.mark.parametrize("app_protocol", ["", "kubernetes.io/h2c"])
def test_one_protocol(app_protocol: str) -> None:
    """A kind of route that can speak HTTP/2 only speaks it to a port that does not say, or says so."""
    assert speaks_http2(translated(app_protocol, OF_HTTP2))


@pytest.mark.parametrize("app_protocol", ["http", "kubernetes.io/ws"])
def test_a_protocol_that_the_route_cannot_speak(app_protocol: str) -> None:
    """A port that says that it speaks what the route cannot is no backend of it, and the route says why."""
    made = translated(app_protocol, OF_HTTP2)
    (parent,) = made.statuses[ROUTE]["parents"]
    (found,) = (each for each in parent["conditions"] if each["type"] == "ResolvedRefs")
    assert (found["status"], found["reason"]) == ("False", "UnsupportedProtocol")
    assert found["message"] == (
        "spec.rules[0].backendRefs[0]: Service shop/service-1 port 80: its appProtocol asks for HTTP/1.1, and "
        "routes of kind HTTPRoute speak HTTP/2 only; change it, or remove it."
    )
