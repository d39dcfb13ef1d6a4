"""Authorisation of requests by TrafficPolicies: rules, and conditions in CEL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.traffic import traffic

Headers = Mapping[str, str] | list[tuple[str, str]]


def rbac(*rules: Manifest, level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with these rules."""
    return traffic_policy(level, name, rbac={"rules": list(rules), **fields})


def expressions(*conditions: str, action: str, level: str = "gateway") -> Manifest:
    """Return a policy with conditions in CEL."""
    return traffic_policy(level, rbac={"policy": {"matchExpressions": list(conditions)}, "action": action})


def allow(**fields: Any) -> Manifest:
    """Return a rule that allows."""
    return {"action": "Allow", **fields}


def deny(**fields: Any) -> Manifest:
    """Return a rule that denies."""
    return {"action": "Deny", **fields}


async def status(proxy: Proxy, path: str = "/", **options: Any) -> int:
    """Return the status of the response to a request."""
    return (await proxy.request(path, **options)).status


async def test_only_what_an_expression_allows(proxy: Proxy) -> None:
    """With the action Allow, requests pass for which one of the conditions holds, and no others."""
    conditions = ("request.headers['x-env'] == 'dev'", "request.url_path.startsWith('/public') && source.port > 0")
    await proxy.apply(expressions(*conditions, action="Allow"), route(rule("alpha")))
    assert await status(proxy, headers={"X-Env": "dev"}) == 200
    assert await status(proxy, "/public/x") == 200
    for headers in ({}, {"X-Env": "prod"}, {"X-Env": "DEV"}, {"X-Env": ""}):
        assert await status(proxy, headers=headers) == 403
    assert await status(proxy, "/x?/public") == 403


async def test_all_but_what_an_expression_denies(proxy: Proxy) -> None:
    """With the action Deny, all requests pass but those for which one of the conditions holds."""
    conditions = ("request.headers['x-env'] == 'dev'", "request.method == 'DELETE'")
    await proxy.apply(expressions(*conditions, action="Deny"), route(rule("alpha")))
    for headers in ({}, {"X-Env": "prod"}):
        assert await status(proxy, headers=headers) == 200
    assert await status(proxy, headers={"X-Env": "dev"}) == 403
    assert await status(proxy, method="DELETE") == 403


@pytest.mark.parametrize(
    "condition",
    [
        "request.headers['x-env'] != 'prod'",
        "!(request.headers.env == 'prod' || request.headers['x-env'] == 'prod')",
        "metadata.filter_metadata['some.filter']['role'] != 'admin'",
    ],
)
async def test_what_cannot_be_evaluated_denies(proxy: Proxy, condition: str) -> None:
    """A condition that denies holds for a header that is absent as for an empty one, and where something is missing."""
    await proxy.apply(expressions(condition, action="Deny"), route(rule("alpha")))
    assert await status(proxy) == 403
    assert await status(proxy, headers={"X-Env": "prod"}) == (403 if "metadata" in condition else 200)
    await proxy.apply(expressions(condition, action="Allow"))
    assert await status(proxy) == 403


async def test_the_first_rule_that_matches_decides(proxy: Proxy) -> None:
    """Rules are tried in their order; what none of them matches, the default decides."""
    admin = {"path": {"prefix": "/admin"}}
    rules = (
        allow(name="operators", operation=admin, principal={"headers": [{"name": "X-Team", "values": ["ops", "dev"]}]}),
        deny(name="admin", operation=admin),
        allow(name="readers", operation={"methods": ["GET", "HEAD"]}),
    )
    await proxy.apply(rbac(*rules), route(rule("alpha")))
    for team, expected in (("ops", 200), ("dev", 200), ("web", 403), ("ops,dev", 403)):
        assert await status(proxy, "/admin/x", headers={"X-Team": team}) == expected
    assert await status(proxy, "/admin") == 403
    assert await status(proxy, "/other") == 200
    assert await status(proxy, "/other", method="POST") == 403
    await proxy.apply(rbac(*rules, defaultAction="Allow"))
    assert await status(proxy, "/other", method="POST") == 200
    assert await status(proxy, "/admin", method="POST") == 403


