"""Credentials for the gateway: no provider of AI gets one, wherever the route's policies read and leave it."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.live.ai_providers import CHAT, JSON, ai, at, chat
from tests.live.backends import to_backend
from tests.live.credentials import KEY, basic, line, secret
from tests.live.objects import Manifest, traffic_policy
from tests.live.proxy import Proxy
from tests.live.tokens import jwt_auth, provider, token
from tests.live.upstream import Upstream

PLACES = ["x-team", "x-stainless-lang", "user-agent"]
"""Headers that a provider gets of clients: the first by the Backend's word, the others by itself."""


def of(kind: str, header: str) -> Manifest:
    """Return a part of a policy that reads a credential from a header, and leaves it there."""
    if kind == "apiKeyAuth":
        sources = [{"header": header}, {"query": "page"}]
        return {kind: {"secretRef": {"name": "keys"}, "keySources": sources, "forwardCredential": True}}
    if kind == "basicAuth":
        return {kind: {"users": [line("alice")], "authenticationHeader": header}}
    source = {"headers": [{"name": header}], "queryParams": ["order"]}
    made = jwt_auth(providers=[provider(tokenSource=source, forwardToken=True)])
    return {kind: made["spec"][kind]}


def credential(kind: str) -> str:
    """Return a credential."""
    return {"apiKeyAuth": KEY, "basicAuth": basic("alice"), "jwtAuth": token()}[kind]


@pytest.mark.parametrize("level", ["gateway", "route"])
@pytest.mark.parametrize("header", PLACES)
@pytest.mark.parametrize("kind", ["apiKeyAuth", "basicAuth", "jwtAuth"])
async def test_what_policies_read(ai_proxy: Proxy, alpha: Upstream, kind: str, header: str, level: str) -> None:
    """A provider gets nothing of a header that the route reads a credential from, though both would pass it on."""
    policy = traffic_policy(level, **of(kind, header))
    there = ai(at(alpha), forwardHeaders=["X-Team", "X-Other"])
    await ai_proxy.apply(to_backend("ai"), there, secret("keys", {"mobile": KEY}), policy)
    sent = JSON | {header: credential(kind), "x-other": "1"}
    assert (await ai_proxy.request(CHAT, method="POST", headers=JSON, body=chat())).status == 401
    assert (await ai_proxy.request(CHAT, method="POST", headers=sent, body=chat())).status == 200
    (seen,) = alpha.seen
    assert credential(kind) not in repr(seen)
    assert seen.values("x-other") == ["1"]


@pytest.mark.parametrize(("kind", "parameter"), [("apiKeyAuth", "page"), ("jwtAuth", "order")])
async def test_what_policies_read_of_queries(ai_proxy: Proxy, alpha: Upstream, kind: str, parameter: str) -> None:
    """The same holds for a parameter of the query, though one of that name is the API's own."""
    policy = traffic_policy("gateway", **of(kind, "x-team"))
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha)), secret("keys", {"mobile": KEY}), policy)
    path = f"{CHAT}?limit=2&{parameter}={credential(kind)}&x-goog-api-key=of-the-client"
    assert (await ai_proxy.request(path, method="POST", headers=JSON, body=chat())).status == 200
    assert alpha.seen[0].path == f"{CHAT}?limit=2"


@pytest.mark.parametrize(("one", "other"), [*combinations(["apiKeyAuth", "basicAuth", "jwtAuth"], 2)])
async def test_what_several_policies_read(ai_proxy: Proxy, alpha: Upstream, one: str, other: str) -> None:
    """Of several credentials a provider gets none."""
    policy = traffic_policy("route", **of(one, "x-one"), **of(other, "x-two"))
    there = ai(at(alpha), forwardHeaders=["X-One", "X-Two"])
    await ai_proxy.apply(to_backend("ai"), there, secret("keys", {"mobile": KEY}), policy)
    sent = JSON | {"x-one": credential(one), "x-two": credential(other)}
    assert (await ai_proxy.request(CHAT, method="POST", headers=sent, body=chat())).status == 200
    assert [alpha.seen[0].values(each) for each in ("x-one", "x-two")] == [[], []]


async def test_a_password_is_not_passed_through(ai_proxy: Proxy, alpha: Upstream) -> None:
    """Name and password for the gateway are no key that a provider gets as the client's own."""
    policy = traffic_policy("route", basicAuth={"users": [line("alice")]})
    await ai_proxy.apply(to_backend("ai"), ai(at(alpha, auth={"passthrough": {}})), policy)
    sent = JSON | {"Authorization": basic("alice"), "x-api-key": "of-the-client"}
    assert (await ai_proxy.request(CHAT, method="POST", headers=sent, body=chat())).status == 200
    assert alpha.seen[0].values("authorization") == ["Bearer of-the-client"]
