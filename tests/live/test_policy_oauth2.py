"""Logins of browsers at a real OpenID provider, by TrafficPolicies."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from tests.live.objects import Manifest, endpoints, exact, gateway, prefix, route, rule, service, traffic_policy
from tests.live.openid import CLIENT_ID, CLIENT_SECRET, Provider, client, extension, issuer, running_provider, secret
from tests.live.proxy import Proxy, free_port, running_proxy
from tests.live.upstream import Upstream
from tests.live.user_agent import Page, UserAgent
from translator.inputs import Settings
from translator.refs import Ref

HOST = "shop.localhost"
REDIRECT = "/oauth2/redirect"


class World(NamedTuple):
    """A proxy before a provider.

    Attributes:
        url: the URL of the host, without a path.
    """

    proxy: Proxy
    provider: Provider
    url: str

    async def apply(self, *objects: Manifest) -> None:
        """Apply objects, and fetch what they need of issuers."""
        await self.proxy.apply(*objects)
        await self.proxy.discover()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(envoy_path: Path, upstreams: dict[str, Upstream]) -> AsyncIterator[World]:
    """Run a proxy, and a provider that knows its host."""
    async with running_proxy(envoy_path, Settings(allow_http_issuers=True)) as (proxy, _):
        url = f"http://{HOST}:{proxy.port}"
        known = client(f"{url}{REDIRECT}", f"{url}/back", post_logout_redirect_uris=[f"{url}/"])
        async with running_provider([known]) as provider:
            slices = endpoints("alpha", [upstreams["alpha"].port])
            listener = {"name": "http", "protocol": "HTTP", "port": proxy.port}
            await proxy.begin(gateway(listener), service("alpha"), slices, secret())
            yield World(proxy, provider, url)


@pytest.fixture
def world(running: World) -> World:
    """Return the proxy and provider, with no route."""
    running.proxy.restore()
    return running


def login(level: str = "route", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy that asks for a login."""
    return traffic_policy(level, name, oauth2={"extensionRef": {"name": "login"}, **fields})


def seen(page: Page) -> dict[str, Any]:
    """Return what the upstream saw of the request for a page."""
    assert page.status == 200, (page.status, page.text)
    found: dict[str, Any] = json.loads(page.text)
    return found


def sent(page: Page, name: str) -> str:
    """Return the values of a header that the upstream saw."""
    return ",".join(value for key, value in seen(page)["headers"] if key == name)


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


async def test_states_that_are_wrong(world: World) -> None:
    """A login counts for the browser that began it: a state that is missing, changed, or of another browser is none."""
    await world.apply(extension(world.provider.issuer), login(), route(rule("alpha", matches=[prefix("/app")])))
    attacker, victim = UserAgent(), UserAgent()
    begun = await attacker.send(f"{world.url}/app")
    state = parse_qs(urlsplit(begun.location).query)["state"][0]
    changed = ("A" if state[0] != "A" else "B") + state[1:]
    for query in ("", "?code=1", f"?code=1&state={changed}", f"?code=1&state={state}", f"?state={state}"):
        found = await victim.send(f"{world.url}{REDIRECT}{query}")
        assert found.status == 401, (query, found)
        assert not victim.cookies[urlsplit(world.url).netloc]
    for query in (f"?code=1&state={state}", f"?error=access_denied&state={state}", f"?code=1&state={changed}"):
        assert (await attacker.send(f"{world.url}{REDIRECT}{query}")).status == 401
    assert (await attacker.send(f"{world.url}/app")).status == 302


