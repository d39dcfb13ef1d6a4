"""Tokens that requests need, by TrafficPolicies: which are valid, where they are, and what backends get of them."""

from __future__ import annotations

import time

import pytest

from tests.live.objects import Manifest, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.tokens import (
    ISSUER,
    Headers,
    answer,
    bearer,
    confused,
    extension,
    jwt_auth,
    key,
    key_set,
    local,
    provider,
    tampered,
    token,
    unsigned,
    with_token,
)
from tests.live.upstream import Upstream

NOW = int(time.time())
"""When the tests were collected, which may be minutes before they run."""
ATTACKS: dict[str, tuple[Headers, int]] = {
    "missing": ({}, 401),
    "empty": ({"Authorization": ""}, 401),
    "another scheme": ({"Authorization": "Basic YTpi"}, 401),
    "no token": (bearer("x"), 401),
    "three empty parts": (bearer(".."), 401),
    "expired": (bearer(token(exp=NOW - 3600)), 401),
    "not yet valid": (bearer(token(nbf=NOW + 7200)), 401),
    "never expires": (bearer(token(exp=None)), 401),
    "an expiry in quotes": (bearer(token(exp=str(NOW + 3600))), 401),
    "an expiry in the past, below zero": (bearer(token(exp=-1)), 401),
    "an expiry of no time": (bearer(token(exp=[NOW + 3600])), 401),
    "an issuer in a list": (bearer(token(iss=[ISSUER])), 401),
    "an audience in an object": (bearer(token(aud={"shop": 1})), 401),
    "another audience": (bearer(token(aud="other")), 403),
    "no audience": (bearer(token(aud=None)), 403),
    "another issuer": (bearer(token(iss="https://evil.example.com")), 401),
    "the issuer in another case": (bearer(token(iss=ISSUER.upper())), 401),
    "no issuer": (bearer(token(iss=None)), 401),
    "another subject": (bearer(token(sub="root")), 401),
    "an unknown key": (bearer(token("unknown")), 401),
    "a key under the name of a known one": (
        bearer(unsigned({"alg": "RS256", "kid": "one"}, token("unknown").split(".")[2])),
        401,
    ),
    "alg none": (bearer(unsigned({"alg": "none"})), 401),
    "alg None with a signature": (bearer(unsigned({"alg": "None", "kid": "one"}, token().split(".")[2])), 401),
    "alg none in an array": (bearer(unsigned({"alg": ["none"]}, "c2ln")), 401),
    "no alg": (bearer(unsigned({"kid": "one"}, token().split(".")[2])), 401),
    "a symmetric signature with the public key": (bearer(confused(key("one"))), 401),
    "other claims than signed": (bearer(tampered(token(), sub="admin")), 401),
    "a key of its own": (
        bearer(
            unsigned({"alg": "RS256", "jwk": key("unknown").as_dict(private=False)}, token("unknown").split(".")[2])
        ),
        401,
    ),
    "a URL of its keys": (
        bearer(unsigned({"alg": "RS256", "jku": "http://127.0.0.1/keys"}, token("unknown").split(".")[2])),
        401,
    ),
    "a signature less a letter": (bearer(token()[:-1]), 401),
    "two Authorizations, the good one first": (
        [("Authorization", f"Bearer {token()}"), ("Authorization", "Bearer x")],
        401,
    ),
    "two Authorizations, the good one last": (
        [("Authorization", "Bearer x"), ("Authorization", f"Bearer {token()}")],
        401,
    ),
    "two good Authorizations": ([("Authorization", f"Bearer {token()}")] * 2, 401),
    "two Authorizations, one in lower case": (
        [("Authorization", "bearer x"), ("Authorization", f"Bearer {token()}")],
        401,
    ),
    "two Authorizations, one of mixed case": (
        [("Authorization", "bEaReR x"), ("Authorization", f"Bearer {token()}")],
        401,
    ),
    "two Authorizations, one Basic": ([("Authorization", "Basic YTpi"), ("Authorization", f"Bearer {token()}")], 401),
    "two tokens in one Authorization": ({"Authorization": f"bearer x, Bearer {token()}"}, 401),
    "two tokens and blanks": ({"Authorization": f"BEARER x Bearer {token()}"}, 401),
    "mixed case": ({"Authorization": f"bEaReR {token()}"}, 401),
    "no blank": ({"Authorization": f"Bearer{token()}"}, 401),
    "something behind it": (bearer(f"{token()} x"), 401),
    "another header": ({"X-Authorization": f"Bearer {token()}"}, 401),
    "a proxy's header": ({"Proxy-Authorization": f"Bearer {token()}"}, 401),
}
"""Headers of requests, and the statuses of the responses to them."""


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_is_no_valid_token(proxy: Proxy, alpha: Upstream, attack: str) -> None:
    """Whatever is no valid token is refused, and not seen by the backend; the same without what is wrong is served."""
    own = provider(audiences=["shop"], subjects=[{"prefix": "some"}], forwardToken=True)
    await proxy.apply(jwt_auth(providers=[own]), route(rule("alpha")))
    assert await answer(proxy, bearer(token())) == 200
    served = len(alpha.seen)
    headers, expected = ATTACKS[attack]
    assert await answer(proxy, headers) == expected
    assert len(alpha.seen) == served


