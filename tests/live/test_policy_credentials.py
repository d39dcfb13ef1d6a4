"""Credentials that backends ask for, and headers whose values are in Secrets, by TrafficPolicies."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from tests.live.credentials import OTHER_PASSWORD, PASSWORD, TOKEN, condition, secret
from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import WITHIN, Proxy
from tests.live.upstream import Seen, Upstream
from translator.refs import Ref
from xds import ROUTE, SECRET

API = secret("api", {"credential": TOKEN})


def injection(level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy that gives requests a credential."""
    return traffic_policy(level, name, credentialInjection=fields)


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_a_secret_text(proxy: Proxy, level: str) -> None:
    """Backends get the text of a Secret, in place of what the client sends, in Authorization unless told otherwise."""
    await proxy.apply(API, injection(level, secretRef={"name": "api"}, prefix="Bearer "), route(rule("alpha")))
    assert (await proxy.request()).sent("authorization") == [f"Bearer {TOKEN}"]
    several = [("Authorization", "Basic client"), ("authorization", "Bearer other")]
    assert (await proxy.request(headers=several)).sent("authorization") == [f"Bearer {TOKEN}"]
    await proxy.apply(injection(level, secretRef={"name": "api", "key": "credential"}, header="X-Api-Token"))
    found = await proxy.request(headers=[("x-api-token", "a"), ("X-API-Token", "b"), ("Authorization", "mine")])
    assert (found.sent("x-api-token"), found.sent("authorization")) == ([TOKEN], ["mine"])
    await proxy.apply(injection(level, secretRef={"name": "api"}, header="x-api-token", overwrite=False))
    assert (await proxy.request()).sent("x-api-token") == [TOKEN]
    assert (await proxy.request(headers={"x-api-token": "mine"})).sent("x-api-token") == ["mine"]


async def test_a_new_text(proxy: Proxy) -> None:
    """A new text of a Secret sends one resource, and the next requests have it; line breaks at its end are no part."""
    await proxy.apply(API, injection(secretRef={"name": "api"}), route(rule("alpha")))
    before = proxy.snapshot
    await proxy.apply(secret("api", {"credential": "another-text-77\r\n"}))
    now = proxy.snapshot
    changed = [
        (type_url, name)
        for type_url in (*before.types(), *now.types())
        for name in {*before.resources(type_url), *now.resources(type_url)}
        if before.resources(type_url).get(name) != now.resources(type_url).get(name)
    ]
    assert set(changed) == {(SECRET, "default/api/credential")}
    assert (await proxy.request()).sent("authorization") == ["another-text-77"]
    assert before.resources(ROUTE) == now.resources(ROUTE)


async def test_what_closes(proxy: Proxy) -> None:
    """Routes respond with 500 while there is no text that a header may have; no backend gets a part of it."""
    await proxy.apply(injection(secretRef={"name": "api"}), route(rule("alpha")))
    assert (await proxy.request()).status == 500
    assert condition(proxy, "ResolvedRefs")[:2] == ("False", "SecretNotFound")
    for text in ("", "\n", f"{TOKEN}\r\nX-Evil: 1", f"{TOKEN}\0", " ", f" {TOKEN}"):
        await proxy.apply(secret("api", {"credential": text}))
        assert (await proxy.request()).status == 500, repr(text)
        assert TOKEN not in "".join((*condition(proxy), *condition(proxy, "ResolvedRefs")))
    await proxy.apply(API)
    assert (await proxy.request()).status == 200
    await proxy.delete(Ref("Secret", "default", "api"))
    assert (await proxy.request()).status == 500


