"""Where policies that ask for tokens are effective: of which requests, instead of which others, and if unreadable."""

from __future__ import annotations

import pytest

from tests.live.objects import Manifest, exact, route, rule
from tests.live.proxy import Proxy
from tests.live.tokens import answer, bearer, jwt_auth, key, local, provider, token, with_token
from tests.live.upstream import Upstream


async def test_routes_differ(proxy: Proxy) -> None:
    """A rule's policy takes the place of the Gateway's as a whole, or switches it off."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(jwt_auth(), route(named, rule("alpha")))
    own = jwt_auth("rule", "own", providers=[provider(issuer="https://own.example.com")])
    await proxy.apply(own)
    assert (await with_token(proxy)).status == 200
    assert (await with_token(proxy, "/own")).status == 401
    assert (await with_token(proxy, "/own", iss="https://own.example.com")).status == 200
    await proxy.apply(jwt_auth("rule", "own", disable={}))
    assert await answer(proxy, path="/own") == 200
    assert await answer(proxy) == 401


async def test_a_policy_of_a_backend(proxy: Proxy) -> None:
    """A policy that a backendRef names asks for tokens of the requests for that backend."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "policy"}
    policy = {**jwt_auth(), "spec": {"jwtAuth": {"providers": [provider()]}}}
    asking: Manifest = {"name": "alpha", "filters": [{"type": "ExtensionRef", "extensionRef": reference}]}
    await proxy.apply(policy, route(rule(asking)))
    assert await answer(proxy) == 401
    assert await answer(proxy, bearer(token("unknown"))) == 401
    assert await answer(proxy, bearer(token())) == 200
    await proxy.apply(route(rule(asking, "beta")))
    open_ones = [await proxy.request() for _ in range(40)]
    assert {each.status for each in open_ones} == {200, 401}
    assert {each.backend for each in open_ones if each.status == 200} == {"beta"}


async def test_an_extension_ref_of_a_rule(proxy: Proxy) -> None:
    """A policy that a filter of a rule names asks for tokens of the requests of that rule."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "policy"}
    policy = {**jwt_auth(), "spec": {"jwtAuth": {"providers": [provider()]}}}
    asking = rule("alpha", filters=[{"type": "ExtensionRef", "extensionRef": reference}], matches=[exact("/own")])
    await proxy.apply(policy, route(asking, rule("beta")))
    assert await answer(proxy, path="/own") == 401
    assert await answer(proxy, bearer(token()), "/own") == 200
    assert await answer(proxy) == 200


async def test_an_enforced_policy(proxy: Proxy) -> None:
    """An enforced policy of the Gateway is final: no rule switches it off, or puts another in its place."""
    named = rule("alpha", name="named")
    wide = jwt_auth()
    wide["spec"]["enforced"] = True
    await proxy.apply(wide, route(named))
    others = [provider(jwks=local(key("two")))]
    nearer: list[Manifest] = [{"disable": {}}, {"mode": "AllowMissingOrFailed"}, {"providers": others}]
    for each in nearer:
        await proxy.apply(jwt_auth("rule", "own", **each))
        assert await answer(proxy) == 401
        assert await answer(proxy, bearer(token("two"))) == 401
        assert await answer(proxy, bearer(token())) == 200


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_what_cannot_be_read_closes(proxy: Proxy, alpha: Upstream, level: str) -> None:
    """A policy without usable keys has its requests respond with 500, with a good token too."""
    named = rule("alpha", name="named", matches=[exact("/open")])
    await proxy.apply(route(named, rule("alpha")))
    broken: list[Manifest] = [
        {"extensionRef": {"name": "none"}},
        {"providers": [provider(jwks={"local": {"inline": "{}"}})]},
        {"providers": [provider(jwks={"local": {"secretRef": {"name": "none"}}})]},
        {"providers": [provider(), provider("two", jwks={"local": {"configMapRef": {"name": "none", "key": "x"}}})]},
        {"providers": [provider(jwks={"remote": {"backendRef": {"name": "none", "port": 80}}})]},
    ]
    for each in broken:
        await proxy.apply(jwt_auth(level, **each))
        assert await answer(proxy, bearer(token())) == 500
        await proxy.apply(jwt_auth("rule", "own", disable={}))
        assert await answer(proxy, path="/open") == 200
    assert all(each.path == "/open" for each in alpha.seen)
