"""Protection against forged requests (CSRF) by TrafficPolicies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live.cors import told
from tests.live.objects import Manifest, exact, route, rule, traffic_policy
from tests.live.proxy import Proxy

SAFE = ("GET", "HEAD", "OPTIONS")
UNSAFE = ("POST", "PUT", "DELETE", "PATCH")
OWN = "http://example.com"
FOREIGN = "https://evil.com"


def csrf(level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with CSRF protection."""
    return traffic_policy(level, name, csrf=fields)


async def status(proxy: Proxy, method: str, origin: str | None, path: str = "/") -> int:
    """Return the status of the response to a request from a page of an origin."""
    headers = {"Origin": origin} if origin else {}
    return (await proxy.request(path, method=method, headers=headers)).status


async def test_pages_of_other_hosts(proxy: Proxy) -> None:
    """Requests that change something need the Origin, or the Referer, of their own host; others need none."""
    await proxy.apply(csrf(), route(rule("alpha")))
    for method in SAFE:
        assert await status(proxy, method, FOREIGN) == 200
    for method in UNSAFE:
        assert await status(proxy, method, OWN) == 200
        assert await status(proxy, method, FOREIGN) == 403
        assert await status(proxy, method, "null") == 403
        assert await status(proxy, method, None) == 403
    assert (await proxy.request(method="POST", headers={"Referer": f"{OWN}/page"})).status == 200
    assert (await proxy.request(method="POST", headers={"Referer": f"{FOREIGN}/page"})).status == 403


async def test_additional_origins(proxy: Proxy) -> None:
    """Pages of other hosts that a policy names may make requests, from their port."""
    matches = [{"exact": "one.com:8443"}, {"suffix": ".two.com"}, {"regex": "three-[0-9]+\\.com"}]
    await proxy.apply(csrf(additionalOrigins=matches), route(rule("alpha")))
    for origin in ("https://one.com:8443", "https://www.two.com", "http://three-3.com", OWN):
        assert await status(proxy, "POST", origin) == 200, origin
    for origin in ("https://one.com", "https://two.com", "https://three-.com", "https://three-3.com.evil.com"):
        assert await status(proxy, "POST", origin) == 403, origin


async def test_preflights_pass(proxy: Proxy) -> None:
    """A page that CORS allows gets an answer to its preflight; its request needs an additional origin as well."""
    page = "https://page.com"
    cors = {"allowOrigins": [page], "allowMethods": ["POST"]}
    for level in ("gateway", "route"):
        await proxy.apply(traffic_policy(level, cors=cors, csrf={}), route(rule("alpha")))
        asked = {"Origin": page, "Access-Control-Request-Method": "POST"}
        found = await proxy.request(method="OPTIONS", headers=asked)
        assert (found.status, told(found)["allow-origin"]) == (200, page)
        assert await status(proxy, "POST", page) == 403
        await proxy.apply(traffic_policy(level, cors=cors, csrf={"additionalOrigins": [{"exact": "page.com"}]}))
        assert await status(proxy, "POST", page) == 200


async def test_shares(proxy: Proxy) -> None:
    """A share of the requests is checked; with a share that is shadowed it is only counted what would be refused."""
    await proxy.apply(csrf(percentageEnabled="25.5%"), route(rule("alpha")))
    refused = [await status(proxy, "POST", FOREIGN) for _ in range(200)].count(403)
    assert 25 <= refused <= 80
    before = await invalid(proxy)
    await proxy.apply(csrf(percentageEnabled=0, percentageShadowed=100))
    assert [await status(proxy, "POST", FOREIGN) for _ in range(10)] == [200] * 10
    assert await invalid(proxy) == before + 10


async def invalid(proxy: Proxy) -> int:
    """Return how many requests from foreign pages Envoy has counted."""
    found = json.loads(await proxy.admin("/stats?format=json&filter=csrf.request_invalid"))["stats"]
    return sum(each.get("value", 0) for each in found)


async def test_routes_differ(proxy: Proxy) -> None:
    """A rule's policy is merged with that of the Gateway, or switches it off."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(csrf(), route(named, rule("alpha")))
    allowing: list[Manifest] = [{"disable": {}}, {"additionalOrigins": [{"exact": "evil.com"}]}]
    for fields in (*allowing, {"percentageEnabled": 0}):
        await proxy.apply(csrf("rule", "own", **fields))
        assert await status(proxy, "POST", FOREIGN, "/own") == 200
        assert await status(proxy, "POST", FOREIGN, "/other") == 403


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_an_invalid_expression_closes(proxy: Proxy, level: str) -> None:
    """A policy that cannot be applied has its routes respond with 500; a rule that switches it off is served."""
    named = rule("alpha", name="named", matches=[exact("/open")])
    await proxy.apply(csrf(level, additionalOrigins=[{"regex": "a(b"}]), route(named, rule("alpha")))
    assert await status(proxy, "GET", None) == 500
    conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    accepted = next(each for each in conditions if each["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "Invalid")
    assert "spec.csrf.additionalOrigins[0].regex: 'a(b' is not a regular expression of RE2" in accepted["message"]
    await proxy.apply(csrf("rule", "own", disable={}))
    assert await status(proxy, "POST", FOREIGN, "/open") == 200
    assert await status(proxy, "GET", None) == 500


@pytest.mark.parametrize(
    "near",
    [
        {"csrf": {"disable": {}}},
        {"csrf": {"percentageEnabled": 0}},
        {"csrf": {"additionalOrigins": [{"exact": "evil.com"}]}},
        {"inheritance": "Replace", "csrf": {"disable": {}}},
        {"inheritance": "Replace"},
    ],
)
@pytest.mark.parametrize("level", ["route", "rule"])
async def test_enforced_protection(proxy: Proxy, level: str, near: dict[str, Any]) -> None:
    """What is enforced with all defaults is not switched off, nor weakened, by a more specific policy."""
    wide = traffic_policy("gateway", "wide", enforced=True, csrf={})
    await proxy.apply(wide, traffic_policy(level, "near", **near), route(rule("alpha", name="named")))
    assert await status(proxy, "POST", FOREIGN) == 403
    assert await status(proxy, "POST", OWN) == 200


async def test_protection_behind_a_wider_disable(proxy: Proxy) -> None:
    """A route that asks for protection with all defaults has it where its Gateway's policy switches it off."""
    off = csrf("gateway", "wide", disable={})
    await proxy.apply(off, csrf("route", "near"), route(rule("alpha")))
    assert await status(proxy, "POST", FOREIGN) == 403