async def test_headers_that_are_sent_twice(proxy: Proxy) -> None:
    """A header with several values allows nothing, and denies by each of its values."""
    await proxy.apply(route(rule("alpha")))
    user = {"headers": [{"name": "x-user", "values": ["eve"]}]}
    twice: tuple[Headers, ...] = (
        [("x-user", "eve"), ("x-user", "bob")],
        [("x-user", "bob"), ("x-user", "eve")],
        {"x-user": "bob, eve"},
        {"x-user": "eve,bob"},
    )
    await proxy.apply(rbac(allow(principal=user)))
    assert await status(proxy, headers={"X-USER": "eve"}) == 200
    for headers in twice:
        assert await status(proxy, headers=headers) == 403
    await proxy.apply(rbac(deny(principal=user), defaultAction="Allow"))
    for headers in ({"X-USER": "eve"}, *twice):
        assert await status(proxy, headers=headers) == 403
    for headers in ({}, {"x-user": "bob"}, {"x-user": "steve"}):
        assert await status(proxy, headers=headers) == 200


OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


@pytest.mark.parametrize("name", OVERRIDES)
async def test_methods_that_a_header_overrides(proxy: Proxy, name: str) -> None:
    """A request that asks for another method by a header is allowed if both are, and denied if one is."""
    await proxy.apply(rbac(allow(operation={"methods": ["GET", "POST"]})), route(rule("alpha")))
    for value, expected in (("GET", 200), ("post", 200), ("DELETE", 403), ("GET, DELETE", 403), ("", 403)):
        assert await status(proxy, method="POST", headers={name: value}) == expected, value
    assert await status(proxy, method="DELETE", headers={name: "GET"}) == 403
    await proxy.apply(rbac(deny(operation={"methods": ["DELETE"]}), defaultAction="Allow"))
    for value in ("DELETE", "delete", " Delete ", "GET,DELETE"):
        assert await status(proxy, method="POST", headers={name: value}) == 403, value
    assert await status(proxy, method="POST", headers={name: "PUT"}) == 200


async def test_hosts(proxy: Proxy) -> None:
    """A rule for hosts matches them in any case, with a port and with a dot at the end; a wildcard those below it."""
    hosts = {"hosts": ["shop.example.com", "*.internal.example.com"]}
    await proxy.apply(rbac(deny(operation=hosts), defaultAction="Allow"), route(rule("alpha")))
    same = ("shop.example.com", "SHOP.example.com", "shop.example.com:8080", "shop.example.com.", "shop.example.com.:1")
    for host in (*same, "a.internal.example.com", "a.b.internal.example.com"):
        assert await status(proxy, host=host) == 403, host
    for host in ("shopXexample.com", "example.com", "internal.example.com", "a.shop.example.com"):
        assert await status(proxy, host=host) == 200, host


