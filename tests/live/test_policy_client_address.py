"""The address of the client, as ListenerPolicies have it found: policies by address go by it, and logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.live.clients import client_at
from tests.live.objects import Manifest, gateway, listener_policy, route, rule, traffic_policy
from tests.live.processor import Processor
from tests.live.proxy import Proxy
from tests.live.test_listener_filters import filtered

LOCAL = "127.0.0.1"
OTHER = "127.0.0.2"
CLIENT = "203.0.113.9"
ONLY_CLIENT = traffic_policy(
    "gateway", acl={"defaultAction": "Deny", "rules": [{"action": "Allow", "cidrs": [CLIENT]}]}
)
"""A policy that lets in this client alone."""


def found_by(**fields: Any) -> Manifest:
    """Return a policy that says how the address of a client is found."""
    return listener_policy(httpSettings=fields)


async def is_client(proxy: Proxy, headers: Mapping[str, str], source: str = LOCAL) -> bool:
    """Return whether a request with headers, on a connection from an address, is one of the client."""
    async with client_at(source) as http:
        found = await proxy.request(headers=headers, http=http)
    assert found.status in (200, 403)
    return found.status == 200


def forwarded(*addresses: str) -> dict[str, str]:
    """Return the header with the addresses that a request has come through."""
    return {"X-Forwarded-For": ", ".join(addresses)}


async def test_without_a_policy_nobody_is_believed(proxy: Proxy) -> None:
    """The address is that of the connection, whatever headers say."""
    await proxy.apply(ONLY_CLIENT, route(rule("alpha")))
    assert not await is_client(proxy, forwarded(CLIENT))
    assert not await is_client(proxy, {"X-Real-IP": CLIENT, "X-Envoy-External-Address": CLIENT, "Forwarded": CLIENT})


async def test_trusted_hops(proxy: Proxy) -> None:
    """With two proxies in front, the address is the one that the first of them has added: not what the client wrote."""
    await proxy.apply(ONLY_CLIENT, found_by(xffNumTrustedHops=2), route(rule("alpha")))
    assert await is_client(proxy, forwarded(CLIENT, "10.0.0.1"))
    assert await is_client(proxy, forwarded("10.9.9.9", CLIENT, "10.0.0.1"))
    assert not await is_client(proxy, forwarded(CLIENT, "10.9.9.9", "10.0.0.1"))
    assert not await is_client(proxy, forwarded(CLIENT))
    assert not await is_client(proxy, {})


async def test_trusted_ranges(proxy: Proxy) -> None:
    """Only proxies in the ranges are believed, and of what they say the last address that is none of theirs counts."""
    ranges = found_by(useRemoteAddress=False, xffTrustedCIDRs=[LOCAL, "10.0.0.0/8"])
    await proxy.apply(ONLY_CLIENT, ranges, route(rule("alpha")))
    assert await is_client(proxy, forwarded(CLIENT))
    assert await is_client(proxy, forwarded("198.51.100.1", CLIENT, "10.1.2.3"))
    assert not await is_client(proxy, forwarded(CLIENT, "198.51.100.1"))
    assert not await is_client(proxy, forwarded(CLIENT), OTHER)
    assert not await is_client(proxy, forwarded(CLIENT, "10.1.2.3"), OTHER)


@pytest.mark.parametrize("closed", [True, False])
async def test_a_header(proxy: Proxy, closed: bool) -> None:
    """The address is in a header; a request without one there gets 403 with `failClosed`, else is its connection's."""
    header = {"name": "X-Real-IP", "failClosed": closed}
    local = traffic_policy(
        "gateway", acl={"defaultAction": "Deny", "rules": [{"action": "Allow", "cidrs": [CLIENT, LOCAL]}]}
    )
    await proxy.apply(local, found_by(clientIP={"customHeader": header}), route(rule("alpha")))
    assert await is_client(proxy, {"x-real-ip": CLIENT})
    assert not await is_client(proxy, {"x-real-ip": "198.51.100.1"})
    for wrong in ({}, forwarded(CLIENT), {"x-real-ip": "me"}, {"x-real-ip": f"{CLIENT}, {CLIENT}"}):
        assert await is_client(proxy, wrong) is not closed
        assert not await is_client(proxy, wrong, OTHER)


async def test_the_address_of_the_connection(proxy: Proxy) -> None:
    """A listener's policy has the address of the connection count, whatever that of its Gateway says."""
    wide = found_by(useRemoteAddress=False, xffTrustedCIDRs=[LOCAL])
    await proxy.apply(ONLY_CLIENT, wide, route(rule("alpha")))
    assert await is_client(proxy, forwarded(CLIENT))
    own = listener_policy(section="http", name="own", httpSettings={"clientIP": {"directSourceIP": {}}})
    await proxy.apply(own)
    assert not await is_client(proxy, forwarded(CLIENT))
    own = listener_policy(section="http", name="own", httpSettings={"xffNumTrustedHops": 1, "useRemoteAddress": True})
    await proxy.apply(own)
    assert await is_client(proxy, forwarded(CLIENT), OTHER)