async def test_routes_differ(proxy: Proxy) -> None:
    """A rule has a credential of its own, or none; a rule that answers by itself is not concerned."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "to.test"}}
    moved = rule(matches=[exact("/moved")], filters=[redirect])
    other = secret("other", {"credential": "text-of-other-5"})
    await proxy.apply(API, other, injection(secretRef={"name": "api"}), route(named, moved, rule("alpha")))
    await proxy.apply(injection("rule", "own", secretRef={"name": "other"}, header="x-token"))
    found = await proxy.request("/own")
    assert (found.sent("authorization"), found.sent("x-token")) == ([], ["text-of-other-5"])
    assert (await proxy.request("/")).sent("authorization") == [TOKEN]
    assert (await proxy.request("/moved")).status == 302
    await proxy.apply(injection("rule", "own", disable={}))
    assert (await proxy.request("/own", headers={"authorization": "mine"})).sent("authorization") == ["mine"]


class TokenServer:
    """An endpoint of tokens (RFC 6749, 4.4), behind an upstream."""

    def __init__(self, upstream: Upstream) -> None:
        self.asked: list[Seen] = []
        self.password = PASSWORD
        upstream.answer = self._answer

    async def _answer(self, seen: Seen) -> web.StreamResponse:
        self.asked.append(seen)
        form = parse_qs(seen.body.decode())
        basic = base64.b64encode(f"shop:{self.password}".encode()).decode()
        in_body = (form.get("client_id"), form.get("client_secret")) == (["shop"], [self.password])
        if form.get("grant_type") != ["client_credentials"] or not (
            in_body or seen.values("authorization") == [f"Basic {basic}"]
        ):
            return web.json_response({"error": "invalid_client"}, status=401)
        scope = form.get("scope", ["none"])[0]
        token = f"token-for-{scope.replace(' ', '-')}"
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 3600})


async def token_of(proxy: Proxy) -> str:
    """Return what backends get in Authorization, once the proxy has a token; it asks again every two seconds."""
    async with asyncio.timeout(2 * WITHIN):
        while True:
            found = await proxy.request(headers={"Authorization": "Bearer mine"})
            if found.status == 200:
                return found.sent("authorization")[0]
            assert found.status == 401, found


@pytest.mark.parametrize("kind", ["BasicAuth", "URLEncodedBody"])
async def test_tokens_of_the_proxy(proxy: Proxy, beta: Upstream, kind: str) -> None:
    """The proxy gets a token of its own and gives it to backends; without one it lets nothing go on."""
    server = TokenServer(beta)
    fields = {
        "tokenEndpoint": f"http://idp.test/token/{kind}",
        "backendRef": {"name": "beta", "port": 80},
        "clientID": "shop",
        "clientSecretRef": {"name": "client"},
        "scopes": ["read", "write"],
        "authType": kind,
    }
    await proxy.apply(secret("client", {}), route(rule("alpha")))
    await proxy.apply(injection(oauth2ClientCredentials=fields))
    assert (await proxy.request()).status == 500
    await proxy.apply(secret("client", {"client-secret": PASSWORD}))
    assert await token_of(proxy) == "Bearer token-for-read-write"
    assert server.asked[0].path == f"/token/{kind}"
    assert server.asked[0].host == "idp.test"


async def test_no_token(proxy: Proxy, beta: Upstream) -> None:
    """While the endpoint gives no token, requests get 401; a URL of http needs a backend of ours."""
    server = TokenServer(beta)
    server.password = OTHER_PASSWORD
    fields = {
        "tokenEndpoint": "http://idp.test/no-token",
        "backendRef": {"name": "beta", "port": 80},
        "clientID": "shop",
        "clientSecretRef": {"name": "client", "key": "password"},
    }
    await proxy.apply(secret("client", {"password": PASSWORD}), route(rule("alpha")))
    await proxy.apply(injection(oauth2ClientCredentials=fields))
    assert {(await proxy.request(headers={"Authorization": "Bearer mine"})).status for _ in range(20)} == {401}
    await proxy.apply(injection(oauth2ClientCredentials={**fields, "backendRef": {"name": "missing", "port": 80}}))
    assert (await proxy.request()).status == 500
    del fields["backendRef"]
    await proxy.apply(injection(oauth2ClientCredentials=fields))
    assert (await proxy.request()).status == 500
    assert "oauth2ClientCredentials.tokenEndpoint" in condition(proxy)[2]


def header(level: str = "gateway", name: str = "x-token", key: str = "credential") -> Manifest:
    """Return a policy that sets a header from a Secret."""
    changes = {"set": [{"name": name, "secretRef": {"name": "api", "key": key}}, {"name": "x-other", "value": "plain"}]}
    return traffic_policy(level, headerModifiers={"request": changes})


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_headers_of_secrets(proxy: Proxy, level: str) -> None:
    """A header of requests may have its value from a Secret, in place of all that the client sends."""
    await proxy.apply(API, header(level), route(rule("alpha")))
    found = await proxy.request(headers=[("X-Token", "a"), ("x-token", "b")])
    assert (found.sent("x-token"), found.sent("x-other")) == ([TOKEN], ["plain"])
    await proxy.apply(secret("api", {"credential": "100%REQ(x)%"}))
    assert (await proxy.request()).sent("x-token") == ["100%REQ(x)%"]
    await proxy.apply(secret("api", {"credential": f"{TOKEN}\r\nx: 1"}))
    assert (await proxy.request()).status == 500
    assert "spec.headerModifiers.request.set[x-token].secretRef" in condition(proxy)[2]
    await proxy.apply(secret("api", {"another": TOKEN}))
    assert (await proxy.request()).status == 500
    found_, reason, message = condition(proxy, "ResolvedRefs")
    assert (found_, reason) == ("False", "SecretNotFound")
    assert TOKEN not in message


async def test_an_enforced_header_of_a_secret(proxy: Proxy) -> None:
    """What a rule sets in that header by itself is its last word, unless the policy is enforced."""
    modifier = {"set": [{"name": "x-token", "value": "own"}]}
    own = rule("alpha", filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}])
    policy = header()
    await proxy.apply(API, policy, route(own))
    assert (await proxy.request()).sent("x-token") == ["own"]
    policy["spec"]["enforced"] = True
    await proxy.apply(policy)
    assert (await proxy.request()).sent("x-token") == [TOKEN]


SECRET_REF = {"name": "api", "key": "credential"}
GIVEN: dict[str, dict[str, Any]] = {
    "credential": {"credentialInjection": {"secretRef": {"name": "api"}}},
    "header": {"headerModifiers": {"request": {"set": [{"name": "x-api", "secretRef": SECRET_REF}]}}},
}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("level", ["gateway", "route", "rule", "backend"])
async def test_no_redirect_takes_a_secret_along(
    proxy: Proxy, alpha: Upstream, beta: Upstream, level: str, given: str
) -> None:
    """A backend that redirects to another route does not have the proxy tell the secret there: the client is told."""

    async def moved(_: Seen) -> web.Response:
        return web.Response(status=302, headers={"location": "http://example.com/other"})

    alpha.answer = moved
    policy = traffic_policy("rule" if level == "backend" else level, "secret", **GIVEN[given])
    backend: Manifest = {"name": "alpha"}
    if level == "backend":
        del policy["spec"]["targetRefs"]
        reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "secret"}
        backend["filters"] = [{"type": "ExtensionRef", "extensionRef": reference}]
    rules = rule(backend, name="named", matches=[prefix("/own")]), rule(name="plain", matches=[prefix("/plain")])
    rules[1]["backendRefs"] = [{"name": "alpha", "port": 80}]
    follow = traffic_policy("route", "follow", internalRedirect={})
    other = route(rule("beta", matches=[prefix("/other")]), name="other")
    await proxy.apply(API, route(*rules), other, follow, policy)
    assert (await proxy.request("/own")).status == 302
    assert not beta.seen
    # Where there is no secret, it is followed.
    followed = (await proxy.request("/plain")).status
    assert followed == (200 if level in ("rule", "backend") else 302)
    assert all(TOKEN not in str(each.headers) for each in beta.seen)
