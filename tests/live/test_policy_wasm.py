"""Modules of WebAssembly by TrafficPolicies, where the operator allows them."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256

import pytest
from aiohttp import web

from tests.live.modules import (
    PASSWORD,
    compiled,
    empty_module,
    module,
    module_map,
    modules,
    pull_secret,
    registry,
    with_section,
)
from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import WITHIN, Proxy, Response
from tests.live.upstream import Upstream
from tests.watchers.loopback import serving
from translator.refs import Ref


def seen(found: Response) -> list[str]:
    """Return the names of the modules that a request passed."""
    return [json.loads(each)["name"] for each in found.sent("x-wasm")]


def condition(proxy: Proxy, kind: str = "Accepted", name: str = "policy") -> tuple[str, str, str]:
    """Return a condition of a policy: status, reason and message."""
    conditions = proxy.status("TrafficPolicy", name)["ancestors"][0]["conditions"]
    found = next(each for each in conditions if each["type"] == kind)
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_modules_run_in_order(permissive: Proxy, alpha: Upstream, level: str) -> None:
    """Modules see requests in the order of the list, and responses in the reverse one; one may respond itself."""
    policy = modules(module("one"), module("two"), level=level)
    await permissive.apply(module_map(wasm=compiled()), policy, route(rule("alpha")))
    found = await permissive.request()
    assert seen(found) == ["one", "two"]
    assert [json.loads(each)["name"] for each in found.headers.getall("x-wasm-back")] == ["two", "one"]
    before = len(alpha.seen)
    found = await permissive.request(headers={"X-Deny": "1"})
    assert (found.status, found.body) == (403, b"denied")
    assert len(alpha.seen) == before


async def test_what_a_module_is_told(permissive: Proxy) -> None:
    """A module gets its configuration, the name of its filter, and of the environment what is named, and no more."""
    entry = module("one", rootID="first", env={"hostKeys": ["HOME", "NO_SUCH_VARIABLE"]})
    other = module("two")
    await permissive.apply(module_map(wasm=compiled()), modules(entry, other), route(rule("alpha")))
    found = await permissive.request()
    assert found.sent("x-root") == ["first"]
    assert [each.partition("=")[0] for each in found.sent("x-env")] == ["HOME"]
    assert seen(found) == ["one", "two"]


async def test_policies_merge_by_name(permissive: Proxy) -> None:
    """A more specific policy replaces a module by its name, adds others, switches one off, or all."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    wide = modules(module("one"), module("two"), level="gateway", name="wide")
    near: list[tuple[list[Manifest], list[str]]] = [
        ([module("one", config={"name": "other"})], ["other", "two"]),
        ([module("three")], ["one", "two", "three"]),
        ([{"name": "two", "disable": {}}], ["one"]),
        ([{"disable": {}}], []),
    ]
    await permissive.apply(module_map(wasm=compiled()), wide, route(named, rule("alpha")))
    for entries, expected in near:
        await permissive.apply(modules(*entries, level="rule", name="own"))
        assert seen(await permissive.request("/own")) == expected
        assert seen(await permissive.request("/other")) == ["one", "two"]


async def test_a_missing_module_closes(permissive: Proxy, alpha: Upstream) -> None:
    """Without its module a policy's routes answer 500; with `failOpen` they are served without it."""
    await permissive.apply(modules(module("one")), route(rule("alpha")))
    assert (await permissive.request()).status == 500
    assert alpha.seen == []
    assert condition(permissive, "ResolvedRefs")[:2] == ("False", "ConfigMapNotFound")
    await permissive.apply(modules(module("one", failOpen=True)))
    assert seen(await permissive.request()) == []
    await permissive.apply(module_map(wasm=compiled()))
    assert seen(await permissive.request()) == ["one"]
    await permissive.delete(Ref("ConfigMap", "default", "modules"))
    assert seen(await permissive.request()) == []


async def test_an_edit_of_a_module(permissive: Proxy) -> None:
    """Another module in the ConfigMap takes the place of the one before, and a wrong one closes."""
    await permissive.apply(module_map(wasm=compiled()), modules(module("one")), route(rule("alpha")))
    for content in (with_section(compiled(), b"other"), compiled()):
        await permissive.apply(module_map(wasm=content))
        assert seen(await permissive.request()) == ["one"]
    for wrong, problem in (
        (b"no module", "is no module of WebAssembly"),
        (empty_module("start"), "exports no function proxy_abi_version_"),
        (compiled()[:-10], "is damaged"),
    ):
        await permissive.apply(module_map(wasm=wrong))
        assert (await permissive.request()).status == 500
        status, reason, message = condition(permissive)
        assert (status, reason) == ("False", "Invalid")
        assert f"spec.wasm[one].code: the module {problem}" in message


async def test_a_module_that_fails(permissive: Proxy, alpha: Upstream) -> None:
    """A module that fails lets no request pass until it has been started again; with `failOpen` all pass."""
    config_map = module_map(wasm=with_section(compiled(), b"failing"))
    await permissive.apply(config_map, modules(module("one")), route(rule("alpha")))
    for _ in range(3):
        assert (await permissive.request(headers={"X-Trap": "1"})).status == 503
    assert alpha.seen == []
    async with asyncio.timeout(WITHIN):
        while (found := await permissive.request()).status != 200:
            assert found.status == 503
            await asyncio.sleep(0.05)
    assert seen(found) == ["one"]
    await permissive.apply(modules(module("one", failOpen=True, config={"name": "open"})))
    assert seen(await permissive.request()) == ["open"]
    await permissive.request(headers={"X-Trap": "1"})
    assert seen(await permissive.request()) == []


