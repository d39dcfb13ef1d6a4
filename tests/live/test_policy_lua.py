"""Scripts in Lua by TrafficPolicies, where the operator allows them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream
from translator.refs import Ref

MARK = """
function envoy_on_request(handle)
  handle:headers():add("x-seen", handle:filterContext():get("name"))
end
function envoy_on_response(handle)
  handle:headers():add("x-back", handle:filterContext():get("name"))
end
"""
FAILING = "function envoy_on_request(handle) local nothing = nil; nothing.field = 1 end"


def scripts(*entries: Manifest, level: str = "route", name: str = "policy") -> Manifest:
    """Return a policy with scripts."""
    return traffic_policy(level, name, lua=list(entries))


def mark(name: str, **fields: Any) -> Manifest:
    """Return a script that writes its name into a header of the request, and of the response."""
    return {"name": name, "inline": MARK, "filterContext": {"name": name}, **fields}


def accepted(proxy: Proxy, name: str = "policy") -> tuple[str, str]:
    """Return reason and message of a policy's condition."""
    conditions = proxy.status("TrafficPolicy", name)["ancestors"][0]["conditions"]
    found = next(each for each in conditions if each["type"] == "Accepted")
    return found["reason"], found["message"]


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_scripts_run_in_order(permissive: Proxy, level: str) -> None:
    """Scripts see requests in the order of the list, and responses in the reverse one, each with its context."""
    await permissive.apply(scripts(mark("one"), mark("two"), level=level), route(rule("alpha")))
    found = await permissive.request()
    assert found.sent("x-seen") == ["one", "two"]
    assert found.headers.getall("x-back") == ["two", "one"]


