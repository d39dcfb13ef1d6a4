"""Authorisation by the claims of tokens that `jwtAuth` has verified."""

from __future__ import annotations

from typing import Any

from tests.live.objects import Manifest, exact, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.tokens import bearer, extension, provider, token


def policy(*rules: Manifest, providers: tuple[Manifest, ...] = (), **fields: Any) -> Manifest:
    """Return a policy that asks for a token, and for what rules say of it."""
    return traffic_policy(
        "gateway", jwtAuth={"providers": list(providers or (provider(),))}, rbac={"rules": list(rules), **fields}
    )


def allow(**principal: Any) -> Manifest:
    """Return a rule that allows by a token."""
    return {"action": "Allow", "principal": {"jwt": {"provider": "issuer", **principal}}}


def claim(name: str, *values: str, **fields: Any) -> Manifest:
    """Return a claim."""
    return {"name": name, "values": list(values), **fields}


async def answer(proxy: Proxy, path: str = "/", headers: dict[str, str] | None = None, **claims: Any) -> int:
    """Return the status of the response to a request with a token with these claims."""
    return (await proxy.request(path, headers=bearer(token(**claims)) | (headers or {}))).status


async def test_claims(proxy: Proxy) -> None:
    """All claims have to match, each by one of its values; a list by one of its items, and a dot leads into a claim."""
    await proxy.apply(
        policy(
            allow(
                claims=[
                    claim("user.name", "John Doe", "Jane"),
                    claim("user.roles", "admin", "root", valueType="StringArray"),
                    {"path": ["example.com/tier"], "values": ["gold"]},
                ]
            )
        ),
        route(rule("alpha")),
    )
    good: dict[str, Any] = {"user": {"name": "John Doe", "roles": ["web", "admin"]}, "example.com/tier": "gold"}
    assert await answer(proxy, **good) == 200
    assert await answer(proxy, **{**good, "user": {"name": "Jane", "roles": ["root"]}}) == 200
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {**good, "user": {"name": "John", "roles": ["admin"]}},
        {**good, "user": {"name": "John Doe", "roles": []}},
        {**good, "user": {"name": "John Doe", "roles": "admin"}},
        {**good, "user": {"name": ["John Doe"], "roles": ["admin"]}},
        {**good, "user": {"name": "John Doe", "roles": ["Admin", "admin,web", "web admin"]}},
        {**good, "example.com/tier": "silver"},
        {**good, "example.com/tier": None, "tier": "gold", "example": {"com/tier": "gold"}},
    )
    for each in wrong:
        assert await answer(proxy, **each) == 403, each
        imitated = {"user.name": "John Doe", "user.roles": "admin", "tier": "gold"}
        assert await answer(proxy, headers=imitated, **each) == 403, each


async def test_scopes(proxy: Proxy) -> None:
    """A token needs all scopes, in a text with spaces or a list, of the claim scope or scp."""
    await proxy.apply(policy(allow(scopes=["read", "a.b"])), route(rule("alpha")))
    for claims in (
        {"scope": "read a.b"},
        {"scope": "x a.b read y"},
        {"scp": ["read", "a.b"]},
        {"scope": ["a.b", "read"]},
    ):
        assert await answer(proxy, **claims) == 200, claims
    for claims in ({}, {"scope": "read"}, {"scope": "reads a.b"}, {"scope": "read aXb"}, {"scp": ["read a.b"]}):
        assert await answer(proxy, **claims) == 403, claims


async def test_any_token_of_a_provider(proxy: Proxy) -> None:
    """Without claims any token of the provider matches, and none of another, though that is valid too."""
    other = "https://other.example.com"
    providers = (provider(), provider("other", issuer=other))
    await proxy.apply(policy(allow(), providers=providers), route(rule("alpha")))
    assert await answer(proxy) == 200
    assert await answer(proxy, iss=other) == 403
    await proxy.apply(policy(allow(claims=[claim("sub", "somebody")]), providers=providers))
    assert await answer(proxy) == 200
    assert await answer(proxy, iss=other) == 403


async def test_a_claim_that_denies(proxy: Proxy) -> None:
    """A rule denies by a claim; without a token, where none is needed, it does not match."""
    refused = {**allow(claims=[claim("sub", "eve")]), "action": "Deny"}
    shared = extension(provider(), validationMode="AllowMissing")
    fields: dict[str, Any] = {
        "jwtAuth": {"extensionRef": {"name": "issuers"}},
        "rbac": {"rules": [refused], "defaultAction": "Allow"},
    }
    await proxy.apply(shared, traffic_policy("gateway", **fields), route(rule("alpha")))
    assert await answer(proxy, sub="somebody") == 200
    assert (await proxy.request()).status == 200
    await proxy.apply(traffic_policy("gateway", jwtAuth=fields["jwtAuth"], rbac={"rules": [allow()]}))
    assert (await proxy.request()).status == 403
    assert await answer(proxy) == 200


async def test_an_expression_on_a_claim(proxy: Proxy) -> None:
    """A condition in CEL reads the claims where kgateway's examples look for them."""
    payload = "metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']"
    conditions = [f"{payload}['sub'] == 'somebody'"]
    for action, good, bad in (("Allow", 200, 403), ("Deny", 403, 200)):
        rbac = {"policy": {"matchExpressions": conditions}, "action": action}
        await proxy.apply(
            traffic_policy("gateway", jwtAuth={"providers": [provider()]}, rbac=rbac), route(rule("alpha"))
        )
        assert await answer(proxy) == good
        assert await answer(proxy, sub="other") in (bad, 401)


async def test_a_rule_with_a_provider_of_its_own(proxy: Proxy) -> None:
    """What is enforced looks at the provider that is effective at each route; where there is none, it closes."""
    enforced = traffic_policy("gateway", "wide", rbac={"rules": [allow(claims=[claim("sub", "somebody")])]})
    enforced["spec"]["enforced"] = True
    named = rule("alpha", name="named", matches=[exact("/own")])
    own = traffic_policy("rule", "own", jwtAuth={"providers": [provider()]})
    await proxy.apply(enforced, own, route(named, rule("alpha")))
    assert await answer(proxy, "/own") == 200
    assert await answer(proxy, "/own", sub="eve") in (401, 403)
    assert await answer(proxy, "/other") == 500