async def test_cookies_that_are_forged(world: World) -> None:
    """Cookies count as the proxy has signed them, for their host; a refresh token as it has encrypted it."""
    issued = extension(world.provider.issuer, refreshToken=False)
    await world.apply(issued, login(), route(rule("alpha", matches=[prefix("/app")])))
    browser, host = UserAgent(), urlsplit(world.url).netloc
    await browser.log_in(f"{world.url}/app")
    good = browser.cookies[host]
    assert {name.partition("-")[0] for name in good} >= {"BearerToken", "IdToken", "OauthExpires", "OauthHMAC"}
    for name, value in good.items():
        if name.startswith("RefreshToken"):
            continue
        changed = value[:-2] + ("AA" if value[-2:] != "AA" else "BB")
        assert (await UserAgent({host: {**good, name: changed}}).send(f"{world.url}/app")).status == 302, name
        missing = {key: each for key, each in good.items() if key != name}
        assert (await UserAgent({host: missing}).send(f"{world.url}/app")).status == 302, name
    other = f"other.localhost:{world.proxy.port}"
    assert (await UserAgent({other: dict(good)}).send(f"http://{other}/app")).status == 302
    assert (await UserAgent({host: dict(good)}).send(f"{world.url}/app")).status == 200
    await world.apply(extension(world.provider.issuer))
    browser = UserAgent()
    await browser.log_in(f"{world.url}/app")
    token = next(each for each in browser.cookies[host] if each.startswith("RefreshToken"))
    value = browser.cookies[host][token]
    assert (await UserAgent({host: {token: value}}).send(f"{world.url}/app")).status == 200
    for forged in (value[:-4] + "AAAA", "AAAA" + value[4:], ""):
        assert (await UserAgent({host: {token: forged}}).send(f"{world.url}/app")).status == 302, forged


async def test_two_providers_on_one_host(world: World) -> None:
    """Users are logged in at several providers at once; the cookies of one count for no other, whatever their names."""
    one = extension(world.provider.issuer)
    two = extension(world.provider.issuer, "other", redirectURI=f"{world.url}/back", logoutPath="/leave")
    second = traffic_policy("rule", "second", oauth2={"extensionRef": {"name": "other"}})
    rules = (rule("alpha", matches=[prefix("/app")]), rule("alpha", name="named", matches=[prefix("/other")]))
    await world.apply(one, two, login(), second, route(*rules))
    browser, host = UserAgent(), urlsplit(world.url).netloc
    assert (await browser.log_in(f"{world.url}/app")).status == 200
    first = dict(browser.cookies[host])
    assert (await browser.send(f"{world.url}/other")).status == 302
    assert (await browser.log_in(f"{world.url}/other")).url == f"{world.url}/other"
    assert (await browser.send(f"{world.url}/app")).status == 200
    suffixes = {name.rpartition("-")[2] for name in browser.cookies[host] if "." not in name}
    assert len(suffixes) == 2
    theirs = next(each for each in suffixes if not any(name.endswith(each) for name in first))
    renamed = {f"{name.rpartition('-')[0]}-{theirs}": value for name, value in first.items()}
    assert (await UserAgent({host: renamed}).send(f"{world.url}/other")).status == 302
    assert (await browser.send(f"{world.url}/leave")).status == 302
    assert (await browser.send(f"{world.url}/other")).status == 302
    assert (await browser.send(f"{world.url}/app")).status == 200


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


async def test_requests_that_are_excepted(world: World) -> None:
    """Some requests get 401 in place of a redirection, and some need no login; nobody can send tokens of their own."""
    matches: Manifest = {
        name: {"headers": [{"name": f"x-{name.lower()}", "exact": "1"}]} for name in ("passThrough", "allowFailed")
    }
    deny = {"headers": [{"name": "accept", "exact": "application/json"}]}
    issued = extension(world.provider.issuer, denyRedirect=deny, forwardAccessToken=True)
    policy = login(forwardIDToken={"header": "x-token"}, **matches)
    await world.apply(issued, policy, route(rule("alpha", matches=[prefix("/app")])))
    url, browser = f"{world.url}/app", UserAgent()
    assert (await browser.send(url, headers={"accept": "application/json"})).status == 401
    own = {"authorization": "Bearer mine", "x-token": "mine"}
    passed = await browser.send(url, headers={**own, "x-passthrough": "1"})
    assert (sent(passed, "authorization"), sent(passed, "x-token")) == ("Bearer mine", "")
    failed = await browser.send(url, headers={**own, "x-allowfailed": "1"})
    assert sent(failed, "x-token") == ""
    for headers in (own, {"x-passthrough": "2"}):
        assert (await browser.send(url, headers=headers)).status == 302
    page = await browser.log_in(url)
    assert len(sent(page, "x-token").split(".")) == 3
    again = await browser.send(url, headers=own)
    assert (sent(again, "authorization"), sent(again, "x-token")) == (
        sent(page, "authorization"),
        sent(page, "x-token"),
    )


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


