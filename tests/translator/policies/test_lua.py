"""Scripts of TrafficPolicies: what more than one policy makes of them, and when they are refused."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, world
from headgate_proto.envoy.config.route.v3.route_components_pb2 import FilterConfig as RouteFilterConfig
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from translator.envoy.http_filters import CLOSED, LUA
from translator.inputs import Settings
from translator.objects.headgate.luascripts import MAX_SCRIPT_BYTES, MOST_SCRIPTS
from translator.refs import Ref
from translator.translator import Translator
from xds import ROUTE, Reference

WEB = Ref("Gateway", NAMESPACE, GATEWAY)
SCRIPT = "function envoy_on_request(handle) end"


def policy(kind: str, target: str, *entries: Raw) -> Raw:
    """Return a policy with scripts, which is called as its target."""
    targets = [{"group": "gateway.networking.k8s.io", "kind": kind, "name": target}]
    spec = {"targetRefs": targets, "lua": list(entries)}
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", target, spec=spec)


def serving(*raws: Raw, **settings: Any) -> Translator:
    """Return a translator with three routes and these objects."""
    made = Translator(Settings(offline=True, **{"allow_lua": True, **settings}))
    made.edit((*world(3, 3, 3), *map(edit, raws)))
    assert made.evaluate().failures == []
    return made


def table(translator: Translator) -> RouteConfiguration:
    """Return the route table."""
    resource = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    assert resource is not None
    return RouteConfiguration.FromString(resource.body)


def closed(translator: Translator) -> set[str]:
    """Return the paths of the routes whose requests are refused."""
    routes = [route for host in table(translator).virtual_hosts for route in host.routes]
    return {route.match.path_separated_prefix for route in routes if CLOSED in route.typed_per_filter_config}


def accepted(translator: Translator, name: str) -> tuple[str, str]:
    """Return reason and message of a policy's condition."""
    (ancestor,) = translator.statuses[Ref("TrafficPolicy", NAMESPACE, name)]["ancestors"]
    (found,) = (each for each in ancestor["conditions"] if each["type"] == "Accepted")
    return found["reason"], found["message"]


def named(prefix: str, number: int) -> list[Raw]:
    """Return so many scripts."""
    return [{"name": f"{prefix}{each}", "inline": SCRIPT} for each in range(number)]


def test_more_than_the_most() -> None:
    """So many scripts of several policies that no request may pass all close the route; others are served."""
    wide = policy("Gateway", GATEWAY, *named("wide", 2))
    translator = serving(wide, policy("HTTPRoute", "route-1", *named("near", MOST_SCRIPTS - 1)))
    assert closed(translator) == {"/route-1"}
    assert accepted(translator, "route-1")[1].startswith("spec.lua has 5 scripts, and 4 are the most: name fewer.")
    translator.edit([edit(policy("HTTPRoute", "route-1", *named("near", 2)))])
    translator.evaluate()
    assert closed(translator) == set()


def test_a_config_map_that_is_too_long() -> None:
    """A script in a ConfigMap has the limit of one that is inline."""
    reference = {"configMapRef": {"name": "scripts"}}
    text = f"--{'x' * (MAX_SCRIPT_BYTES - 2)}"
    config_map = manifest("v1", "ConfigMap", "scripts", data={"lua": text})
    translator = serving(policy("HTTPRoute", "route-1", reference), config_map)
    assert closed(translator) == set()
    translator.edit([edit({**config_map, "data": {"lua": f"{text}x"}})])
    translator.evaluate()
    assert closed(translator) == {"/route-1"}


@pytest.mark.parametrize("characters", ["é", "\U0001f600"])
def test_bytes_count(characters: str) -> None:
    """The limit counts bytes, not characters."""
    text = f"--{characters * (MAX_SCRIPT_BYTES // 2)}"
    translator = serving(policy("HTTPRoute", "route-1", {"inline": text}))
    assert closed(translator) == {"/route-1"}
    assert "bytes, and 65536 are the most: shorten it" in accepted(translator, "route-1")[1]


def test_without_permission() -> None:
    """Unless scripts are allowed, a policy that has one is closed, and one that only switches some off is not."""
    wide = policy("Gateway", GATEWAY, {"inline": SCRIPT})
    translator = serving(wide, policy("HTTPRoute", "route-1", {"disable": {}}), allow_lua=False)
    everywhere = table(translator).typed_per_filter_config
    assert CLOSED in everywhere
    assert LUA not in everywhere
    assert accepted(translator, GATEWAY)[0] == "NotAllowed"
    assert accepted(translator, "route-1")[0] == "Accepted"
    assert switched_off(translator, CLOSED) == {"/route-1"}


def switched_off(translator: Translator, name: str) -> set[str]:
    """Return the paths of the routes that do not run a filter which all others inherit."""
    found, off = set(), RouteFilterConfig(disabled=True)
    for route in (route for host in table(translator).virtual_hosts for route in host.routes):
        packed, own = route.typed_per_filter_config.get(name), RouteFilterConfig()
        if packed is not None and packed.Unpack(own) and own == off:
            found.add(route.match.path_separated_prefix)
    return found


def test_machines_of_scripts() -> None:
    """Equal scripts of one namespace share a machine of Envoy's, and so what they keep; those of two do not."""
    other = policy("HTTPRoute", "route-2", {"inline": SCRIPT})
    other["metadata"]["namespace"] = "other"
    other["spec"]["targetRefs"][0]["namespace"] = NAMESPACE
    source = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "namespace": "other"}
    spec = {"from": [source], "to": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}]}
    grant = manifest("gateway.networking.k8s.io/v1", "ReferenceGrant", "grant", spec=spec)
    own = (policy("HTTPRoute", f"route-{number}", {"inline": SCRIPT}) for number in (0, 1))
    translator = serving(*own, other, grant)
    first, second, third = (machine(route) for host in table(translator).virtual_hosts for route in host.routes)
    assert first == second
    assert (first.partition("/")[0], third.partition("/")[0]) == (NAMESPACE, "other")
    assert first.partition("/")[2] == third.partition("/")[2]


def machine(route: Route) -> str:
    """Return the machine of the script of a route."""
    chain, script = FilterChainConfigPerRoute(), Lua()
    assert route.typed_per_filter_config[LUA].Unpack(chain)
    assert chain.filter_chain.filters[0].typed_config.Unpack(script)
    return script.shared_vm_id
