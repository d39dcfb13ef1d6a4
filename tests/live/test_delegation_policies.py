"""What children inherit of their parents through a real Envoy: fields of rules, and policies."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.live.delegation import (
    FOO,
    GRANTS,
    HOST,
    HTTPBIN,
    OF_PARENT,
    TEAM1,
    TEAM2,
    TEAMS,
    answer,
    answers,
    by_team,
    in_namespace,
    parent,
)
from tests.live.objects import Manifest, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream
from tests.translator.delegation.manifests import child, grant, rewriting, route, rule, setting, to, under


async def test_native_fields_that_are_inherited(delegating: Proxy, upstreams: dict[str, Upstream]) -> None:
    """A child has its parent rule's timeout unless it says one itself."""
    first, second = by_team()
    short, long = {"timeouts": {"request": "200ms"}}, {"timeouts": {"request": "60s"}}
    bar = route(
        "child-team2",
        under(f"{TEAM2}/bar", HTTPBIN, **short),
        under(f"{TEAM2}/foo", HTTPBIN),
        namespace="team2",
        parents=[OF_PARENT],
    )
    await delegating.apply(parent({**first, **short}, {**second, **long}), FOO, bar, GRANTS)
    released = asyncio.Event()

    async def late(_: Seen) -> None:
        await released.wait()

    for name in TEAMS.values():
        upstreams[name].answer = late
    waiting = asyncio.create_task(answer(delegating, f"{TEAM2}/foo"))
    assert await answers(delegating, f"{TEAM1}/foo", f"{TEAM2}/bar") == [504, 504]
    released.set()
    assert await waiting == "team2"


def policy(name: str, *targets: str, namespace: str = "default", **spec: Any) -> Manifest:
    """Return a TrafficPolicy for routes of its namespace."""
    (reference,) = traffic_policy("route")["spec"]["targetRefs"]
    made = traffic_policy("route", name, **spec)
    made["spec"]["targetRefs"] = [{**reference, "name": each} for each in targets]
    (placed,) = in_namespace(namespace, made)
    return placed


LIMIT = {"local": {"tokenBucket": {"maxTokens": 1, "tokensPerFill": 1, "fillInterval": "60s"}}}


def saying(value: str) -> dict[str, Any]:
    """Return the field of a policy that sets a header of requests."""
    return {"headerModifiers": {"request": {"set": [{"name": "x-policy", "value": value}]}}}


async def said(proxy: Proxy, *paths: str, host: str = HOST) -> list[list[str]]:
    """Return the header that the policies set, at each path."""
    return [(await proxy.request(path, host=host)).sent("x-policy") for path in paths]


async def test_policies_that_are_inherited(delegating: Proxy) -> None:
    """A child's policy overrides its parent's field by field, unless that is enforced; the rest is inherited."""
    parents = [
        parent(under(TEAM1, child("*", "team1")), name=name, hostname=f"{name}.example") for name in ("one", "two")
    ]
    near = policy("near", "child-team1", namespace="team1", **saying("child"))
    wide = [policy("one", "one", enforced=True, rateLimit=LIMIT, **saying("parent"))]
    wide += [policy("two", "two", rateLimit=LIMIT, **saying("parent"))]
    await delegating.apply(parents, FOO, GRANTS, near, wide)
    for name, value in (("one", "parent"), ("two", "child")):
        assert await said(delegating, f"{TEAM1}/foo", host=f"{name}.example") == [[value]]
        assert (await delegating.request(f"{TEAM1}/foo", host=f"{name}.example")).status == 429


async def test_security_of_a_parent(delegating: Proxy) -> None:
    """A child can switch off what its parent demands, which `enforced` forbids."""
    demands: dict[str, Any] = {"rbac": {"action": "Deny", "policy": {"matchExpressions": ["true"]}}}
    off = policy("off", "child-team1", namespace="team1", rbac={"disable": {}})
    await delegating.apply(parent(*by_team()), FOO, GRANTS, policy("wide", "parent", **demands))
    assert await answers(delegating, f"{TEAM1}/foo") == [403]
    await delegating.apply(off)
    assert await answers(delegating, f"{TEAM1}/foo") == ["team1"]
    await delegating.apply(policy("wide", "parent", enforced=True, **demands))
    assert await answers(delegating, f"{TEAM1}/foo") == [403]