async def test_the_last_address(proxy: Proxy) -> None:
    """Without the address of the connection, that is the last one in X-Forwarded-For."""
    await proxy.apply(ONLY_CLIENT, found_by(useRemoteAddress=False), route(rule("alpha")))
    assert await is_client(proxy, forwarded("10.0.0.1", CLIENT))
    assert not await is_client(proxy, forwarded(CLIENT, "10.0.0.1"))
    assert not await is_client(proxy, {})


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, [f"{CLIENT},{OTHER}"]),
        ({"skipXFFAppend": True}, [CLIENT]),
        ({"xffTrustedCIDRs": [OTHER]}, [CLIENT]),
        ({"xffTrustedCIDRs": [OTHER], "skipXFFAppend": False}, [f"{CLIENT},{OTHER}"]),
        ({"xffTrustedCIDRs": [LOCAL], "skipXFFAppend": True}, [f"{CLIENT},{OTHER}"]),
        ({"xffTrustedCIDRs": [LOCAL]}, [f"{CLIENT},{OTHER}"]),
        ({"xffNumTrustedHops": 1, "skipXFFAppend": True}, [CLIENT]),
    ],
)
async def test_what_backends_are_told(proxy: Proxy, fields: Manifest, sent: list[str]) -> None:
    """Backends get the header as it came, or with the address of the connection behind."""
    await proxy.apply(found_by(**fields), route(rule("alpha")))
    async with client_at(OTHER) as http:
        assert (await proxy.request(headers=forwarded(CLIENT), http=http)).sent("x-forwarded-for") == sent


async def test_policies_and_limits_go_by_it(proxy: Proxy) -> None:
    """Conditions of `rbac`, and limits of each client, are on the address that is found."""
    allowed = {"rules": [{"action": "Allow", "principal": {"clientCIDRs": ["203.0.113.0/24"]}}]}
    hour = {"maxTokens": 1, "fillInterval": "1h"}
    each = {"name": "each", "clientSelectors": [{"sourceCIDR": {"type": "Distinct"}}], "tokenBucket": hour}
    policy = traffic_policy("gateway", rbac=allowed, rateLimit={"local": {"rules": [each]}})
    await proxy.apply(policy, found_by(xffNumTrustedHops=1), route(rule("alpha")))
    for last in range(1, 4):
        headers = forwarded(f"203.0.113.{last}")
        assert [(await proxy.request(headers=headers)).status for _ in range(2)] == [200, 429]
    assert (await proxy.request(headers=forwarded("198.51.100.1"))).status == 403


async def test_behind_filters_of_a_listener(proxy: Proxy, one: Processor) -> None:
    """Policies of routes go by the address that the first connection manager has found; no header speaks for it."""
    forged = {"X-Envoy-External-Address": CLIENT}
    await proxy.apply(gateway(filtered(proxy.port, "one")), ONLY_CLIENT, route(rule("alpha")))
    assert not await is_client(proxy, forwarded(CLIENT) | forged)
    await proxy.apply(found_by(xffTrustedCIDRs=[LOCAL, "10.0.0.0/8"]))
    assert await is_client(proxy, forwarded(CLIENT, "10.1.2.3"))
    assert not await is_client(proxy, forwarded("198.51.100.1", "10.1.2.3") | forged)
    assert not await is_client(proxy, forwarded(CLIENT) | forged, OTHER)
    await proxy.apply(found_by(xffNumTrustedHops=2))
    assert await is_client(proxy, forwarded(CLIENT, "10.0.0.1"))
    assert not await is_client(proxy, forwarded(CLIENT) | forged)
    await proxy.apply(found_by(clientIP={"customHeader": {"name": "X-Real-IP"}}))
    assert await is_client(proxy, {"X-Real-IP": CLIENT})
    assert not await is_client(proxy, {"X-Real-IP": "198.51.100.1"} | forged)
    assert one.streams


@pytest.mark.parametrize(
    "fields",
    [
        {"clientIP": {"customHeader": {"name": "x-real-ip"}}},
        {"xffNumTrustedHops": 1},
        {"xffTrustedCIDRs": [f"{LOCAL}/32"]},
        {"useRemoteAddress": False},
    ],
)
async def test_an_enforced_address_of_the_connection(proxy: Proxy, fields: Manifest) -> None:
    """Where the Gateway enforces that the address is that of the connection, no other policy has clients believed."""
    wide = found_by(useRemoteAddress=True)
    narrow = listener_policy(name="narrow", section="http", httpSettings=fields)
    sent = {**forwarded(CLIENT), "X-Real-IP": CLIENT}
    await proxy.apply(ONLY_CLIENT, route(rule("alpha")), narrow)
    assert await is_client(proxy, sent)
    wide["spec"]["enforced"] = True
    await proxy.apply(wide)
    assert not await is_client(proxy, sent)
