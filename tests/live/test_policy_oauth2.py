"""Logins of browsers at a real OpenID provider, by TrafficPolicies."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.live.logins import HOST, REDIRECT, World, login, seen, sent
from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.openid import (
    CLIENT_ID,
    MODULES,
    client,
    extension,
    node,
    running_provider,
)
from tests.live.user_agent import UserAgent
from tests.skips import NO_BROWSER


async def test_a_login(world: World) -> None:
    """A browser is sent to the provider, comes back logged in, and gets the page that it asked for."""
    await world.apply(extension(world.provider.issuer), login(), route(rule("alpha", matches=[prefix("/app")])))
    browser = UserAgent()
    first = await browser.send(f"{world.url}/app/x?a=b")
    assert first.status == 302
    asked = parse_qs(urlsplit(first.location).query)
    assert first.location.startswith(f"{world.provider.issuer}/auth?")
    assert (asked["client_id"], asked["scope"], asked["response_type"]) == ([CLIENT_ID], ["openid"], ["code"])
    assert asked["code_challenge_method"] == ["S256"]
    page = await browser.log_in(f"{world.url}/app/x?a=b")
    assert (page.status, page.url) == (200, f"{world.url}/app/x?a=b")
    assert (await browser.send(f"{world.url}/app/y")).status == 200
    assert (await UserAgent().send(f"{world.url}/app/y")).status == 302


async def test_a_logout(world: World) -> None:
    """The logout path deletes the cookies and ends the session at the provider: the next page asks for a login."""
    await world.apply(extension(world.provider.issuer), login(), route(rule("alpha", matches=[prefix("/app")])))
    browser = UserAgent()
    await browser.log_in(f"{world.url}/app")
    gone = await browser.send(f"{world.url}/logout")
    assert gone.status == 302
    assert gone.location.startswith(f"{world.provider.issuer}/session/end?")
    assert parse_qs(urlsplit(gone.location).query)["id_token_hint"]
    assert not browser.cookies[urlsplit(world.url).netloc]
    back = await browser.submit(await browser.open(gone.location), logout="yes")
    assert back.url == f"{world.url}/"
    assert 'name="login"' in (await browser.open(f"{world.url}/app")).text


async def test_a_refresh(world: World) -> None:
    """Tokens that expire are renewed on the way, without a login."""
    known = client(f"{world.url}{REDIRECT}")
    async with running_provider([known], tokenSeconds=1) as provider:
        issued = extension(provider.issuer, forwardAccessToken=True, scopes=["openid", "offline_access"])
        await world.apply(issued, login(), route(rule("alpha", matches=[prefix("/app")])))
        browser = UserAgent()
        first = sent(await browser.log_in(f"{world.url}/app"), "authorization")
        assert first.startswith("Bearer ")
        page = await browser.open(f"{world.url}/app")
        async with asyncio.timeout(15):
            while sent(page, "authorization") == first:
                await asyncio.sleep(0.05)
                page = await browser.open(f"{world.url}/app")
        assert page.urls == (f"{world.url}/app",)
        without = extension(provider.issuer, forwardAccessToken=True, refreshToken=False)
        await world.apply(without)
        await browser.log_in(f"{world.url}/app")
        async with asyncio.timeout(15):
            while (await browser.send(f"{world.url}/app")).status == 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("level", ["gateway", "listener"])
async def test_a_login_for_all_routes(world: World, level: str) -> None:
    """A policy of a Gateway or listener holds for all routes, and the way back reaches it whatever these match."""
    open_rule = rule("alpha", name="named", matches=[exact("/open")])
    only = rule("alpha", matches=[prefix("/app", headers=[{"name": "x-app", "value": "1"}])])
    own = traffic_policy("rule", "own", oauth2={"disable": {}})
    await world.apply(extension(world.provider.issuer), login(level), own, route(open_rule, only))
    assert (await UserAgent().send(f"{world.url}/open")).status == 200
    browser = UserAgent(headers={"x-app": "1"})
    page = await browser.open(f"{world.url}/app")
    del browser.headers["x-app"]
    page = await browser.submit(page, login="alice", password="any")
    while 'value="consent"' in page.text:
        page = await browser.submit(page)
    assert (page.status, page.url) == (404, f"{world.url}/app")
    assert (await browser.send(f"{world.url}/app", headers={"x-app": "1"})).status == 200
    assert (await browser.send(f"{world.url}{REDIRECT}")).status == 401
    assert (await browser.send(f"{world.url}/logout")).status == 302


async def test_the_way_back_beside_other_rules(world: World) -> None:
    """The way back reaches the login where another rule, without a policy, matches all paths."""
    named = rule("alpha", name="named", matches=[prefix("/app")])
    await world.apply(extension(world.provider.issuer), login("rule"), route(rule("alpha"), named))
    assert (await UserAgent().send(f"{world.url}/else")).status == 200
    browser = UserAgent()
    assert (await browser.log_in(f"{world.url}/app")).url == f"{world.url}/app"


async def test_an_edit_during_a_login(world: World) -> None:
    """A login that is on its way ends well though the route and the policy are edited meanwhile."""
    await world.apply(extension(world.provider.issuer), login(), route(rule("alpha", matches=[prefix("/app")])))
    browser = UserAgent()
    page = await browser.open(f"{world.url}/app")
    await world.apply(login(forwardAccessToken=True), route(rule("alpha", matches=[prefix("/app"), prefix("/more")])))
    page = await browser.submit(page, login="bob", password="any")
    while 'value="consent"' in page.text:
        page = await browser.submit(page)
    assert page.url == f"{world.url}/app"
    assert sent(page, "authorization").startswith("Bearer ")


async def test_what_backends_get(world: World) -> None:
    """Backends get tokens only where a policy says so, and never the refresh token."""
    await world.apply(extension(world.provider.issuer), login(), route(rule("alpha", matches=[prefix("/app")])))
    browser = UserAgent()
    page = await browser.log_in(f"{world.url}/app")
    assert sent(page, "authorization") == ""
    assert "RefreshToken" not in sent(page, "cookie"), sent(page, "cookie")


async def test_id_tokens_are_verified(world: World) -> None:
    """A verified ID token gives backends its claims; one for another audience, or with another key, is refused."""

    def verified(**fields: Any) -> Manifest:
        claims = [{"name": "email", "header": "x-email"}, {"path": ["sub"], "header": "x-user"}]
        id_token = {"claimsToHeaders": claims, **fields}
        return extension(world.provider.issuer, scopes=["openid", "email"], jwt={"idToken": id_token})

    await world.apply(verified(), login(), route(rule("alpha", matches=[prefix("/app")])))
    browser = UserAgent()
    page = await browser.log_in(f"{world.url}/app", "carol")
    assert (sent(page, "x-email"), sent(page, "x-user")) == ("carol@example.com", "carol")
    assert not any(name.startswith("x-id-token") for name, _ in seen(page)["headers"])
    again = await browser.send(f"{world.url}/app", headers={"x-user": "root", "x-email": "root@example.com"})
    assert (sent(again, "x-email"), sent(again, "x-user")) == ("carol@example.com", "carol")
    await world.apply(verified(audiences=["another"]))
    assert (await browser.send(f"{world.url}/app")).status in (401, 403)
    await world.apply(verified())
    assert (await browser.send(f"{world.url}/app")).status == 200
    async with running_provider([client(f"{world.url}{REDIRECT}")], kid="two") as other:
        keys = {"jwksURI": f"{other.issuer}/jwks", "idToken": {}}
        await world.apply(extension(world.provider.issuer, scopes=["openid", "email"], jwt=keys))
        assert (await browser.send(f"{world.url}/app")).status == 401


async def test_access_tokens_are_verified(world: World) -> None:
    """An access token for the resource that was asked for is verified at each request, and for another refused."""
    resource = "https://api.example.com"
    async with running_provider([client(f"{world.url}{REDIRECT}")], resource=resource) as provider:

        def verified(*audiences: str) -> Manifest:
            claims = [{"name": "sub", "header": "x-user"}]
            access_token = {"audiences": list(audiences), "claimsToHeaders": claims}
            return extension(provider.issuer, jwt={"accessToken": access_token})

        policy = login(resources=[resource])
        await world.apply(verified(resource), policy, route(rule("alpha", matches=[prefix("/app")])))
        browser = UserAgent()
        page = await browser.log_in(f"{world.url}/app", "dave")
        assert (sent(page, "x-user"), sent(page, "authorization")) == ("dave", "")
        await world.apply(verified("https://else.example.com"))
        assert (await browser.send(f"{world.url}/app")).status in (401, 403)


async def test_a_long_token(world: World) -> None:
    """A token that is longer than a cookie may be is divided, and the login holds."""
    async with running_provider([client(f"{world.url}{REDIRECT}")], padding=4000) as provider:
        issued = extension(provider.issuer, cookies={"disableAccessTokenSetCookie": True})
        await world.apply(issued, login(), route(rule("alpha", matches=[prefix("/app")])))
        browser = UserAgent()
        page = await browser.log_in(f"{world.url}/app")
        assert page.url == f"{world.url}/app"
        cookies = browser.cookies[urlsplit(world.url).netloc]
        assert all(len(name) + len(value) < 4096 for name, value in cookies.items())
        assert sum(name.startswith("IdToken") for name in cookies) > 1


async def test_a_login_in_a_real_browser(world: World) -> None:
    """A user logs in in a browser, sees the page, logs out, and is asked again; scripts cannot read the cookies."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip(f"{NO_BROWSER} to log in with")
    rules = (rule("alpha", name="named", matches=[prefix("/app")]), rule("alpha"))
    await world.apply(extension(world.provider.issuer), login("rule"), route(*rules))
    url = f"{world.url}/app/page"
    settings = {
        "modules": str(MODULES),
        "chromium": chromium,
        "url": url,
        "logout": f"{world.url}/logout",
        "back": f"{world.url}/",
    }
    program = Path(__file__).parent / "oidc_provider" / "browser.mjs"
    process = await asyncio.create_subprocess_exec(
        *(node(), program, json.dumps({**settings, "user": "erin"})),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    found = json.loads(out)
    assert found["asked"].startswith(f"{world.provider.issuer}/interaction/")
    assert found["seen"]["path"] == "/app/page"
    ours = [each for each in found["cookies"] if each["domain"] == HOST]
    assert {each["name"].partition("-")[0] for each in ours} >= {"OauthHMAC", "OauthExpires", "BearerToken", "IdToken"}
    assert {(each["secure"], each["httpOnly"], each["sameSite"]) for each in ours} == {(True, True, "Lax")}
    assert found["left"] == []
    assert found["again"].startswith(f"{world.provider.issuer}/interaction/")
