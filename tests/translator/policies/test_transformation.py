"""The unit `transformation`: what it has the proxy do, and what closes its routes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, world
from headgate_proto.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua, LuaPerRoute
from translator.envoy.filter_configs import UnitSettings, compose
from translator.envoy.http_filters import CLOSED, TRANSFORMATION
from translator.envoy.transformation import REFUSING, whole_script
from translator.extensions.transformation import Transformed
from translator.inputs import Settings
from translator.objects.headgate.transformations import MAX_TEMPLATE
from translator.refs import Ref
from translator.translator import Translator
from xds import EXTENSION_CONFIG, ROUTE, Reference

WEB = Ref("Gateway", NAMESPACE, GATEWAY)


def policy(target: str = "route-1", **fields: Any) -> Raw:
    """Return a policy with a transformation, which is called as the route that it targets."""
    targets = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": target}]
    spec = {"targetRefs": targets, "transformation": fields}
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", target, spec=spec)


def serving(*raws: Raw, **settings: Any) -> Translator:
    """Return a translator with three routes and these objects."""
    made = Translator(Settings(offline=True, **settings))
    made.edit((*world(3, 3, 3), *map(edit, raws)))
    assert made.evaluate().failures == []
    return made


def served(translator: Translator, path: str = "/route-1") -> Route:
    """Return the route of a path."""
    resource = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    assert resource is not None
    hosts = RouteConfiguration.FromString(resource.body).virtual_hosts
    return next(x for host in hosts for x in host.routes if x.match.path_separated_prefix == path)


def program(translator: Translator) -> Any:
    """Return the program of the route."""
    found = LuaPerRoute()
    assert served(translator).typed_per_filter_config[TRANSFORMATION].Unpack(found)
    return json.loads(str(found.filter_context["program"]))


def script(translator: Translator) -> str:
    """Return the script that the proxies of the Gateway have."""
    resource = translator.snapshots[WEB].get(Reference(EXTENSION_CONFIG, TRANSFORMATION))
    assert resource is not None
    found = Lua()
    assert TypedExtensionConfig.FromString(resource.body).typed_config.Unpack(found)
    return found.default_source_code.inline_string


def message(translator: Translator) -> str:
    """Return what the status of the policy says."""
    (ancestor,) = translator.statuses[Ref("TrafficPolicy", NAMESPACE, "route-1")]["ancestors"]
    (found,) = (each for each in ancestor["conditions"] if each["type"] == "Accepted")
    return str(found["message"])


def test_the_script_is_there_where_it_is_needed() -> None:
    """Proxies have the script while a route needs it, and otherwise one that refuses every request that came to it."""
    translator = serving()
    assert script(translator) == REFUSING
    translator.edit([edit(policy(request={"remove": ["x-a"]}))])
    translator.evaluate()
    assert script(translator) == whole_script()
    translator.edit([edit(policy(disable={}))])
    translator.evaluate()
    assert script(translator) == REFUSING


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"request": {"set": [{"name": "x-a", "value": "{{ a }}"}]}}, {}),
        ({"request": {"set": [{"name": "x-a", "value": "{{ body() }}"}]}}, {"reads": True}),
        (
            {"request": {"set": [{"name": "x-a", "value": "{{ a }}"}], "body": {"parseAs": "AsJson"}}},
            {"reads": True, "json": True},
        ),
        ({"request": {"set": [{"name": "x-a", "value": "a"}], "body": {"parseAs": "AsJson"}}}, {}),
        ({"request": {"body": {"parseAs": "AsJson", "value": "a"}}}, {"reads": True, "json": True}),
        ({"request": {"body": {"value": "a"}}}, {}),
        ({"request": {"set": [{"name": "x-a", "value": "{{ body() }}"}], "body": {"parseAs": "None"}}}, {}),
    ],
)
def test_what_has_bodies_held(fields: Any, expected: Any) -> None:
    """A body is read only if a template reads it, and of JSON only if there is something to make of it."""
    found = program(serving(policy(**fields)))
    assert {name: found["request"][name] for name in ("reads", "json") if name in found["request"]} == expected


def test_what_is_kept_of_requests() -> None:
    """Of a request its response's templates get what they name, beside the method; plain bodies if they read them."""
    value = "{{ request_header('X-A') }}{{ get_cookie('c') }}{{ header('x-b') }}{{ body() }}"
    found = program(serving(policy(response={"set": [{"name": "x", "value": value}]})))
    assert (found["keep"], found["plain"], "request" in found) == ([":method", "cookie", "x-a"], True, False)


@pytest.mark.parametrize(("size", "limit"), [(None, 0), ("64Ki", 0), ("2Mi", 1 << 21)])
def test_the_buffer_of_a_route(size: str | None, limit: int) -> None:
    """A route whose templates need longer bodies than others may hold has a longer buffer."""
    body = {"value": "a", **({"maxBytes": size} if size else {})}
    assert served(serving(policy(request={"body": body}))).request_body_buffer_limit.value == limit


def test_templates_that_are_too_long_together() -> None:
    """All templates of a route have a limit together, beyond which it is closed."""
    texts = [{"name": f"x-{number}", "value": "x" * MAX_TEMPLATE} for number in range(16)]
    assert CLOSED not in served(serving(policy(request={"set": texts[:15]}))).typed_per_filter_config
    translator = serving(policy(request={"set": texts}))
    assert CLOSED in served(translator).typed_per_filter_config
    assert message(translator).startswith("spec.transformation: its templates are too long together")
    assert "131072 bytes; shorten them." in message(translator)


def test_environment_variables() -> None:
    """Templates read the environment variables that the operator names, and no others."""
    fields: dict[str, Any] = {"request": {"set": [{"name": "x-a", "value": "{{ env('TEAM') }}"}]}}
    translator = serving(policy(**fields))
    assert CLOSED in served(translator).typed_per_filter_config
    assert "the environment variable 'TEAM' is not for templates: the operator allows POD_NAME, POD_ZONE" in message(
        translator
    )
    assert "env" in str(program(serving(policy(**fields), template_env=frozenset({"TEAM"}))))


def test_all_that_is_wrong_is_told() -> None:
    """Each template that is wrong is told, with its field."""
    wrong = "{{ x"
    fields = {
        "set": [{"name": ":path", "value": wrong}],
        "add": [{"name": "x-a", "value": wrong}],
        "body": {"value": wrong},
        "dynamicMetadata": [{"namespace": "a", "key": "b", "value": {"stringValue": wrong}}],
    }
    found = message(serving(policy(request=fields)))
    for path in ("set[:path].value", "add[x-a].value", "body.value", "dynamicMetadata[a/b].value.stringValue"):
        assert f"spec.transformation.request.{path}: line 1: unexpected end of template" in found


def test_the_script_is_held_once() -> None:
    """However many routes have templates, the script that runs them is in memory once."""
    needs = [compose([UnitSettings((Transformed(str(number), 0),), True)]).needs for number in range(3)]
    assert len({id(each.parts[0].config) for each in needs}) == 1
    assert len(needs[0].parts[0].config) > 20_000
