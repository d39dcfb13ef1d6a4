"""Modules of TrafficPolicies: what is asked for, what of it is in resources, and when they are refused."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, removal, world
from headgate_proto.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.http.composite.v3.composite_pb2 import Composite
from headgate_proto.envoy.extensions.filters.http.wasm.v3.wasm_pb2 import Wasm
from tests.live.modules import empty_module, with_section
from translator.envoy.http_filters import CLOSED, GUARD, WASM
from translator.inputs import Settings
from translator.ir.modules import FetchedModule, ModuleAtUrl, ModuleInImage
from translator.objects.headgate.wasmmodules import MOST_MODULES
from translator.refs import Ref
from translator.translator import Translator
from xds import EXTENSION_CONFIG, ROUTE, Reference, diff

WEB = Ref("Gateway", NAMESPACE, GATEWAY)
CODE = empty_module("proxy_abi_version_0_2_1")
IN_MAP = {"configMapRef": {"name": "modules"}}
URL = "https://modules.example.com/a?key=secret-text"
AT_URL = {"http": {"url": URL, "sha256": sha256(CODE).hexdigest()}}
SOURCE = ModuleAtUrl(URL, sha256(CODE).hexdigest())


def policy(target: str, *entries: Raw) -> Raw:
    """Return a policy with modules, which is called as its target: the Gateway, or a route."""
    kind = "Gateway" if target == GATEWAY else "HTTPRoute"
    targets = [{"group": "gateway.networking.k8s.io", "kind": kind, "name": target}]
    spec = {"targetRefs": targets, "wasm": list(entries)}
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", target, spec=spec)


def module_map(code: bytes = CODE) -> Raw:
    """Return a ConfigMap with a module."""
    return manifest("v1", "ConfigMap", "modules", binaryData={"wasm": base64.b64encode(code).decode()})


def serving(*raws: Raw, **settings: Any) -> Translator:
    """Return a translator with three routes and these objects, for proxies that are there."""
    made = Translator(Settings(**{"allow_wasm": True, **settings}))
    made.edit((*world(3, 3, 3), *map(edit, raws)))
    assert made.evaluate().failures == []
    return made


def chains(translator: Translator) -> dict[str, list[Wasm]]:
    """Return the modules by the names of their chains."""
    resource = translator.snapshots[WEB].get(Reference(EXTENSION_CONFIG, WASM))
    assert resource is not None
    config, found = TypedExtensionConfig.FromString(resource.body), Composite()
    assert config.typed_config.Unpack(found)
    made: dict[str, list[Wasm]] = {}
    for name, chain in found.named_filter_chains.items():
        *modules, trace = chain.typed_config
        assert trace.typed_config.TypeName().endswith("set_metadata.v3.Config")
        made[name] = [Wasm.FromString(each.typed_config.value) for each in modules]
    return made


def closed(translator: Translator) -> set[str]:
    """Return the paths of the routes whose requests are refused."""
    resource = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    assert resource is not None
    hosts = RouteConfiguration.FromString(resource.body).virtual_hosts
    routes = [route for host in hosts for route in host.routes]
    return {route.match.path_separated_prefix for route in routes if CLOSED in route.typed_per_filter_config}


def condition(translator: Translator, name: str, kind: str) -> tuple[str, str]:
    """Return reason and message of a policy's condition."""
    (ancestor,) = translator.statuses[Ref("TrafficPolicy", NAMESPACE, name)]["ancestors"]
    (found,) = (each for each in ancestor["conditions"] if each["type"] == kind)
    return found["reason"], found["message"]


def test_one_chain_for_equal_modules() -> None:
    """Routes with equal modules name one chain, which holds the module once; other configurations are other chains."""
    entry = {"name": "one", "code": IN_MAP, "config": {"a": 1}}
    translator = serving(module_map(), policy("route-0", entry), policy("route-1", entry))
    (found,) = chains(translator).values()
    assert [each.config.vm_config.code.local.inline_bytes for each in found] == [CODE]
    translator.edit([edit(policy("route-1", {**entry, "config": {"a": 2}}))])
    translator.evaluate()
    assert [json.loads(each.config.configuration.value[2:]) for (each,) in chains(translator).values()] in (
        [{"a": 1}, {"a": 2}],
        [{"a": 2}, {"a": 1}],
    )