async def test_policies_merge_by_name(permissive: Proxy) -> None:
    """A more specific policy replaces a script by its name, adds others, switches one off, or all."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    wide = scripts(mark("one"), mark("two"), level="gateway", name="wide")
    near: dict[str, tuple[list[Manifest], list[str]]] = {
        "replaced": ([mark("one", filterContext={"name": "other"})], ["other", "two"]),
        "added": ([mark("three")], ["one", "two", "three"]),
        "off": ([{"name": "two", "disable": {}}], ["one"]),
        "none": ([{"disable": {}}], []),
    }
    await permissive.apply(wide, route(named, rule("alpha")))
    for entries, seen in near.values():
        await permissive.apply(scripts(*entries, level="rule", name="own"))
        assert (await permissive.request("/own")).sent("x-seen") == seen
        assert (await permissive.request("/other")).sent("x-seen") == ["one", "two"]


async def test_scripts_of_config_maps(permissive: Proxy) -> None:
    """A script may be in a ConfigMap, of which an edit takes effect; without it, requests get 500."""
    entry = {"name": "one", "configMapRef": {"name": "scripts", "key": "mark.lua"}, "filterContext": {"name": "a"}}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"}, "data": {"mark.lua": MARK}}
    await permissive.apply(scripts(entry), route(rule("alpha")), config_map)
    assert (await permissive.request()).sent("x-seen") == ["a"]
    await permissive.apply({**config_map, "data": {"mark.lua": MARK.replace("x-seen", "x-new")}})
    assert (await permissive.request()).sent("x-new") == ["a"]
    await permissive.delete(Ref("ConfigMap", "default", "scripts"))
    assert (await permissive.request()).status == 500


async def test_stages(permissive: Proxy, alpha: Upstream) -> None:
    """A script runs at its stage: before what refuses a request, or behind it; of one stage, by weight."""
    early = {"stage": "AuthN", "predicate": "Before"}
    teapot = 'function envoy_on_request(handle) handle:respond({[":status"] = "418"}, "tea") end'
    refusing = {"rbac": {"policy": {"matchExpressions": ["request.method == 'PUT'"]}, "action": "Allow"}}
    for stage, status in ((early, 418), ({"stage": "Route"}, 403)):
        policy = scripts({"name": "tea", "inline": teapot, "filterStage": stage})
        policy["spec"] |= refusing
        await permissive.apply(policy, route(rule("alpha")))
        assert (await permissive.request()).status == status
    assert alpha.seen == []
    weighed = [mark("light", filterStage={**early, "weight": -1}), mark("heavy", filterStage={**early, "weight": 7})]
    await permissive.apply(scripts(*weighed))
    assert (await permissive.request()).sent("x-seen") == ["heavy", "light"]


async def test_bodies(permissive: Proxy, alpha: Upstream) -> None:
    """A script gets bodies of up to a mebibyte as a whole, and changes them; a longer request gets 413."""
    upper = """
    local function upper(handle)
      local body = handle:body(true)
      local size = body:setBytes(body:getBytes(0, body:length()):upper())
      handle:headers():replace("content-length", tostring(size))
    end
    envoy_on_request, envoy_on_response = upper, upper
    """
    await permissive.apply(scripts({"inline": upper}), route(rule("alpha")))
    sent = b"abc" * 100_000
    found = await permissive.request(method="POST", body=sent)
    assert (found.status, alpha.seen[-1].body) == (200, sent.upper())
    assert found.body == found.body.upper()
    assert (await permissive.request(method="POST", body=b"x" * 1_100_000)).status == 413


async def test_state_survives_edits(permissive: Proxy) -> None:
    """What a script keeps is there as long as the script is, whatever else of the routes is edited."""
    count = 'local n = 0\nfunction envoy_on_request(handle) n = n + 1; handle:headers():add("x-n", tostring(n)) end'
    await permissive.apply(scripts({"inline": count}), route(rule("alpha")))
    assert (await permissive.request()).sent("x-n") == ["1"]
    await permissive.apply(route(rule("alpha", matches=[prefix("/")]), rule("beta", matches=[prefix("/b")])))
    assert (await permissive.request("/b")).sent("x-n") == ["2"]


@pytest.mark.parametrize(
    "script",
    [
        FAILING,
        "function envoy_on_request(handle) error({}) end",
        "function envoy_on_request(handle) handle:body(); error('late') end",
        "error('when it is loaded')",
        "local nothing = nil\nnothing.field = 1",
    ],
)
async def test_a_failing_script_lets_nothing_pass(permissive: Proxy, alpha: Upstream, script: str) -> None:
    """The request of a script that fails gets 500, one that fails when it is loaded too; other routes are served."""
    named = rule("alpha", name="named", matches=[exact("/failing")])
    await permissive.apply(scripts({"inline": script}, level="rule"), route(named, rule("beta")))
    found = await permissive.request("/failing", method="POST", body=b"body")
    assert (found.status, found.body) == (500, b"A script failed.\n")
    assert alpha.seen == []
    assert (await permissive.request()).backend == "beta"


async def test_a_failure_on_the_way_back(permissive: Proxy) -> None:
    """The response of a script that fails has the status 500."""
    await permissive.apply(scripts({"inline": FAILING.replace("request", "response")}), route(rule("alpha")))
    assert (await permissive.request()).status == 500


async def test_a_syntax_error_is_kept_from_the_proxy(permissive: Proxy) -> None:
    """A script that does not compile closes its routes, and says its line; other routes are served."""
    named = rule("alpha", name="named", matches=[exact("/wrong")])
    wrong = {"name": "one", "inline": "function envoy_on_request(handle)\n  local x = = 1\nend"}
    await permissive.apply(scripts(wrong, level="rule"), route(named, rule("beta")))
    assert (await permissive.request("/wrong")).status == 500
    assert (await permissive.request()).backend == "beta"
    reason, message = accepted(permissive)
    assert reason == "Invalid"
    assert "spec.lua[one].inline: line 2: unexpected symbol near '='" in message


@pytest.mark.parametrize("level", ["gateway", "route", "rule"])
async def test_scripts_are_not_allowed_by_themselves(proxy: Proxy, alpha: Upstream, level: str) -> None:
    """Unless the operator allows scripts, the routes of a policy with one answer 500, and its status says so."""
    await proxy.apply(scripts(mark("one"), level=level), route(rule("alpha", name="named")))
    assert (await proxy.request()).status == 500
    assert alpha.seen == []
    reason, message = accepted(proxy)
    assert reason == "NotAllowed"
    assert "--allow-lua" in message
    assert b"x-seen" not in b"".join(each.body for each in _resources(proxy))


def _resources(proxy: Proxy) -> list[Any]:
    return [each for kind in proxy.snapshot.types() for each in proxy.snapshot.resources(kind).values()]


async def test_moved_requests(permissive: Proxy, beta: Upstream) -> None:
    """A script that has the route chosen anew moves no request past the protection of another route."""
    mover = """
    function envoy_on_request(handle)
      handle:headers():replace(":path", "/guarded")
      if handle:headers():get("x-anew") then handle:clearRouteCache() end
    end
    """
    guarded = rule("beta", name="guarded", matches=[prefix("/guarded")])
    named = rule("alpha", name="named", matches=[prefix("/open")])
    csrf = traffic_policy("rule", "csrf", csrf={})
    csrf["spec"]["targetRefs"][0]["sectionName"] = "guarded"
    await permissive.apply(scripts({"inline": mover}, level="rule"), csrf, route(guarded, named))
    found = await permissive.request("/open")
    assert (found.backend, found.path) == ("alpha", "/guarded")
    assert (await permissive.request("/open", headers={"X-Anew": "1"})).status == 403
    assert beta.seen == []