@pytest.mark.parametrize(
    ("match", "matching", "others"),
    [
        ({"exact": "/a/b"}, ("/a/b", "/a/b?x", "/a/b;x", "/a;x/b"), ("/a/b/", "/a/bc", "/A/b", "/x?/a/b")),
        ({"exact": "/a/b", "ignoreCase": True}, ("/a/b", "/A/B"), ("/a/c",)),
        ({"prefix": "/a/"}, ("/a/", "/a/b", "/a;x/b"), ("/a", "/b?/a/")),
        ({"suffix": ".php"}, ("/x.php", "/x.php?y", "/x.php;y"), ("/x.phpx", "/x?.php")),
        ({"contains": "/wp-"}, ("/a/wp-x", "/wp-"), ("/a?/wp-",)),
        ({"regex": "/v[0-9]+/.*"}, ("/v1/x", "/v12/?y"), ("/v/x", "/x?/v1/x", "/x/v1/y")),
        ({"regex": ".*/public"}, ("/x/public",), ("/admin?x=/public",)),
    ],
)
async def test_paths(proxy: Proxy, match: Manifest, matching: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Paths are compared without their query, and to deny also without the parameters of their segments."""
    await proxy.apply(rbac(deny(operation={"path": match}), defaultAction="Allow"), route(rule("alpha")))
    for path in matching:
        assert await status(proxy, path) == 403, path
    for path in others:
        assert await status(proxy, path) == 200, path
    await proxy.apply(rbac(allow(operation={"path": match})))
    for path in (each for each in matching if ";" not in each):
        assert await status(proxy, path) == 200, path
    for path in others:
        assert await status(proxy, path) == 403, path


async def test_shadow(proxy: Proxy) -> None:
    """A policy in the shadow refuses nothing, and Envoy counts what it would."""

    async def counted() -> int:
        found = json.loads(await proxy.admin("/stats?format=json&filter=rbac.*shadow_denied"))["stats"]
        return sum(each.get("value", 0) for each in found)

    await proxy.apply(rbac(allow(operation={"methods": ["GET"]}), shadow=True), route(rule("alpha")))
    before = await counted()
    assert [await status(proxy, method="POST") for _ in range(5)] == [200] * 5
    assert await status(proxy) == 200
    assert await counted() == before + 5


async def test_routes_differ(proxy: Proxy) -> None:
    """A rule's policy stands in place of that of the Gateway, or switches it off."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(rbac(allow(operation={"methods": ["GET"]})), route(named, rule("alpha")))
    assert await status(proxy, "/own", method="POST") == 403
    instead: tuple[Manifest, ...] = ({"disable": {}}, {"rules": [allow(operation={"methods": ["POST"]})]})
    for fields in instead:
        await proxy.apply(traffic_policy("rule", "own", rbac=fields))
        assert await status(proxy, "/own", method="POST") == 200
        assert await status(proxy, "/other", method="POST") == 403
    assert await status(proxy, "/own") == 403


async def test_what_is_enforced_holds_beside(proxy: Proxy) -> None:
    """What is enforced at a Gateway and a listener holds beside what routes say: all have to allow a request."""
    by = {name: allow(principal={"headers": [{"name": f"x-{name}", "values": ["yes"]}]}) for name in "glr"}
    named = rule("alpha", name="named", matches=[prefix("/own")])
    policies = [rbac(by[name], level=level, name=level) for name, level in zip("glr", LEVELS, strict=True)]
    for each in policies[:2]:
        each["spec"]["enforced"] = True
    await proxy.apply(policies, route(named, rule("alpha")))
    for missing in ("", "g", "l", "r"):
        headers = {f"x-{name}": "yes" for name in "glr" if name != missing}
        assert await status(proxy, "/own", headers=headers) == (403 if missing else 200), missing
        assert await status(proxy, "/", headers=headers) == (403 if missing in ("g", "l") and missing else 200), missing
    await proxy.apply(traffic_policy("rule", "rule", rbac={"disable": {}}))
    assert await status(proxy, "/own", headers={"x-g": "yes", "x-l": "yes"}) == 200
    assert await status(proxy, "/own", headers={"x-g": "yes"}) == 403
    off = traffic_policy("listener", "listener", rbac={"disable": {}})
    off["spec"]["enforced"] = True
    await proxy.apply(off, policies[2])
    assert await status(proxy, "/own", headers={"x-g": "yes"}) == 200
    assert await status(proxy, "/own", headers={"x-r": "yes", "x-l": "yes"}) == 403


LEVELS = ("gateway", "listener", "rule")


LISTED = {"path": ["a.b"], "valueType": "StringArray", "values": ["c", "d"]}


@pytest.mark.parametrize(
    "fields",
    [
        {"rules": [allow(operation={"path": {"regex": "a(b"}})]},
        {"rules": [allow(cel="response.code == 200")]},
        {"policy": {"matchExpressions": ["upstream.address == '10.0.0.1'"]}, "action": "Deny"},
        {"rules": [allow(principal={"headers": [{"name": "Host", "values": ["a"]}]})]},
        {"rules": [allow(principal={"jwt": {"provider": "nobody", "scopes": ["a"]}})]},
        {"rules": [allow(principal={"jwt": {"provider": "nobody", "claims": [{"name": "a.b", "values": ["c"]}]}})]},
        {"rules": [allow(principal={"jwt": {"provider": "nobody", "claims": [LISTED]}})]},
    ],
)
async def test_what_cannot_be_applied_closes(proxy: Proxy, fields: Manifest) -> None:
    """A policy that cannot be applied has its routes respond with 500, enforced or not; its status says why."""
    named = rule("alpha", name="named", matches=[exact("/open")])
    await proxy.apply(traffic_policy("gateway", rbac=fields), route(named, rule("alpha")))
    assert await status(proxy) == 500
    conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    accepted = next(each for each in conditions if each["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "Invalid")
    assert accepted["message"].startswith("spec.rbac.")
    await proxy.apply(traffic_policy("rule", "own", rbac={"disable": {}}))
    assert await status(proxy, "/open") == 200
    assert await status(proxy) == 500
    enforced = traffic_policy("gateway", rbac=fields)
    enforced["spec"]["enforced"] = True
    await proxy.apply(enforced)
    assert await status(proxy, "/open") == 500


async def test_preflights(proxy: Proxy) -> None:
    """The gateway answers preflights of pages that CORS allows; what only looks like one reaches no backend."""
    page, cors = "https://page.com", {"allowOrigins": ["https://page.com"], "allowMethods": ["GET"]}
    denied = {"rules": [allow(principal={"headers": [{"name": "x-user", "values": ["bob"]}]})]}
    for level in ("gateway", "route"):
        await proxy.apply(traffic_policy(level, cors=cors, rbac=denied), route(rule("alpha")))
        asked = {"Access-Control-Request-Method": "GET"}
        found = await proxy.request(method="OPTIONS", headers={"Origin": page, **asked})
        assert (found.status, found.headers["access-control-allow-origin"]) == (200, page)
        assert found.body == b""
        for headers in (asked, {"Origin": page}, {"Origin": page, "Access-Control-Request-Headers": "x-user"}):
            found = await proxy.request(method="OPTIONS", headers=headers)
            assert found.status == 403
        found = await proxy.request(method="OPTIONS", headers={"Origin": "https://evil.com", **asked})
        assert found.body == b"" or found.status == 403
        assert await status(proxy, headers={"Origin": page}) == 403
        assert await status(proxy, headers={"Origin": page, "x-user": "bob"}) == 200


async def test_edits_under_load_never_open(proxy: Proxy) -> None:
    """While a policy is edited, broken, enforced and moved, no request passes that none of its versions allows."""
    secret = {"headers": [{"name": "x-key", "values": ["secret"]}]}
    versions = [
        rbac(allow(principal=secret)),
        rbac(deny(operation={"path": {"prefix": "/"}}), defaultAction="Allow"),
        expressions("request.headers['x-key'] == 'secret'", action="Allow"),
        rbac(allow(operation={"path": {"regex": "a(b"}})),
    ]
    await proxy.apply(versions[0], route(rule("alpha", name="named")))
    async with traffic(proxy) as requests:
        for turn, level in enumerate(("gateway", "listener", "route", "rule", "listener")):
            for each in versions:
                moved = {**traffic_policy(level)["spec"], "rbac": each["spec"]["rbac"], "enforced": turn == 1}
                await proxy.apply({**each, "spec": moved})
                await requests.more()
    assert requests.count > 2000
    assert requests.answers.keys() <= {"403", "500"}


async def test_preflights_of_what_the_gateway_responds_with(proxy: Proxy) -> None:
    """What a DirectResponse says is for those who are let in, whatever looks like a preflight beside a CORS policy."""
    direct = {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "DirectResponse",
        "metadata": {"name": "secret"},
        "spec": {"status": 200, "body": "secret"},
    }
    reference = {"group": "gateway.headgate.dev", "kind": "DirectResponse", "name": "secret"}
    filters = [{"type": "ExtensionRef", "extensionRef": reference}]
    cors = [{"type": "CORS", "cors": {"allowOrigins": ["https://page.com"]}}]
    rules = (
        rule(filters=filters, matches=[prefix("/secret", method="OPTIONS"), prefix("/secret", method="GET")]),
        rule("alpha", filters=cors, matches=[prefix("/secret", method="POST"), prefix("/")]),
    )
    key = {"headers": [{"name": "x-key", "values": ["key"]}]}
    await proxy.apply(rbac(allow(principal=key)), direct, route(*rules))
    assert (await proxy.request("/secret", headers={"x-key": "key"})).body == b"secret"
    for method in ("GET", "POST", "OPTIONS", "PUT"):
        asked = {"Origin": "https://page.com", "Access-Control-Request-Method": method}
        for origin in ("https://page.com", "https://evil.com"):
            found = await proxy.request("/secret", method="OPTIONS", headers={**asked, "Origin": origin})
            assert b"secret" not in found.body
        assert b"secret" not in (await proxy.request("/secret", method="OPTIONS")).body