@pytest.mark.parametrize("place", ["?access_token={}", "?token={}", "?Authorization=Bearer%20{}"])
async def test_queries_and_cookies_are_no_place_of_tokens(proxy: Proxy, place: str) -> None:
    """A token in the query or in a cookie counts only where a policy says so."""
    await proxy.apply(jwt_auth(), route(rule("alpha")))
    assert await answer(proxy, path=f"/{place.format(token())}") == 401
    for name in ("access_token", "token", "Authorization"):
        assert await answer(proxy, {"Cookie": f"{name}={token()}"}) == 401


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES512", "EdDSA"])
@pytest.mark.parametrize("form", ["set", "key", "pem"])
async def test_kinds_of_keys(proxy: Proxy, algorithm: str, form: str) -> None:
    """Keys may be of RSA, of elliptic curves and Ed25519, in a set, alone, or as PEM."""
    own = key(algorithm, algorithm)
    public = own.as_pem(private=False).decode() if form == "pem" else key_set(own)
    if form == "key":
        public = public.removeprefix('{"keys": [').removesuffix("]}")
    await proxy.apply(jwt_auth(providers=[provider(jwks={"local": {"inline": public}})]), route(rule("alpha")))
    assert await answer(proxy, bearer(token(own, algorithm))) == 200
    assert await answer(proxy, bearer(token(f"not {algorithm}", algorithm))) == 401
    assert await answer(proxy, bearer(confused(own))) == 401


async def test_the_scheme_in_lower_case(proxy: Proxy) -> None:
    """The name of the scheme may be in lower case, as clients of some libraries write it."""
    await proxy.apply(jwt_auth(), route(rule("alpha")))
    assert await answer(proxy, {"authorization": f"bearer {token()}"}) == 200
    assert await answer(proxy, {"authorization": f"bearer {token('unknown')}"}) == 401


async def test_clocks(proxy: Proxy) -> None:
    """Tokens are valid somewhat earlier and longer than they say, by `clockSkew`; `exp` may be made optional."""
    now = int(time.time())
    soon: dict[str, Manifest] = {"old": {"exp": now - 30}, "early": {"nbf": now + 600}, "endless": {"exp": None}}
    await proxy.apply(jwt_auth(), route(rule("alpha")))
    found = [(await with_token(proxy, **each)).status for each in soon.values()]
    assert found == [200, 401, 401]
    wide = provider(clockSkew="20m", requireExpiration=False)
    await proxy.apply(jwt_auth(providers=[wide]))
    found = [(await with_token(proxy, **each)).status for each in soon.values()]
    assert found == [200, 200, 200]
    await proxy.apply(jwt_auth(providers=[provider(clockSkew="1ms")]))
    assert (await with_token(proxy, exp=now - 30)).status == 401


async def test_audiences_and_subjects(proxy: Proxy) -> None:
    """A token is for one of the audiences of its issuer, which a policy may narrow, and of one of its subjects."""
    subjects: list[Manifest] = [
        {"exact": "me"},
        {"suffix": "@EXAMPLE.com", "ignoreCase": True},
        {"regex": "svc-[0-9]+"},
        {"contains": "*"},
    ]
    await proxy.apply(extension(provider(audiences=["a", "b"], subjects=subjects)))
    policy = jwt_auth(extensionRef={"name": "issuers"})
    await proxy.apply(policy, route(rule("alpha")))
    for audience, expected in (("a", 200), (["x", "b"], 200), ("c", 403), ("A", 403), ([], 403)):
        assert (await with_token(proxy, aud=audience, sub="me")).status == expected
    for subject, expected in (
        ("x@example.COM", 200),
        ("svc-12", 200),
        ("a*b", 200),
        ("me2", 401),
        ("svc-", 401),
        (None, 401),
    ):
        assert (await with_token(proxy, aud="a", sub=subject)).status == expected
    await proxy.apply(jwt_auth(extensionRef={"name": "issuers"}, audiences=["b", "c"]))
    for audience, expected in (("a", 403), ("b", 200), ("c", 403)):
        assert (await with_token(proxy, aud=audience, sub="me")).status == expected