async def test_verification_of_excepted_requests(world: World) -> None:
    """A request that needs no login may have no token, and none that is forged; claims are nobody's but the token's."""
    jwt = {"idToken": {"claimsToHeaders": [{"name": "sub", "header": "x-user"}]}}
    through = {"headers": [{"name": "x-pass", "exact": "1"}]}
    policy = login(passThrough=through, forwardIDToken={"header": "x-token"})
    await world.apply(extension(world.provider.issuer, jwt=jwt), policy, route(rule("alpha", matches=[prefix("/app")])))
    url, browser = f"{world.url}/app", UserAgent()
    passed = await browser.send(url, headers={"x-pass": "1", "x-user": "root", "x-token": "a.b.c"})
    assert (sent(passed, "x-user"), sent(passed, "x-token")) == ("", "")
    page = await browser.log_in(url)
    assert (sent(page, "x-user"), len(sent(page, "x-token").split("."))) == ("alice", 3)


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


@pytest.mark.parametrize(
    ("match", "value", "other"),
    [
        ({"exact": "one"}, "one", "One"),
        ({"prefix": "on", "ignoreCase": True}, "ONE", "zone"),
        ({"suffix": "ne"}, "one", "ones"),
        ({"contains": "n"}, "one", "two"),
        ({"regex": "o.e"}, "one", "ones"),
        ({"exact": "two", "invert": True}, "one", "two"),
    ],
)
async def test_matches_of_headers(world: World, match: Manifest, value: str, other: str) -> None:
    """Headers of excepted requests are compared in each of the ways that there are."""
    groups = ("denyRedirect", "passThrough", "allowFailed")
    fields: Manifest = {each: {"headers": [{"name": f"x-{each}", **match}]} for each in groups}
    await world.apply(extension(world.provider.issuer), login(**fields), route(rule("alpha")))
    inverted = {f"x-{each}": other for each in groups} if "invert" in match else {}
    for name, status in zip(groups, (401, 200, 200), strict=True):
        for said, expected in ((value, status), (other, 302)):
            found = await UserAgent().send(world.url + "/", headers={**inverted, f"x-{name}": said})
            assert found.status == expected, (name, said)


