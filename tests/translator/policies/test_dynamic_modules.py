"""Shared libraries of TrafficPolicies: which are allowed, and what several policies make of them."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, world
from headgate.commands.translation import parse_modules
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from translator.envoy.http_filters import CLOSED, DYNAMIC_MODULES
from translator.inputs import Settings
from translator.objects.headgate.dynamicmodules import MOST_LIBRARIES
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator
from xds import EXTENSION_CONFIG, ROUTE, Reference

WEB = Ref("Gateway", NAMESPACE, GATEWAY)
ALLOWED = frozenset((f"m{number}", f"/modules/lib{number}.so") for number in range(MOST_LIBRARIES + 1))


def policy(kind: str, target: str, *entries: Raw) -> Raw:
    """Return a policy with libraries, which is called as its target."""
    targets = [{"group": "gateway.networking.k8s.io", "kind": kind, "name": target}]
    spec = {"targetRefs": targets, "dynamicModule": list(entries)}
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", target, spec=spec)


def library(name: str, **fields: Any) -> Raw:
    """Return a filter of a library."""
    return {"name": name, "filterName": "f", **fields}


def closed(*raws: Raw) -> set[str]:
    """Return the paths of the routes whose requests are refused."""
    translator = serving(*raws)
    resource = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    assert resource is not None
    hosts = RouteConfiguration.FromString(resource.body).virtual_hosts
    routes = [route for host in hosts for route in host.routes]
    return {route.match.path_separated_prefix for route in routes if CLOSED in route.typed_per_filter_config}


def serving(*raws: Raw) -> Translator:
    """Return a translator with three routes and these objects."""
    made = Translator(Settings(offline=True, dynamic_modules=ALLOWED))
    made.edit((*world(3, 3, 3), *map(edit, raws)))
    assert made.evaluate().failures == []
    return made


def test_more_than_the_most() -> None:
    """So many libraries of several policies that no request may pass all close the route."""
    wide = policy("Gateway", GATEWAY, library("m0"), library("m1"))
    assert closed(wide, policy("HTTPRoute", "route-1", *map(library, ("m2", "m3")))) == set()
    assert closed(wide, policy("HTTPRoute", "route-1", *map(library, ("m2", "m3", "m4")))) == {"/route-1"}


def test_others_are_not_loaded() -> None:
    """Nothing of a policy with a library that is not allowed comes to a proxy; one that switches it off is served."""
    other = policy("HTTPRoute", "route-1", library("other"), library("m1"))
    assert closed(other, policy("HTTPRoute", "route-2", {"name": "other", "disable": {}})) == {"/route-1"}
    resource = serving(other).snapshots[WEB].get(Reference(EXTENSION_CONFIG, DYNAMIC_MODULES))
    assert resource is not None
    assert b".so" not in resource.body


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"filterName": "f"}, "spec.dynamicModule[0].name: must be the name of a library that the operator allows"),
        ({"name": "m0"}, "spec.dynamicModule[0].filterName: is required unless disable is set"),
        ({"name": "m0", "filterName": "f", "disable": {}}, "must not be set together with filterName"),
        ({"name": "/lib.so", "filterName": "f"}, "spec.dynamicModule[0].name"),
        ({"name": "m0", "filterName": "f", "config": {"a": "x" * 20_000}}, "must be at most 16384 bytes of JSON"),
    ],
)
def test_wrong_entries(entry: Raw, problem: str) -> None:
    """An entry names a library and a filter, or switches one off."""
    found = KINDS.parse(policy("HTTPRoute", "route-1", entry))
    assert problem in "\n".join(map(str, found.problems))


def test_what_operators_write() -> None:
    """Names of libraries come with absolute paths."""
    assert parse_modules("b=/m/libb.so, a=/liba.so") == {("a", "/liba.so"), ("b", "/m/libb.so")}
    assert parse_modules("") == frozenset()
    for wrong in ("a", "a=", "a=lib.so", "=/a.so", "A=/a.so", "a=/../a.so", "a=/a.so,a=/b.so", "a=/a b.so"):
        with pytest.raises(typer.BadParameter, match="is not NAME=PATH"):
            parse_modules(wrong)