async def test_modes(proxy: Proxy) -> None:
    """Without a token, or with a bad one too, requests pass in other modes; only valid tokens set headers of claims."""
    own = provider(claimsToHeaders=[{"name": "role", "header": "x-role"}])
    good, bad, lie = token(role="user"), token("unknown", role="admin"), {"x-role": "admin"}
    statuses = {"Strict": (200, 401, 401), "AllowMissing": (200, 200, 401), "AllowMissingOrFailed": (200, 200, 200)}
    await proxy.apply(route(rule("alpha")))
    for shared in (False, True):
        for mode, expected in statuses.items():
            if shared:
                await proxy.apply(extension(own, validationMode=mode), jwt_auth(extensionRef={"name": "issuers"}))
            else:
                await proxy.apply(jwt_auth(mode=mode, providers=[own]))
            sent: list[Headers] = [{**bearer(good), **lie}, lie, {**bearer(bad), **lie}]
            got = [await proxy.request(headers=each) for each in sent]
            assert tuple(each.status for each in got) == expected, mode
            roles = [each.sent("x-role") for each in got if each.status == 200]
            assert roles == [["user"], [], []][: len(roles)]
    await proxy.apply(jwt_auth(mode="Strict", extensionRef={"name": "issuers"}))
    assert await answer(proxy) == 401


@pytest.mark.parametrize("mode", ["AllowMissing", "Strict"])
@pytest.mark.parametrize("scheme", ["bEARER", "BEARER", "Bearer\t", "x, bearer"])
async def test_a_token_that_envoy_does_not_see(proxy: Proxy, alpha: Upstream, mode: str, scheme: str) -> None:
    """A token that only the backend would take for one is refused, also where tokens may be missing."""
    await proxy.apply(jwt_auth(mode=mode), route(rule("alpha")))
    assert await answer(proxy, {"Authorization": f"{scheme} {token('unknown')}"}) == 401
    assert not alpha.seen


async def test_places_of_tokens(proxy: Proxy) -> None:
    """Tokens are where the policy says: in headers with a prefix or without, in the query, in cookies."""
    source = {
        "headers": [{"name": "X-Token"}, {"name": "x-own", "prefix": "Own "}],
        "queryParams": ["t"],
        "cookies": ["c"],
    }
    await proxy.apply(jwt_auth(providers=[provider(tokenSource=source)]), route(rule("alpha")))
    good, bad = token(), token("unknown")
    for each in (good, bad):
        expected = 200 if each == good else 401
        assert await answer(proxy, {"x-token": each}) == expected
        assert await answer(proxy, {"x-own": f"Own {each}"}) == expected
        assert await answer(proxy, {"cookie": f"a=b; c={each}"}) == expected
        assert await answer(proxy, path=f"/?a=b&t={each}") == expected
    assert await answer(proxy, bearer(good)) == 401
    # Each that is there has to be valid.
    assert await answer(proxy, {"x-token": good, "cookie": f"c={bad}"}) == 401
    assert await answer(proxy, {"x-token": good, "x-own": f"own {bad}, Own {good}"}) == 401


async def test_tokens_end_at_the_proxy(proxy: Proxy) -> None:
    """Backends get tokens of headers and queries only where the policy forwards them; cookies stay as they are."""
    source = {"headers": [{"name": "Authorization"}], "queryParams": ["t"], "cookies": ["c"]}
    own = token()
    await proxy.apply(route(rule("alpha")))
    for forward in (False, True):
        await proxy.apply(jwt_auth(providers=[provider(tokenSource=source, forwardToken=forward)]))
        got = await proxy.request(headers=bearer(own))
        assert got.sent("authorization") == ([f"Bearer {own}"] if forward else [])
        got = await proxy.request(f"/?a=b&t={own}")
        assert got.path == (f"/?a=b&t={own}" if forward else "/?a=b")
        got = await proxy.request(headers={"cookie": f"c={own}"})
        assert got.sent("cookie") == [f"c={own}"]


async def test_claims_in_headers(proxy: Proxy) -> None:
    """Backends get claims as headers, those in objects too; what clients send under these names is removed."""
    headers = [
        {"name": "realm.role", "header": "X-Role"},
        {"path": ["https://example.com/tenant", "id"], "header": "x-tenant"},
        {"name": "level", "header": "x-level"},
        {"name": "groups", "header": "x-groups"},
    ]
    await proxy.apply(jwt_auth(providers=[provider(claimsToHeaders=headers)]), route(rule("alpha")))
    own: Manifest = {"realm": {"role": "dev"}, "https://example.com/tenant": {"id": "t1"}, "level": 3, "groups": ["a"]}
    lies = {"x-role": "admin", "X-Tenant": "t2", "x-level": "9", "x-groups": "root"}
    got = await proxy.request(headers={**bearer(token(**own)), **lies})
    assert [got.sent(each) for each in lies] == [["dev"], ["t1"], ["3"], ["WyJhIl0="]]
    got = await proxy.request(headers={**bearer(token()), **lies})
    assert [got.sent(each) for each in lies] == [[], [], [], []]
    twice = [*bearer(token(level=1)).items(), ("x-level", "8"), ("x-level", "9")]
    assert (await proxy.request(headers=twice)).sent("x-level") == ["1"]
    # No header can be made of it: nothing is served.
    assert await answer(proxy, bearer(token(realm={"role": "dev\r\nx-tenant: t2"}))) == 503