def test_routes_hold_no_module() -> None:
    """A module is in one resource alone, however many routes have it."""
    content = with_section(CODE, b"x" * 50_000)
    policies = (policy(f"route-{number}", {"code": IN_MAP}) for number in range(3))
    translator = serving(module_map(content), *policies)
    snapshot = translator.snapshots[WEB]
    bodies = [each.body for kind in snapshot.types() for each in snapshot.resources(kind).values()]
    assert [content in each for each in bodies].count(True) == 1
    assert sum(map(len, bodies)) < 2 * len(content)


def test_an_edit_of_a_module_sends_it_and_the_routes_with_it() -> None:
    """Another content of a ConfigMap makes another chain; an edit of another key changes nothing."""
    translator = serving(module_map(), policy("route-0", {"code": IN_MAP}))
    before = translator.snapshots[WEB]
    other = module_map()
    other["binaryData"]["other"] = other["binaryData"]["wasm"]
    translator.edit([edit(other)])
    translator.evaluate()
    assert not diff(translator.snapshots[WEB], before)
    (name,) = chains(translator)
    translator.edit([edit(module_map(with_section(CODE, b"other")))])
    translator.evaluate()
    assert name not in chains(translator)
    assert len(chains(translator)) == 1


def test_a_module_that_is_fetched() -> None:
    """Headgate asks for the modules at URLs; requests are refused until one is known, and while it never was."""
    translator = serving(policy("route-0", {"code": AT_URL}))
    assert translator.module_sources == {SOURCE}
    assert closed(translator) == {"/route-0"}
    assert condition(translator, "route-0", "ResolvedRefs")[0] == "ModuleNotFetched"
    translator.set_module(SOURCE, FetchedModule(error="HTTP 404"))
    translator.evaluate()
    _, message = condition(translator, "route-0", "ResolvedRefs")
    assert message.startswith("spec.wasm[].code: the module https://modules.example.com/a is not known: HTTP 404.")
    assert "secret-text" not in message
    translator.set_module(SOURCE, FetchedModule(CODE))
    translator.evaluate()
    assert closed(translator) == set()
    ((found,),) = chains(translator).values()
    assert found.config.vm_config.code.local.inline_bytes == CODE
    translator.edit([removal(policy("route-0"))])
    translator.evaluate()
    assert translator.module_sources == frozenset()


def test_nothing_changes_until_the_start_is_over() -> None:
    """After a start, a module that is not fetched yet neither closes a route nor leaves it without protection."""
    translator = Translator(Settings(allow_wasm=True))
    translator.set_modules_synced(False)
    translator.edit((*world(3, 3, 3), edit(policy("route-0", {"code": AT_URL}))))
    translator.evaluate()
    assert WEB not in translator.snapshots
    translator.set_module(SOURCE, FetchedModule(CODE))
    translator.evaluate()
    assert closed(translator) == set()
    assert len(chains(translator)) == 1


def test_without_proxies_nothing_is_fetched() -> None:
    """`headgate translate` and `headgate validate` leave out what would be fetched."""
    entries = {"name": "a", "code": AT_URL}, {"name": "b", "code": {"image": {"url": "ghcr.io/team/module:v1"}}}
    translator = serving(policy("route-0", *entries), offline=True)
    assert closed(translator) == set()
    assert chains(translator) == {}


@pytest.mark.parametrize("fail_open", [True, False])
def test_a_module_that_may_be_missing(fail_open: bool) -> None:
    """A missing module that may be is left out; the guard asks whether a request has passed those that must run."""
    entries = [{"name": "here", "code": IN_MAP, "failOpen": fail_open}]
    entries.append({"name": "lost", "code": {"configMapRef": {"name": "lost"}}, "failOpen": True})
    translator = serving(module_map(), policy("route-0", *entries))
    assert closed(translator) == set()
    ((found,),) = chains(translator).values()
    assert found.config.name == "here"
    assert condition(translator, "route-0", "ResolvedRefs")[0] == "ConfigMapNotFound"
    (name,) = chains(translator)
    assert (name in guard(translator, "/route-0")) is not fail_open