async def test_a_provider_of_another_namespace(world: World) -> None:
    """A GatewayExtension of another namespace needs a ReferenceGrant there; without it requests get 500."""
    other = extension(world.provider.issuer)
    other["metadata"]["namespace"] = "infra"
    credentials = {"clientID": CLIENT_ID, "clientSecretRef": {"name": "client"}}
    other["spec"]["oauth2"]["credentials"] = credentials
    theirs = secret()
    theirs["metadata"]["namespace"] = "infra"
    policy = traffic_policy("route", oauth2={"extensionRef": {"name": "login", "namespace": "infra"}})
    await world.apply(other, theirs, policy, route(rule("alpha", matches=[prefix("/app")])))
    assert (await UserAgent().send(f"{world.url}/app")).status == 500
    assert condition(world, "ResolvedRefs")["reason"] == "RefNotPermitted"
    grant = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "policies", "namespace": "infra"},
        "spec": {
            "from": [{"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "namespace": "default"}],
            "to": [{"group": "gateway.headgate.dev", "kind": "GatewayExtension"}],
        },
    }
    await world.apply(grant)
    assert (await UserAgent().log_in(f"{world.url}/app")).status == 200


async def test_discovery_down_then_up(world: World) -> None:
    """While nothing is known of an issuer its routes get 500, and the status says why; then users can log in."""
    port = free_port()
    broken = extension(issuer(port))
    rules = route(rule("alpha", matches=[prefix("/app")]), name="route"), route(rule("alpha"), name="open")
    await world.proxy.apply(broken, login(), *rules)
    assert (await UserAgent().send(f"{world.url}/app")).status == 500
    assert "is being fetched" in condition(world, "ResolvedRefs")["message"]
    await world.proxy.discover()
    assert (await UserAgent().send(f"{world.url}/app")).status == 500
    assert (await UserAgent().send(f"{world.url}/open")).status == 200
    found = condition(world, "ResolvedRefs")
    assert (found["status"], found["reason"]) == ("False", "DiscoveryFailed")
    assert f"GET {issuer(port)}/.well-known/openid-configuration: " in found["message"]
    assert world.proxy.status("GatewayExtension", "login")["conditions"][1]["reason"] == "DiscoveryFailed"
    async with running_provider([client(f"{world.url}{REDIRECT}")], port):
        await world.proxy.discover()
        assert condition(world, "ResolvedRefs")["status"] == "True"
        assert (await UserAgent().log_in(f"{world.url}/app")).status == 200


async def test_a_secret_that_is_missing(world: World) -> None:
    """Without its Secret a login closes its own routes only; once the Secret is there, users can log in."""
    credentials = {"clientID": CLIENT_ID, "clientSecretRef": {"name": "late"}}
    rules = route(rule("alpha", matches=[prefix("/app")])), route(rule("alpha"), name="open")
    await world.apply(extension(world.provider.issuer, credentials=credentials), login(), *rules)
    assert (await UserAgent().send(f"{world.url}/app")).status == 500
    assert (await UserAgent().send(f"{world.url}/open")).status == 200
    assert condition(world, "ResolvedRefs")["reason"] == "SecretNotFound"
    await world.apply(secret("late"))
    browser = UserAgent()
    assert (await browser.log_in(f"{world.url}/app")).status == 200
    await world.apply(secret("late", "another-secret-0123456789"))
    assert (await browser.send(f"{world.url}/app")).status == 302


async def test_nothing_passes_while_things_change(world: World) -> None:
    """Nobody comes in without a login while the policy, its provider and its Secret are edited and taken away."""
    issued, policy = extension(world.provider.issuer), login()
    await world.apply(issued, policy, route(rule("alpha", matches=[prefix("/app")])))
    statuses: dict[int, int] = {}
    changing = True

    async def ask() -> None:
        while changing:
            status = (await world.proxy.request("/app", host=HOST)).status
            statuses[status] = statuses.get(status, 0) + 1

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(ask())
        for number in range(8):
            await world.apply(extension(world.provider.issuer, scopes=["openid", f"s{number}"]))
            await world.proxy.delete(Ref("GatewayExtension", "default", "login"))
            await world.apply(issued)
            await world.proxy.delete(Ref("Secret", "default", "client"))
            await world.apply(secret(value=f"another-{number}"))
            await world.apply(secret())
        changing = False
    assert statuses.keys() <= {302, 500, 503}, statuses
    assert sum(statuses.values()) > 100


async def test_secrets_are_in_no_dump(world: World) -> None:
    """Neither the configuration that Envoy shows nor a status has the client's secret, or a key that is made of it."""
    await world.apply(extension(world.provider.issuer), login(), route(rule("alpha", matches=[prefix("/app")])))
    dump = await world.proxy.admin("/config_dump?include_eds")
    told = (dump, json.dumps(world.proxy.status("GatewayExtension", "login")), json.dumps(condition(world, "Accepted")))
    assert "default/client/client-secret" in dump
    for text in told:
        assert CLIENT_SECRET not in text
        assert b64encode(CLIENT_SECRET.encode()).decode() not in text


def condition(world: World, type_: str) -> dict[str, Any]:
    """Return a condition of the policy."""
    conditions = world.proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    found: dict[str, Any] = next(each for each in conditions if each["type"] == type_)
    return found