async def test_a_route_chosen_by_claims(proxy: Proxy) -> None:
    """With `recomputeRoute` a header of a claim chooses the route; one with other protection is not reached by it."""
    headers = [{"name": "tier", "header": "x-tier"}]
    gold = rule("beta", matches=[prefix("/", headers=[{"name": "x-tier", "value": "gold"}])], name="named")
    await proxy.apply(route(gold, rule("alpha")))
    for recompute in (False, True):
        own = provider(claimsToHeaders=headers, recomputeRoute=recompute)
        await proxy.apply(jwt_auth(providers=[own]))
        assert (await with_token(proxy, tier="gold")).backend == ("beta" if recompute else "alpha")
        assert (await with_token(proxy, tier="tin")).backend == "alpha"
    other = jwt_auth("rule", "other", providers=[provider(iss="https://other.example.com")])
    await proxy.apply(other)
    assert (await with_token(proxy, tier="gold")).status == 403


async def test_several_issuers(proxy: Proxy) -> None:
    """A valid token of one of several issuers is enough; none can speak for another, or set its headers."""
    two = {"issuer": "https://two.example.com", "jwks": local(key("two"))}
    heads = [[{"name": "role", "header": f"x-{each}"}] for each in ("one", "two")]
    both = [provider("one", claimsToHeaders=heads[0]), provider("two", **two, claimsToHeaders=heads[1])]
    await proxy.apply(jwt_auth(providers=both), route(rule("alpha")))
    lies = {"x-one": "admin", "x-two": "admin"}
    got = await proxy.request(headers={**bearer(token(role="a")), **lies})
    assert (got.sent("x-one"), got.sent("x-two")) == (["a"], [])
    got = await proxy.request(headers={**bearer(token("two", iss=two["issuer"], role="b")), **lies})
    assert (got.sent("x-one"), got.sent("x-two")) == ([], ["b"])
    assert (await with_token(proxy, "/", "two")).status == 401
    assert (await with_token(proxy, iss=two["issuer"])).status == 401


async def test_a_token_of_each_issuer(proxy: Proxy) -> None:
    """With `requireAll` a request needs a valid token of each issuer, in its place."""
    device = provider("device", tokenSource={"headers": [{"name": "x-device"}]}, jwks=local(key("two")))
    both: Manifest = {"requireAll": True, "providers": [provider("user"), device]}
    user, device_token = bearer(token()), {"x-device": token("two")}
    await proxy.apply(route(rule("alpha")))
    sent: list[Headers] = [{**user, **device_token}, user, device_token, {}, {**user, "x-device": token()}]
    for mode, expected in {
        "Strict": [200, 401, 401, 401, 401],
        "AllowMissing": [200, 200, 200, 200, 401],
        "AllowMissingOrFailed": [200, 200, 200, 200, 200],
    }.items():
        await proxy.apply(jwt_auth(mode=mode, **both))
        assert [await answer(proxy, each) for each in sent] == expected, mode


async def test_preflights(proxy: Proxy, alpha: Upstream) -> None:
    """Preflights have no token: CORS answers those that it allows, and no backend is reached without a token by one."""
    page = "https://page.com"
    asked = {"Origin": page, "Access-Control-Request-Method": "GET"}
    await proxy.apply(jwt_auth(), route(rule("alpha")))
    for method in ("OPTIONS", "GET", "POST"):
        override = {**asked, "X-HTTP-Method-Override": "GET"}
        assert await answer(proxy, override, method=method) == 401
    await proxy.apply(traffic_policy("gateway", cors={"allowOrigins": [page]}, jwtAuth={"providers": [provider()]}))
    assert await answer(proxy, asked, method="OPTIONS") == 200
    assert await answer(proxy, {**asked, "Origin": "https://evil.com"}, method="OPTIONS") in (200, 401)
    assert not alpha.seen
    assert await answer(proxy, {"Origin": page}) == 401
    assert await answer(proxy, {"Origin": page, **bearer(token())}) == 200