async def test_a_module_that_the_proxy_refuses(permissive: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """What only Envoy can find wrong lets no request pass at its routes; other modules stay as they are."""
    broken = compiled().replace(b"proxy_get_property", b"proxy_get_somethin")
    named = rule("alpha", name="named", matches=[exact("/own")])
    good = modules(module("good"), level="gateway", name="wide")
    await permissive.apply(module_map(wasm=compiled(), broken=broken), good, route(named, rule("beta")))
    assert seen(await permissive.request("/own")) == ["good"]
    alpha.reset()
    await permissive.apply(modules(module("good", key="broken"), level="rule", name="own"), refused=True)
    assert (await permissive.request("/own")).status in (403, 500)
    assert alpha.seen == []
    status, reason, message = condition(permissive, "Programmed", "own")
    assert (status, reason) == ("False", "Refused")
    assert "Unable to create Wasm plugin good" in message
    assert seen(await permissive.request("/other")) == ["good"]
    await permissive.apply(modules(module("good", config={"name": "mended"}), level="rule", name="own"))
    assert seen(await permissive.request("/own")) == ["mended"]


async def test_bodies(permissive: Proxy, alpha: Upstream) -> None:
    """A module holds bodies of up to a mebibyte until they are whole; a longer request gets 413."""
    await permissive.apply(module_map(wasm=compiled()), modules(module("one")), route(rule("alpha")))
    hold = {"X-Hold": "1"}
    sent = b"x" * 1_000_000
    assert (await permissive.request(method="POST", body=sent, headers=hold)).status == 200
    assert alpha.seen[-1].body == sent
    assert (await permissive.request(method="POST", body=sent * 2, headers=hold)).status == 413
    assert (await permissive.request(method="POST", body=sent * 2)).status == 200


async def test_modules_at_urls(permissive: Proxy) -> None:
    """A module is fetched from a URL, if it has the hash; until then, and with another hash, nothing passes."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/moved":
            raise web.HTTPFound("/module")
        return web.Response(body=compiled())

    async with serving(answer) as url:
        for path in ("module", "moved"):
            http = {"url": f"{url}/{path}", "sha256": sha256(compiled()).hexdigest()}
            policy = modules({"name": "one", "code": {"http": http}, "config": {"name": path}})
            await permissive.apply(policy, route(rule("alpha")))
            assert (await permissive.request()).status == 500
            assert "it is being fetched" in condition(permissive, "ResolvedRefs")[2]
            await permissive.fetch_modules()
            assert seen(await permissive.request()) == [path]
        wrong = {"url": f"{url}/module", "sha256": "0" * 64}
        await permissive.apply(modules({"name": "one", "code": {"http": wrong}}))
        await permissive.fetch_modules()
        assert (await permissive.request()).status == 500
        status, reason, message = condition(permissive, "ResolvedRefs")
        assert (status, reason) == ("False", "ModuleNotFetched")
        assert "has the SHA-256" in message


async def test_modules_in_images(permissive: Proxy) -> None:
    """A module is pulled from a registry, by a Secret where it is private."""
    async with registry() as found:
        found.push(compiled())
        image = {"url": f"{found.host}/team/module:v1"}
        entry = {"name": "one", "code": {"image": image}, "config": {"name": "public"}}
        await permissive.apply(modules(entry), route(rule("alpha")))
        await permissive.fetch_modules()
        assert seen(await permissive.request()) == ["public"]
        found.private = True
        entry = {**entry, "config": {"name": "private"}, "code": {"image": {**image, "sha256": "0" * 64}}}
        await permissive.apply(modules(entry))
        await permissive.fetch_modules()
        assert (await permissive.request()).status == 500
        assert "without a pullSecretRef there is no permission" in condition(permissive, "ResolvedRefs")[2]
        reference = {"name": "pull", "namespace": "default", "key": ".dockerconfigjson"}
        pinned = {**image, "sha256": sha256(compiled()).hexdigest(), "pullSecretRef": reference}
        await permissive.apply(modules({**entry, "code": {"image": pinned}}), pull_secret(found.host))
        await permissive.fetch_modules()
        assert seen(await permissive.request()) == ["private"]
        assert PASSWORD not in repr(permissive.status("TrafficPolicy", "policy"))


@pytest.mark.parametrize("level", ["gateway", "route", "rule"])
async def test_modules_are_not_allowed_by_themselves(proxy: Proxy, alpha: Upstream, level: str) -> None:
    """Unless the operator allows modules, the routes of a policy with one answer 500, and its status says so."""
    policy = modules(module("one"), level=level)
    await proxy.apply(module_map(wasm=compiled()), policy, route(rule("alpha", name="named")))
    assert (await proxy.request()).status == 500
    assert alpha.seen == []
    status, reason, message = condition(proxy)
    assert (status, reason) == ("False", "NotAllowed")
    assert "--allow-wasm" in message


async def test_other_routes_are_not_concerned(permissive: Proxy) -> None:
    """A module of one rule is for its requests alone, and of equal ones of several routes there is one chain."""
    named = rule("alpha", name="named", matches=[prefix("/own")])
    own = modules(module("one"), level="rule", name="own")
    again = traffic_policy("route", "again", wasm=own["spec"]["wasm"])
    again["spec"]["targetRefs"][0]["name"] = "second"
    second = route(rule("alpha", matches=[prefix("/second")]), name="second")
    await permissive.apply(module_map(wasm=compiled()), own, again, route(named, rule("beta")), second)
    assert [seen(await permissive.request(path)) for path in ("/own", "/second", "/")] == [["one"], ["one"], []]
    chains = await permissive.admin("/config_dump?resource=ecds_filters")
    assert chains.count('"proxy') == 0
    assert chains.count("envoy.wasm.runtime.v8") == 1