def guard(translator: Translator, path: str) -> str:
    """Return what the guard of a route asks for."""
    resource = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    assert resource is not None
    for host in RouteConfiguration.FromString(resource.body).virtual_hosts:
        for route in host.routes:
            if route.match.path_separated_prefix == path and GUARD in route.typed_per_filter_config:
                return repr(route.typed_per_filter_config[GUARD].value)
    return ""


def test_more_than_the_most() -> None:
    """So many modules of several policies that no request may pass all close the route."""
    wide = policy(GATEWAY, *({"name": f"wide{each}", "code": IN_MAP} for each in range(2)))
    near = policy("route-1", *({"name": f"near{each}", "code": IN_MAP} for each in range(MOST_MODULES - 1)))
    translator = serving(module_map(), wide, near)
    assert closed(translator) == {"/route-1"}
    assert condition(translator, "route-1", "Accepted")[1].startswith("spec.wasm has 5 modules, and 4 are the most")


def test_urls_without_tls() -> None:
    """A URL without TLS is refused, unless the operator allows it for tests."""
    code = {"http": {"url": "http://a.com/m", "sha256": "0" * 64}}
    translator = serving(policy("route-0", {"code": code}))
    assert translator.module_sources == frozenset()
    assert "is not encrypted; use https" in condition(translator, "route-0", "Accepted")[1]
    assert serving(policy("route-0", {"code": code}), allow_http_issuers=True).module_sources


def secret(config: Any) -> Raw:
    """Return a Secret by which images are pulled."""
    data = {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}
    return manifest("v1", "Secret", "pull", type="kubernetes.io/dockerconfigjson", data=data)


IMAGE = {"image": {"url": "ghcr.io/team/module:v1", "pullSecretRef": {"name": "pull"}}}
AUTH = base64.b64encode(b"user:pass:word").decode()


@pytest.mark.parametrize(
    "auths",
    [
        {"ghcr.io": {"auth": AUTH}},
        {"https://ghcr.io/v1/": {"username": "user", "password": "pass:word"}},
        {"other.io": {"auth": "x"}, "ghcr.io": {"auth": AUTH, "email": "a@b.c"}},
    ],
)
def test_who_pulls_an_image(auths: Raw) -> None:
    """User and password are those that a Secret has for the registry."""
    translator = serving(secret({"auths": auths}), policy("route-0", {"code": IMAGE}))
    assert translator.module_sources == {ModuleInImage("ghcr.io/team/module:v1", "user", "pass:word")}


@pytest.mark.parametrize(
    "config",
    [
        {},
        [],
        {"auths": []},
        {"auths": {"other.io": {"auth": AUTH}}},
        {"auths": {"ghcr.io": {"auth": "?"}}},
        {"auths": {"ghcr.io": {}}},
        {"auths": {"ghcr.io": {"auth": 1}}},
        {"auths": {"ghcr.io": []}},
        {"auths": {"ghcr.io": {"auth": base64.b64encode(b"user").decode()}}},
    ],
)
def test_secrets_that_say_nothing(config: Any) -> None:
    """A Secret without a user and a password for the registry closes, and is not told."""
    translator = serving(secret(config), policy("route-0", {"code": IMAGE}))
    assert closed(translator) == {"/route-0"}
    reason, message = condition(translator, "route-0", "ResolvedRefs")
    assert reason == "SecretNotFound"
    assert "has no user and password for ghcr.io" in message
    assert AUTH not in message


def test_without_permission() -> None:
    """Unless modules are allowed, nothing is fetched, and requests are refused."""
    translator = serving(policy("route-0", {"code": AT_URL}), allow_wasm=False)
    assert translator.module_sources == frozenset()
    assert closed(translator) == {"/route-0"}
    assert condition(translator, "route-0", "Accepted")[0] == "NotAllowed"
