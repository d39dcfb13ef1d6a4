"""Lists of addresses by TrafficPolicies: who is let in, and what others are told."""

from __future__ import annotations

from typing import Any

from tests.live.clients import client_at
from tests.live.objects import Manifest, exact, route, rule, traffic_policy
from tests.live.proxy import Proxy, Response


def acl(*rules: Manifest, level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with a list of addresses."""
    return traffic_policy(level, name, acl={"defaultAction": "Deny", "rules": list(rules), **fields})


def listed(action: str, *cidrs: str, **fields: Any) -> Manifest:
    """Return a rule."""
    return {"action": action, "cidrs": list(cidrs), **fields}


async def response(proxy: Proxy, address: str, path: str = "/", **options: Any) -> Response:
    """Return the response to a request from an address."""
    async with client_at(address) as http:
        return await proxy.request(path, http=http, **options)


async def statuses(proxy: Proxy, *addresses: str) -> list[int]:
    """Return the statuses of the responses to requests from addresses."""
    return [(await response(proxy, each)).status for each in addresses]


async def test_only_some_addresses(proxy: Proxy) -> None:
    """With a default of Deny only the clients of the ranges pass, whatever addresses they say that they have."""
    await proxy.apply(acl(listed("Allow", "127.0.0.2", "127.0.1.0/24")), route(rule("alpha")))
    assert await statuses(proxy, "127.0.0.2", "127.0.1.9", "127.0.0.3", "127.0.0.1") == [200, 200, 403, 403]
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Envoy-External-Address"):
        assert (await response(proxy, "127.0.0.3", headers={name: "127.0.0.2"})).status == 403


async def test_the_narrowest_range_decides(proxy: Proxy) -> None:
    """A network is refused, a subnet of it allowed, and one host of that refused again, in any order of the rules."""
    rules = (
        listed("Deny", "127.0.0.0/8", name="network"),
        listed("Allow", "127.1.0.0/16", name="subnet"),
        listed("Deny", "127.1.2.3", name="host"),
    )
    for each in (rules, rules[::-1]):
        await proxy.apply(acl(*each, defaultAction="Allow"), route(rule("alpha")))
        assert await statuses(proxy, "127.0.0.1", "127.1.0.1", "127.1.2.3", "127.1.2.4") == [403, 200, 403, 200]


async def test_without_rules(proxy: Proxy) -> None:
    """Without rules, the default decides for all."""
    for action, expected in (("Deny", 403), ("Allow", 200)):
        await proxy.apply(acl(defaultAction=action), route(rule("alpha")))
        assert await statuses(proxy, "127.0.0.1") == [expected]


async def test_what_others_are_told(proxy: Proxy) -> None:
    """The response to those who are refused has its own status and headers, and names the rule."""
    told = {
        "statusCode": 451,
        "headers": [{"name": "Retry-After", "value": "3600"}],
        "blockedByHeaderName": "X-Blocked-By",
    }
    rules = (
        listed("Deny", "127.0.0.2", name="block-rfc1918"),
        listed("Deny", "127.0.0.3"),
        listed("Deny", "127.0.0.6", name="default"),
        listed("Allow", "127.0.0.4"),
    )
    await proxy.apply(acl(*rules, denyResponse=told), route(rule("alpha")))
    for address, name in (("2", "block-rfc1918"), ("3", "rule"), ("6", "default"), ("5", "default")):
        found = await response(proxy, f"127.0.0.{address}")
        assert found.status == 451
        assert found.headers["x-blocked-by"] == name
        assert found.headers["retry-after"] == "3600"
        assert found.body == b"RBAC: access denied"
    found = await response(proxy, "127.0.0.4")
    assert found.status == 200
    assert "x-blocked-by" not in found.headers


async def test_the_response_of_a_backend_stays(proxy: Proxy) -> None:
    """A response of a backend is not replaced, whatever its status, nor one of another filter."""
    own = {"rules": [{"action": "Deny", "operation": {"methods": ["DELETE"]}}], "defaultAction": "Allow"}
    fields = {"defaultAction": "Allow", "denyResponse": {"statusCode": 404, "blockedByHeaderName": "x-by"}}
    await proxy.apply(traffic_policy("gateway", acl=fields, rbac=own), route(rule("alpha")))
    found = await proxy.request(method="DELETE")
    assert found.status == 403
    assert "x-by" not in found.headers


async def test_what_is_enforced_holds_beside(proxy: Proxy) -> None:
    """An enforced list and that of a rule both have to allow a client; each has its own response."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    wide = acl(listed("Allow", "127.0.0.0/29"), denyResponse={"statusCode": 404})
    wide["spec"]["enforced"] = True
    own = acl(listed("Allow", "127.0.0.2", "127.0.1.1"), level="rule", name="own", denyResponse={"statusCode": 410})
    await proxy.apply(wide, own, route(named, rule("alpha")))
    for address, path, expected in (
        ("127.0.0.2", "/own", 200),
        ("127.0.0.3", "/own", 410),
        ("127.0.0.3", "/", 200),
        ("127.0.1.1", "/", 404),
        ("127.0.1.1", "/own", 404),
    ):
        assert (await response(proxy, address, path)).status == expected, (address, path)
    await proxy.apply(traffic_policy("rule", "own", acl={"disable": {}}))
    assert (await response(proxy, "127.0.0.3", "/own")).status == 200
    assert (await response(proxy, "127.0.1.1", "/own")).status == 404