async def test_policies_of_rules_that_delegate(delegating: Proxy) -> None:
    """A policy for a rule of the parent is for what it delegates, by that rule alone; a child's Replace ends it."""
    rules = [{**under(path, child("both", "team1")), "name": name} for path, name in (("/one", "one"), ("/two", "two"))]
    both = route("both", under("/one", HTTPBIN), under("/two", HTTPBIN), namespace="team1")
    wide = policy("wide", "parent", **saying("rule"))
    wide["spec"]["targetRefs"][0]["sectionName"] = "one"
    await delegating.apply(parent(*rules), both, GRANTS, wide)
    assert await said(delegating, "/one", "/two") == [["rule"], []]
    await delegating.apply(policy("near", "both", namespace="team1", inheritance="Replace", statPrefix="both"))
    assert await said(delegating, "/one", "/two") == [[], []]
    await delegating.apply({**wide, "spec": {**wide["spec"], "enforced": True}})
    assert await said(delegating, "/one", "/two") == [["rule"], []]


async def test_a_child_of_two_parents_has_the_policies_of_each(delegating: Proxy) -> None:
    """A child below two routes that delegate to it obeys, on each way, the policies of that way."""
    sides = [route(name, under(f"/{name}", child("leaf"))) for name in ("left", "right")]
    leaf = route("leaf", rule(to("httpbin", "team1")))
    await delegating.apply(
        parent(under("/", child("left"), child("right"))),
        sides,
        leaf,
        service_grant(),
        policy("left", "left", **saying("left")),
        policy("right", "right", rbac={"action": "Deny", "policy": {"matchExpressions": ["true"]}}),
    )
    assert await said(delegating, "/left/x") == [["left"]]
    assert await answers(delegating, "/left/x", "/right/x") == ["team1", 403]


def service_grant() -> Manifest:
    """Return a grant for routes of `default` to the Services of the first team."""
    made = grant("team1", "default", "services")
    made["spec"]["to"] = [{"group": "", "kind": "Service"}]
    return made


async def test_filters_that_are_inherited(delegating: Proxy) -> None:
    """A child has the header changes, the host and the CORS policy of its parent's rule, by name, unless its own."""
    changes = {
        "set": [{"name": "x-one", "value": "parent"}, {"name": "x-two", "value": "parent"}],
        "remove": ["x-gone"],
    }
    cors = {"type": "CORS", "cors": {"allowOrigins": ["https://page.test"], "allowMethods": ["PUT"]}}
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": changes},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "x-told", "value": "parent"}]}},
        rewriting("inner.test"),
        cors,
    ]
    foo = route(
        "child-team1",
        under(f"{TEAM1}/foo", HTTPBIN, filters=[setting("child", "X-Two")]),
        under(f"{TEAM1}/bar", HTTPBIN, filters=[rewriting("own.test")]),
        namespace="team1",
    )
    await delegating.apply(parent(under(TEAM1, child("*", "team1"), filters=filters)), foo, GRANTS)
    for path, host, two in ((f"{TEAM1}/foo", "inner.test", "child"), (f"{TEAM1}/bar", "own.test", "parent")):
        found = await delegating.request(path, host=HOST, headers={"x-gone": "1", "x-kept": "1"})
        sent = [found.sent(name) for name in ("host", "x-one", "x-two", "x-gone", "x-kept")]
        assert sent == [[host], ["parent"], [two], [], ["1"]]
        assert found.headers["x-told"] == "parent"
    asked = {"Origin": "https://page.test", "Access-Control-Request-Method": "PUT"}
    answered = await delegating.request(f"{TEAM1}/foo", method="OPTIONS", host=HOST, headers=asked)
    assert (answered.status, answered.headers["access-control-allow-origin"]) == (200, "https://page.test")
